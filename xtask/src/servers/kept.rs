//! What is fetched or built once and kept: each in a folder of its own under the target directory, whole or not there.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::Host;
use crate::failure::{Context, Failure, Result};

/// The folder of a tool, by its name and version.
pub fn tool(host: &Host<'_>, name: &str) -> PathBuf {
    host.workspace.own().join("tools").join(name)
}

/// Fills `folder` by `fill`, unless that was done before. What `fill` puts into the folder that it is given is what
/// stays, if it succeeds. Of several runs that want the same, one does the work and the others wait for it.
pub fn make(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).context(format!("cannot make {}", parent.display()))?;
    }
    let _lock = lock(folder)?;
    if folder.is_dir() {
        return Ok(folder.to_owned());
    }
    // Only who holds the lock works there, so what lies there is from a run that was ended.
    let work = beside(folder, "part")?;
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).context(format!("cannot make {}", work.display()))?;
    let outcome = fill(&work).and_then(|()| {
        fs::rename(&work, folder).context(format!("cannot put {} in place", folder.display()))
    });
    let _ = fs::remove_dir_all(&work);
    outcome.map(|()| folder.to_owned())
}

/// A lock that ends with this process, however that ends.
fn lock(folder: &Path) -> Result<File> {
    let path = beside(folder, "lock")?;
    let file = File::create(&path).context(format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => {
            return Err(error).context(format!("cannot lock {}", path.display()));
        }
    }
    eprintln!("  waiting  for another run, which makes {}", folder.display());
    file.lock().context(format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn beside(folder: &Path, end: &str) -> Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(folder.file_name().ok_or_else(|| Failure::new(format!("{} has no name", folder.display())))?);
    name.push(format!(".{end}"));
    Ok(folder.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-kept-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_folder_is_filled_once() {
        let folder = scratch("once").join("tool-1.0");
        let mut filled = 0;
        for _ in 0..2 {
            let made = make(&folder, |work| {
                filled += 1;
                Ok(fs::write(work.join("program"), "x")?)
            });
            assert_eq!(made.unwrap(), folder);
        }
        assert_eq!(filled, 1);
        assert!(folder.join("program").is_file());
    }

    #[test]
    fn what_failed_or_was_ended_is_made_anew() {
        let folder = scratch("anew").join("tool-1.0");
        let failed = make(&folder, |work| {
            fs::write(work.join("half"), "x")?;
            Err(Failure::new("no network"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no network");
        assert!(!folder.exists());
        // As a run leaves it that was killed.
        let part = beside(&folder, "part").unwrap();
        fs::create_dir_all(&part).unwrap();
        fs::write(part.join("half"), "x").unwrap();
        make(&folder, |work| Ok(fs::write(work.join("whole"), "x")?)).unwrap();
        assert!(folder.join("whole").is_file());
        assert!(!folder.join("half").exists());
    }

    #[test]
    fn two_at_once_make_it_once() {
        let folder = scratch("two").join("tool-1.0");
        let filled = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    make(&folder, |_| {
                        filled.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        Ok(())
                    })
                });
            }
        });
        assert_eq!(filled.into_inner(), 1);
    }
}
