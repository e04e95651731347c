//! Trials: what the tests say of the copy as it is, and what of each mistake in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::copy::Copy;
use super::libtest;
use super::list::{Mutation, Place, UNIT_TESTS};
use super::outcome::{Fate, Outcome};
use crate::contract::report::{Row, Status};
use crate::contract::suite::{self, Steering};
use crate::failure::{Context, Failure, Result};
use crate::graph::{self, Built, FEATURE};
use crate::tool::Tool;

/// How long tests that are no clauses may take at least; clauses have limits of their own.
const PATIENCE: Duration = Duration::from_secs(60);

/// The trials of one run.
pub struct Trials<'a> {
    tool: &'a Tool,
    copy: Copy,
    steering: Steering,
    /// What each place says without a mistake.
    sound: BTreeMap<Place, Sound>,
}

/// A place without a mistake.
struct Sound {
    /// Clauses or tests that pass.
    passing: BTreeSet<String>,
    /// Those that do not, mistake or not, each with the reason.
    others: BTreeMap<String, String>,
    took: Duration,
}

/// What a place says.
struct Seen {
    passing: BTreeSet<String>,
    failing: BTreeMap<String, String>,
    not_run: BTreeMap<String, String>,
    hung: bool,
    /// How the program ended, if that was neither of the ways in which it tells of its tests.
    broke: Option<String>,
}

impl<'a> Trials<'a> {
    /// Builds and runs every place without a mistake: what fails there notices nothing later.
    pub fn begin(tool: &'a Tool, copy: Copy, steering: Steering, mutations: &[&Mutation]) -> Result<Self> {
        let mut this = Self { tool, copy, steering, sound: BTreeMap::new() };
        let places: BTreeSet<Place> = mutations.iter().map(|mutation| mutation.place()).collect();
        let targets: BTreeSet<(&str, &str)> =
            places.iter().map(|place| (place.package.as_str(), place.test.as_str())).collect();
        let mut built = Vec::new();
        for (package, test) in targets {
            let begun = Instant::now();
            let program = this.build(package, test)?.map_err(|why| {
                Failure::new(format!("the copy does not compile, without any mutation: {why}"))
            })?;
            eprintln!("  built    {package} {test} in {:.0} s", begun.elapsed().as_secs_f64());
            built.push(program);
        }
        for place in places {
            let program = built.iter().find(|b| b.package == place.package && b.target == target_of(&place));
            let program = program.ok_or_else(|| Failure::new(format!("no program for {}", place.title())))?;
            let begun = Instant::now();
            let seen = this.run(program, &place, None, Duration::from_secs(600))?;
            let sound = Sound {
                passing: seen.passing,
                others: seen.failing.into_iter().chain(seen.not_run).collect(),
                took: begun.elapsed(),
            };
            eprintln!(
                "  ran      {}: {} pass without a mutation, {} do not, in {:.0} s",
                place.title(),
                sound.passing.len(),
                sound.others.len(),
                sound.took.as_secs_f64()
            );
            this.sound.insert(place, sound);
        }
        Ok(this)
    }

    /// Makes one mistake and sees who notices it.
    pub fn judge(&self, mutation: &Mutation) -> Result<Outcome> {
        let started = Instant::now();
        let (fate, built) = self.fate(mutation)?;
        Ok(Outcome {
            domain: mutation.domain.clone(),
            id: mutation.id.clone(),
            file: mutation.file.clone(),
            expected: mutation.noticed_by.wanted().to_owned(),
            fate,
            build_ms: millis(built),
            ms: millis(started.elapsed()),
        })
    }

    /// What became of it, and how long the build took.
    fn fate(&self, mutation: &Mutation) -> Result<(Fate, Duration)> {
        let place = mutation.place();
        let sound = self.sound.get(&place).ok_or_else(|| Failure::new("a place that was not looked at"))?;
        if let Some(fate) = unfit(mutation, sound) {
            return Ok((fate, Duration::ZERO));
        }
        let _mistake = match self.copy.make(mutation) {
            Ok(mistake) => mistake,
            Err(why) => return Ok((Fate::Stale { why }, Duration::ZERO)),
        };
        let begun = Instant::now();
        let built = self.build(&place.package, &place.test)?;
        let took = begun.elapsed();
        let program = match built {
            Ok(program) => program,
            Err(why) => return Ok((Fate::Uncompilable { why }, took)),
        };
        let limit = PATIENCE.max(sound.took * 5);
        for filter in [Some(mutation.noticed_by.wanted()), None] {
            let run = || self.run(&program, &place, filter, limit);
            let mut seen = run()?;
            if seen.says_nothing() {
                // It may have been the machine.
                seen = run()?;
            }
            if let Some(fate) = noticed(mutation, seen, sound, filter.is_some()) {
                return Ok((fate, took));
            }
        }
        Ok((Fate::Survived, took))
    }

