//! The folder of one run: new each time, so that a run starts clean and what earlier ones left can still be looked at.
//!
//! The last [`KEPT`] stay. Only what the demo made is ever removed: a folder with the name of a run and with [`MARK`] in it. A
//! run that goes on holds a lock on that file, so that no other one removes its folder. Whoever renames a folder, or
//! removes the mark, keeps it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use time::OffsetDateTime;
use time::macros::format_description;

/// How many folders stay, that of the run itself included.
pub(crate) const KEPT: usize = 10;
/// The file that tells the demo's own folders from others.
const MARK: &str = ".external-demo";

/// The folder of the run that goes on.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Locked while this value lives, and no longer, however the process ends.
    _mark: File,
}

/// Makes `<out>/run-20261122-181500`, or the next name that is free.
///
/// # Errors
///
/// If the folder cannot be made.
pub(crate) fn create(out: &Path, now: SystemTime) -> io::Result<Folder> {
    fs::create_dir_all(out)?;
    let out = out.canonicalize()?;
    let name = OffsetDateTime::from(now)
        .format(format_description!("run-[year][month][day]-[hour][minute][second]"))
        .map_err(io::Error::other)?;
    for turn in 1_u32.. {
        let name = if turn == 1 { name.clone() } else { format!("{name}-{turn}") };
        let path = out.join(name);
        match fs::create_dir(&path) {
            Ok(()) => {
                let mark = File::create_new(path.join(MARK))?;
                // Where files cannot be locked nothing is removed either.
                let _ = mark.lock();
                return Ok(Folder { path, _mark: mark });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Folder {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, if nothing was done in it.
    pub(crate) fn discard(self) {
        let is_empty = fs::read_dir(&self.path).is_ok_and(|entries| entries.count() == 1);
        if is_empty {
            // If it cannot be removed, nothing is in it all the same.
            let _ = fs::remove_dir_all(&self.path);
        }
    }

    /// Removes the oldest of the demo's folders beside it, so that [`KEPT`] are left; answers how many. One that is in use
    /// stays, and so does one that cannot be removed.
    pub(crate) fn remove_surplus(&self) -> usize {
        let entries = self.path.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
        let own = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_run));
        let mut own: Vec<PathBuf> = own.map(|entry| entry.path()).filter(|path| is_marked(path)).collect();
        // Their names begin with their times.
        own.sort_unstable();
        let surplus = own.len().saturating_sub(KEPT);
        own.iter().take(surplus).filter(|folder| remove(folder)).count()
    }
}

/// Whether [`create`] gives such names: `run-`, a day, a time, and a number where that was taken.
fn is_run(name: &str) -> bool {
    let mut parts = name.split('-');
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next() == Some("run")
        && parts.next().is_some_and(|day| day.len() == 8 && is_number(day))
        && parts.next().is_some_and(|time| time.len() == 6 && is_number(time))
        && parts.next().is_none_or(is_number)
        && parts.next().is_none()
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
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn two_runs_of_one_second_have_a_folder_each() {
        let out = tempfile::tempdir().unwrap();
        let folders = [create(out.path(), at(0)).unwrap(), create(out.path(), at(0)).unwrap()];
        assert!(folders[0].path().ends_with("run-20270115-080000"), "{folders:?}");
        assert!(folders[1].path().ends_with("run-20270115-080000-2"), "{folders:?}");
    }

    #[test]
    fn a_folder_in_which_nothing_was_done_goes() {
        let out = tempfile::tempdir().unwrap();
        let (empty, used) = (create(out.path(), at(0)).unwrap(), create(out.path(), at(1)).unwrap());
        fs::write(used.path().join("a.eml"), "mail").unwrap();
        let paths = [empty.path().to_owned(), used.path().to_owned()];
        empty.discard();
        used.discard();
        assert_eq!(paths.map(|path| path.exists()), [false, true]);
    }

    #[test]
    fn the_oldest_go_but_for_those_in_use_and_what_others_made() {
        let out = tempfile::tempdir().unwrap();
        let in_use = create(out.path(), at(0)).unwrap();
        for seconds in 1..=11 {
            let folder = create(out.path(), at(seconds)).unwrap();
            fs::write(folder.path().join("a.eml"), "mail").unwrap();
        }
        // With our name and not our mark, and the other way round.
        let others = ["run-20200101-000000", "run-20200101-mine", "notes"];
        for name in others {
            fs::create_dir(out.path().join(name)).unwrap();
        }
        fs::write(out.path().join(others[1]).join(MARK), "").unwrap();
        let last = create(out.path(), at(60)).unwrap();
        let is_there = |seconds| out.path().join(format!("run-20270115-0800{seconds:02}")).is_dir();

        // Of 13 three are too many, and one of these is in use.
        assert_eq!(last.remove_surplus(), 2);
        assert!(in_use.path().is_dir() && last.path().is_dir());
        assert_eq!([1, 2, 3, 11].map(is_there), [false, false, true, true]);
        assert!(others.iter().all(|name| out.path().join(name).is_dir()));
        assert_eq!(last.remove_surplus(), 0);
    }

    #[test]
    fn only_names_of_runs_are_names_of_runs() {
        assert!(["run-20270115-080000", "run-20270115-080000-12"].into_iter().all(is_run));
        for other in [
            "run",
            "run-20270115",
            "run-2027-0800",
            "run-2027011x-080000",
            "run-20270115-080000-",
            "run-20270115-080000-2-3",
            "x-20270115-080000",
        ] {
            assert!(!is_run(other), "{other}");
        }
    }
}
