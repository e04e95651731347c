//! The plan: which calls meet which fault, and what reached the service.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use external_core::{CallContext, Effect, ErrorKind, Operation, Repeat, Result};

use super::draw::Draw;
use super::{Contract, Fault, Faults};

/// What the errors of an outage name as their cause.
const OUTAGE: &str = "outage";

/// Which calls are meant. A text is the name of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// All.
    Any,
    /// Those that change something: all but [`Repeat::Safe`].
    Changes,
    /// Those of one operation: `"put"`, or `"storage.put"` where a plan is around services of several domains. Any name
    /// may stand here; what no call is named never happens, which [`FaultPlan::pending`] shows.
    Operation(&'static str),
}

impl Calls {
    fn hold(self, operation: &Operation) -> bool {
        match self {
            Self::Any => true,
            Self::Changes => operation.repeat != Repeat::Safe,
            Self::Operation(name) => match name.split_once('.') {
                Some((domain, name)) => domain == operation.domain && name == operation.name,
                None => name == operation.name,
            },
        }
    }
}

impl From<&'static str> for Calls {
    fn from(name: &'static str) -> Self {
        Self::Operation(name)
    }
}

/// What became of calls, counted at the service: a retried call counts once an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Came to the wrapper.
    pub arrived: u64,
    /// Reached the service.
    pub begun: u64,
    /// Were answered well by the service: what they do has taken effect, whether or not the caller was told.
    pub applied: u64,
}

/// Which calls meet which fault, and what reached the service. Clones are the same plan, so that a test keeps one in
/// its hand: everything can be changed while calls run.
///
/// A call meets at most one fault: that of an outage, else the first one of the script that is due, else the first whose
/// chance hits. Chances follow from the seed: the n-th call of an operation has the same fate in every run, whatever runs
/// beside it. `Debug` shows the seed, as do the errors.
///
/// ```
/// use external_resilience::faults::{Calls, Fault, FaultPlan};
/// use std::time::Duration;
///
/// let plan = FaultPlan::seeded(7);
/// plan.chance(Calls::Any, 0.05, Fault::slow_answer(Duration::from_millis(300)));
/// plan.nth("put", 3, Fault::drop_answer());
/// assert!(format!("{plan:?}").contains("seed: 7"));
/// ```
#[derive(Clone)]
pub struct FaultPlan {
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order of their writing.
    script: Vec<Scripted>,
    chances: Vec<(Calls, f64, Fault)>,
    down: Option<Fault>,
    /// How often it went down.
    outages: u64,
    /// How many calls of an operation, by domain and name, there were while it was up.
    numbers: HashMap<(&'static str, &'static str), u64>,
    counts: HashMap<Operation, Counts>,
}

/// A fault that waits for its call.
struct Scripted {
    calls: Calls,
    /// How many such calls go first.
    ahead: u64,
    fault: Fault,
}

/// What a call meets.
struct Fate {
    fault: Fault,
    cause: String,
    /// How often the service had gone down when the call arrived.
    outages: u64,
}

impl Default for FaultPlan {
    fn default() -> Self {
        Self::new()
    }
}

impl FaultPlan {
    /// No faults yet, and a seed by chance.
    #[must_use]
    pub fn new() -> Self {
        Self::seeded(fastrand::u64(..))
    }

