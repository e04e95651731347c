//! Every process that this tool starts: in a group of its own, on record, and ended with the tool.
//!
//! A terminal's Ctrl-C reaches only the tool itself, since the groups are others; the tool then ends each group, children
//! of children included.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use std::os::unix::process::{CommandExt, ExitStatusExt};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::failure::{Context, Failure, Result};
use crate::runs::{GRACE, Record};

/// The groups that are alive now.
#[derive(Clone)]
pub struct Groups {
    state: Arc<Mutex<State>>,
    /// Where records go.
    folder: PathBuf,
    /// How long a group gets between TERM and KILL.
    grace: Duration,
}

struct State {
    live: Vec<Live>,
    /// Set once, when the tool ends: nothing may start any more.
    closing: bool,
}

struct Live {
    pid: Pid,
    record: PathBuf,
    grace: Duration,
}

impl Groups {
    /// Groups whose records lie in `folder`.
    pub fn new(folder: &Path) -> Self {
        let state = Arc::new(Mutex::new(State { live: Vec::new(), closing: false }));
        Self { state, folder: folder.to_owned(), grace: GRACE }
    }

    /// The same groups, with records in another folder from here on.
    pub fn with_folder(&self, folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..self.clone() }
    }

    /// The same groups; what is started from here on gets longer to end, since it has to end others itself.
    pub fn with_grace(&self, grace: Duration) -> Self {
        Self { grace, ..self.clone() }
    }

    /// Starts `command` in a group of its own.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Result<Group> {
        // Under the lock, so that a signal finds the child either not there at all or on the list.
        let mut state = self.state();
        if state.closing {
            return Err(Failure::new("interrupted"));
        }
        let child = command
            .process_group(0)
            .spawn()
            .context(format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let raw = i32::try_from(child.id())?;
        let pid = Pid::from_raw(raw).ok_or_else(|| Failure::new("a process without an id"))?;
        let mut group = Group { child, pid, groups: self.clone(), over: None };
        match Record::of(name, raw).save(&self.folder) {
            Ok(record) => state.live.push(Live { pid, record, grace: self.grace }),
            Err(failure) => {
                drop(state);
                let _ = group.kill();
                return Err(failure);
            }
        }
        drop(state);
        Ok(group)
    }

    /// Runs `command` to its end, with this tool's own output.
    pub fn status(&self, name: &str, command: &mut Command) -> Result<ExitStatus> {
        self.spawn(name, command.stdin(Stdio::null()))?.wait()
    }

    /// Runs `command` to its end and returns what it printed.
    pub fn output(&self, name: &str, command: &mut Command) -> Result<Output> {
        let mut group =
            self.spawn(name, command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let error = group.child.stderr.take();
        let reader = std::thread::spawn(move || read_all(error));
        let stdout = read_all(group.child.stdout.take());
        let stderr = reader.join().unwrap_or_default();
        Ok(Output { status: group.wait()?, stdout, stderr })
    }

    /// As [`output`](Self::output), and a failure if the program's exit code is not 0: with the end of what it said.
    pub fn check(&self, name: &str, command: &mut Command) -> Result<Vec<u8>> {
        let output = self.output(name, command)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail = said[said.len().saturating_sub(3)..].join("; ");
        Err(Failure::new(format!("{name} ended with {}: {tail}", output.status)))
    }

    /// Ends every group and lets none start any more. For the end of the tool: its other threads, which may wait for one
    /// of these processes, are held until the tool is gone.
    pub fn end_all(&self) -> MutexGuard<'_, impl Sized> {
        let mut state = self.state();
        state.closing = true;
        for Live { pid, .. } in &state.live {
            let _ = kill_process_group(*pid, Signal::TERM);
            // A stopped process hears TERM only once it runs again.
            let _ = kill_process_group(*pid, Signal::CONT);
        }
        let started = Instant::now();
        for Live { pid, record, grace } in &state.live {
            while !is_over(*pid) && started.elapsed() < *grace {
                std::thread::sleep(Duration::from_millis(5));
            }
            // Once more to the whole group, for children that outlived their leader.
            let _ = kill_process_group(*pid, Signal::KILL);
            let _ = std::fs::remove_file(record);
        }
        state
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, pid: Pid, remove_record: bool) {
        let mut state = self.state();
        if let Some(at) = state.live.iter().position(|live| live.pid == pid) {
            let Live { record, .. } = state.live.swap_remove(at);
            if remove_record {
                let _ = std::fs::remove_file(record);
            }
        }
    }
}