    /// Builds one test target of the copy; the inner error is the compiler's first.
    fn build(&self, package: &str, test: &str) -> Result<std::result::Result<Built, String>> {
        let workspace = self.tool.workspace();
        let mut command = workspace.cargo();
        command.current_dir(self.copy.root()).args(["test", "--no-run", "--locked"]);
        if test == UNIT_TESTS {
            // Those of all crates would be built otherwise.
            command.args(["--lib", "--package", package]);
            if workspace.packages.iter().any(|p| p.name == package && p.features.contains_key(FEATURE)) {
                command.args(["--features", FEATURE]);
            }
        } else {
            graph::select(command.args(["--test", test]), workspace);
        }
        command.arg("--target-dir").arg(&workspace.target);
        let log = self.tool.folder().join("build.txt");
        command.stderr(File::create(&log).context(format!("cannot write {}", log.display()))?);
        let built = match graph::build_of(self.tool, &mut command, self.copy.packages()) {
            Ok(built) => built,
            Err(failure) => {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Ok(Err(first_error(&said).unwrap_or_else(|| failure.to_string())));
            }
        };
        let name = if test == UNIT_TESTS { package.replace('-', "_") } else { test.to_owned() };
        let program = built.into_iter().find(|built| built.package == package && built.target == name);
        program.map(Ok).ok_or_else(|| Failure::new(format!("{package} has no test target {test}")))
    }

    fn run(&self, program: &Built, place: &Place, filter: Option<&str>, limit: Duration) -> Result<Seen> {
        let Some(provider) = &place.provider else {
            let ran = libtest::run(self.tool, program, filter.unwrap_or_default(), limit)?;
            let failing = ran.failed.into_iter().map(|name| (name, String::new())).collect();
            let (passing, not_run) = (ran.passed, BTreeMap::new());
            return Ok(Seen { passing, failing, not_run, hung: ran.hung, broke: ran.broke });
        };
        let mut steering = self.steering.clone();
        steering.push(("EXTERNAL_CONTRACT_PROVIDER", provider.clone()));
        steering.extend(filter.map(|clause| ("EXTERNAL_CONTRACT_CLAUSE", clause.to_owned())));
        let logs = self.tool.folder();
        Ok(seen(&suite::run(self.tool, program, &steering, &logs, &ProgressBar::hidden())?.rows))
    }
}

/// A clause is run on several targets and for two subjects: it fails if it fails once, and passes if it passes once.
fn seen(rows: &[Row]) -> Seen {
    let hung = rows.iter().any(suite::was_stopped);
    let broke = rows.iter().find(|row| row.is_of_binary()).map(|row| row.detail.clone());
    let of = |status: Status| {
        rows.iter()
            .filter(move |row| row.status == status && !row.is_of_binary())
            .map(|row| (row.clause.clone(), row.detail.clone()))
    };
    let failing: BTreeMap<_, _> = of(Status::Failed).collect();
    let passing: BTreeSet<_> = of(Status::Passed)
        .chain(of(Status::Unsupported))
        .map(|(clause, _)| clause)
        .filter(|clause| !failing.contains_key(clause))
        .collect();
    let not_run = of(Status::NotRun).filter(|(clause, _)| !passing.contains(clause)).collect();
    Seen { passing, failing, not_run, hung, broke }
}

impl Seen {
    /// Whether the program ended before it told of any test: nobody has noticed anything by that.
    fn says_nothing(&self) -> bool {
        self.broke.is_some() && self.failing.is_empty() && !self.hung
    }
}

/// What became of a mistake by what was seen of it; `None` if nobody noticed it. Where the tests are `filtered`, there are only
/// those that should.
fn noticed(mutation: &Mutation, seen: Seen, sound: &Sound, filtered: bool) -> Option<Fate> {
    let by: Vec<String> = seen.failing.into_keys().filter(|name| !sound.others.contains_key(name)).collect();
    if by.is_empty() && !seen.hung {
        let why = seen.broke?;
        let why = why.lines().next().unwrap_or_default();
        return Some(Fate::NotRun { why: format!("twice no test was told of: {why}") });
    }
    // What hangs has no name there.
    let as_expected = by.iter().any(|name| mutation.noticed_by.means(name)) || (by.is_empty() && filtered);
    Some(Fate::Killed { by, as_expected, hung: seen.hung })
}