    /// No faults yet, and this seed: that of a run which is to be repeated.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { shared: Arc::new(Shared { seed, state: Mutex::default() }) }
    }

    /// What the chances follow from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// A service with this plan's faults around it. A plan may be around several.
    #[must_use]
    pub fn around<S: Contract + ?Sized>(&self, service: Arc<S>) -> Arc<S> {
        S::with_faults(Faults::new(service, self.clone()))
    }

    /// The next of these calls meet these faults, one each, in this order. Of two faults that are due for one call the
    /// one written first holds, and the other waits for the next such call; so a second script continues the first.
    pub fn script(&self, calls: impl Into<Calls>, faults: impl IntoIterator<Item = Fault>) {
        let calls = calls.into();
        let scripted = (0..).zip(faults).map(|(ahead, fault)| Scripted { calls, ahead, fault });
        self.state().script.extend(scripted);
    }

    /// The n-th of these calls from now on meets a fault, counted from 1.
    pub fn nth(&self, calls: impl Into<Calls>, n: u64, fault: Fault) {
        let scripted = Scripted { calls: calls.into(), ahead: n.saturating_sub(1), fault };
        self.state().script.push(scripted);
    }

    /// Each of these calls meets a fault with a probability, 0 to 1. Chances are drawn in the order of their writing, and
    /// the first that hits holds. Below 0 none does, above 1 each, and so it is with what is no number: a test that divides
    /// by zero must not pass because nothing ever went wrong.
    pub fn chance(&self, calls: impl Into<Calls>, probability: f64, fault: Fault) {
        let probability = if probability.is_nan() { 1.0 } else { probability.clamp(0.0, 1.0) };
        self.state().chances.push((calls.into(), probability, fault));
    }

    /// Forgets script and chances. Counts, outage and seed stay.
    pub fn clear(&self) {
        let mut state = self.state();
        state.script.clear();
        state.chances.clear();
    }

    /// The service goes down: calls are refused before anything is sent, and those that run do their work, of which
    /// nobody hears. Script and chances wait until it is [up](Self::up).
    pub fn down(&self) {
        self.down_with(Fault::fail(ErrorKind::Unavailable, Effect::NotSent));
    }

    /// As [`down`](Self::down), and calls meet this fault: [`Fault::hang`] is a host that answers nothing at all.
    pub fn down_with(&self, fault: Fault) {
        let mut state = self.state();
        state.down = Some(fault);
        state.outages += 1;
    }

    /// The service is up again.
    pub fn up(&self) {
        self.state().down = None;
    }

    /// Whether it is down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.state().down.is_some()
    }

    /// How many faults of the script no call has met yet: what a test that plays a script to its end sees at 0.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state().script.len()
    }

    /// What became of these calls, all together.
    #[must_use]
    pub fn counts(&self, calls: impl Into<Calls>) -> Counts {
        let calls = calls.into();
        let mut sum = Counts::default();
        for (_, counts) in self.state().counts.iter().filter(|(operation, _)| calls.hold(operation)) {
            sum.arrived += counts.arrived;
            sum.begun += counts.begun;
            sum.applied += counts.applied;
        }
        sum
    }

    /// Puts one attempt of a call through the plan; `inner` is what the service does.
    ///
    /// # Errors
    ///
    /// The service's, or that of the fault it met, with `injected_by` in its context.
    pub async fn call<T>(
        &self,
        cx: &CallContext,
        operation: Operation,
        inner: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Fate { mut fault, mut cause, mut outages } = self.arrive(&operation);
        fault.before(cx, &cause).await?;
        // What came and went while it was on its way is nothing to it.
        loop {
            let (outage, seen) = self.outage_since(outages);
            outages = seen;
            let Some(outage) = outage else { break };
            outage.before(cx, OUTAGE).await?;
            (fault, cause) = (outage, OUTAGE.to_owned());
        }
        self.count(&operation, |counts| counts.begun += 1);
        let answer = inner.await;
        if answer.is_ok() {
            self.count(&operation, |counts| counts.applied += 1);
        }
        // A service that goes down while it works has done the work, and nobody hears of it.
        if self.state().outages != outages {
            (fault, cause) = (Fault::lost(ErrorKind::Unavailable), OUTAGE.to_owned());
        }
        fault.after(answer, cx, &cause).await
    }

    /// Counts a call and says what it meets.
    fn arrive(&self, operation: &Operation) -> Fate {
        let mut guard = self.state();
        let state = &mut *guard;
        state.counts.entry(*operation).or_default().arrived += 1;
        let outages = state.outages;
        if let Some(fault) = state.down.clone() {
            return Fate { fault, cause: OUTAGE.to_owned(), outages };
        }
        let number = state.numbers.entry((operation.domain, operation.name)).or_default();
        *number += 1;
        let mut due = None;
        for (at, scripted) in state.script.iter_mut().enumerate().filter(|(_, s)| s.calls.hold(operation)) {
            match (scripted.ahead, due) {
                (0, None) => due = Some(at),
                // It waits for the next call.
                (0, Some(_)) => {}
                _ => scripted.ahead -= 1,
            }
        }
        if let Some(at) = due {
            return Fate { fault: state.script.remove(at).fault, cause: "script".to_owned(), outages };
        }
        let mut draw = Draw::of(self.shared.seed, operation, *number);
        for (calls, probability, fault) in &state.chances {
            // Drawn for each, so that what other operations have does not shift this one's numbers.
            if draw.hits(*probability) && calls.hold(operation) {
                let cause = format!("seed {}", self.shared.seed);
                return Fate { fault: fault.clone(), cause, outages };
            }
        }
        Fate { fault: Fault::none(), cause: String::new(), outages }
    }

    /// What a call meets that was on its way while the service went down, if it still is; and how often it went down.
    fn outage_since(&self, outages: u64) -> (Option<Fault>, u64) {
        let state = self.state();
        (state.down.clone().filter(|_| state.outages != outages), state.outages)
    }

    fn count(&self, operation: &Operation, add: impl FnOnce(&mut Counts)) {
        add(self.state().counts.entry(*operation).or_default());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is_down, pending, counts) = (self.is_down(), self.pending(), self.counts(Calls::Any));
        f.debug_struct("FaultPlan")
            .field("seed", &self.shared.seed)
            .field("is_down", &is_down)
            .field("pending", &pending)
            .field("counts", &counts)
            .finish_non_exhaustive()
    }
}
