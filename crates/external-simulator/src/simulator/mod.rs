//! A vendor-shaped server: routes over one state, a clock, faults by a script, a transcript.

mod call;
mod route;
mod rule;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use call::Call;
use http::Method;
use route::Route;
pub use rule::{HttpFault, HttpRule};

use crate::{Clock, HttpAnswer, HttpExchange, HttpQuestion, StandingServer};

/// Says what is answered: `Err` is an answer as well, so that refusals go up by `?`.
type Handler<S> = dyn Fn(&mut S, &Call<'_, S>) -> Result<HttpAnswer, Box<HttpAnswer>> + Send + Sync;
type Guard<S> = dyn Fn(&S, &HttpQuestion) -> Result<(), Box<HttpAnswer>> + Send + Sync;

/// What a vendor's server does, to be [started](Self::start).
///
/// A question goes by the faults that a test has [injected](Simulated::inject), by the [guard](Self::with_guard), and to the
/// first route that fits. Handlers have the state for themselves, one after the other.
///
/// ```
/// use std::time::Duration;
///
/// use external_simulator::{Clock, HttpAnswer, HttpFault, HttpRule, Simulator};
/// use http::Method;
///
/// // A vendor that counts, and forgets what it counted after a minute.
/// let clock = Clock::default();
/// let vendor = Simulator::new(0_u64, &clock)
///     .with_guard(|_, question| match question.bearer() {
///         Some("key") => Ok(()),
///         _ => Err(HttpAnswer::new(401).into()),
///     })
///     .with_route(Method::POST, "/v1/counters/{name}", |count, call| {
///         *count += 1;
///         call.later(call.now() + Duration::from_secs(60), |count| *count -= 1);
///         Ok(HttpAnswer::new(200).with_body(format!("{}: {count}", call.parameter("name"))))
///     })
///     .start()?;
/// // The next call counts, and its answer is lost.
/// vendor.inject(HttpRule::on(Method::POST, "/v1/counters/a", HttpFault::LoseAnswer));
/// // … point a client at `vendor.url()`, make the call, look at `vendor.transcript()` …
/// assert_eq!(vendor.state(|count| *count), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Simulator<S> {
    state: S,
    clock: Clock,
    guard: Option<Box<Guard<S>>>,
    routes: Vec<Route<S>>,
}

impl<S: Send + 'static> Simulator<S> {
    /// Nothing but a state yet: everything is answered 404.
    #[must_use]
    pub fn new(state: S, clock: &Clock) -> Self {
        Self { state, clock: clock.clone(), guard: None, routes: Vec::new() }
    }

    /// What every question must pass: a key, a signature.
    #[must_use]
    pub fn with_guard(
        mut self,
        guard: impl Fn(&S, &HttpQuestion) -> Result<(), Box<HttpAnswer>> + Send + Sync + 'static,
    ) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// What is answered to this method on paths of this form: `/v3/users/{id}`, where a name in braces stands for one piece
    /// of the path, whatever it is.
    #[must_use]
    pub fn with_route(
        mut self,
        method: Method,
        form: &'static str,
        handler: impl Fn(&mut S, &Call<'_, S>) -> Result<HttpAnswer, Box<HttpAnswer>> + Send + Sync + 'static,
    ) -> Self {
        self.routes.push(Route { method: Some(method), form, handler: Box::new(handler) });
        self
    }

    /// What is answered where no route fits that was added before. Default: 404.
    #[must_use]
    pub fn with_fallback(
        mut self,
        handler: impl Fn(&mut S, &Call<'_, S>) -> Result<HttpAnswer, Box<HttpAnswer>> + Send + Sync + 'static,
    ) -> Self {
        self.routes.push(Route { method: None, form: "", handler: Box::new(handler) });
        self
    }

    /// Listens on a free port of loopback, on a thread of its own.
    ///
    /// # Errors
    ///
    /// If no port or thread can be had.
    pub fn start(self) -> io::Result<Simulated<S>> {
        let Self { state, clock, guard, routes } = self;
        let world =
            Arc::new(World { state: Mutex::new(state), clock, guard, routes, rules: Mutex::default() });
        let at_work = Arc::clone(&world);
        let server = StandingServer::start(move |question| World::answer(&at_work, question))?;
        Ok(Simulated { world, server })
    }
}

impl<S> fmt::Debug for Simulator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forms: Vec<_> = self.routes.iter().map(|route| route.form).collect();
        f.debug_struct("Simulator").field("routes", &forms).finish_non_exhaustive()
    }
}

/// What handlers share with the test.
struct World<S> {
    state: Mutex<S>,
    clock: Clock,
    guard: Option<Box<Guard<S>>>,
    routes: Vec<Route<S>>,
    rules: Mutex<Vec<HttpRule>>,
}

impl<S: Send + 'static> World<S> {
    fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(self: &Arc<Self>, question: &HttpQuestion) -> HttpAnswer {
        let fault = rule::next(&mut self.rules.lock().unwrap_or_else(PoisonError::into_inner), question);
        match fault {
            None => self.handled(question),
            Some(HttpFault::Answer(answer)) => answer,
            Some(HttpFault::LoseRequest) => HttpAnswer::new(500).lost(),
            Some(HttpFault::LoseAnswer) => self.handled(question).lost(),
            Some(HttpFault::Late(delay)) => self.handled(question).with_delay(delay),
        }
    }

    fn handled(self: &Arc<Self>, question: &HttpQuestion) -> HttpAnswer {
        let mut state = self.state();
        if let Some(Err(refusal)) = self.guard.as_ref().map(|guard| guard(&state, question)) {
            return *refusal;
        }
        for route in &self.routes {
            if let Some(parameters) = route.takes(question) {
                let call = Call { question, parameters, world: self };
                return (route.handler)(&mut state, &call).unwrap_or_else(|refusal| *refusal);
            }
        }
        HttpAnswer::new(404)
    }
}

/// A vendor-shaped server that runs. It ends when it is dropped.
pub struct Simulated<S> {
    world: Arc<World<S>>,
    server: StandingServer,
}

impl<S: Send + 'static> Simulated<S> {
    /// Where it listens, as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.world.clock
    }

    /// Looks into its state, or changes it. No question is answered meanwhile.
    pub fn state<R>(&self, look: impl FnOnce(&mut S) -> R) -> R {
        look(&mut self.world.state())
    }

    /// Makes something go wrong. Rules are tried in the order in which they came; each question meets one at most.
    pub fn inject(&self, rule: HttpRule) {
        self.world.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }

    /// What was asked and said: as [`HttpServer::transcript`](crate::HttpServer::transcript).
    #[must_use]
    pub fn transcript(&self) -> Vec<HttpExchange> {
        self.server.transcript()
    }

    /// The server alone, for whom its state does not concern.
    #[must_use]
    pub fn into_server(self) -> StandingServer {
        self.server
    }
}

impl<S> fmt::Debug for Simulated<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated").field("server", &self.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