/// Why nobody could notice the mistake even if it were there.
fn unfit(mutation: &Mutation, sound: &Sound) -> Option<Fate> {
    let notice = &mutation.noticed_by;
    if sound.passing.iter().any(|name| notice.means(name)) {
        return None;
    }
    let wanted = notice.wanted();
    match sound.others.iter().find(|(name, _)| notice.means(name)) {
        Some((name, why)) => {
            let why = why.lines().next().unwrap_or_default();
            Some(Fate::NotRun { why: format!("{name} does not pass without it either: {why}") })
        }
        None => Some(Fate::Stale { why: format!("there is no {wanted} that could notice it") }),
    }
}

fn target_of(place: &Place) -> String {
    if place.test == UNIT_TESTS { place.package.replace('-', "_") } else { place.test.clone() }
}

fn first_error(said: &str) -> Option<String> {
    let mut lines = said.lines().skip_while(|line| !line.starts_with("error"));
    let error = lines.next()?;
    let place = lines.next().map(str::trim).unwrap_or_default();
    Some(format!("{error} {place}").trim_end().to_owned())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_a_build_is_told_with_its_place() {
        let said = "   Compiling a v0.1.0\nwarning: unused\nerror[E0425]: cannot find x\n  --> src/lib.rs:3:5\n   |\n";
        assert_eq!(first_error(said).unwrap(), "error[E0425]: cannot find x --> src/lib.rs:3:5");
        assert_eq!(first_error("   Compiling a v0.1.0\n"), None);
    }

    #[test]
    fn a_clause_that_fails_on_one_target_fails() {
        let row = |target: &str, status: Status| {
            let mut row = Row::of_binary("cache", target, "seen".into());
            row.clause = "cache.get.1".into();
            row.status = status;
            row
        };
        let both = seen(&[row("plain", Status::Passed), row("tls", Status::Failed)]);
        assert!(both.passing.is_empty() && both.failing.contains_key("cache.get.1"));
        let one = seen(&[row("plain", Status::Passed), row("tls", Status::NotRun)]);
        assert!(one.passing.contains("cache.get.1") && one.not_run.is_empty());
    }

    fn row_of(clause: &str, status: Status) -> Row {
        let mut row = Row::of_binary("cache", "contract", "it ended with signal 9".into());
        (row.clause, row.status) = (clause.into(), status);
        row
    }

    fn mutation() -> Mutation {
        let text = "id = 'a'\nfile = 'crates/a/src/lib.rs'\nwhy = 'w'\nbefore = 'b'\nafter = ''\n\
            noticed_by = { test = 'contract', provider = 'redis', clause = 'cache.get.1' }";
        toml::from_str(text).unwrap()
    }

    #[test]
    fn who_should_have_noticed_a_mistake_is_found_among_those_who_did() {
        let sound = Sound { passing: BTreeSet::new(), others: BTreeMap::new(), took: Duration::ZERO };
        let fate = |clauses: &[&str], filtered| {
            let rows: Vec<Row> = clauses.iter().map(|clause| row_of(clause, Status::Failed)).collect();
            noticed(&mutation(), seen(&rows), &sound, filtered)
        };
        let is_expected = |clauses: &[&str], filtered| match fate(clauses, filtered) {
            Some(Fate::Killed { as_expected, hung: false, .. }) => Some(as_expected),
            _ => None,
        };
        assert_eq!(is_expected(&["cache.get.1"], true), Some(true));
        assert_eq!(is_expected(&["cache.get.1", "common.7.1"], false), Some(true));
        // What was shown while the wanted clause was run is another clause's.
        assert_eq!(is_expected(&["common.7.1"], true), Some(false));
        assert!(fate(&[], true).is_none());
    }

    #[test]
    fn a_program_that_ends_without_a_word_has_noticed_nothing() {
        let sound = Sound { passing: BTreeSet::new(), others: BTreeMap::new(), took: Duration::ZERO };
        let silent = || seen(&[Row::of_binary("cache", "contract", "it ended with signal 9".into())]);
        assert!(silent().says_nothing());
        let fate = noticed(&mutation(), silent(), &sound, true);
        assert!(matches!(fate, Some(Fate::NotRun { why }) if why.contains("signal 9")));
        let rows =
            [Row::of_binary("cache", "contract", "it ended".into()), row_of("cache.get.1", Status::Failed)];
        assert!(!seen(&rows).says_nothing());
    }

    #[test]
    fn a_mistake_that_nobody_can_notice_is_no_survivor() {
        let mutation = mutation();
        let mut sound = Sound { passing: BTreeSet::new(), others: BTreeMap::new(), took: Duration::ZERO };
        assert!(matches!(unfit(&mutation, &sound), Some(Fate::Stale { .. })));
        sound.others.insert("cache.get.1".into(), "no server".into());
        assert!(matches!(unfit(&mutation, &sound), Some(Fate::NotRun { why }) if why.contains("no server")));
        sound.passing.insert("cache.get.1".into());
        assert!(unfit(&mutation, &sound).is_none());
    }
}
