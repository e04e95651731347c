//! What happened, as a table for people and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::observer::Call;
use crate::systems::System;

/// The JSON report.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    /// Whether every check passed.
    pub(crate) ok: bool,
    /// One entry a call.
    pub(crate) calls: &'a [Call],
    /// One entry a system; absent if nothing was called.
    #[serde(skip_serializing_if = "<[System]>::is_empty")]
    pub(crate) systems: &'a [System],
}

impl Report<'_> {
    /// Writes the report; what was there is replaced.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        text.push('\n');
        fs::write(file, text)
    }
}

/// Whether a report can be written there: that is better known before the run than after it. What is there stays.
///
/// # Errors
///
/// What is in the way; a folder that is not there is not made, since it is likely a slip.
pub(crate) fn writable(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    if let Some(folder) = folder {
        let message = format!("there is no folder {}; make it first", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let is_new = !file.exists();
    fs::File::options().append(true).create(true).open(file)?;
    if is_new { fs::remove_file(file) } else { Ok(()) }
}

#[derive(Default)]
struct Sum {
    calls: usize,
    attempts: u64,
    ms: f64,
    slowest: f64,
    outcomes: BTreeMap<&'static str, usize>,
}

/// One row for each domain, provider and operation, and one for all.
pub(crate) fn table(calls: &[Call]) -> String {
    let mut sums: BTreeMap<[&str; 3], Sum> = BTreeMap::new();
    let mut all = Sum::default();
    for call in calls {
        for sum in [sums.entry([call.domain, call.provider, call.operation]).or_default(), &mut all] {
            sum.calls += 1;
            sum.attempts += u64::from(call.attempts);
            sum.ms += call.ms;
            sum.slowest = sum.slowest.max(call.ms);
            *sum.outcomes.entry(call.outcome).or_default() += 1;
        }
    }
    let mut rows = vec![
        [
            "domain",
            "provider",
            "operation",
            "calls",
            "attempts",
            "outcome",
            "total ms",
            "mean ms",
            "slowest ms",
        ]
        .map(str::to_owned),
    ];
    rows.extend(sums.iter().map(|(names, sum)| row(*names, sum)));
    rows.push(row(["all", "", ""], &all));
    lines(&rows, [false, false, false, true, true, false, true, true, true], true)
}

/// One row a system: what the pipeline, its breaker and the service had to do for it.
pub(crate) fn recovery(systems: &[System]) -> String {
    let mut rows = vec![
        [
            "domain",
            "provider",
            "calls",
            "attempts",
            "retries",
            "opened",
            "recovered",
            "throttled",
            "held",
            "unknown",
            "reconciled",
        ]
        .map(str::to_owned),
    ];
    rows.extend(systems.iter().map(|system| {
        [
            system.domain.to_owned(),
            system.provider.to_owned(),
            system.calls.to_string(),
            system.attempts.to_string(),
            system.retries.to_string(),
            system.openings.to_string(),
            system.recoveries.to_string(),
            system.throttled.to_string(),
            system.held.to_string(),
            system.unknown.to_string(),
            system.reconciled.to_string(),
        ]
    }));
    lines(&rows, [false, false, true, true, true, true, true, true, true, true, true], false)
}

fn row([domain, provider, operation]: [&str; 3], sum: &Sum) -> [String; 9] {
    let outcome = match sum.outcomes.iter().collect::<Vec<_>>()[..] {
        [(only, _)] => (*only).to_owned(),
        ref several => {
            several.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
        }
    };
    #[allow(clippy::cast_precision_loss, reason = "nobody makes 2^52 calls here")]
    let mean = sum.ms / sum.calls.max(1) as f64;
    [
        domain.to_owned(),
        provider.to_owned(),
        operation.to_owned(),
        sum.calls.to_string(),
        sum.attempts.to_string(),
        outcome,
        format!("{:.1}", sum.ms),
        format!("{mean:.2}"),
        format!("{:.2}", sum.slowest),
    ]
}

/// Text to the left, `numbers` to the right; a rule below the head and, if there is one, above the sum.
fn lines<const N: usize>(rows: &[[String; N]], numbers: [bool; N], has_sum: bool) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).zip(numbers).map(|((cell, &width), number)| {
            if number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}", line.trim_end());
        if at == 0 || has_sum && at + 2 == rows.len() {
            let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            let _ = writeln!(text, "  {}", rule.join("  "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &'static str, attempts: u32, outcome: &'static str, ms: f64) -> Call {
        Call { domain: "storage", provider: "local", is_default: true, operation, attempts, outcome, ms }
    }

    #[test]
    fn the_table_sums_up() {
        let calls = [call("put", 1, "ok", 1.0), call("put", 2, "error", 3.0), call("get", 1, "ok", 0.25)];
        let expected =
            "  domain   provider  operation  calls  attempts  outcome        total ms  mean ms  slowest ms
  -------  --------  ---------  -----  --------  -------------  --------  -------  ----------
  storage  local     get            1         1  ok                  0.2     0.25        0.25
  storage  local     put            2         3  1 error, 1 ok       4.0     2.00        3.00
  -------  --------  ---------  -----  --------  -------------  --------  -------  ----------
  all                               3         4  1 error, 2 ok       4.2     1.42        3.00
";
        assert_eq!(table(&calls), expected);
    }

    #[test]
    fn the_report_has_an_entry_a_call() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        Report { ok: true, calls: &[call("put", 1, "ok", 1.5)], systems: &[] }.write(&file).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let expected = serde_json::json!({ "ok": true, "calls": [{
            "domain": "storage", "provider": "local", "operation": "put", "attempts": 1, "outcome": "ok", "ms": 1.5,
        }] });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_cannot_be_written_is_told_and_what_can_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        writable(&file).unwrap();
        assert!(!file.exists());
        fs::write(&file, "kept").unwrap();
        writable(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        writable(folder.path()).unwrap_err();
        let why = writable(&folder.path().join("none/report.json")).unwrap_err().to_string();
        assert!(why.contains("there is no folder") && why.contains("/none; make it first"), "{why}");
        assert!(!folder.path().join("none").exists());
    }
}
