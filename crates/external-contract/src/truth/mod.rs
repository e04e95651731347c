//! Vendor truth: what the official SDKs of vendors really sent and accepted, against what our providers do.
//!
//! Where a vendor has no server to run, its SDK is the witness. A [`Recording`] is a file that holds what an SDK was given and
//! what came of it: the request that it made and the answer that it was told, a callback that it accepted or refused, or a
//! value that it computed. A vendor's [`Replay`] gives the same inputs to our provider and compares.
//!
//! Recordings lie in the provider's `fixtures/`, so that tests need nothing else; [`run`] also takes them from elsewhere
//! (`cargo xtask vendor-truth --cases DIR`, a folder a vendor). A test target with `harness = false` is all
//! (`tests/truth.rs`):
//!
//! ```no_run
//! use external_contract::truth::{Recording, Vendor, run, skipped};
//! use external_contract::{Verdict, ensure_eq};
//! use futures_util::future::BoxFuture;
//!
//! fn replay(recording: &Recording) -> BoxFuture<'_, Verdict> {
//!     Box::pin(async move {
//!         match recording.operation.as_str() {
//!             "token" => ensure_eq("the token", recording.input("key")?, "…"),
//!             _ => Err(skipped("keys are made by hand")),
//!         }
//!     })
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let vendor = Vendor { name: "acme", fixtures: "src/providers/acme/fixtures", replay };
//!     run(env!("CARGO_MANIFEST_DIR"), &[vendor])
//! }
//! ```
//!
//! | variable | meaning |
//! |---|---|
//! | `EXTERNAL_TRUTH_CASES` | folder of other recordings, a folder a vendor in it |
//! | `EXTERNAL_TRUTH_VENDOR` | only this vendor |
//! | `EXTERNAL_TRUTH_REPORT` | file that gets one JSON row a recording |

mod recording;
mod wire;

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::harness::variable;
use crate::{Finding, Verdict, within};

pub use recording::{Kind, Recorded, RecordedAnswer, RecordedRequest, Recording};
pub use wire::Sent;

/// How long a replay may take. Nothing in it goes over a network.
const LIMIT: Duration = Duration::from_secs(30);

/// Gives the inputs of a recording to a provider and compares what comes of it.
pub type Replay = for<'a> fn(&'a Recording) -> BoxFuture<'a, Verdict>;

/// A vendor whose SDK was recorded.
#[derive(Debug, Clone, Copy)]
pub struct Vendor {
    /// Its name in recordings, and of their folder.
    pub name: &'static str,
    /// Its recordings in this repository, from the crate's folder.
    pub fixtures: &'static str,
    /// How they are replayed.
    pub replay: Replay,
}

/// What comes of a recording of something that the contract does not have; the reason says why.
pub fn skipped(reason: impl Into<String>) -> Finding {
    Finding::not_run(reason)
}

/// Replays the recordings of these vendors, as a test program does.
#[must_use]
pub fn run(folder: &str, vendors: &[Vendor]) -> ExitCode {
    let cases = variable("EXTERNAL_TRUTH_CASES").map(PathBuf::from);
    let only = variable("EXTERNAL_TRUTH_VENDOR");
    let chosen = vendors.iter().filter(|vendor| only.as_deref().is_none_or(|only| only == vendor.name));
    let rows: Vec<Row> = chosen
        .flat_map(|vendor| {
            let place = match &cases {
                Some(cases) => cases.join(vendor.name),
                None => Path::new(folder).join(vendor.fixtures),
            };
            replay_all(vendor, &place)
        })
        .collect();
    let report = variable("EXTERNAL_TRUTH_REPORT");
    told(&rows, report.as_deref(), &mut std::io::stdout().lock())
}

/// What came of a recording.
#[derive(Debug, Serialize)]
struct Row {
    vendor: &'static str,
    case: String,
    status: Status,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Passed,
    Failed,
    Skipped,
}

/// A vendor without a folder of recordings has none.
fn replay_all(vendor: &Vendor, place: &Path) -> Vec<Row> {
    let Ok(entries) = fs::read_dir(place) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().filter_map(|file| replayed(vendor, file)).collect()
}

