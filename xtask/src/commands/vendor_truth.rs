//! `vendor-truth`: whether our providers send and accept what the vendors' own SDKs do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::contract::suite::Steering;
use crate::failure::{Context, Failure, Result};
use crate::graph::{self, Built};
use crate::runs::write_whole;
use crate::terminal::{short, table};
use crate::tool::Tool;

/// The test targets that replay recordings.
const TARGET: &str = "truth";

/// Replays what official SDKs were recorded to send and accept against our providers.
#[derive(Debug, Args)]
#[command(
    after_help = "A recording is a JSON file: what an SDK was given, the request that it made and the answer that it was told, \
    a\ncallback that it accepted or refused, or a value that it computed. Those of the providers' own fixtures are \
    replayed,\nor those of DIR, a folder a vendor in it. external-contract's module `truth` says what is compared.\n\n\
    Exit code 0: nothing differs. What our contracts do not have is skipped, by name and with the reason, and so is a\n\
    vendor without a provider."
)]
pub struct VendorTruth {
    /// Replay the recordings of this folder, a folder a vendor in it, instead of the providers' own
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Only this vendor; one that nobody has recorded is refused with those that there are
    #[arg(long, value_name = "V")]
    vendor: Option<String>,
    /// Write the outcomes as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What came of a recording, as the test targets write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    vendor: String,
    case: String,
    status: Status,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Passed,
    Failed,
    Skipped,
}

impl VendorTruth {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        let cases = self.cases.as_deref().map(std::path::absolute).transpose()?;
        let report = self.report.as_deref().map(std::path::absolute).transpose()?;
        if let Some(cases) = &cases {
            self.has_recordings(cases)?;
        }
        let built = build(tool)?;
        let mut rows = replay_all(tool, &built, cases.as_deref(), self.vendor.as_deref())?;
        if let Some(cases) = &cases {
            rows.extend(self.without_provider(cases, &rows)?);
        }
        if rows.is_empty() {
            let all = replay_all(tool, &built, cases.as_deref(), None)?;
            let place = cases.as_ref().map(|cases| cases.display().to_string());
            let place = place.as_deref().unwrap_or("the providers' fixtures");
            return Err(nothing(self.vendor.as_deref(), place, counts(&all).into_keys()));
        }
        if let Some(report) = &report {
            write_whole(report, &serde_json::to_vec_pretty(&serde_json::json!({ "results": rows }))?)?;
        }
        tell(&rows);
        let is_well = rows.iter().all(|row| row.status != Status::Failed);
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Refuses a folder that holds nothing to replay, before anything is built.
    fn has_recordings(&self, cases: &Path) -> Result<()> {
        if !cases.is_dir() {
            return Err(Failure::new(format!("{} is no folder", cases.display())));
        }
        let mut vendors = BTreeSet::new();
        for folder in sorted(cases)?.iter().filter(|entry| entry.is_dir()) {
            if sorted(folder)?.iter().any(|file| is_recording(file)) {
                vendors.insert(file_stem(folder));
            }
        }
        let is_there = match &self.vendor {
            Some(vendor) => vendors.contains(vendor),
            None => !vendors.is_empty(),
        };
        if is_there {
            return Ok(());
        }
        let known = vendors.iter().map(String::as_str);
        Err(nothing(self.vendor.as_deref(), &cases.display().to_string(), known))
    }

    /// Recordings of vendors that nobody has replayed.
    fn without_provider(&self, cases: &Path, rows: &[Row]) -> Result<Vec<Row>> {
        let mut missing = Vec::new();
        for folder in sorted(cases)?.iter().filter(|entry| entry.is_dir()) {
            let vendor = file_stem(folder);
            let is_asked_for = self.vendor.as_ref().is_none_or(|only| *only == vendor);
            if !is_asked_for || rows.iter().any(|row| row.vendor == vendor) {
                continue;
            }
            for file in sorted(folder)?.iter().filter(|file| is_recording(file)) {
                missing.push(Row {
                    vendor: vendor.clone(),
                    case: file_stem(file),
                    status: Status::Skipped,
                    detail: "there is no provider for this vendor yet".to_owned(),
                });
            }
        }
        Ok(missing)
    }
}

/// Why there is nothing to replay, with the vendors of which there is something in this place.
fn nothing<'a>(vendor: Option<&str>, place: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let known: Vec<&str> = known.collect();
    Failure::new(match vendor {
        Some(vendor) if !known.is_empty() => {
            let known = known.join(", ");
            format!("no recording of a vendor `{vendor}` in {place}; the vendors there are: {known}")
        }
        _ => format!("no recording in {place}: one is a JSON file in a folder named for its vendor"),
    })
}

/// Has all test targets replay what there is of this vendor, or of all.
fn replay_all(tool: &Tool, built: &[Built], cases: Option<&Path>, vendor: Option<&str>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for built in built {
        let name = format!("{}-{}", built.domain(), built.target);
        let file = tool.folder().join(format!("{name}.rows.json"));
        let mut steering: Steering = vec![("EXTERNAL_TRUTH_REPORT", file.display().to_string())];
        steering.extend(cases.map(|cases| ("EXTERNAL_TRUTH_CASES", cases.display().to_string())));
        steering.extend(vendor.map(|vendor| ("EXTERNAL_TRUTH_VENDOR", vendor.to_owned())));
        let mut command = built.command(&steering);
        // A recording that differs is a row, and no more is wanted of the exit code.
        tool.groups().status(&name, command.stdout(Stdio::null()))?;
        let text = fs::read_to_string(&file).context(format!("{name} wrote no report"))?;
        for line in text.lines() {
            rows.push(serde_json::from_str(line).context(format!("{name} wrote a row that cannot be read"))?);
        }
    }
    Ok(rows)
}

