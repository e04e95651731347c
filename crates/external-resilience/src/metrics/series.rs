//! The handles of every series that has been counted, found again without hashing a name and without a lock.
//!
//! The table only grows, by what the configuration names times what the contracts offer; a look at it writes nothing.

use std::fmt;
use std::ptr;
use std::sync::OnceLock;

use external_core::{Error, ErrorKind, Operation};
use metrics::{Counter, Histogram, Key, Label, Level, Metadata};

use super::names;
use crate::refusal::Refusal;
use crate::{AttemptRecord, CallRecord, Outcome};

pub(super) const METADATA: Metadata<'static> = Metadata::new("external", Level::INFO, Some(module_path!()));

/// Enough that the operations of a dozen instances seldom meet in one.
const BUCKETS: usize = 256;

const KINDS: usize = ErrorKind::ALL.len();
const EFFECTS: usize = 3;

/// Chains of series; the only writes are a new one at the end of its chain.
pub(super) struct Table {
    buckets: Box<[OnceLock<Box<Series>>]>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| OnceLock::new()).collect() }
    }

    /// The series of one operation of an instance, made at its first call.
    pub(super) fn series(&self, operation: Operation, provider: &'static str, instance: &str) -> &Series {
        let mut place = &self.buckets[bucket(operation, provider, instance)];
        loop {
            let series = place.get_or_init(|| Box::new(Series::new(operation, provider, instance)));
            if series.is_of(operation, provider, instance) {
                return series;
            }
            place = &series.next;
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.buckets.iter().filter(|bucket| bucket.get().is_some()).count();
        f.debug_struct("Table").field("used", &used).finish_non_exhaustive()
    }
}

/// Names and templates of operations and names of providers are literals, so their addresses tell them apart; those of
/// instances come and go with their pipelines, so what they say counts.
fn bucket(operation: Operation, provider: &'static str, instance: &str) -> usize {
    let last = instance.as_bytes().last().copied().unwrap_or(0);
    let mixed = operation.name.as_ptr().addr()
        ^ operation.domain.as_ptr().addr().rotate_left(7)
        ^ operation.template.map_or(0, |template| template.as_ptr().addr().rotate_left(11))
        ^ provider.as_ptr().addr().rotate_left(14)
        ^ instance.len().rotate_left(21)
        ^ usize::from(last).rotate_left(3);
    // The upper of the lower 32 bits are those that all bits below have a part in.
    (mixed.wrapping_mul(0x9E37_79B1) >> 24) % BUCKETS
}

/// What is counted of one operation of one instance.
pub(super) struct Series {
    operation: Operation,
    provider: &'static str,
    instance: Box<str>,
    calls: Durations,
    retries: OnceLock<Counter>,
    failures: OnceLock<Box<Failures>>,
    attempts: Durations,
    managed_attempts: Durations,
    /// The next one in the same bucket.
    next: OnceLock<Box<Self>>,
}

impl Series {
    fn new(operation: Operation, provider: &'static str, instance: &str) -> Self {
        Self {
            operation,
            provider,
            instance: instance.into(),
            calls: Durations::default(),
            retries: OnceLock::new(),
            failures: OnceLock::new(),
            attempts: Durations::default(),
            managed_attempts: Durations::default(),
            next: OnceLock::new(),
        }
    }

    fn is_of(&self, operation: Operation, provider: &'static str, instance: &str) -> bool {
        ptr::eq(self.operation.name, operation.name)
            && ptr::eq(self.operation.domain, operation.domain)
            && match (self.operation.template, operation.template) {
                (Some(one), Some(other)) => ptr::eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            }
            && ptr::eq(self.provider, provider)
            && *self.instance == *instance
    }

    pub(super) fn call(&self, record: &CallRecord<'_>) {
        let ending = Ending::of(record.outcome, record.error);
        let duration = self.calls.of(ending, |labels| self.histogram(names::CALL_DURATION, labels));
        duration.record(record.duration.as_secs_f64());
        let retries = self.retries.get_or_init(|| self.counter(names::CALL_RETRIES, Vec::new()));
        if record.attempts > 1 {
            retries.increment(u64::from(record.attempts - 1));
        }
        if let Some(error) = record.error {
            self.failed(error);
        }
    }

    fn failed(&self, error: &Error) {
        let failures = self.failures.get_or_init(Box::default);
        let (kind, effect) = (error.kind(), error.effect());
        if let Some(errors) =
            failures.errors.get(kind as usize).and_then(|effects| effects.get(effect as usize))
        {
            let labels = || {
                vec![Label::new(names::ERROR_TYPE, kind.as_str()), Label::new(names::EFFECT, effect.as_str())]
            };
            errors.get_or_init(|| self.counter(names::CALL_ERRORS, labels())).increment(1);
        }
        let Some(refuser) = Refusal::of(error) else {
            return;
        };
        for (known, refusals) in Refusal::ALL.into_iter().zip(&failures.refusals) {
            if known == refuser {
                let labels = || vec![Label::new(names::REFUSED_BY, known.as_str())];
                refusals.get_or_init(|| self.counter(names::CALL_REFUSALS, labels())).increment(1);
            }
        }
    }

