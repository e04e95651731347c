//! One case: one clause on one target, with a namespace, a scratch folder and a provider of its own.

mod places;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use external_core::build::TlsSettings;
use external_core::{BuildContext, CallContext, CallOptions, Capability, Error, Provider, ProviderKind};
use tempfile::TempDir;

use crate::chance::{hashed, seed, unique};
use crate::harness::{Http, Place, Source, secrets, section};
use crate::watch::{self, Watch};
use crate::{Control, Finding, Harness, ProviderCall, Resilience, Subject, Suite, Traffic, Verdict};

pub use places::Proxied;

/// How long a call of a clause has.
const PATIENCE: Duration = Duration::from_secs(10);

/// One clause on one target. Everything a clause may touch is reached through it.
pub struct Case<S: ?Sized + 'static> {
    harness: Arc<Harness<S>>,
    pub(crate) suite: Arc<Suite<S>>,
    subject: Subject,
    place: Place,
    watch: Arc<Watch>,
    _scratch: TempDir,
    service: OnceLock<Arc<S>>,
    made: Mutex<Vec<String>>,
    patience: Mutex<Duration>,
    was_random: AtomicBool,
    numbers: AtomicU64,
    proxies: AtomicU64,
}

impl<S: ?Sized + Provider + 'static> Case<S> {
    pub(crate) fn new(
        harness: Arc<Harness<S>>,
        suite: Arc<Suite<S>>,
        subject: Subject,
        watch: Arc<Watch>,
    ) -> Result<Self, Finding> {
        let scratch = tempfile::Builder::new()
            .prefix("external-contract-")
            .tempdir()
            .map_err(|error| Finding::not_run(format!("no scratch folder: {error}")))?;
        let place = Place::new(unique(), scratch.path().to_owned());
        watch.protect("the content of a call", &place.canary);
        Ok(Self {
            harness,
            suite,
            subject,
            place,
            watch,
            _scratch: scratch,
            service: OnceLock::new(),
            made: Mutex::default(),
            patience: Mutex::new(PATIENCE),
            was_random: AtomicBool::new(false),
            numbers: AtomicU64::new(0),
            proxies: AtomicU64::new(0),
        })
    }

    /// Makes the service of this case. Later calls of [`service`](Self::service) cannot fail because of it.
    pub(crate) fn prepare(&self) -> Verdict {
        let service = match self.subject {
            Subject::Client => self.behind(Resilience::On)?,
            Subject::Provider | Subject::Both => self.bare()?,
        };
        let _ = self.service.set(service);
        Ok(())
    }

    /// The service that the clause is about: the bare provider, or the provider behind its client with default
    /// resilience.
    #[must_use]
    #[allow(clippy::missing_panics_doc, clippy::expect_used, reason = "the runner prepares every case")]
    pub fn service(&self) -> &S {
        self.service.get().expect("the runner prepares every case")
    }

    /// As [`service`](Self::service), to keep.
    #[must_use]
    #[allow(clippy::missing_panics_doc, clippy::expect_used, reason = "the runner prepares every case")]
    pub fn shared_service(&self) -> Arc<S> {
        Arc::clone(self.service.get().expect("the runner prepares every case"))
    }

    /// A fresh bare provider.
    ///
    /// # Errors
    ///
    /// A failure if it cannot be built.
    pub fn bare(&self) -> Result<Arc<S>, Finding> {
        match &self.harness.source {
            Source::Code(make) => {
                make().map(|bare| self.harness.laid_over(bare)).map_err(Finding::cannot_build)
            }
            Source::Data(..) => self.build(&self.configuration()?).map_err(Finding::cannot_build),
            Source::Broken(why) => Err(Finding::failed("a provider to test", why.as_str())),
            Source::Absent(why) => Err(Finding::not_run(why.as_str())),
        }
    }

    /// A fresh provider behind its client.
    ///
    /// # Errors
    ///
    /// As [`bare`](Self::bare); not run if the harness knows no client.
    pub fn behind(&self, resilience: Resilience) -> Result<Arc<S>, Finding> {
        let Some(client) = self.harness.client else {
            return Err(Finding::not_run("the harness gives no client (Harness::behind)"));
        };
        Ok(client(self.bare()?, resilience))
    }

    /// A fresh service like the one this case is about.
    ///
    /// # Errors
    ///
    /// As [`behind`](Self::behind).
    pub fn fresh(&self) -> Result<Arc<S>, Finding> {
        match self.subject {
            Subject::Client => self.behind(Resilience::On),
            Subject::Provider | Subject::Both => self.bare(),
        }
    }

    /// How the target speaks HTTP, if it does.
    pub(crate) fn http(&self) -> Option<&Http> {
        self.harness.target().and_then(|target| target.http.as_ref())
    }

    /// The seed of this run, for a case that draws from it: a failure tells it.
    pub(crate) fn draws(&self) -> u64 {
        self.was_random.store(true, Ordering::Relaxed);
        seed()
    }

    /// The seed of what the next proxy of this case draws. Each draws otherwise, or what is tried in rounds is tried once; the
    /// same seed of the run leads to the same ones.
    pub(crate) fn next_draws(&self) -> u64 {
        hashed(&(self.draws(), self.proxies.fetch_add(1, Ordering::Relaxed)))
    }

    /// The seed of this run, if anything in this case was drawn from it.
    pub(crate) fn seed(&self) -> Option<u64> {
        self.was_random.load(Ordering::Relaxed).then(seed)
    }

    /// The configuration of this case's provider.
    ///
    /// # Errors
    ///
    /// Not run if a variable is not set or the provider is made by code.
    pub fn configuration(&self) -> Result<toml::Table, Finding> {
        let Some(target) = self.harness.target() else {
            return Err(Finding::not_run("the provider is made by code, not by configuration"));
        };
        target.table(&self.place, None).map_err(Finding::not_run)
    }

    /// Builds a provider from this configuration, as the container would.
    ///
    /// # Errors
    ///
    /// What the provider's `build` says.
    pub fn build(&self, table: &toml::Table) -> external_core::Result<Arc<S>> {
        self.build_with(table, |context| context)
    }

    /// As [`build`](Self::build), in another world: another clock, another environment.
    ///
    /// # Errors
    ///
    /// What the provider's `build` says.
    pub fn build_with(
        &self,
        table: &toml::Table,
        world: impl FnOnce(BuildContext) -> BuildContext,
    ) -> external_core::Result<Arc<S>> {
        let Source::Data(entry, target) = &self.harness.source else {
            return Err(Error::configuration("the provider is made by code, not by configuration"));
        };
        let watch = Arc::clone(&self.watch);
        let section = section(table)
            .map_err(Error::configuration)?
            .shown_to(move |parsed| watch.saw_instance("a configuration", parsed));
        let context = target.context(&self.place).map_err(Error::configuration)?;
        let built = (entry.build)(&section, &world(context));
        for (name, secret) in secrets(table, &target.secret_paths(&section)) {
            self.watch.protect(&name, &secret);
        }
        built.inspect_err(watch::saw_error).map(|bare| self.harness.laid_over(bare))
    }

    /// The TLS settings that the provider is built with: what else speaks to its back end trusts no other.
    ///
    /// # Errors
    ///
    /// Not run if a variable is not set.
    pub fn tls(&self) -> Result<TlsSettings, Finding> {
        let context = match self.harness.target() {
            Some(target) => target.context(&self.place).map_err(Finding::not_run)?,
            None => BuildContext::default(),
        };
        Ok(context.tls().clone())
    }

    /// The JSON Schema of the provider's configuration.
    ///
    /// # Errors
    ///
    /// Not run if the provider is made by code.
    pub fn schema(&self) -> Result<String, Finding> {
        match &self.harness.source {
            Source::Data(entry, _) => Ok((entry.schema)()),
            _ => Err(Finding::not_run("the provider is made by code, not by configuration")),
        }
    }

    /// The operations of the contract that this case's service has, those of its own capabilities included: what is
    /// emulated is several others.
    pub(crate) fn calls(&self) -> Vec<&ProviderCall<S>> {
        let supports = |id: &str| match self.suite.supports {
            Some(supports) => supports(self.service(), id) == Capability::Native,
            None => self.service().info().capabilities().grade(id) == Capability::Native,
        };
        let optional = self.suite.optional.iter().filter(|(capability, _)| supports(capability));
        self.suite.calls.iter().chain(optional.map(|(_, call)| call)).collect()
    }

    /// Those whose requests the proxy counts.
    pub(crate) fn marked_calls(&self) -> Vec<&ProviderCall<S>> {
        let calls = self.calls().into_iter();
        calls.filter(|call| call.traffic == Traffic::Marked).collect()
    }

    /// Those that need the back end.
    pub(crate) fn sent_calls(&self) -> Vec<&ProviderCall<S>> {
        let calls = self.calls().into_iter();
        calls.filter(|call| call.traffic != Traffic::None).collect()
    }

    /// The context of a call: 10 seconds, unless the clause is about deadlines.
    #[must_use]
    pub fn cx(&self) -> CallContext {
        let patience = *self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        CallContext::new(&CallOptions::new().with_timeout(patience))
    }

    /// A number that this case had not before.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Gives the calls that `work` makes so long and no longer.
    pub(crate) async fn hurried<T>(&self, patience: Duration, work: impl Future<Output = T>) -> T {
        let be_patient = |for_| *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = for_;
        be_patient(patience);
        let done = work.await;
        be_patient(PATIENCE);
        done
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        BuildContext::default().now()
    }

    /// A text that nobody else uses, in any process: lower-case letters, digits and `-`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.place.namespace
    }

    /// A name in this case's namespace, remembered so that what it names is removed afterwards.
    pub fn name(&self, rest: &str) -> String {
        let name = format!("{}/{rest}", self.place.namespace);
        self.remember(&name);
        name
    }

    /// Remembers something made, so that it is removed afterwards.
    pub fn remember(&self, name: &str) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.iter().any(|known| known == name) {
            made.push(name.to_owned());
        }
    }

    /// What was made under [`name`](Self::name) and [`remember`](Self::remember).
    #[must_use]
    pub fn made(&self) -> Vec<String> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A text that must not show anywhere: what a call carries (a value, a body, a mail's text) in clauses about
    /// secrecy. `${CANARY}` of the configuration is this text too.
    #[must_use]
    pub fn canary(&self) -> &str {
        &self.place.canary
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The secrets of this case's configuration, each with what it is called.
    pub(crate) fn secrets(&self) -> Result<Vec<(String, String)>, Finding> {
        let Source::Data(entry, target) = &self.harness.source else {
            return Ok(Vec::new());
        };
        let table = self.configuration()?;
        let section = section(&table).map_err(Finding::not_run)?;
        let context = target.context(&self.place).map_err(Finding::not_run)?;
        (entry.build)(&section, &context).map_err(Finding::cannot_build)?;
        Ok(secrets(&table, &target.secret_paths(&section)))
    }

    /// The modules of vendor crates that the target says show secrets at TRACE.
    pub(crate) fn known_leaks(&self) -> &[String] {
        self.harness.known_leaks()
    }

    /// A folder of this case's own, removed afterwards. `${TEMP}` of the configuration is this folder.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.place.scratch
    }

    /// What the target tells about its back end under this name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<String> {
        match self.harness.target() {
            Some(target) => target.fact(name, &self.place).and_then(Result::ok),
            None => self.harness.facts.get(name).cloned(),
        }
    }

    /// The back end at the control port.
    ///
    /// # Errors
    ///
    /// Not run if nobody offers a control port or the target names no back end.
    pub fn control(&self) -> Result<Control, Finding> {
        let target = self.harness.target();
        let backend = target
            .and_then(|target| target.backend.clone())
            .ok_or_else(|| Finding::not_run("the target names no back end"))?;
        let address = target
            .and_then(|target| target.variable("EXTERNAL_CONTROL"))
            .ok_or_else(|| Finding::not_run("EXTERNAL_CONTROL not set"))?;
        Ok(Control::new(address, backend))
    }

    /// The provider's id.
    #[must_use]
    pub fn provider_id(&self) -> &str {
        &self.harness.provider
    }

    /// Where the provider keeps its state.
    #[must_use]
    pub fn kind(&self) -> ProviderKind {
        self.harness.kind
    }

    /// Whether this case is about the client.
    #[must_use]
    pub fn is_about_client(&self) -> bool {
        self.subject == Subject::Client
    }

    pub(crate) fn has_proxy(&self) -> bool {
        self.harness.target().is_some_and(|target| target.proxy.is_some())
    }
}

impl<S: ?Sized + 'static> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("harness", &self.harness)
            .field("subject", &self.subject)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
