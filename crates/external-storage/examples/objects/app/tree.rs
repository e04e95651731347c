//! What is below a folder of this machine, and where on it things really are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::failure::{Failure, Outcome};

/// What a folder holds, however deep.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Every plain file in order, as a path and as what it would be called in a store.
    pub(super) files: Vec<(PathBuf, String)>,
    /// What is not copied, and why.
    pub(super) left_out: Vec<String>,
}

impl Tree {
    /// Looks through `folder`; with `follow` also through what links lead to.
    pub(super) fn below(folder: &Path, follow: bool) -> Outcome<Self> {
        let mut walk = Walk { follow, above: Vec::new(), found: Self::default() };
        walk.enter(folder, "")?;
        Ok(walk.found)
    }
}

struct Walk {
    follow: bool,
    /// The real places of the folders that are being looked through: a link to one of them makes a ring.
    above: Vec<PathBuf>,
    found: Tree,
}

impl Walk {
    fn enter(&mut self, folder: &Path, prefix: &str) -> Outcome {
        let unreadable = |error: io::Error| Failure::file("read", folder, &error);
        self.above.push(fs::canonicalize(folder).map_err(unreadable)?);
        let mut entries: Vec<_> = fs::read_dir(folder)
            .and_then(|entries| entries.collect::<io::Result<_>>())
            .map_err(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let kind = entry.file_type().map_err(unreadable)?;
            match entry.file_name().into_string() {
                Ok(name) => self.look_at(entry.path(), &format!("{prefix}{name}"), kind)?,
                Err(_) => self.leave_out(&entry.path(), "its name is not UTF-8 text, which a key must be"),
            }
        }
        self.above.pop();
        Ok(())
    }

    fn look_at(&mut self, path: PathBuf, name: &str, kind: fs::FileType) -> Outcome {
        if kind.is_symlink() && !self.follow {
            self.leave_out(&path, "a link (--follow-links copies what links lead to)");
        } else if kind.is_symlink() {
            match fs::canonicalize(&path).and_then(|place| Ok((fs::metadata(&place)?.file_type(), place))) {
                Err(error) => self.leave_out(&path, &format!("a link that leads nowhere: {error}")),
                Ok((_, place)) if self.above.contains(&place) => {
                    self.leave_out(&path, "a link to a folder that it lies in");
                }
                Ok((kind, _)) => return self.look_at(path, name, kind),
            }
        } else if kind.is_dir() {
            return self.enter(&path, &format!("{name}/"));
        } else if kind.is_file() {
            self.found.files.push((path, name.to_owned()));
        } else {
            self.leave_out(&path, "a pipe, a socket or a device");
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, why: &str) {
        self.found.left_out.push(format!("{}: {why}", path.display()));
    }
}

/// Where a path really is, links followed, however much of it is there yet.
pub(super) fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let place = path.ancestors().find_map(|there| Some((there, fs::canonicalize(there).ok()?)));
    place.map_or_else(
        || path.clone(),
        |(there, place)| match path.strip_prefix(there) {
            Ok(rest) if !rest.as_os_str().is_empty() => place.join(rest),
            _ => place,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_place_of_what_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let place = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(place.join("a")).unwrap();
        std::os::unix::fs::symlink(place.join("a"), place.join("link")).unwrap();
        assert_eq!(real(&place.join("link/b/c")), place.join("a/b/c"));
        assert_eq!(real(&place.join("a/../a")), place.join("a"));
        assert_eq!(real(&place.join("link")), place.join("a"));
    }
}
