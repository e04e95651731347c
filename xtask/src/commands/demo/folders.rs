//! The folders of runs: the last [`KEPT`] stay, so that mails and objects can be looked at, and older ones go.
//!
//! Only what this command made is ever removed: a folder with the name of a run and with [`MARK`] in it. A run that goes on
//! holds a lock on that file, so that no other one removes its folder. Whoever renames a folder, or removes the mark,
//! keeps it. What the demo makes without this command's help it looks after itself, in the same way.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::{Context, Result};

/// How many folders stay.
const KEPT: usize = 10;
/// The file that tells them from others.
const MARK: &str = ".xtask-demo";
/// What runs are called.
const KINDS: [&str; 4] = ["embedded", "fault", "servers", "servers-fault"];

/// The folder of a run. No other run removes it while this value lives.
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    _mark: File,
}

/// The name of a run's kind.
pub fn kind(servers: bool, fault: bool) -> &'static str {
    KINDS[usize::from(servers) * 2 + usize::from(fault)]
}

/// Makes the folder of a run under `all`, and removes those that are too many by then.
pub fn make(all: &Path, kind: &str) -> Result<Folder> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let folder = mark(&all.join(format!("{kind}-{now}-{}", std::process::id())))?;
    let removed = remove_surplus(all);
    if removed > 0 {
        eprintln!("removed the folders of {removed} earlier runs; the last {KEPT} stay in {}", all.display());
    }
    Ok(folder)
}

fn mark(path: &Path) -> Result<Folder> {
    let marked = fs::create_dir_all(path).and_then(|()| File::create(path.join(MARK)));
    let mark = marked.context(format!("cannot make {}", path.display()))?;
    // Where files cannot be locked nothing is removed either.
    let _ = mark.lock();
    Ok(Folder { path: path.to_owned(), _mark: mark })
}

/// Removes the oldest but for those in use; answers how many are gone.
fn remove_surplus(all: &Path) -> usize {
    let entries = fs::read_dir(all).into_iter().flatten().flatten();
    let own = entries.filter_map(|entry| Some((began(entry.file_name().to_str()?)?, entry.path())));
    let mut own: Vec<(u64, PathBuf)> = own.filter(|(_, path)| is_marked(path)).collect();
    own.sort_unstable();
    let surplus = own.len().saturating_sub(KEPT);
    own.iter().take(surplus).filter(|(_, path)| remove(path)).count()
}

/// When a run whose folder has this name began, in seconds since 1970; `None` if it is no such name.
fn began(name: &str) -> Option<u64> {
    let mut parts = name.rsplitn(3, '-');
    let (process, began, kind) = (parts.next()?, parts.next()?, parts.next()?);
    process.parse::<u32>().ok()?;
    KINDS.contains(&kind).then_some(began)?.parse().ok()
}

/// Whether it is a folder, and no link to one, with the mark in it.
fn is_marked(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|at| at.is_dir())
        && path.join(MARK).symlink_metadata().is_ok_and(|at| at.is_file())
}

/// Removes a folder that no run has in use; whether it is gone.
fn remove(folder: &Path) -> bool {
    let Ok(mark) = File::open(folder.join(MARK)) else { return false };
    mark.try_lock().is_ok() && fs::remove_dir_all(folder).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_but_for_those_in_use_and_what_others_made() {
        let all = std::env::temp_dir().join(format!("xtask-folders-{}", std::process::id()));
        let _ = fs::remove_dir_all(&all);
        let at = |name: &str| all.join(name);
        let in_use = mark(&at("servers-fault-99-7")).unwrap();
        for began in 100..110 {
            drop(mark(&at(&format!("fault-{began}-7"))).unwrap());
        }
        // With our name and not our mark, the other way round, and what the demo makes itself.
        for other in ["servers-5-7", "run-20270115-080000"] {
            fs::create_dir_all(at(other)).unwrap();
        }
        for other in ["mine-5-7", "servers-of-mine"] {
            drop(mark(&at(other)).unwrap());
        }
        let last = make(&all, kind(true, false)).unwrap();
        // Of 12 two are too many, and one of these is in use.
        for (name, is_there) in [
            ("servers-fault-99-7", true),
            ("fault-100-7", false),
            ("fault-101-7", true),
            ("servers-5-7", true),
            ("run-20270115-080000", true),
            ("mine-5-7", true),
            ("servers-of-mine", true),
        ] {
            assert_eq!(at(name).is_dir(), is_there, "{name}");
        }
        assert!(last.path.join(MARK).is_file());
        assert_eq!(remove_surplus(&all), 0);
        drop((in_use, last));
        fs::remove_dir_all(&all).unwrap();
    }

    #[test]
    fn every_kind_has_its_name() {
        let kinds = [(false, false), (false, true), (true, false), (true, true)].map(|(s, f)| kind(s, f));
        assert_eq!(kinds, ["embedded", "fault", "servers", "servers-fault"]);
    }
}
