//! HTTP without a network: functions of this process answer. Reference implementation, and the double for tests.
//!
//! Requests take the same way as over a network (header fields as they would be sent, bodies opened and read, statuses by
//! the same table), so what a test sees is what a server would. What was asked is remembered
//! ([`received`](MemoryHttp::received)).
mod config;
mod exchange;
mod router;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use external_core::http::{DOMAIN, HttpRequest, HttpResponse, HttpTransport, HttpUrl};
use external_core::{
    BuildContext, ByteStream, CallContext, Capabilities, Effect, Provider, ProviderEntry, ProviderInfo,
    ProviderKind, Result,
};
use http::Method;

pub use config::MemoryConfig;
pub use exchange::{MemoryAnswer, MemoryRequest};
use router::Route;

use crate::answer::{answered, send_headers};

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn HttpTransport> = ProviderEntry {
    id: "memory",
    feature: "",
    kind: ProviderKind::Embedded,
    build: |section, context| Ok(Arc::new(section.parse::<MemoryConfig>()?.build(context)?)),
    schema: super::schema::<MemoryConfig>,
};

/// How large the pieces of a body are.
const PIECE: usize = 16 << 10;

/// HTTP whose server is a table of functions.
///
/// ```
/// use external_http::{HttpClient, MemoryAnswer, MemoryHttp, Method};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let double = MemoryHttp::new()
///     .with_route(Method::POST, "/orders", |request| {
///         assert_eq!(request.header("content-type"), Some("application/json"));
///         MemoryAnswer::json(201, r#"{"id": 7}"#)
///     })
///     .with_route(Method::GET, "/orders/{id}", |_| MemoryAnswer::new(503).with_header("retry-after", "1"));
/// let http = HttpClient::over(double);
/// assert_eq!(http.post_json("/orders", r#"{"item": 1}"#).await?.status, 201);
/// assert_eq!(http.provider::<MemoryHttp>().unwrap().received()[0].body, r#"{"item": 1}"#);
/// # Ok::<(), external_core::Error>(()) }).unwrap();
/// ```
pub struct MemoryHttp {
    info: ProviderInfo,
    base: HttpUrl,
    context: BuildContext,
    routes: Vec<Route>,
    keep: usize,
    received: Mutex<VecDeque<MemoryRequest>>,
}

impl MemoryHttp {
    /// Without routes: everything is 404. URLs without a host are below `https://memory.invalid`.
    #[must_use]
    #[allow(clippy::missing_panics_doc, clippy::expect_used, reason = "the defaults are a base")]
    pub fn new() -> Self {
        MemoryConfig::new().build(&BuildContext::default()).expect("the defaults can be built")
    }

    fn with_parts(base: HttpUrl, keep: usize, context: BuildContext) -> Self {
        let capabilities = Capabilities::new().all_native(&["streaming-upload"]);
        Self {
            info: ProviderInfo::new("memory", DOMAIN, base.expose(), capabilities),
            base,
            context,
            routes: Vec::new(),
            keep,
            received: Mutex::default(),
        }
    }

    /// Adds a route; of those that match the first one answers. In a pattern `{name}` is any one segment of the path and
    /// `{*name}`, at its end, the rest of it.
    #[must_use]
    pub fn with_route(
        self,
        method: Method,
        pattern: &str,
        handler: impl Fn(&MemoryRequest) -> MemoryAnswer + Send + Sync + 'static,
    ) -> Self {
        self.with(Route::new(Some(method), pattern, Box::new(handler)))
    }

    /// Answers whatever no route before it does.
    #[must_use]
    pub fn with_fallback(
        self,
        handler: impl Fn(&MemoryRequest) -> MemoryAnswer + Send + Sync + 'static,
    ) -> Self {
        self.with(Route::new(None, "/{*path}", Box::new(handler)))
    }

    fn with(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// What was asked, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<MemoryRequest> {
        self.remembered().iter().cloned().collect()
    }

    /// Forgets what was asked.
    pub fn clear(&self) {
        self.remembered().clear();
    }

    fn remembered(&self) -> MutexGuard<'_, VecDeque<MemoryRequest>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, mut request: MemoryRequest) -> MemoryAnswer {
        let (method, path) = (&request.method, request.url.path());
        let found = self.routes.iter().find_map(|route| Some((route, route.matches(method, path)?)));
        let answer = match found {
            Some((route, parameters)) => {
                request.parameters = parameters;
                (route.handler)(&request)
            }
            None => MemoryAnswer::new(404),
        };
        let mut remembered = self.remembered();
        if remembered.len() == self.keep {
            remembered.pop_front();
        }
        remembered.push_back(request);
        answer
    }
}

impl Default for MemoryHttp {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryHttp").field("info", &self.info).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for MemoryHttp {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl HttpTransport for MemoryHttp {
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        let url = super::absolute(&request.url, Some(&self.base))?;
        let headers = send_headers(request)?;
        // Nobody has seen a byte of a request whose body cannot be made.
        let unsent = |error: external_core::Error| error.with_effect(Effect::NotSent);
        let body = request.body.open().await.map_err(unsent)?.collect(u64::MAX).await.map_err(unsent)?;
        cx.mark_sent();
        let method = request.method.clone();
        let answer = self.ask(MemoryRequest { method, url, headers, body, parameters: Vec::new() });
        if !answer.delay.is_zero() {
            tokio::time::sleep(answer.delay).await;
        }
        let said = answer.outcome?;
        let body = if request.method == Method::HEAD { Bytes::new() } else { said.body };
        answered(cx, request, said.status, said.headers, in_pieces(body), self.context.now()).await
    }
}

/// As a body comes over a network, so that nobody relies on one piece.
fn in_pieces(body: Bytes) -> ByteStream {
    let pieces = (0..body.len()).step_by(PIECE).map(move |start| {
        let end = (start + PIECE).min(body.len());
        Ok(body.slice(start..end))
    });
    ByteStream::new(futures_util::stream::iter(pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_route_that_matches_answers_and_old_requests_are_forgotten() {
        let http = MemoryConfig::new()
            .with_keep(2)
            .build(&BuildContext::default())
            .unwrap()
            .with_route(Method::GET, "/a", |_| MemoryAnswer::new(201))
            .with_fallback(|_| MemoryAnswer::new(202));
        let cx = CallContext::default();
        let get = |path: &'static str| HttpRequest::get(path).unwrap();
        for (path, status) in [("/a", 201), ("/b", 202), ("/", 202)] {
            assert_eq!(http.execute(&cx, &get(path)).await.unwrap().status, status);
        }
        let paths: Vec<_> = http.received().iter().map(|request| request.url.path().to_owned()).collect();
        assert_eq!(paths, ["/b", "/"]);
        http.clear();
        assert!(http.received().is_empty());
    }

    #[tokio::test]
    async fn an_error_in_the_place_of_an_answer_is_the_error() {
        let refused = external_core::Error::unavailable("refused").with_effect(Effect::NotSent);
        let http = MemoryHttp::new().with_fallback(move |_| MemoryAnswer::failing(refused.clone()));
        let error = http.execute(&CallContext::default(), &HttpRequest::get("/").unwrap()).await.unwrap_err();
        assert_eq!(error.effect(), Effect::NotSent);
    }
}
