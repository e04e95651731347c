//! What a case lets be seen: whatever is written while it runs is searched for its secrets, and kept nowhere.
//!
//! A case's threads know whose they are: what is written on one of them is seen by its case alone. What others write
//! (a thread that a provider started by itself) is seen by every case that runs.

mod capture;
mod encodings;
mod search;
mod telemetry;

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use external_core::Error;
use tracing::Level;

pub(crate) use capture::install;
pub(crate) use encodings::SHORTEST;
use search::{Find, Matcher};
pub(crate) use telemetry::{CallSpan, Fields, Telemetry, attended};

/// How an error of a method that is not written yet begins, before it says what to write: so `cargo xtask new-provider`
/// makes them.
pub(crate) const NOT_WRITTEN: &str = "not written yet: ";

/// More different leaks than anybody reads.
const MOST_LEAKS: usize = 20;

/// Where something was shown: which clause is broken by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Channel {
    /// Spans, events, log records, metrics, panics.
    Written,
    /// What an error says of itself.
    Error,
    /// What an instance says of itself.
    Instance,
}

/// A secret that was shown. It does not hold the secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Leak {
    pub(crate) channel: Channel,
    /// The module that wrote it and at which level, where it is known.
    pub(crate) origin: Option<(String, Level)>,
    place: String,
    find: Find,
}

impl Leak {
    /// What it has in common with the same leak at another time.
    pub(crate) fn without_context(&self) -> Self {
        let mut leak = self.clone();
        leak.find.context.clear();
        leak
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Find { of, encoding, context } = &self.find;
        write!(f, "{of} ({encoding}) in {}", self.place)?;
        if let Some((target, level)) = &self.origin {
            write!(f, " of `{target}` at {level}")?;
        }
        if context.is_empty() { Ok(()) } else { write!(f, ", after {context:?}") }
    }
}

/// Sees what is written while one case runs.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Without it nothing is even written: libraries are told that nobody listens.
    listens: bool,
    /// Modules of vendor crates that are known to show secrets at TRACE.
    known: Vec<String>,
    matcher: RwLock<Arc<Matcher>>,
    leaks: Mutex<Vec<Leak>>,
    /// Which of the known modules did.
    met: Mutex<Vec<String>>,
    telemetry: Mutex<Option<Telemetry>>,
    /// What is to be written next, as the first method said that is not there.
    step: Mutex<Option<String>>,
}

impl Watch {
    /// Begins to watch, for a case whose vendor crates are known to show secrets at TRACE in these modules.
    pub(crate) fn new(listens: bool, known: &[String]) -> Arc<Self> {
        let watch = Arc::new(Self { listens, known: known.to_vec(), ..Self::default() });
        let mut live = live();
        live.retain(|watch| watch.strong_count() > 0);
        live.push(Arc::downgrade(&watch));
        watch
    }

    /// Whether spans, events and metrics of this case are seen.
    pub(crate) fn listens(&self) -> bool {
        self.listens
    }

    /// From now on this text must not show; a finding calls it by `name`.
    pub(crate) fn protect(&self, name: &str, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut matcher = self.matcher.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = matcher.with(name, secret) {
            *matcher = Arc::new(more);
        }
    }

    /// The text with what it shows of secrets replaced.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.matcher().masked(text)
    }

    /// What was shown so far.
    pub(crate) fn leaks(&self) -> Vec<Leak> {
        locked(&self.leaks).clone()
    }

    /// Which of the modules that are known to show secrets at TRACE did so.
    pub(crate) fn met(&self) -> Vec<String> {
        locked(&self.met).clone()
    }

    /// Searches what an instance says of itself.
    pub(crate) fn saw_instance(&self, what: &str, instance: &dyn fmt::Debug) {
        for (form, write) in
            [("{:?}", format_args!("{instance:?}")), ("{:#?}", format_args!("{instance:#?}"))]
        {
            self.search(Channel::Instance, None, &format!("`{form}` of {what}"), |out| out.write_fmt(write));
        }
    }

    /// The first step that was met: a clause may fail by what a method that is missing did not do, without a word of it.
    pub(crate) fn step(&self) -> Option<String> {
        locked(&self.step).clone()
    }

    fn note_step(&self, text: &str) {
        if let Some(at) = text.find(NOT_WRITTEN) {
            let step = text.get(at..).and_then(|step| step.lines().next()).map(str::to_owned);
            locked(&self.step).get_or_insert(step.unwrap_or_default());
        }
    }

    fn saw_error(&self, error: &Error) {
        self.note_step(error.message());
        let search = |place: &str, text: fmt::Arguments<'_>| {
            self.search(Channel::Error, None, &format!("the {place} of an error"), |out| out.write_fmt(text));
        };
        search("Display", format_args!("{error}"));
        search("Debug", format_args!("{error:?}"));
        search("report", format_args!("{}", error.report()));
    }

    fn search(
        &self,
        channel: Channel,
        origin: Option<(&str, Level)>,
        place: &str,
        write: impl FnOnce(&mut dyn Write) -> fmt::Result,
    ) {
        for find in self.matcher().search(write) {
            if let Some((target, Level::TRACE)) = origin
                && let Some(known) = self.known.iter().find(|known| is_within(target, known))
            {
                let mut met = locked(&self.met);
                if !met.contains(known) {
                    met.push(known.clone());
                }
                continue;
            }
            let origin = origin.map(|(target, level)| (target.to_owned(), level));
            let leak = Leak { channel, origin, place: place.to_owned(), find };
            let mut leaks = locked(&self.leaks);
            if leaks.len() < MOST_LEAKS
                && !leaks.iter().any(|known| known.without_context() == leak.without_context())
            {
                leaks.push(leak);
            }
        }
    }

    fn matcher(&self) -> Arc<Matcher> {
        Arc::clone(&self.matcher.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps what is told of calls from now on.
    pub(crate) fn record(&self) {
        *locked(&self.telemetry) = Some(Telemetry::default());
    }

    /// What was told of calls since [`record`](Self::record).
    pub(crate) fn recorded(&self) -> Telemetry {
        locked(&self.telemetry).clone().unwrap_or_default()
    }

    fn telemetry(&self, tell: impl FnOnce(&mut Telemetry)) {
        if let Some(telemetry) = &mut *locked(&self.telemetry) {
            tell(telemetry);
        }
    }
}

/// Whether a module is this one or within it.
fn is_within(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// An error passes through a clause.
pub(crate) fn saw_error(error: &Error) {
    watching(|watch| watch.saw_error(error));
}

thread_local! {
    static CASE: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// Everything that runs.
static LIVE: Mutex<Vec<Weak<Watch>>> = Mutex::new(Vec::new());

fn live() -> MutexGuard<'static, Vec<Weak<Watch>>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on this thread is the case's.
pub(crate) fn enter(watch: &Arc<Watch>) {
    CASE.set(Some(Arc::clone(watch)));
}

/// This thread is nobody's again.
pub(crate) fn leave() {
    CASE.set(None);
}

/// The case that this thread is of.
fn current() -> Option<Arc<Watch>> {
    // A thread that ends may still write.
    CASE.try_with(|case| case.borrow().clone()).ok().flatten()
}

/// For the case that this thread is of, or for all.
fn watching(mut see: impl FnMut(&Arc<Watch>)) {
    match current() {
        Some(watch) => see(&watch),
        None => {
            let live: Vec<_> = live().iter().filter_map(Weak::upgrade).collect();
            live.iter().for_each(&mut see);
        }
    }
}