/// `None` for what is no recording, but the keys that others refer to.
fn replayed(vendor: &Vendor, file: &Path) -> Option<Row> {
    let case = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let verdict = match Recording::read(file) {
        Ok(recording) if recording.kind == Kind::Keys => return None,
        Ok(recording) => judged(vendor, &recording),
        Err(finding) => Err(finding),
    };
    let (status, detail) = match verdict {
        Ok(()) => (Status::Passed, String::new()),
        Err(Finding::NotRun(reason)) => (Status::Skipped, reason),
        Err(failed) => (Status::Failed, failed.to_string()),
    };
    Some(Row { vendor: vendor.name, case, status, detail })
}

fn judged(vendor: &Vendor, recording: &Recording) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| Finding::failed("a runtime", error.to_string()))?;
    let replay = || runtime.block_on(within("the replay", LIMIT, (vendor.replay)(recording)));
    catch_unwind(AssertUnwindSafe(replay))
        .map_err(|_| Finding::failed("the replay ends", "it panicked; its message stands above"))??
}

/// Prints the rows and writes the report.
fn told(rows: &[Row], report: Option<&str>, out: &mut impl Write) -> ExitCode {
    let count = |status| rows.iter().filter(|row| row.status == status).count();
    for row in rows {
        let word = match row.status {
            Status::Passed => "ok",
            Status::Failed => "FAILED",
            Status::Skipped => "skipped",
        };
        let _ = writeln!(out, "{} {} ... {word}", row.vendor, row.case);
        for line in row.detail.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    let failed = count(Status::Failed);
    let _ = writeln!(
        out,
        "{} passed, {failed} failed, {} skipped",
        count(Status::Passed),
        count(Status::Skipped)
    );
    let mut is_well = failed == 0;
    if let Some(file) = report {
        let lines: Vec<_> = rows.iter().filter_map(|row| serde_json::to_string(row).ok()).collect();
        if let Err(error) = fs::write(file, lines.join("\n")) {
            let _ = writeln!(out, "cannot write {file}: {error}");
            is_well = false;
        }
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(recording: &Recording) -> BoxFuture<'_, Verdict> {
        Box::pin(async move {
            match recording.operation.as_str() {
                "token" => crate::ensure_eq("the token", recording.input("key")?, "k"),
                "panics" => panic!("on purpose"),
                _ => Err(skipped("there is no such thing")),
            }
        })
    }

    #[test]
    fn each_recording_passes_fails_or_is_skipped_and_keys_are_none() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("1.json", r#"{"vendor":"acme","operation":"token","kind":"derived","inputs":{"key":"k"}}"#),
            ("2.json", r#"{"vendor":"acme","operation":"token","kind":"derived","inputs":{"key":"other"}}"#),
            ("3.json", r#"{"vendor":"acme","operation":"token","kind":"derived"}"#),
            ("4.json", r#"{"vendor":"acme","operation":"list","kind":"request"}"#),
            ("5.json", r#"{"vendor":"acme","operation":"panics","kind":"request"}"#),
            ("6.json", "no recording"),
            ("keys.json", r#"{"vendor":"acme","kind":"keys"}"#),
            ("notes.txt", "nothing"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let vendor = Vendor { name: "acme", fixtures: "", replay };
        let rows = replay_all(&vendor, folder.path());
        let seen: Vec<_> = rows.iter().map(|row| (row.case.as_str(), row.status)).collect();
        use Status::{Failed, Passed, Skipped};
        let expected =
            [("1", Passed), ("2", Failed), ("3", Failed), ("4", Skipped), ("5", Failed), ("6", Failed)];
        assert_eq!(seen, expected);
        let broken = folder.path().join("6.json");
        assert!(rows[5].detail.contains(&broken.display().to_string()), "{}", rows[5].detail);
        let missing = folder.path().join("7.json");
        let row = replayed(&vendor, &missing).unwrap();
        assert_eq!(row.status, Failed);
        assert!(row.detail.contains(&missing.display().to_string()), "{}", row.detail);
        let mut out = Vec::new();
        assert_eq!(told(&rows, None, &mut out), ExitCode::FAILURE);
        let said = String::from_utf8(out).unwrap();
        assert!(said.starts_with("acme 1 ... ok\nacme 2 ... FAILED\n    expected: the token"), "{said}");
        assert!(said.ends_with("\n1 passed, 4 failed, 1 skipped\n"), "{said}");
        assert!(replay_all(&vendor, Path::new("/nowhere")).is_empty());
    }
}
