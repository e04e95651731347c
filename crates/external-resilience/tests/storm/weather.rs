//! The back end of a storm: what becomes of the attempts that reach it, by a forecast and by chance, and what it saw.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use external_core::{CallContext, Effect, Error, ErrorKind, Operation, Repeat, Result, Retry};
use tokio::time::{Instant, sleep};

pub(crate) const READ: Operation = Operation::new("storage", "get", Repeat::Safe);
pub(crate) const SEND: Operation = Operation::new("email", "send", Repeat::Once);

/// What the back end does, and until which second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    HalfFails,
    AllFails,
    Throttles,
    FairAgain,
}

pub(crate) const FORECAST: [(Weather, u64); 5] = [
    (Weather::Fair, 5),
    (Weather::HalfFails, 10),
    (Weather::AllFails, 25),
    (Weather::Throttles, 35),
    (Weather::FairAgain, 45),
];

/// How long a caller is asked to wait: all of them by a throttle, this one by a 503.
const HINT: Duration = Duration::from_millis(500);

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Done, and the answer is lost.
    Lost,
    /// Done, and nothing is ever heard of it.
    Hangs,
    /// Not done: a 503, with and without a hint.
    Unavailable,
    UnavailableFor(Duration),
    Throttled,
}

impl Fate {
    /// What its caller hears, of those that hear anything.
    fn outcome(self) -> Result<()> {
        let unavailable = || Error::unavailable("503").with_effect(Effect::NotApplied);
        match self {
            Self::Answered => Ok(()),
            Self::Lost | Self::Hangs => Err(Error::unavailable("reset").with_effect(Effect::MaybeApplied)),
            Self::Unavailable => Err(unavailable()),
            Self::UnavailableFor(hint) => Err(unavailable().with_retry(Retry::After(hint))),
            Self::Throttled => Err(Error::rate_limited("slow down").with_retry(Retry::After(HINT))),
        }
    }
}

/// What the back end saw.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// Attempts in each weather.
    pub(crate) attempts: [u64; FORECAST.len()],
    /// Answers that went out and were good.
    pub(crate) successes: u64,
    /// Attempts whose answer was lost, that hung, and that were told 503.
    pub(crate) lost: u64,
    pub(crate) hung: u64,
    pub(crate) unavailable: u64,
    /// Attempts whose caller went away before the answer was there, those that hung included.
    pub(crate) abandoned: u64,
    /// Attempts that repeat one which failed, and one which was throttled.
    pub(crate) after_faults: u64,
    pub(crate) after_throttles: u64,
    /// Attempts that began although the service had asked to wait.
    pub(crate) heedless: u64,
    /// Attempts of calls that must happen once and may have; and how often one was done that had been done.
    pub(crate) repeated_wrongly: u64,
    pub(crate) done_again: u64,
    pub(crate) most_at_a_time: u64,
    at_a_time: u64,
    /// Until when the service has asked all of its callers to wait.
    quiet_until: Option<Instant>,
    /// What the last attempt of a call failed with, and until when it was asked to wait.
    failed: HashMap<u64, (ErrorKind, Instant)>,
    /// Calls that must happen once: whose outcome their callers do not know, and that were done.
    unknown: HashSet<u64>,
    done: HashSet<u64>,
}

impl Seen {
    fn arrives(&mut self, weather: usize, call: u64) {
        let now = Instant::now();
        self.attempts[weather] += 1;
        self.at_a_time += 1;
        self.most_at_a_time = self.most_at_a_time.max(self.at_a_time);
        self.repeated_wrongly += u64::from(self.unknown.contains(&call));
        let failed = self.failed.remove(&call);
        let asked_to_wait = self.quiet_until.max(failed.map(|(_, until)| until));
        self.heedless += u64::from(asked_to_wait.is_some_and(|until| now < until));
        match failed {
            Some((ErrorKind::RateLimited, _)) => self.after_throttles += 1,
            Some(_) => self.after_faults += 1,
            None => {}
        }
    }

