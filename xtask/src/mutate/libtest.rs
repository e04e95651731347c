//! The run of a test program that is no suite: what it says of each test, and an end if it finds none itself.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::contract::suite::Steering;
use crate::failure::{Context, Result};
use crate::graph::Built;
use crate::tool::Tool;

/// What came of the tests of a program.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// The tests that passed.
    pub passed: BTreeSet<String>,
    /// The tests that failed.
    pub failed: BTreeSet<String>,
    /// How the program ended, if that was neither of the two ways in which a test program ends.
    pub broke: Option<String>,
    /// Whether it was stopped because it did not end.
    pub hung: bool,
}

/// Runs the tests whose names hold `filter`, for so long at most.
pub fn run(tool: &Tool, built: &Built, filter: &str, limit: Duration) -> Result<Ran> {
    let log = tool.folder().join("tests.txt");
    let scratch = tool.folder().join("scratch");
    fs::create_dir_all(&scratch)?;
    let out = File::create(&log).context(format!("cannot write {}", log.display()))?;
    let mut command = built.command(&Steering::new());
    if !filter.is_empty() {
        command.arg(filter);
    }
    command.env("TMPDIR", &scratch).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
    let mut group = tool.groups().spawn(&built.target, &mut command)?;
    let started = Instant::now();
    while !group.is_over() && started.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(10));
    }
    let hung = !group.is_over();
    let status = if hung { group.kill()? } else { group.wait()? };
    let mut ran = read(&String::from_utf8_lossy(&fs::read(&log)?));
    ran.hung = hung;
    if !hung && !status.success() && ran.failed.is_empty() {
        ran.broke = Some(format!("the program ended with {status}"));
    }
    Ok(ran)
}

/// `test tests::name ... ok`, also where a test's own output stands between.
fn read(text: &str) -> Ran {
    let mut ran = Ran::default();
    for line in text.lines() {
        let Some((name, word)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) else {
            continue;
        };
        let name = name.strip_suffix(" - should panic").unwrap_or(name).to_owned();
        match word.split_whitespace().next() {
            Some("ok") => drop(ran.passed.insert(name)),
            Some("FAILED") => drop(ran.failed.insert(name)),
            _ => {}
        }
    }
    ran
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libtest_says() {
        let ran = read(
            "running 4 tests\ntest tests::a ... ok\ntest tests::b ... FAILED\ntest c - should panic ... ok\n\
             test d ... ignored, slow\n\nfailures:\n    tests::b\n",
        );
        assert_eq!(ran.passed, ["c".to_owned(), "tests::a".to_owned()].into());
        assert_eq!(ran.failed, ["tests::b".to_owned()].into());
    }
}
