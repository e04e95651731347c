//! Runs a suite against harnesses: libtest's flags, four outcomes, a report, progress.

mod declared;
mod execute;
mod memory;
mod report;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use external_core::{Provider, ProviderKind};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::clause::Need;
use crate::harness::{Source, variable};
use crate::{Clause, Harness, Lane, Level, Subject, Suite, clause, watch};
use report::{Book, Row};
pub use report::{Status, Tally};

/// Runs every clause of a suite against every harness, as a test binary does.
///
/// Reads the process's arguments (libtest's, and `--capabilities`) and environment; see the crate's first page.
pub fn run<S: ?Sized + Provider + 'static>(suite: Suite<S>, harnesses: Vec<Harness<S>>) -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().collect();
    let asked = arguments.iter().any(|argument| argument == "--capabilities");
    arguments.retain(|argument| argument != "--capabilities");
    let file = variable("EXTERNAL_CONTRACT_CAPABILITIES");
    if asked || file.is_some() {
        return declared::write(&suite, &harnesses, file.as_deref());
    }
    let mut arguments = Arguments::from_iter(arguments);
    // Clauses wait more than they compute.
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    arguments.test_threads.get_or_insert_with(|| (threads * 4).max(8));
    // Whoever needs it and cannot have it says so: the clauses about secrecy and telemetry.
    let _ = watch::install();
    let book = Arc::new(Book::new(variable("EXTERNAL_CONTRACT_PROGRESS").is_some()));
    let listing = arguments.list;
    // A clause that stops the back end has the process for itself.
    let order = Arc::new(RwLock::new(()));
    let selection = Selection::from_environment();
    let mut unmet = unmet(&suite, &harnesses);
    unmet.retain(|id| selection.takes_clause(id));
    let trials: Vec<_> = tasks(suite, harnesses, &selection)
        .into_iter()
        .map(|task| trial(task, Arc::clone(&book), Arc::clone(&order)))
        .collect();
    if !listing {
        book.plan(trials.iter().filter(|trial| is_selected(&arguments, trial.name())).count());
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if listing {
        return conclusion.exit_code();
    }
    book.finish(variable("EXTERNAL_CONTRACT_REPORT").as_deref(), &unmet, conclusion.exit_code())
}

/// Runs every clause of a suite against every harness and hands the outcome back: for tests of suites and of
/// providers that want to look at it. Arguments and environment do not matter.
///
/// It must not be called within a runtime, since every clause starts its own.
#[must_use]
pub fn verify<S: ?Sized + Provider + 'static>(suite: Suite<S>, harnesses: Vec<Harness<S>>) -> Tally {
    let _ = watch::install();
    let book = Book::new(false);
    let order = RwLock::new(());
    let tasks = Mutex::new(tasks(suite, harnesses, &Selection::default()));
    let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).pop();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(task) = next() {
                    execute::execute(&task, &book, &order).into_iter().for_each(|row| book.add(row));
                }
            });
        }
    });
    book.tally()
}

/// As libtest-mimic selects.
fn is_selected(arguments: &Arguments, name: &str) -> bool {
    let matches = |filter: &String| {
        if arguments.exact { name == filter } else { name.contains(filter.as_str()) }
    };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches) && !arguments.ignored
}

/// What the environment asks for.
#[derive(Debug, Default)]
struct Selection {
    lanes: Option<Vec<String>>,
    provider: Option<String>,
    clause: Option<String>,
}

impl Selection {
    fn from_environment() -> Self {
        Self {
            lanes: variable("EXTERNAL_CONTRACT_LANES")
                .map(|lanes| lanes.split(',').map(|lane| lane.trim().to_owned()).collect()),
            provider: variable("EXTERNAL_CONTRACT_PROVIDER"),
            clause: variable("EXTERNAL_CONTRACT_CLAUSE"),
        }
    }

