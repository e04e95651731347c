//! The client that services hold: redirects, the caller's trace, and every exchange through the pipeline.
//!
//! What it promises beyond the contract:
//!
//! - Redirects are followed within its settings alone, and take neither credentials nor a body to another place.
//! - Credentials go to one origin, and a request that is refused with 401 is sent once more where there are other ones.
//! - Each exchange, a redirect's included, is one call of the pipeline; the caller's deadline is for all of them.
//! - A streamed body in which nothing comes for the idle timeout ends with `Timeout`, and its call is recorded when it ends.
//! - A request's body of unknown length has the time that a known one has, as it grows: `body.rs`.

mod body;
mod redirect;
mod service;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use external_core::http::{
    self as contract, Delivery, HttpBody, HttpRequest, HttpResponse, HttpTransport, HttpUrl,
};
use external_core::{
    BuildContext, CallContext, CallOptions, Capability, Effect, Provider, ProviderInfo, Repeat, Result,
};
use external_resilience::{BoxFuture, Call, CallObserver, CloseReport, Domain, Pipeline, Policy};
use http::{HeaderMap, Method};

pub use settings::HttpSettings;

use crate::auth::{self, HttpAuth};
use crate::providers;

/// How long closing waits for calls where nobody says otherwise.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Where the trace context of the running call comes from: W3C `traceparent` and what belongs to it. It is asked within
/// the call's own span, once an attempt.
///
/// With `tracing-opentelemetry` it is a few lines around the propagator: `examples/traceparent.rs`.
pub trait TraceContext: Send + Sync {
    /// Sets the header fields of the trace that the caller is in, if any.
    fn inject(&self, headers: &mut HeaderMap);
}

impl<F: Fn(&mut HeaderMap) + Send + Sync> TraceContext for F {
    fn inject(&self, headers: &mut HeaderMap) {
        self(headers);
    }
}

/// HTTP, behind the call pipeline. Cloning is cheap; clones share everything.
///
/// ```
/// use external_http::{HttpClient, HttpRequest, MemoryAnswer, MemoryHttp, Statuses};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let http = HttpClient::over(MemoryHttp::new().with_fallback(|_| MemoryAnswer::new(404).with_body("no such page")));
///
/// // A status from 400 up is an error ...
/// let error = http.get("https://example.org/").await.unwrap_err();
/// assert_eq!(error.http_status(), Some(404));
///
/// // ... unless the request takes it as an answer.
/// let request = HttpRequest::get("https://example.org/")?.with_statuses(Statuses::Final);
/// assert_eq!(http.send(&request).await?.text().await?, "no such page");
/// # Ok::<(), external_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    service: Arc<dyn HttpTransport>,
    /// The transport's base: its location tells it.
    base: Option<HttpUrl>,
    pipeline: Pipeline,
    settings: HttpSettings,
    trace: Option<Arc<dyn TraceContext>>,
    auth: Option<Arc<dyn HttpAuth>>,
}

impl Shared {
    fn new(
        service: Arc<dyn HttpTransport>,
        pipeline: Pipeline,
        settings: HttpSettings,
        auth: Option<Arc<dyn HttpAuth>>,
    ) -> Self {
        let base = HttpUrl::parse(service.info().location()).ok();
        Self { service, base, pipeline, settings, trace: None, auth }
    }
}

impl HttpClient {
    /// A client over a provider, with the domain's default policy.
    #[must_use]
    pub fn over(provider: impl HttpTransport) -> Self {
        Self::from(Arc::new(provider) as Arc<dyn HttpTransport>)
    }

    fn changed(&self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Shared::clone(&self.shared);
        change(&mut shared);
        Self { shared: Arc::new(shared) }
    }