    pub(super) fn attempt(&self, record: &AttemptRecord<'_>) {
        let (attempts, managed) =
            if record.managed { (&self.managed_attempts, "true") } else { (&self.attempts, "false") };
        let ending = Ending::of(record.outcome, record.error);
        let duration = attempts.of(ending, |mut labels| {
            labels.push(Label::new(names::MANAGED, managed));
            self.histogram(names::ATTEMPT_DURATION, labels)
        });
        duration.record(record.duration.as_secs_f64());
    }

    fn histogram(&self, name: &'static str, labels: Vec<Label>) -> Histogram {
        metrics::with_recorder(|recorder| recorder.register_histogram(&self.key(name, labels), &METADATA))
    }

    fn counter(&self, name: &'static str, labels: Vec<Label>) -> Counter {
        metrics::with_recorder(|recorder| recorder.register_counter(&self.key(name, labels), &METADATA))
    }

    fn key(&self, name: &'static str, labels: Vec<Label>) -> Key {
        let mut all = common(self.operation.domain, self.provider, &self.instance);
        all.push(Label::new(names::OPERATION, self.operation.name));
        all.extend(self.operation.template.map(|template| Label::new(names::TEMPLATE, template)));
        all.extend(labels);
        Key::from_parts(name, all)
    }
}

/// The labels of everything that is known of an instance.
pub(super) fn common(domain: &'static str, provider: &'static str, instance: &str) -> Vec<Label> {
    vec![
        Label::new(names::DOMAIN, domain),
        Label::new(names::PROVIDER, provider),
        Label::new(names::INSTANCE, instance.to_owned()),
    ]
}

/// How a call or an attempt ended, as durations are told apart by it.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Ok,
    Dropped,
    Failed(ErrorKind),
}

impl Ending {
    fn of(outcome: Outcome, error: Option<&Error>) -> Self {
        match outcome {
            Outcome::Ok => Self::Ok,
            Outcome::Dropped => Self::Dropped,
            Outcome::Error => Self::Failed(error.map_or(ErrorKind::Unexpected, Error::kind)),
        }
    }

    fn labels(self) -> Vec<Label> {
        let outcome = |outcome: Outcome| Label::new(names::OUTCOME, outcome.as_str());
        match self {
            Self::Ok => vec![outcome(Outcome::Ok)],
            Self::Dropped => vec![outcome(Outcome::Dropped)],
            Self::Failed(kind) => {
                vec![outcome(Outcome::Error), Label::new(names::ERROR_TYPE, kind.as_str())]
            }
        }
    }
}

/// One histogram an ending.
#[derive(Default)]
struct Durations {
    ok: OnceLock<Histogram>,
    dropped: OnceLock<Histogram>,
    /// By kind. Most series never need them.
    failed: OnceLock<Box<[OnceLock<Histogram>; KINDS]>>,
}

impl Durations {
    fn of(&self, ending: Ending, make: impl FnOnce(Vec<Label>) -> Histogram) -> &Histogram {
        let place = match ending {
            Ending::Ok => &self.ok,
            Ending::Dropped => &self.dropped,
            Ending::Failed(kind) => &self.failed.get_or_init(Box::default)[kind as usize],
        };
        place.get_or_init(|| make(ending.labels()))
    }
}

/// What is counted of calls that failed.
#[derive(Default)]
struct Failures {
    /// By kind and effect.
    errors: [[OnceLock<Counter>; EFFECTS]; KINDS],
    /// In the order of [`Refusal::ALL`].
    refusals: [OnceLock<Counter>; Refusal::ALL.len()],
}

#[cfg(test)]
mod tests {
    use external_core::{Effect, Repeat};

    use super::*;

    #[test]
    fn every_kind_and_effect_has_a_place() {
        for (place, kind) in ErrorKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place, "{kind}");
        }
        for effect in [Effect::NotSent, Effect::NotApplied, Effect::MaybeApplied] {
            assert!((effect as usize) < EFFECTS, "{effect}");
        }
    }

    #[test]
    fn every_layer_that_refuses_is_known() {
        for refusal in Refusal::ALL {
            let error = refusal.error("no", None);
            assert_eq!(Refusal::of(&error), Some(refusal), "{refusal}");
        }
    }

    #[test]
    fn what_shares_a_name_is_kept_apart() {
        let table = Table::new();
        let names = ["get", "put", "head"];
        let mut seen = Vec::new();
        for domain in ["storage", "cache"] {
            for name in names {
                for instance in ["default", "avatars", "b"].map(str::to_owned) {
                    let operation = Operation::new(domain, name, Repeat::Safe);
                    let series = table.series(operation, "memory", &instance);
                    assert!(ptr::eq(series, table.series(operation, "memory", &instance.clone())));
                    assert!(series.is_of(operation, "memory", &instance));
                    seen.push(ptr::from_ref(series));
                }
            }
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }
}