    fn happens(&mut self, fate: Fate, operation: Operation, call: u64) {
        match fate {
            Fate::Lost => self.lost += 1,
            Fate::Hangs => self.hung += 1,
            Fate::Unavailable | Fate::UnavailableFor(_) => self.unavailable += 1,
            Fate::Answered | Fate::Throttled => {}
        }
        let is_done = matches!(fate, Fate::Answered | Fate::Lost | Fate::Hangs);
        if operation == SEND && is_done {
            self.done_again += u64::from(!self.done.insert(call));
            // Until it is told, if it ever is.
            self.unknown.insert(call);
        }
        if fate == Fate::Hangs {
            self.failed.insert(call, (ErrorKind::Timeout, Instant::now()));
        }
    }

    fn is_told(&mut self, outcome: &Result<()>, call: u64) {
        let now = Instant::now();
        let Err(error) = outcome else {
            self.successes += 1;
            self.unknown.remove(&call);
            return;
        };
        let hint = if let Retry::After(hint) = error.retry() { hint } else { Duration::ZERO };
        self.failed.insert(call, (error.kind(), now + hint));
        if error.kind() == ErrorKind::RateLimited {
            self.quiet_until = Some(now + hint);
        }
    }
}

pub(crate) struct BackEnd {
    start: Instant,
    random: Mutex<fastrand::Rng>,
    seen: Mutex<Seen>,
}

impl BackEnd {
    pub(crate) fn new(start: Instant, seed: u64) -> Self {
        Self { start, random: Mutex::new(fastrand::Rng::with_seed(seed)), seen: Mutex::default() }
    }

    pub(crate) fn end(&self) -> Instant {
        self.start + Duration::from_secs(FORECAST[FORECAST.len() - 1].1)
    }

    pub(crate) fn into_seen(self) -> Seen {
        self.seen.into_inner().unwrap()
    }

    fn weather(&self) -> usize {
        let seconds = self.start.elapsed().as_secs();
        FORECAST.iter().position(|(_, until)| seconds < *until).unwrap_or(FORECAST.len() - 1)
    }

    fn random(&self) -> f64 {
        self.random.lock().unwrap().f64()
    }

    fn fate(&self, weather: Weather) -> Fate {
        let chance = self.random();
        match weather {
            Weather::HalfFails if chance < 0.5 => Fate::Answered,
            Weather::HalfFails | Weather::AllFails => match self.random() {
                ..0.35 => Fate::Lost,
                ..0.5 => Fate::Hangs,
                ..0.75 => Fate::Unavailable,
                _ => Fate::UnavailableFor(HINT),
            },
            Weather::Throttles if chance < 0.2 => Fate::Throttled,
            Weather::Fair | Weather::Throttles | Weather::FairAgain => Fate::Answered,
        }
    }

    pub(crate) async fn answer(&self, cx: &CallContext, operation: Operation, call: u64) -> Result<()> {
        let weather = self.weather();
        let fate = self.fate(FORECAST[weather].0);
        let mut caller = Caller { seen: &self.seen, is_told: false };
        {
            let mut seen = self.seen.lock().unwrap();
            seen.arrives(weather, call);
            seen.happens(fate, operation, call);
        }
        cx.mark_sent();
        if fate == Fate::Hangs {
            std::future::pending::<()>().await;
        }
        sleep(Duration::from_millis(5) + Duration::from_millis(20).mul_f64(self.random())).await;
        let outcome = fate.outcome();
        self.seen.lock().unwrap().is_told(&outcome, call);
        caller.is_told = true;
        outcome
    }
}

/// Whoever waits for an answer, or goes away.
struct Caller<'a> {
    seen: &'a Mutex<Seen>,
    is_told: bool,
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let mut seen = self.seen.lock().unwrap();
        seen.at_a_time -= 1;
        seen.abandoned += u64::from(!self.is_told);
    }
}
