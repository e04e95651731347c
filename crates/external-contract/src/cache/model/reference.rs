//! The reference: what the promises of the contract make of a sequence of calls, as a map of values. Where the contract
//! leaves a choice, it follows what was seen.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use external_core::ErrorKind;
use external_core::cache::{
    CacheService, CasToken, ReleaseOutcome, RenewOutcome, SetCondition, SwapOutcome, TimeToLive,
};

use super::Step;
use crate::programs::Refusal;

/// What a call answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// There was nothing to call: a program may name a token that it has not read.
    Nothing,
    Refused(Refusal),
    Value(Option<Found>),
    Values(Vec<Option<Found>>),
    Ttl(TimeToLive),
    Stored(bool),
    /// One result a value.
    StoredEach(usize),
    Existed(Option<bool>),
    ExistedEach(Vec<Option<bool>>),
    Expires(bool),
    Counter(i64),
    Swap(SwapOutcome),
    /// With its fencing number.
    Acquired(u64),
    Held,
    Renewed(RenewOutcome),
    Released(ReleaseOutcome),
}

/// Alike if the value is: tokens are for swaps to prove.
#[derive(Clone, Eq)]
pub(super) struct Found {
    pub(super) value: Bytes,
    pub(super) token: CasToken,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

#[derive(Clone)]
struct Held {
    value: Bytes,
    ttl: Option<Duration>,
    /// Which write of the program it came from.
    write: usize,
}

/// A token that a read handed out, and what it read.
struct Read {
    key: &'static str,
    token: CasToken,
    value: Bytes,
    write: usize,
}

#[derive(Default)]
pub(super) struct Reference {
    granularity: Duration,
    values: BTreeMap<&'static str, Held>,
    writes: usize,
    reads: Vec<Read>,
    holders: BTreeMap<&'static str, &'static str>,
    fencing: BTreeMap<&'static str, u64>,
}

impl Reference {
    pub(super) fn of(service: &dyn CacheService) -> Self {
        let granularity = service.info().capabilities().get_limit("ttl-granularity-ms").unwrap_or(1);
        Self { granularity: Duration::from_millis(granularity), ..Self::default() }
    }

    /// The token that a read of `key` handed out so many reads ago.
    pub(super) fn token(&self, key: &str, back: usize) -> Option<&CasToken> {
        self.read(key, back).map(|read| &read.token)
    }

    fn read(&self, key: &str, back: usize) -> Option<&Read> {
        self.reads.iter().rev().filter(|read| read.key == key).nth(back)
    }

    /// What a step answers; `seen` is followed where there is a choice, and for what only a cache can give.
    pub(super) fn answer(&mut self, step: &Step, seen: &Answer) -> Answer {
        match step {
            Step::Get { key } => {
                let found = match seen {
                    Answer::Value(found) => found.as_ref(),
                    _ => None,
                };
                Answer::Value(self.found(key, found))
            }
            Step::GetMany { keys } => {
                let found = |n: usize| match seen {
                    Answer::Values(found) => found.get(n).and_then(Option::as_ref),
                    _ => None,
                };
                Answer::Values(keys.iter().enumerate().map(|(n, key)| self.found(key, found(n))).collect())
            }
            Step::Ttl { key } => Answer::Ttl(self.remaining(key, seen)),
            Step::Set { key, value, ttl, condition } => {
                let holds = match condition {
                    SetCondition::Always => true,
                    SetCondition::IfAbsent => !self.values.contains_key(key),
                    SetCondition::IfPresent => self.values.contains_key(key),
                };
                if holds {
                    self.store(key, Bytes::from_static(value.as_bytes()), *ttl);
                }
                Answer::Stored(holds)
            }
            Step::SetMany { entries } => {
                for (key, value, ttl) in entries {
                    self.store(key, Bytes::from_static(value.as_bytes()), *ttl);
                }
                Answer::StoredEach(entries.len())
            }
            Step::Delete { key } => Answer::Existed(Some(self.values.remove(key).is_some())),
            Step::DeleteMany { keys } => {
                Answer::ExistedEach(keys.iter().map(|key| Some(self.values.remove(key).is_some())).collect())
            }
            Step::Expire { key, ttl } => {
                let held = self.values.get_mut(key);
                Answer::Expires(held.map(|held| held.ttl = *ttl).is_some())
            }
            Step::Increment { key, delta, ttl } => self.increment(key, *delta, *ttl),
            Step::Swap { key, back, value, ttl, strict } => {
                self.swap(key, *back, Bytes::from_static(value.as_bytes()), *ttl, *strict, seen)
            }
            Step::Acquire { name, owner } => self.acquire(name, owner, seen),
            Step::Renew { name, owner } => Answer::Renewed(if self.holders.get(name) == Some(owner) {
                RenewOutcome::Renewed
            } else {
                RenewOutcome::Lost
            }),
            Step::Release { name, owner } => {
                let holds = self.holders.get(name) == Some(owner);
                if holds {
                    self.holders.remove(name);
                }
                Answer::Released(if holds { ReleaseOutcome::Released } else { ReleaseOutcome::NotHeld })
            }
        }
    }

