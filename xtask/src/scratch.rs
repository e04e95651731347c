//! Folders that are made to hold certain files. What is as it should be is left alone, so that cargo does not compile it
//! again; what changed is written, whatever time the files have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Result};
use crate::runs::write_whole;

/// What files hold, by their paths from a folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Every file below a folder.
pub fn read(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    for path in paths(folder)? {
        let file = folder.join(&path);
        let content = fs::read(&file).context(format!("cannot read {}", file.display()))?;
        files.insert(path, content);
    }
    Ok(files)
}

/// Makes `folder` hold these files and no others.
pub fn hold(folder: &Path, wanted: &Files) -> Result<()> {
    for gone in paths(folder).unwrap_or_default().iter().filter(|path| !wanted.contains_key(*path)) {
        fs::remove_file(folder.join(gone))?;
    }
    for (path, content) in wanted {
        put(&folder.join(path), content)?;
    }
    Ok(())
}

/// Writes a file unless it holds this already.
pub fn put(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))
        .context(format!("cannot make the folder of {}", path.display()))?;
    write_whole(path, content)
}

/// The paths of all files below a folder, with `/`.
pub fn paths(folder: &Path) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(inner) = waiting.pop() {
        let entries = fs::read_dir(folder.join(&inner));
        for entry in entries.context(format!("cannot read {}", folder.join(&inner).display()))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else {
                all.insert(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_change_is_not_written() {
        let root = std::env::temp_dir().join(format!("xtask-scratch-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let (from, to) = (root.join("from"), root.join("to"));
        for (folder, path, text) in
            [(&from, "a", "same"), (&to, "a", "same"), (&from, "deep/b", "new"), (&to, "c", "gone")]
        {
            fs::create_dir_all(folder.join("deep")).unwrap();
            fs::write(folder.join(path), text).unwrap();
        }
        let before = fs::metadata(to.join("a")).unwrap().modified().unwrap();
        hold(&to, &read(&from).unwrap()).unwrap();
        assert_eq!(fs::metadata(to.join("a")).unwrap().modified().unwrap(), before);
        assert_eq!(fs::read_to_string(to.join("deep/b")).unwrap(), "new");
        assert!(!to.join("c").exists());
        fs::remove_dir_all(&root).unwrap();
    }
}