    fn takes_harness<S: ?Sized + 'static>(&self, harness: &Harness<S>) -> bool {
        let lane = match &self.lanes {
            Some(lanes) => lanes.iter().any(|lane| lane == harness.lane.as_str()),
            None => harness.lane != Lane::Live,
        };
        lane && self.provider.as_ref().is_none_or(|provider| *provider == harness.provider)
    }

    /// `storage.put` means all clauses about it, `storage.put.1` not `storage.put.10`.
    fn takes_clause(&self, id: &str) -> bool {
        self.clause.as_ref().is_none_or(|wanted| {
            id.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// One clause on one target for one subject.
struct Task<S: ?Sized + 'static> {
    suite: Arc<Suite<S>>,
    clause: Clause<S>,
    harness: Arc<Harness<S>>,
    subject: Subject,
}

impl<S: ?Sized + 'static> Task<S> {
    fn name(&self) -> String {
        format!(
            "{}::{}::{}::{}",
            self.harness.provider,
            self.harness.target,
            self.subject.as_str(),
            self.clause.id
        )
    }

    /// Whether what is written meanwhile is heard. A client leaves some of its work out where nobody hears of it (a read
    /// of this process's own memory); so that this is tested too, nobody hears what clauses about clients alone do with
    /// embedded providers.
    fn is_captured(&self) -> bool {
        !(self.suite.of_client && self.harness.kind == ProviderKind::Embedded)
    }

    fn row(&self, status: Status, detail: String, took: Duration) -> Row {
        Row {
            domain: self.suite.domain,
            provider: self.harness.provider.clone(),
            lane: self.harness.lane.as_str(),
            target: self.harness.target.clone(),
            clause: self.clause.id,
            subject: self.subject.as_str(),
            level: self.clause.level.as_str(),
            status,
            detail,
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            sentence: self.clause.sentence,
        }
    }
}

fn tasks<S: ?Sized + Provider + 'static>(
    suite: Suite<S>,
    harnesses: Vec<Harness<S>>,
    selection: &Selection,
) -> Vec<Task<S>> {
    let suite = Arc::new(suite);
    let mut tasks = Vec::new();
    for harness in harnesses.into_iter().filter(|harness| selection.takes_harness(harness)) {
        let harness = Arc::new(harness);
        for (clause, subject) in planned(&suite, &harness) {
            if selection.takes_clause(clause.id) {
                let (suite, harness) = (Arc::clone(&suite), Arc::clone(&harness));
                tasks.push(Task { suite, clause, harness, subject });
            }
        }
    }
    tasks
}

fn trial<S: ?Sized + Provider + 'static>(task: Task<S>, book: Arc<Book>, order: Arc<RwLock<()>>) -> Trial {
    let kind = task.harness.lane.as_str();
    Trial::ignorable_test(task.name(), move || {
        let rows = execute::execute(&task, &book, &order);
        let failed: Vec<_> = rows.iter().filter(|row| row.status == Status::Failed).collect();
        let outcome = match &rows[..] {
            _ if !failed.is_empty() => {
                let (name, features) = (task.name(), task.harness.features());
                let told: Vec<_> = failed.iter().map(|row| explained(row, &name, &features)).collect();
                Err(Failed::from(told.join("\n\n")))
            }
            [Row { status: Status::Unsupported, detail, .. }] => {
                Ok(Completion::ignored_with(format!("unsupported: {detail}")))
            }
            [Row { status: Status::NotRun, detail, .. }] => {
                Ok(Completion::ignored_with(format!("not run: {detail}")))
            }
            _ => Ok(Completion::Completed),
        };
        rows.into_iter().for_each(|row| book.add(row));
        outcome
    })
    .with_kind(kind)
}

/// A failure with all that one needs to understand and repeat it.
fn explained(row: &Row, name: &str, features: &[&str]) -> String {
    let package = variable("CARGO_PKG_NAME").map_or_else(String::new, |package| format!(" -p {package}"));
    let binary = std::env::current_exe().ok();
    let binary = binary.as_deref().and_then(|path| path.file_stem()).and_then(|stem| stem.to_str());
    let test = binary
        .and_then(|stem| stem.rsplit_once('-'))
        .map_or_else(String::new, |(test, _)| format!(" --test {test}"));
    // Without those that hold the provider, the clause would not be there to be run.
    let features = match features {
        [] => String::new(),
        features => format!(" --features {}", features.join(",")),
    };
    format!(
        "{}: {}\n{}\nrerun:    cargo test{package}{features}{test} -- --exact '{name}'",
        row.clause, row.sentence, row.detail
    )
}

