//! Which clause catches which flaw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use external_core::Provider;

use super::Flaw;
use crate::{Harness, Suite, verify};

/// What came of every flaw, and of every clause.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    flaws: Vec<Outcome>,
    /// Clauses that no flaw is made for, with the reason.
    exempt: Vec<(&'static str, &'static str)>,
    /// Clauses that no flaw is made for, without one.
    untried: Vec<&'static str>,
    /// Reasons that say nothing.
    needless: Vec<&'static str>,
}

/// A flaw, and for each clause made for it whether that failed.
#[derive(Debug, Clone)]
struct Outcome {
    name: &'static str,
    sentence: &'static str,
    caught: Vec<(&'static str, bool)>,
}

/// So many flaws are tried at a time: their clauses wait more than they compute.
const SIDE_BY_SIDE: usize = 6;

/// Runs the clauses that each flaw is made for against the flawed providers of these harnesses; one that catches it on
/// one of them is enough. `exempt` names clauses, or beginnings of their ids up to a dot, that no flaw is shipped for, and says why.
///
/// It must not be called within a runtime, since every clause starts its own.
#[must_use]
pub fn judge<S: ?Sized + Provider + 'static>(
    suite: impl Fn() -> Suite<S> + Sync,
    harnesses: &[Harness<S>],
    flaws: &[Flaw<S>],
    exempt: &[(&'static str, &'static str)],
) -> Judgement {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some((n, flaw)) = take(flaws, &next) {
                    let outcome = tried(&suite, harnesses, flaw);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(n, outcome);
                }
            });
        }
    });
    let flaws_in_order = done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values();
    let mut judgement = Judgement { flaws: flaws_in_order.collect(), ..Judgement::default() };
    let tried: BTreeSet<_> = flaws.iter().flat_map(|flaw| flaw.caught_by).copied().collect();
    let mut needed = BTreeSet::new();
    let ids: BTreeSet<_> = suite().clauses().iter().map(|clause| clause.id).collect();
    for id in ids.into_iter().filter(|id| !tried.contains(id)) {
        match exempt
            .iter()
            .find(|(exempt, _)| id == *exempt || exempt.ends_with('.') && id.starts_with(exempt))
        {
            Some((beginning, why)) => {
                needed.insert(*beginning);
                judgement.exempt.push((id, why));
            }
            None => judgement.untried.push(id),
        }
    }
    let needless = exempt.iter().map(|(beginning, _)| *beginning);
    judgement.needless = needless.filter(|beginning| !needed.contains(beginning)).collect();
    judgement
}

fn take<'a, T>(all: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let n = next.fetch_add(1, Ordering::Relaxed);
    all.get(n).map(|one| (n, one))
}

fn tried<S: ?Sized + Provider + 'static>(
    suite: impl Fn() -> Suite<S>,
    harnesses: &[Harness<S>],
    flaw: &Flaw<S>,
) -> Outcome {
    let tally = verify(suite().only(flaw.caught_by), flaw.laid_over(harnesses));
    let caught = flaw.caught_by.iter().map(|clause| (*clause, tally.has_failed(clause))).collect();
    Outcome { name: flaw.name, sentence: flaw.sentence, caught }
}

impl Judgement {
    /// What is not as it should be: a flaw that a clause made for it lets pass, a clause without a flaw and without a
    /// reason, a reason without a clause.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let passed = self.flaws.iter().flat_map(|Outcome { name, sentence, caught }| {
            let passed = caught.iter().filter(|(_, caught)| !caught);
            passed.map(move |(clause, _)| format!("{clause} lets {name} pass: {sentence}"))
        });
        let untried = self.untried.iter().map(|clause| format!("no flaw is made for {clause}"));
        let needless = self.needless.iter().map(|exempt| format!("nothing needs the exemption of {exempt}"));
        passed.chain(untried).chain(needless).collect()
    }
}

/// A table of flaws, what is wrong and which clauses catch it; below it the clauses that no flaw is made for.
impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.flaws.iter().map(|flaw| flaw.name.len()).max().unwrap_or_default();
        for Outcome { name, sentence, caught } in &self.flaws {
            let clauses: Vec<_> = caught
                .iter()
                .map(|(clause, caught)| if *caught { (*clause).to_owned() } else { format!("NOT {clause}") })
                .collect();
            writeln!(f, "{name:width$}  {sentence}\n{:width$}    {}", "", clauses.join(" "))?;
        }
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (clause, why) in &self.exempt {
            reasons.entry(why).or_default().push(clause);
        }
        for (why, clauses) in reasons {
            writeln!(f, "without a flaw: {} ({why})", clauses.join(" "))?;
        }
        let whole = |flaw: &&Outcome| flaw.caught.iter().all(|(_, caught)| *caught);
        let caught = self.flaws.iter().filter(whole).count();
        write!(f, "{caught} of {} flaws caught by every clause made for them", self.flaws.len())
    }
}
