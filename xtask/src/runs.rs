//! What a run leaves on disk while it lives, so that the next one can clean up after a run that was killed.
//!
//! `<target>/xtask/runs/<pid>/` belongs to one run of this tool: `owner.json` says which process that is, every process
//! that it started has a record there, and the servers' data lie beside them. `runs/kept/` holds what `servers up` left
//! running on purpose: it has no owner and only `servers down` ends it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::failure::{Context, Failure, Result};
use crate::platform::birth;

/// How long a process group gets between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(3);

/// One process that was started as the leader of its own group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// What it is, for people.
    pub name: String,
    /// Process id, and group id.
    pub pid: i32,
    /// [`birth`] of that process.
    pub birth: String,
}

impl Record {
    /// A record of process `pid`, which must be alive or a zombie of ours.
    pub fn of(name: &str, pid: i32) -> Self {
        Self { name: name.to_owned(), pid, birth: birth(pid).unwrap_or_default() }
    }

    /// Whether the recorded process, and not a later one with its id, is alive.
    pub fn is_alive(&self) -> bool {
        birth(self.pid).is_some_and(|now| now == self.birth)
    }

    /// Writes the record into `folder` and says where.
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}-{}.process.json", self.name, self.pid));
        write_whole(&path, &serde_json::to_vec(self)?)?;
        Ok(path)
    }

    /// Ends the recorded group, if its leader still lives: TERM, then KILL. Says whether there was something to end.
    pub fn end(&self) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return false;
        };
        if !self.is_alive() {
            return false;
        }
        let _ = kill_process_group(pid, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while self.is_alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_alive() {
            let _ = kill_process_group(pid, Signal::KILL);
            let deadline = Instant::now() + GRACE;
            while self.is_alive() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        true
    }
}

/// The folder of one run; removed when dropped.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
}

impl Run {
    /// Ends what killed runs left behind and makes a folder for this one.
    pub fn start(runs: &Path) -> Result<Self> {
        for line in reap(runs) {
            eprintln!("{line}");
        }
        let me = i32::try_from(std::process::id())?;
        let folder = runs.join(me.to_string());
        fs::create_dir_all(&folder).context(format!("cannot make {}", folder.display()))?;
        write_whole(&folder.join("owner.json"), &serde_json::to_vec(&Record::of("xtask", me))?)?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The process records in one run's folder.
pub fn records(folder: &Path) -> Vec<Record> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".process.json"))
        .filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
        .collect()
}

/// Ends every process of runs whose owner is gone, and removes their folders. Returns a line for each process ended.
pub fn reap(runs: &Path) -> Vec<String> {
    let mut said = Vec::new();
    let Ok(entries) = fs::read_dir(runs) else {
        return said;
    };
    for entry in entries.flatten() {
        let folder = entry.path();
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let owner: Option<Record> =
            fs::read(folder.join("owner.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let owned = owner.map_or_else(|| birth(pid).is_some(), |owner| owner.is_alive());
        if owned {
            continue;
        }
        said.extend(end(&folder));
    }
    said
}

/// Ends every process that a run has left behind, and removes its folder. Returns a line for each process ended.
pub fn end(folder: &Path) -> Vec<String> {
    let left = records(folder).into_iter().filter(Record::end);
    let said = left.map(|record| {
        format!("ended {} (process {}), left by a run that was killed", record.name, record.pid)
    });
    let said = said.collect();
    let _ = fs::remove_dir_all(folder);
    said
}

/// Writes a file so that nobody ever reads half of it.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let part = path.with_extension(format!("part{}", std::process::id()));
    fs::write(&part, content).context(format!("cannot write {}", part.display()))?;
    fs::rename(&part, path).context(format!("cannot write {}", path.display()))
}

/// The absolute path of a file that is to be written at the end, if it can be: that is better known before the work than
/// after it. A folder that is not there is not made, since it is likely a slip.
pub fn writable(file: &Path) -> Result<PathBuf> {
    let file = std::path::absolute(file).context(format!("cannot write {}", file.display()))?;
    if let Some(folder) = file.parent().filter(|folder| !folder.is_dir()) {
        let why = format!("there is no folder {}; make it first", folder.display());
        return Err(Failure::new(format!("cannot write {}: {why}", file.display())));
    }
    let is_new = !file.exists();
    let tried = fs::File::options().append(true).create(true).open(&file);
    tried.context(format!("cannot write {}", file.display()))?;
    if is_new {
        fs::remove_file(&file)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-runs-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        (child, pid)
    }

    fn dead_owner(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let owner = Record { name: "xtask".into(), pid: 1, birth: "another time".into() };
        fs::write(folder.join("owner.json"), serde_json::to_vec(&owner).unwrap()).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_told_and_what_can_is_not_touched() {
        let folder = scratch("writable");
        let file = folder.join("report.json");
        assert_eq!(writable(&file).unwrap(), file);
        assert!(!file.exists());
        fs::write(&file, "kept").unwrap();
        writable(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        for wrong in [folder.clone(), file.join("below"), folder.join("none/report.json")] {
            let why = writable(&wrong).unwrap_err().to_string();
            assert!(why.starts_with(&format!("cannot write {}", wrong.display())), "{why}");
        }
        assert!(!folder.join("none").exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn reaps_what_a_killed_run_left() {
        let runs = scratch("left");
        dead_owner(&runs.join("1"));
        let (mut child, pid) = sleeper();
        Record::of("sleep", pid).save(&runs.join("1")).unwrap();
        let said = reap(&runs);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(!child.wait().unwrap().success());
        assert!(!runs.join("1").exists());
    }

    #[test]
    fn spares_a_later_process_with_the_same_id() {
        let runs = scratch("reused");
        dead_owner(&runs.join("1"));
        let (mut child, pid) = sleeper();
        let mut record = Record::of("sleep", pid);
        record.birth.push_str(" long ago");
        record.save(&runs.join("1")).unwrap();
        assert!(reap(&runs).is_empty());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn spares_the_processes_of_a_living_run_and_kept_ones() {
        let runs = scratch("living");
        let run = Run::start(&runs).unwrap();
        let (mut child, pid) = sleeper();
        Record::of("sleep", pid).save(run.folder()).unwrap();
        Record::of("sleep", pid).save(&runs.join("kept")).unwrap();
        assert!(reap(&runs).is_empty());
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
