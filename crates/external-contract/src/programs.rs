//! The model-based lane: random programs of calls, each run against a provider and against the contract's reference. Of a
//! program that tells the two apart the shortest form is reported.

use std::fmt::{self, Debug, Display, Write};
use std::time::Duration;

use external_core::{Error, ErrorKind, Provider, ProviderKind};
use futures_util::future::BoxFuture;
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use tokio::time::Instant;

use crate::chance::{drawing, hashed};
use crate::{Case, Finding, Verdict};

/// What a clause of this lane may take, the search for a shorter program included. It is there for what hangs: thousands of
/// calls that reach a disk take a minute where other work has the processors.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);
/// How many programs are tried: where a call is a function call, where it goes to a disk, where it is an exchange.
const PROGRAMS: [u64; 3] = [300, 60, 12];
/// The most draws of a program: a draw is a call, or several that belong together.
const DRAWS: usize = 30;
/// A failing program is shortened for at most so long.
const SHORTENING: Duration = Duration::from_secs(20);

/// Runs a program in a place of its own, which the number names.
pub(crate) type Run<S, T> = for<'a> fn(&'a Case<S>, u64, &'a [T]) -> BoxFuture<'a, Result<(), Difference>>;

/// An answer that the reference would not have given, or an obstacle.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Counted from 1.
    step: usize,
    finding: Finding,
}

impl Difference {
    /// What the provider answered at the step that stands at `at`, counted from 0, against what the reference answers.
    pub(crate) fn between<A: PartialEq + Debug>(at: usize, seen: &A, expected: &A) -> Result<(), Self> {
        if seen == expected {
            return Ok(());
        }
        Err(Self::at(at, Finding::failed(format!("{expected:?}"), format!("{seen:?}"))))
    }

    /// What was found at the step that stands at `at`, counted from 0.
    pub(crate) fn at(at: usize, finding: Finding) -> Self {
        Self { step: at + 1, finding }
    }
}

/// How a provider or the reference refuses a call. Alike if the kind is; the text is for whoever reads the failure.
#[derive(Clone, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) told: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { kind: error.kind(), told: error.report() }
    }
}

/// As the reference refuses.
impl From<ErrorKind> for Refusal {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, told: String::new() }
    }
}

impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.told)
    }
}

/// Runs random programs, each of such draws and with this ending, until one fails. The same seed draws the same programs.
pub(crate) async fn explore<S, T>(
    case: &Case<S>,
    draw: impl Strategy<Value = Vec<T>, Tree: Send> + Send,
    ending: &[T],
    run: Run<S, T>,
) -> Verdict
where
    S: ?Sized + Provider + 'static,
    T: Clone + Display + Send + Sync,
{
    let program = vec(draw, 1..=DRAWS);
    let first = case.draws() ^ own(case);
    let mut places = 0..;
    let mut tried = async |steps: &[T]| run(case, places.next().unwrap_or_default(), steps).await;
    let [computed, written, exchanged] = PROGRAMS;
    let count = match case.kind() {
        ProviderKind::Remote => exchanged,
        _ if case.fact("persistent").is_some() => written,
        _ => computed,
    };
    for seed in (0..count).map(|n| first.wrapping_add(n)) {
        let mut tree =
            program.new_tree(&mut runner(seed)).map_err(|why| Finding::not_run(why.to_string()))?;
        let steps = [&tree.current().concat(), ending].concat();
        let Err(found) = tried(&steps).await else { continue };
        let (mut shortest, began) = ((steps, found), Instant::now());
        let mut shorter = tree.simplify();
        while shorter && began.elapsed() < SHORTENING {
            let steps = [&tree.current().concat(), ending].concat();
            shorter = match tried(&steps).await {
                Ok(()) => tree.complicate(),
                Err(found) => {
                    shortest = (steps, found);
                    tree.simplify()
                }
            };
        }
        return Err(told(&shortest.0, shortest.1));
    }
    Ok(())
}

/// What stands behind the step that differs has no part in it.
fn told<T: Display>(steps: &[T], difference: Difference) -> Finding {
    let Finding::Failed { expected, seen } = difference.finding else { return difference.finding };
    let mut program = String::new();
    for (n, step) in steps.iter().take(difference.step).enumerate() {
        let _ = write!(program, "\n  {}. {step}", n + 1);
    }
    Finding::failed(
        format!("step {} answers {expected}", difference.step),
        format!("{seen}\nprogram:{program}"),
    )
}

/// Providers are told apart, so that together they see more programs.
fn own<S: ?Sized + Provider + 'static>(case: &Case<S>) -> u64 {
    hashed(&(case.provider_id(), case.is_about_client()))
}

fn runner(seed: u64) -> TestRunner {
    TestRunner::new_with_rng(Config::default(), drawing(seed))
}
