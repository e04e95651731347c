//! The watch: a second process of this tool that ends what a run has started if the run itself is killed.
//!
//! It waits for the end of a pipe whose other end the run holds, which comes with the run's own end, whatever that was. A
//! run that ends in the orderly way has taken its folder away by then, and there is nothing to do.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use crate::failure::{Context, Failure, Result};
use crate::runs;

/// The first argument of the watch's process.
pub const COMMAND: &str = "watch-over";

/// A watch over one run; it is released when the process ends.
#[derive(Debug)]
pub struct Watch(#[expect(dead_code, reason = "its end is what the watch waits for")] ChildStdin);

impl Watch {
    /// Starts a watch over the run whose folder this is.
    pub fn over(run: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .arg(COMMAND)
            .arg(run)
            // Ctrl-C at the terminal is not meant for it, and whoever reads this run's output does not wait for it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the watch")?;
        child.stdin.take().map(Self).ok_or_else(|| Failure::new("the watch has no pipe"))
    }
}

/// What the watch's process does.
pub fn over(run: &Path) {
    wait_and_end(std::io::stdin(), run);
}

fn wait_and_end(mut pipe: impl Read, run: &Path) {
    // However reading ends, nobody holds the other end any more.
    let _ = pipe.read_to_end(&mut Vec::new());
    runs::end(run);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Record;

    #[test]
    fn what_was_started_ends_with_the_pipe_and_not_before() {
        let run = std::env::temp_dir().join(format!("xtask-watch-{}", std::process::id()));
        std::fs::create_dir_all(&run).unwrap();
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        Record::of("sleep", i32::try_from(child.id()).unwrap()).save(&run).unwrap();
        let (read, written) = std::io::pipe().unwrap();
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| wait_and_end(read, &run));
            assert!(child.try_wait().unwrap().is_none() && !watch.is_finished());
            drop(written);
        });
        assert!(!child.wait().unwrap().success());
        assert!(!run.exists());
    }
}
