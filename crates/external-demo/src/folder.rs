//! The folder of one run: new each time, so that a run starts clean and what an earlier one left can still be looked at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use time::OffsetDateTime;
use time::macros::format_description;

/// Makes `<out>/run-20261122-181500`, or the next name that is free.
///
/// # Errors
///
/// If the folder cannot be made.
pub(crate) fn create(out: &Path, now: SystemTime) -> io::Result<PathBuf> {
    fs::create_dir_all(out)?;
    let out = out.canonicalize()?;
    let name = OffsetDateTime::from(now)
        .format(format_description!("run-[year][month][day]-[hour][minute][second]"))
        .map_err(io::Error::other)?;
    for turn in 1_u32.. {
        let name = if turn == 1 { name.clone() } else { format!("{name}-{turn}") };
        let folder = out.join(name);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn two_runs_of_one_second_have_a_folder_each() {
        let out = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let names = [create(out.path(), now).unwrap(), create(out.path(), now).unwrap()];
        assert!(names[0].ends_with("run-20270115-080000"), "{names:?}");
        assert!(names[1].ends_with("run-20270115-080000-2"), "{names:?}");
    }
}