    /// What is held, and the token seen with it remembered.
    fn found(&mut self, key: &'static str, seen: Option<&Found>) -> Option<Found> {
        let held = self.values.get(key)?;
        let token = seen.map_or(CasToken::from_version(0), |seen| seen.token.clone());
        self.reads.push(Read { key, token: token.clone(), value: held.value.clone(), write: held.write });
        Some(Found { value: held.value.clone(), token })
    }

    /// Programs take no time to speak of.
    fn remaining(&self, key: &str, seen: &Answer) -> TimeToLive {
        match self.values.get(key).map(|held| held.ttl) {
            None => TimeToLive::Missing,
            Some(None) => TimeToLive::Unlimited,
            Some(Some(ttl)) => match seen {
                Answer::Ttl(TimeToLive::Remaining(left))
                    if *left > ttl / 2 && *left <= ttl + self.granularity =>
                {
                    TimeToLive::Remaining(*left)
                }
                _ => TimeToLive::Remaining(ttl),
            },
        }
    }

    fn store(&mut self, key: &'static str, value: Bytes, ttl: Option<Duration>) {
        self.writes += 1;
        self.values.insert(key, Held { value, ttl, write: self.writes });
    }

    fn increment(&mut self, key: &'static str, delta: i64, ttl: Option<Duration>) -> Answer {
        let (number, ttl) = match self.values.get(key) {
            None => (Some(0), ttl),
            Some(held) => (canonical(&held.value), held.ttl),
        };
        match number.and_then(|number| number.checked_add(delta)) {
            Some(number) => {
                self.store(key, number.to_string().into(), ttl);
                Answer::Counter(number)
            }
            None => Answer::Refused(ErrorKind::Conflict.into()),
        }
    }

    fn swap(
        &mut self,
        key: &'static str,
        back: usize,
        value: Bytes,
        ttl: Option<Duration>,
        strict: bool,
        seen: &Answer,
    ) -> Answer {
        let Some(read) = self.read(key, back) else { return Answer::Nothing };
        let Some(held) = self.values.get(key) else { return Answer::Swap(SwapOutcome::Missing) };
        // Whether a write of the very same bytes kills a token is the provider's, unless asked for.
        let may = !strict && read.value == held.value && *seen == Answer::Swap(SwapOutcome::Swapped);
        if read.write != held.write && !may {
            return Answer::Swap(SwapOutcome::Changed);
        }
        self.store(key, value, ttl);
        Answer::Swap(SwapOutcome::Swapped)
    }

    fn acquire(&mut self, name: &'static str, owner: &'static str, seen: &Answer) -> Answer {
        if self.holders.contains_key(name) {
            return Answer::Held;
        }
        self.holders.insert(name, owner);
        let last = self.fencing.entry(name).or_default();
        *last = match seen {
            Answer::Acquired(fencing) if *fencing > *last => *fencing,
            _ => *last + 1,
        };
        Answer::Acquired(*last)
    }
}

fn canonical(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}
