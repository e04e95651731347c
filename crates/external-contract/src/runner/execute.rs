//! Runs one clause on one target: in a runtime of its own, within its time, whatever it does; and watches what it shows.

use std::any::Any;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use external_core::Provider;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout};

use super::report::{Book, Row, Status};
use super::{Task, is_declared};
use crate::common_block::broken_by;
use crate::watch::{self, NOT_WRITTEN, Watch};
use crate::{Case, Clause, Finding, Level, Verdict};

/// What came of a clause.
enum Outcome {
    Passed,
    Refused,
    Found(Finding),
}

/// The clause's own row, and one more for each clause about secrecy that was seen broken meanwhile.
pub(super) fn execute<S: ?Sized + Provider + 'static>(
    task: &Task<S>,
    book: &Book,
    order: &RwLock<()>,
) -> Vec<Row> {
    let (_shared, _exclusive);
    if task.clause.alone {
        _exclusive = order.write().unwrap_or_else(PoisonError::into_inner);
    } else {
        _shared = order.read().unwrap_or_else(PoisonError::into_inner);
    }
    book.started(&task.row(Status::NotRun, String::new(), Duration::ZERO));
    let started = Instant::now();
    let watch = Watch::new(task.is_captured(), task.harness.known_leaks());
    let outcome = match task.harness.obstacle() {
        Some(why) => Outcome::Found(Finding::not_run(why)),
        None => in_runtime(task, &watch),
    };
    let (status, detail) = match outcome {
        Outcome::Passed => (Status::Passed, String::new()),
        Outcome::Refused => (Status::Unsupported, format!("refuses `{}`", task.clause.level.as_str())),
        Outcome::Found(Finding::NotRun(why)) => (Status::NotRun, why),
        Outcome::Found(failed) => (Status::Failed, with_step(failed.to_string(), &watch)),
    };
    // What a provider says goes into the report, and the report goes anywhere.
    let detail = watch.masked(&detail);
    let mut row = task.row(status, detail, started.elapsed());
    let leaks = watch.leaks();
    // A clause about secrecy fails by all that was shown while it ran, ...
    if let Some((_, _, finding)) = broken_by(&leaks).into_iter().find(|(id, ..)| *id == row.clause) {
        (row.status, row.detail) = (Status::Failed, finding.to_string());
    }
    // ... and speaks for all others, each of which tells what is new.
    let mut rows = Vec::new();
    for (id, sentence, finding) in broken_by(&book.new_leaks(&task.harness.provider, leaks)) {
        if id != row.clause {
            let detail = format!("{finding}\nwhile:    {} was run", row.clause);
            rows.push(Row {
                clause: id,
                sentence,
                status: Status::Failed,
                level: "must",
                detail,
                ms: 0,
                ..row.clone()
            });
        }
    }
    rows.insert(0, row);
    rows
}

/// A failure that does not say by itself which method is missing.
fn with_step(detail: String, watch: &Watch) -> String {
    match watch.step() {
        Some(step) if !detail.contains(NOT_WRITTEN) => format!("{detail}\nnext:     {step}"),
        _ => detail,
    }
}

/// A runtime a clause: what one leaves running ends with it.
fn in_runtime<S: ?Sized + Provider + 'static>(task: &Task<S>, watch: &Arc<Watch>) -> Outcome {
    let watched = Arc::clone(watch);
    let runtime = match Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || watch::enter(&watched))
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::Found(Finding::not_run(format!("no runtime: {error}"))),
    };
    watch::enter(watch);
    let outcome = in_case(task, &runtime, watch);
    // A blocking call that never ends must not hold up the rest.
    runtime.shutdown_timeout(Duration::from_millis(200));
    watch::leave();
    outcome
}

fn in_case<S: ?Sized + Provider + 'static>(task: &Task<S>, runtime: &Runtime, watch: &Arc<Watch>) -> Outcome {
    let _entered = runtime.enter();
    let (harness, suite) = (Arc::clone(&task.harness), Arc::clone(&task.suite));
    let case = match Case::new(harness, suite, task.subject, Arc::clone(watch)) {
        Ok(case) => Arc::new(case),
        Err(finding) => return Outcome::Found(finding),
    };
    let outcome =
        runtime.block_on(guarded(checked(Arc::clone(&case), task.clause.clone()), task.clause.limit));
    let outcome = match (outcome, case.seed()) {
        (Outcome::Found(finding), Some(seed)) => Outcome::Found(finding.with_seed(seed)),
        (outcome, _) => outcome,
    };
    // What was made goes, whatever came of the clause; failing at that is told only where nothing else is.
    let tidied = runtime.block_on(guarded(tidied(case), TIDYING));
    match (outcome, tidied) {
        (Outcome::Passed, Outcome::Found(finding)) => {
            Outcome::Found(finding.while_("removing what the clause made"))
        }
        (outcome, _) => outcome,
    }
}

/// What it may take to remove what a clause made.
const TIDYING: Duration = Duration::from_secs(60);

/// Runs something in a task of its own, so that a panic, a block and a hang are all only its own.
async fn guarded(
    work: impl Future<Output = Result<Outcome, Finding>> + Send + 'static,
    limit: Duration,
) -> Outcome {
    let mut running = tokio::spawn(work);
    match timeout(limit, &mut running).await {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(Ok(Err(finding))) => Outcome::Found(finding),
        Ok(Err(error)) => {
            let told = error.try_into_panic().map_or_else(|error| error.to_string(), message);
            Outcome::Found(Finding::failed("no panic", format!("a panic: {told}")))
        }
        Err(_) => {
            running.abort();
            let expected = format!("the clause ends within {limit:?}");
            Outcome::Found(Finding::failed(expected, "it was stopped, still running"))
        }
    }
}

async fn checked<S: ?Sized + Provider + 'static>(
    case: Arc<Case<S>>,
    clause: Clause<S>,
) -> Result<Outcome, Finding> {
    case.prepare()?;
    if is_declared(&case.suite, clause.level, case.service()) {
        (clause.run)(&case).await?;
        return Ok(Outcome::Passed);
    }
    let Level::Capability(id) = clause.level else {
        return Ok(Outcome::Passed);
    };
    is_allowed(&case, id)?;
    if let Some(refused) = clause.refused {
        (refused)(&case).await?;
        return Ok(Outcome::Refused);
    }
    Err(Finding::not_run(format!("`{id}` is unsupported, and the clause cannot show that it is refused")))
}

/// A provider may not shrink below what the contract demands of it.
fn is_allowed<S: ?Sized + Provider + 'static>(case: &Case<S>, capability: &str) -> Verdict {
    let demanded = case
        .suite
        .natives
        .iter()
        .any(|(provider, natives)| *provider == case.provider_id() && natives.contains(&capability));
    if demanded {
        let expected = format!("`{capability}` is native: the contract demands it of this provider");
        return Err(Finding::failed(expected, "it is declared unsupported"));
    }
    Ok(())
}

async fn tidied<S: ?Sized + Provider + 'static>(case: Arc<Case<S>>) -> Result<Outcome, Finding> {
    if let Some(cleanup) = case.suite.cleanup
        && !case.made().is_empty()
    {
        // A service of its own: the clause may have closed or broken the other one.
        let service = case.bare()?;
        (cleanup)(&case, &service).await?;
    }
    Ok(Outcome::Passed)
}

fn message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast::<&'static str>()
            .map_or_else(|_| "without a message".to_owned(), |text| (*text).to_owned()),
    }
}
