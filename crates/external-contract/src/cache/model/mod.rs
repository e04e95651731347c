//! Random programs of calls on a cache: what a step is, and how steps are drawn.

mod perform;
mod reference;

use std::fmt;
use std::time::Duration;

use external_core::cache::{CAPABILITIES, SetCondition, supports};
use futures_util::future::BoxFuture;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::{collection, option, prop_oneof};

use super::S;
use crate::programs::{Difference, LIMIT, explore};
use crate::{Case, Clause, clause};
use perform::Place;
use reference::Reference;

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.model.1",
            "Whatever calls follow one another, each answers what the promises make of the calls before it: conditions, times to live, counters, tokens, batches and locks in any mixture.",
            |case| {
                let able = Able::of(case);
                explore(case, steps(able.clone()), &able.ending(), run).await?;
            }
        )
        .with_limit(LIMIT),
    ]
}

fn run<'a>(case: &'a Case<S>, place: u64, steps: &'a [Step]) -> BoxFuture<'a, Result<(), Difference>> {
    Box::pin(async move {
        let place = Place::new(case, place);
        let mut reference = Reference::of(case.service());
        for (at, step) in steps.iter().enumerate() {
            let seen = place.perform(step, &reference).await;
            Difference::between(at, &seen, &reference.answer(step, &seen))?;
        }
        Ok(())
    })
}

/// The keys of programs: few, so that calls meet.
const NAMES: [&str; 3] = ["a", "b", "A"];
/// Values: some count, some do not, some are the same bytes again.
const VALUES: [&str; 7] = ["1", "", "x", "-7", "01", " 2", "9223372036854775807"];
/// Ends so far off that no program reaches them, and so far apart that they are told apart.
const TTLS: [Duration; 2] = [Duration::from_secs(10_000), Duration::from_secs(50_000)];