/// The clauses that concern this target, and for whom.
fn planned<S: ?Sized + Provider + 'static>(
    suite: &Suite<S>,
    harness: &Harness<S>,
) -> Vec<(Clause<S>, Subject)> {
    if let Source::Broken(_) = harness.source {
        return vec![(harness_clause(), Subject::Provider)];
    }
    let mut planned = Vec::new();
    for clause in suite.clauses.iter().filter(|clause| concerns(clause, harness)) {
        let subjects: &[_] = match clause.subject {
            _ if suite.of_client => &[Subject::Client],
            Subject::Provider => &[Subject::Provider],
            Subject::Client => &[Subject::Client],
            // Without a client there is nothing to run twice.
            Subject::Both if harness.client.is_none() => &[Subject::Provider],
            Subject::Both => &[Subject::Provider, Subject::Client],
        };
        planned.extend(subjects.iter().map(|subject| (clause.clone(), *subject)));
    }
    planned
}

/// The clauses that stand in no row, whatever is selected: no target has what they need.
fn unmet<S: ?Sized + Provider + 'static>(suite: &Suite<S>, harnesses: &[Harness<S>]) -> Vec<&'static str> {
    let planned = harnesses.iter().flat_map(|harness| planned(suite, harness));
    let met: BTreeSet<_> = planned.map(|(clause, _)| clause.id).collect();
    suite.clauses.iter().map(|clause| clause.id).filter(|id| !met.contains(id)).collect()
}

/// What a broken description fails.
fn harness_clause<S: ?Sized + Provider + 'static>() -> Clause<S> {
    clause!("common.0.1", "A provider comes with a usable contract.toml.", |case: S| {
        case.bare()?;
    })
    .of_provider()
}

fn concerns<S: ?Sized + Provider + 'static>(clause: &Clause<S>, harness: &Harness<S>) -> bool {
    clause.needs.iter().all(|need| match need {
        Need::Proxy => harness.target().is_some_and(|target| target.proxy.is_some()),
        Need::Plain => harness.target().is_some_and(|target| target.proxy.is_some() && !target.opaque),
        Need::Http => harness
            .target()
            .is_some_and(|target| target.http.is_some() && target.proxy.is_some() && !target.opaque),
        Need::Tls => harness.target().is_some_and(|target| target.proxy.is_some() && target.opaque),
        Need::Configuration => harness.target().is_some(),
        Need::Remote => harness.kind == ProviderKind::Remote,
        Need::Missing => harness.target().is_some_and(|target| target.missing.is_some()),
        Need::Denied => harness.target().is_some_and(|target| target.denied.is_some()),
        Need::Backend => harness.target().is_some_and(|target| target.backend.is_some()),
        Need::Fact(name) => harness.facts.contains_key(*name),
    })
}

/// Whether the provider declares what the clause is about.
fn is_declared<S: ?Sized + Provider + 'static>(suite: &Suite<S>, level: Level, service: &S) -> bool {
    match level {
        Level::Must => true,
        Level::Capability(id) => match suite.supports {
            Some(supports) => supports(service, id).is_supported(),
            None => service.info().capabilities().grade(id).is_supported(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_that_no_target_can_be_asked_is_told() {
        use external_core::{Capability, Error};

        let clause = |id| Clause::<dyn Provider>::new(id, "It is kept.", crate::check!(|_case| {}));
        let suite = Suite::<dyn Provider>::of_contract("mine", &[], |_, _| Capability::Unsupported, vec![]);
        let suite = suite.only(&[]).with(clause("mine.get.1")).with(clause("mine.get.2").needs_proxy());
        let harness = Harness::embedded("mine", || Err(Error::configuration("never made")));
        assert_eq!(unmet(&suite, &[harness]), ["mine.get.2"]);
    }

    #[test]
    fn what_is_told_to_rerun_a_clause_builds_the_provider() {
        let row = Row {
            domain: "storage",
            provider: "local".to_owned(),
            lane: "embedded",
            target: "serve".to_owned(),
            clause: "storage.put.1",
            subject: "provider",
            level: "must",
            status: Status::Failed,
            detail: "seen: nothing".to_owned(),
            ms: 1,
            sentence: "It stores.",
        };
        let rerun = |features| explained(&row, "local::serve::provider::storage.put.1", features);
        let whole = rerun(&["local", "serve"]);
        assert!(whole.contains("cargo test -p external-contract --features local,serve"), "{whole}");
        assert!(whole.ends_with(" -- --exact 'local::serve::provider::storage.put.1'"), "{whole}");
        assert!(!rerun(&[]).contains("--features"));
    }
}