fn build(tool: &Tool) -> Result<Vec<Built>> {
    let mut command = tool.workspace().cargo();
    graph::select(command.args(["test", "--no-run"]), tool.workspace());
    let mut built = graph::build(tool, command.args(["--test", TARGET]))?;
    built.retain(|built| built.target == TARGET);
    built.sort_by(|one, other| one.package.cmp(&other.package));
    Ok(built)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).context(format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn file_stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Keys that recordings refer to stand beside them.
fn is_recording(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "json") && file_stem(file) != "keys"
}

/// How many recordings of a vendor came out how: passed, failed, skipped.
fn counts(rows: &[Row]) -> BTreeMap<&str, [usize; 3]> {
    let mut counts = BTreeMap::new();
    for row in rows {
        let of_vendor: &mut [usize; 3] = counts.entry(row.vendor.as_str()).or_default();
        of_vendor[row.status as usize] += 1;
    }
    counts
}

fn tell(rows: &[Row]) {
    let counts = counts(rows);
    let mut lines = table(["vendor", "passed", "failed", "skipped"]);
    let cell = |count: &usize| if *count == 0 { "·".to_owned() } else { count.to_string() };
    for (vendor, [passed, failed, skipped]) in &counts {
        lines.add_row([(*vendor).to_owned(), cell(passed), cell(failed), cell(skipped)]);
    }
    println!("{lines}");
    for row in rows.iter().filter(|row| row.status == Status::Failed) {
        println!("\nFAILED {} {}", row.vendor, row.case);
        row.detail.lines().for_each(|line| println!("  {line}"));
    }
    for vendor in counts.keys() {
        let skipped: Vec<_> =
            rows.iter().filter(|row| row.vendor == *vendor && row.status == Status::Skipped).collect();
        let Some(first) = skipped.first() else { continue };
        if skipped.iter().all(|row| row.detail == first.detail) {
            println!("\nskipped {vendor}: {} ({} recordings)", first.detail, skipped.len());
            continue;
        }
        println!();
        skipped.iter().for_each(|row| println!("skipped {vendor} {}: {}", row.case, short(&row.detail, 100)));
    }
    let all = |status: Status| counts.values().map(|counts| counts[status as usize]).sum::<usize>();
    println!(
        "\n{} passed, {} failed, {} skipped",
        all(Status::Passed),
        all(Status::Failed),
        all(Status::Skipped)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(vendor: &str, status: Status) -> Row {
        Row { vendor: vendor.to_owned(), case: "case".to_owned(), status, detail: String::new() }
    }

    #[test]
    fn outcomes_are_counted_by_vendor() {
        let rows = [
            row("a", Status::Passed),
            row("a", Status::Skipped),
            row("b", Status::Failed),
            row("a", Status::Passed),
        ];
        assert_eq!(counts(&rows), BTreeMap::from([("a", [2, 0, 1]), ("b", [0, 1, 0])]));
    }

    #[test]
    fn a_folder_without_a_recording_is_told_before_anything_is_built() {
        let folder = std::env::temp_dir().join(format!("xtask-vendor-truth-none-{}", std::process::id()));
        fs::create_dir_all(folder.join("empty")).unwrap();
        let told = |vendor: Option<&str>| {
            let command = VendorTruth { cases: None, vendor: vendor.map(str::to_owned), report: None };
            command.has_recordings(&folder).err().map(|failure| failure.to_string()).unwrap_or_default()
        };
        fs::write(folder.join("empty/keys.json"), "{}").unwrap();
        let begin = format!("no recording in {}: ", folder.display());
        assert!(told(None).starts_with(&begin) && told(Some("acme")).starts_with(&begin), "{}", told(None));
        for file in ["acme/send.json", "other/send.json"] {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "{}").unwrap();
        }
        assert_eq!((told(None), told(Some("acme"))), (String::new(), String::new()));
        let nope = told(Some("nope"));
        assert!(nope.contains("`nope`") && nope.ends_with("the vendors there are: acme, other"), "{nope}");
        fs::remove_dir_all(&folder).unwrap();
        assert!(told(None).ends_with("is no folder"));
    }

    #[test]
    fn a_vendor_without_a_provider_is_skipped_by_name_unless_another_is_asked_for() {
        let folder = std::env::temp_dir().join(format!("xtask-vendor-truth-{}", std::process::id()));
        for file in ["new/one.json", "new/keys.json", "new/notes.txt", "known/two.json"] {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "{}").unwrap();
        }
        let command = |vendor: Option<&str>| VendorTruth {
            cases: None,
            vendor: vendor.map(str::to_owned),
            report: None,
        };
        let known = [row("known", Status::Passed)];
        let missing = |vendor| command(vendor).without_provider(&folder, &known).unwrap();
        let seen: Vec<_> = missing(None).into_iter().map(|row| (row.vendor, row.case)).collect();
        assert_eq!(seen, [("new".to_owned(), "one".to_owned())]);
        assert_eq!(missing(Some("new")).len(), 1);
        assert!(missing(Some("known")).is_empty());
        fs::remove_dir_all(&folder).unwrap();
    }
}