/// One call. A token is that of the value which the key named had the number of reads ago.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Get { key: &'static str },
    Ttl { key: &'static str },
    GetMany { keys: Vec<&'static str> },
    Set { key: &'static str, value: &'static str, ttl: Option<Duration>, condition: SetCondition },
    Delete { key: &'static str },
    SetMany { entries: Vec<(&'static str, &'static str, Option<Duration>)> },
    DeleteMany { keys: Vec<&'static str> },
    Expire { key: &'static str, ttl: Option<Duration> },
    Increment { key: &'static str, delta: i64, ttl: Option<Duration> },
    Swap { key: &'static str, back: usize, value: &'static str, ttl: Option<Duration>, strict: bool },
    Acquire { name: &'static str, owner: &'static str },
    Renew { name: &'static str, owner: &'static str },
    Release { name: &'static str, owner: &'static str },
}

/// What the cache lacks.
#[derive(Clone)]
struct Able(Vec<&'static str>);

impl Able {
    fn of(case: &Case<S>) -> Self {
        let ids = CAPABILITIES.iter().map(|(id, _)| *id);
        Self(ids.filter(|id| !supports(case.service(), id).is_supported()).collect())
    }

    fn has(&self, id: &str) -> bool {
        !self.0.contains(&id)
    }

    /// Looks at everything that a program may have left.
    fn ending(&self) -> Vec<Step> {
        let each = NAMES.iter().flat_map(|key| {
            let ttl = self.has("expire").then_some(Step::Ttl { key });
            [Some(Step::Get { key }), ttl].into_iter().flatten()
        });
        each.collect()
    }

    /// The step without what the cache lacks; of a step that it lacks altogether a read is left.
    fn without_what_is_lacking(&self, step: Step) -> Step {
        let (needs, key) = match &step {
            Step::Ttl { key } | Step::Expire { key, .. } => ("expire", *key),
            Step::GetMany { .. } | Step::SetMany { .. } | Step::DeleteMany { .. } => ("batch", "a"),
            Step::Increment { key, .. } => ("increment", *key),
            Step::Swap { key, .. } => ("compare-and-swap", *key),
            Step::Acquire { name, .. } | Step::Renew { name, .. } | Step::Release { name, .. } => {
                ("locks", *name)
            }
            _ => ("", ""),
        };
        match step {
            _ if !needs.is_empty() && !self.has(needs) => Step::Get { key },
            Step::Set { key, value, ttl, .. } if !self.has("conditional-set") => {
                Step::Set { key, value, ttl, condition: SetCondition::Always }
            }
            Step::Swap { key, back, value, ttl, strict } => {
                Step::Swap { key, back, value, ttl, strict: strict && self.has("strict-compare-and-swap") }
            }
            step => step,
        }
    }
}

/// Draws one step. What comes first is what a failing program is simplified to.
fn steps(able: Able) -> impl Strategy<Value = Vec<Step>, Tree: Send> + Send {
    let key = || select(&NAMES[..]);
    let keys = || collection::vec(key(), 0..=4);
    let value = || select(&VALUES[..]);
    let ttl = || option::of(select(&TTLS[..]));
    let owner = || select(&["one", "two"][..]);
    let condition = prop_oneof![3 => Just(SetCondition::Always), 1 => Just(SetCondition::IfAbsent), 1 => Just(SetCondition::IfPresent)];
    let delta = prop_oneof![4 => -3..=3_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    let reading = prop_oneof![
        3 => key().prop_map(|key| Step::Get { key }),
        2 => key().prop_map(|key| Step::Ttl { key }),
        1 => keys().prop_map(|keys| Step::GetMany { keys }),
    ];
    let writing = prop_oneof![
        4 => (key(), value(), ttl(), condition)
            .prop_map(|(key, value, ttl, condition)| Step::Set { key, value, ttl, condition }),
        2 => key().prop_map(|key| Step::Delete { key }),
        1 => collection::vec((key(), value(), ttl()), 0..=4).prop_map(|entries| Step::SetMany { entries }),
        1 => keys().prop_map(|keys| Step::DeleteMany { keys }),
        2 => (key(), ttl()).prop_map(|(key, ttl)| Step::Expire { key, ttl }),
        3 => (key(), delta, ttl()).prop_map(|(key, delta, ttl)| Step::Increment { key, delta, ttl }),
        3 => (key(), 0..3_usize, value(), ttl(), any::<bool>())
            .prop_map(|(key, back, value, ttl, strict)| Step::Swap { key, back, value, ttl, strict }),
    ];
    let locking = prop_oneof![
        3 => (key(), owner()).prop_map(|(name, owner)| Step::Acquire { name, owner }),
        1 => (key(), owner()).prop_map(|(name, owner)| Step::Renew { name, owner }),
        2 => (key(), owner()).prop_map(|(name, owner)| Step::Release { name, owner }),
    ];
    prop_oneof![5 => reading, 8 => writing, 2 => locking]
        .prop_map(move |step| vec![able.without_what_is_lacking(step)])
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lives =
            |ttl: &Option<Duration>| ttl.map_or_else(String::new, |ttl| format!(" for {} s", ttl.as_secs()));
        match self {
            Self::Get { key } => write!(f, "get {key}"),
            Self::Ttl { key } => write!(f, "ttl {key}"),
            Self::GetMany { keys } => write!(f, "get together {}", keys.join(", ")),
            Self::Set { key, value, ttl, condition } => {
                write!(f, "set {key} to {value:?}{}", lives(ttl))?;
                f.write_str(match condition {
                    SetCondition::Always => "",
                    SetCondition::IfAbsent => " if absent",
                    SetCondition::IfPresent => " if present",
                })
            }
            Self::Delete { key } => write!(f, "delete {key}"),
            Self::SetMany { entries } => {
                let entries =
                    entries.iter().map(|(key, value, ttl)| format!("{key} to {value:?}{}", lives(ttl)));
                write!(f, "set together {}", entries.collect::<Vec<_>>().join(", "))
            }
            Self::DeleteMany { keys } => write!(f, "delete together {}", keys.join(", ")),
            Self::Expire { key, ttl: None } => write!(f, "let {key} live without end"),
            Self::Expire { key, ttl } => write!(f, "let {key} live{}", lives(ttl)),
            Self::Increment { key, delta, ttl } => write!(f, "add {delta} to {key}{}", lives(ttl)),
            Self::Swap { key, back, value, ttl, strict } => {
                let strict = if *strict { " (strict)" } else { "" };
                write!(f, "swap {key}, read {back} reads ago, to {value:?}{}{strict}", lives(ttl))
            }
            Self::Acquire { name, owner } => write!(f, "acquire {name} for {owner}"),
            Self::Renew { name, owner } => write!(f, "renew {name} for {owner}"),
            Self::Release { name, owner } => write!(f, "release {name} for {owner}"),
        }
    }
}