/// One running program and its children. Dropping it ends them all.
pub struct Group {
    child: Child,
    pid: Pid,
    groups: Groups,
    over: Option<ExitStatus>,
}

impl Group {
    /// The pipes that the command asked for.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the leader's own end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.over {
            return Ok(status);
        }
        // Waits without collecting: until `forget` the id stays the child's, so that a signal can never hit another's.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(self.pid), options) {}
        self.collect()
    }

    /// Whether the leader has ended by itself.
    pub fn is_over(&mut self) -> bool {
        self.over.is_some() || is_over(self.pid)
    }

    /// Sends a signal to the whole group.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.over.is_none() {
            kill_process_group(self.pid, signal)?;
        }
        Ok(())
    }

    /// TERM, and KILL after [`GRACE`].
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let _ = self.signal(Signal::TERM);
        // A stopped process hears TERM only once it runs again.
        let _ = self.signal(Signal::CONT);
        let deadline = Instant::now() + self.groups.grace;
        while !self.is_over() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill()
    }

    /// KILL, at once.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        let _ = self.signal(Signal::KILL);
        self.wait()
    }

    /// Leaves the processes running, and their record where it is.
    pub fn keep(mut self) {
        self.groups.forget(self.pid, false);
        self.over = Some(ExitStatus::default());
    }

    fn collect(&mut self) -> Result<ExitStatus> {
        // What the leader left behind in its group has no one to end it later.
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.groups.forget(self.pid, true);
        let status = self.child.wait()?;
        self.over = Some(status);
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.over.is_none() {
            let _ = self.stop();
        }
    }
}

/// How this tool ends when it is to end as that program did: with its code, or with 128 and the signal that ended it, as
/// shells do.
pub fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn is_over(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

fn read_all(pipe: Option<impl std::io::Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::birth;

    fn groups(name: &str) -> Groups {
        Groups::new(&std::env::temp_dir().join(format!("xtask-process-{name}-{}", std::process::id())))
    }

    /// A shell with a child, and the child's id.
    fn family(groups: &Groups) -> (Group, i32) {
        use std::io::BufRead;
        let mut group = groups
            .spawn(
                "family",
                Command::new("sh").args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped()),
            )
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(group.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
        let child = line.trim().parse().unwrap();
        assert!(birth(child).is_some());
        (group, child)
    }

    fn is_gone(pid: i32) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while birth(pid).is_some() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        birth(pid).is_none()
    }

    #[test]
    fn dropping_a_group_ends_its_children_too() {
        let groups = groups("drop");
        let (group, child) = family(&groups);
        drop(group);
        assert!(is_gone(child));
        assert!(crate::runs::records(&groups.folder).is_empty());
    }

    #[test]
    fn a_panic_ends_what_was_started() {
        let groups = groups("panic");
        let mut child = 0;
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let (_group, pid) = family(&groups);
            child = pid;
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!(is_gone(child));
    }

    #[test]
    fn ending_all_ends_children_and_forbids_new_ones() {
        let groups = groups("all");
        let (group, child) = family(&groups);
        drop(groups.end_all());
        assert!(is_gone(child));
        assert!(groups.spawn("late", &mut Command::new("true")).is_err());
        drop(group);
    }

    #[test]
    fn a_program_that_ignores_term_is_killed() {
        let groups = groups("stubborn");
        let mut group =
            groups.spawn("stubborn", Command::new("sh").args(["-c", "trap '' TERM; sleep 60"])).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        assert!(!group.stop().unwrap().success());
        assert!(start.elapsed() < GRACE * 2);
    }

    #[test]
    fn the_code_of_a_program_is_handed_on() {
        let end = |script: &str| {
            let status = groups("code").status("sh", Command::new("sh").args(["-c", script])).unwrap();
            code(status)
        };
        assert_eq!(end("exit 0"), ExitCode::SUCCESS);
        assert_eq!(end("exit 7"), ExitCode::from(7));
        assert_eq!(end("kill -9 $$"), ExitCode::from(137));
    }

    #[test]
    fn a_failing_program_is_quoted() {
        let failure =
            groups("check").check("sh", Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(failure.to_string().contains("why"), "{failure}");
    }
}