    /// The same client under another policy. Breaker, clean-up and counts start anew.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        self.changed(|shared| {
            shared.pipeline = shared.pipeline.clone().with_policy(policy, Self::operations());
        })
    }

    /// The same client, whose calls pass this pipeline: for what stands on top of HTTP and has operations of its own.
    #[must_use]
    pub fn with_pipeline(self, pipeline: Pipeline) -> Self {
        self.changed(|shared| shared.pipeline = pipeline)
    }

    /// The same client, heard by one more observer. Breaker, clean-up and counts start anew.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn CallObserver>) -> Self {
        self.changed(|shared| shared.pipeline = shared.pipeline.clone().with_observer(observer))
    }

    /// The same client with other settings.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the setting that makes no sense.
    pub fn with_settings(self, settings: HttpSettings) -> Result<Self> {
        settings.check()?;
        Ok(self.changed(|shared| shared.settings = settings))
    }

    /// The same client, whose requests carry the caller's trace context unless its settings say no.
    #[must_use]
    pub fn with_trace_context(self, source: impl TraceContext + 'static) -> Self {
        self.changed(|shared| shared.trace = Some(Arc::new(source)))
    }

    /// The same client, whose requests bear these credentials.
    #[must_use]
    pub fn with_auth(self, auth: impl HttpAuth + 'static) -> Self {
        self.changed(|shared| shared.auth = Some(Arc::new(auth)))
    }

    /// The same client, whose requests bear no credentials: for places that somebody else names.
    #[must_use]
    pub fn without_auth(self) -> Self {
        self.changed(|shared| shared.auth = None)
    }

    /// Sends a request. Redirects are followed as the settings say.
    ///
    /// # Errors
    ///
    /// As [`HttpTransport::execute`]; `Unexpected` for a redirect that leads where it must not, or one too many.
    pub async fn send(&self, request: &HttpRequest) -> Result<HttpResponse> {
        self.send_with(&request.context(), request).await
    }

    /// `GET`s a URL: the whole body, 16 MiB at most.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL, and as [`send`](Self::send).
    pub async fn get(&self, url: &str) -> Result<HttpResponse> {
        self.send(&HttpRequest::get(url)?).await
    }

    /// `POST`s JSON text. It is never repeated where it may have taken effect.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn post_json(&self, url: &str, json: impl Into<HttpBody>) -> Result<HttpResponse> {
        let request = HttpRequest::post(url)?.with_header("content-type", "application/json")?;
        self.send(&request.with_body(json)).await
    }

    /// `PUT`s a body.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn put(&self, url: &str, body: impl Into<HttpBody>) -> Result<HttpResponse> {
        self.send(&HttpRequest::put(url)?.with_body(body)).await
    }

    /// `DELETE`s what is at a URL.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn delete(&self, url: &str) -> Result<HttpResponse> {
        self.send(&HttpRequest::delete(url)?).await
    }

    /// Who the provider is, where it points and what it can do.
    #[must_use]
    pub fn info(&self) -> &ProviderInfo {
        self.shared.service.info()
    }

    /// Where a URL leads: below the transport's base, where it has no host of its own.
    #[must_use]
    pub fn place(&self, url: &HttpUrl) -> HttpUrl {
        self.shared.base.as_ref().map_or_else(|| url.clone(), |base| url.below(base))
    }

    /// How well the provider does one of [`CAPABILITIES`](contract::CAPABILITIES).
    #[must_use]
    pub fn supports(&self, capability: &str) -> Capability {
        contract::supports(&*self.shared.service, capability)
    }

    /// One harmless round trip that proves reachability.
    ///
    /// # Errors
    ///
    /// As any call; `Unsupported` for a transport without a base: there is no place to ask.
    pub async fn probe(&self, options: &CallOptions) -> Result<()> {
        self.shared.pipeline.probe(&*self.shared.service, &CallContext::new(options)).await
    }

    /// Refuses new calls, waits at most `within` for running ones, then closes the provider. Says what was left.
    pub async fn close(&self, within: Duration) -> CloseReport {
        self.shared.pipeline.close(&*self.shared.service, within).await
    }

    /// The concrete provider, if it is a `T`.
    #[must_use]
    pub fn provider<T: Provider>(&self) -> Option<&T> {
        let provider: &dyn Provider = &*self.shared.service;
        provider.find::<T>()
    }

    /// The pipeline its calls pass.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.shared.pipeline
    }

    /// One exchange after another, as redirects lead, under one context.
    async fn send_with(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        let settings = &self.shared.settings;
        if settings.max_redirects == 0 && self.shared.auth.is_none() {
            // Nobody asks where it leads.
            return self.pass(cx, request, None).await;
        }
        let mut here = self.place(&request.url);
        // Credentials are for the base's origin, or, without one, for the origin that the caller names.
        let home = self.shared.base.as_ref().unwrap_or(&here).clone();
        let mut answer = self.exchange(cx, request, here.has_origin_of(&home)).await?;
        if settings.max_redirects == 0 || !answer.status.is_redirection() {
            return Ok(answer);
        }
        let mut request = request.clone();
        let mut is_dealt_with = false;
        for _ in 0..settings.max_redirects {
            let Some(next) = redirect::next(&request, &here, &answer, settings)? else {
                return Ok(answer);
            };
            // Who is sent on to look at the outcome has had an effect, whatever becomes of the look.
            is_dealt_with |= request.operation().repeat != Repeat::Safe && next.method == Method::GET;
            (here, request) = (next.url.clone(), next);
            let looked = self.exchange(cx, &request, here.has_origin_of(&home)).await;
            let looked = looked.map_err(|error| match is_dealt_with {
                true => error.with_effect(Effect::MaybeApplied),
                false => error,
            })?;
            answer = looked.with_final_url(here.clone());
        }
        match redirect::next(&request, &here, &answer, settings)? {
            None => Ok(answer),
            Some(_) => Err(redirect::too_many(settings)),
        }
    }

    /// One exchange, and another one where the first was refused with 401 and there are other credentials.
    async fn exchange(&self, cx: &CallContext, request: &HttpRequest, is_home: bool) -> Result<HttpResponse> {
        let Some(auth) = self.shared.auth.as_deref().filter(|_| is_home) else {
            return self.pass(cx, request, None).await;
        };
        let login = Login { auth, is_refused: AtomicBool::new(false) };
        let first = self.pass(cx, request, Some(&login)).await;
        if login.is_refused.load(Ordering::Relaxed) {
            self.pass(cx, request, Some(&login)).await
        } else {
            first
        }
    }

    /// One pass through the pipeline.
    async fn pass(
        &self,
        cx: &CallContext,
        request: &HttpRequest,
        login: Option<&Login<'_>>,
    ) -> Result<HttpResponse> {
        let Shared { pipeline, settings, .. } = &*self.shared;
        let call = Call::new(request.operation()).with_body(request.body.length());
        match request.delivery {
            Delivery::Streamed { .. } => {
                let run = pipeline.run_streaming(call, cx, |cx, _| self.attempt(cx, request, login));
                let (answer, guard) = run.await?;
                Ok(body::guarded(answer, guard, settings.idle_timeout))
            }
            _ => pipeline.run(call, cx, |cx, _| self.attempt(cx, request, login)).await,
        }
    }

    fn attempt<'a>(
        &'a self,
        cx: &'a CallContext,
        request: &'a HttpRequest,
        login: Option<&'a Login<'a>>,
    ) -> BoxFuture<'a, Result<HttpResponse>> {
        let Shared { service, trace, settings, .. } = &*self.shared;
        let trace = trace.as_ref().filter(|_| settings.traceparent);
        if trace.is_none() && login.is_none() && request.body.length().is_some() {
            return service.execute(cx, request);
        }
        Box::pin(async move {
            let mut request = request.clone();
            if let Some(trace) = trace {
                trace.inject(&mut request.headers);
            }
            let Some(login) = login else {
                return self.execute(cx, &request).await;
            };
            // What signs a request signs where it goes.
            request.url = self.place(&request.url);
            auth::authorize(login.auth, cx, &mut request).await?;
            let answer = self.execute(cx, &request).await;
            if status(&answer) == Some(401) && login.auth.refused(&request).await {
                login.is_refused.store(true, Ordering::Relaxed);
            }
            answer
        })
    }
}

/// The credentials of one exchange, and whether there are others now.
struct Login<'a> {
    auth: &'a dyn HttpAuth,
    is_refused: AtomicBool,
}

fn status(answer: &Result<HttpResponse>) -> Option<u16> {
    match answer {
        Ok(answer) => Some(answer.status.as_u16()),
        Err(error) => error.http_status(),
    }
}

impl From<Arc<dyn HttpTransport>> for HttpClient {
    fn from(service: Arc<dyn HttpTransport>) -> Self {
        let pipeline = Pipeline::new("default", service.info(), <Self as Domain>::policy());
        Self { shared: Arc::new(Shared::new(service, pipeline, HttpSettings::default(), None)) }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("pipeline", &self.shared.pipeline).finish_non_exhaustive()
    }
}

impl Domain for HttpClient {
    type Service = dyn HttpTransport;
    type Settings = HttpSettings;

    const NAME: &'static str = contract::DOMAIN;
    const DEVELOPMENT: &'static str = "memory";

    /// 30 s in all, 10 s an attempt, three attempts 100 ms to 5 s apart.
    fn policy() -> Policy {
        Policy::default()
            .with_total_deadline(Duration::from_secs(30))
            .with_attempt_timeout(Duration::from_secs(10))
            .with_backoff(Duration::from_millis(100), Duration::from_secs(5))
    }

    fn new(
        service: Arc<dyn HttpTransport>,
        pipeline: Pipeline,
        settings: HttpSettings,
        context: &BuildContext,
    ) -> Result<Self> {
        settings.check()?;
        let auth = settings.auth.as_ref().map(|auth| auth.build(&service, context)).transpose()?;
        Ok(Self { shared: Arc::new(Shared::new(service, pipeline, settings, auth)) })
    }

    fn service(&self) -> Arc<dyn HttpTransport> {
        self.clone().into()
    }

    fn pipeline(&self) -> &Pipeline {
        &self.shared.pipeline
    }

    fn provider(service: &dyn HttpTransport) -> &dyn Provider {
        service
    }

    fn supports(service: &dyn HttpTransport, capability: &str) -> Capability {
        contract::supports(service, capability)
    }

    fn capabilities() -> &'static [(&'static str, &'static str)] {
        contract::CAPABILITIES
    }

    fn operations() -> &'static [&'static str] {
        contract::OPERATIONS
    }

    fn settings_schema() -> String {
        providers::schema::<HttpSettings>()
    }
}
