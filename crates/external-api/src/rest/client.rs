//! `RestClient`: what services hold.

use std::fmt;
use std::sync::Arc;

use external_core::http::OPERATIONS;
use external_core::{Error, Result};
use external_http::{HttpClient, HttpRequest, HttpResponse, HttpUrl};

use super::{Endpoint, FromAnswer, PagedEndpoint, Pages, Paging, RestAnswer, RestError, RestRequest};
use crate::wire::{Wire, client};

/// A client of an API, behind the pipeline of an [`HttpClient`]. Cloning is cheap; clones share everything.
///
/// Its operations are HTTP's: a policy may say something for `get`, `post` and so on.
///
/// ```
/// use external_api::rest::{RestClient, RestRequest};
/// use external_http::{HttpClient, MemoryAnswer, MemoryHttp};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let double = MemoryHttp::new().with_fallback(|request| MemoryAnswer::json(200, format!("{:?}", request.url.target())));
/// let rest = RestClient::over(HttpClient::over(double))
///     .with_base("https://api.example.org/v1")?
///     .with_header("x-api-version", "2")?;
/// let target: String = rest.fetch(&RestRequest::get("/users").with_query(&[("page", 2)])).await?;
/// assert_eq!(target, "/v1/users?page=2");
/// # Ok::<(), external_api::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct RestClient {
    shared: Arc<Shared>,
}

#[derive(Clone)]
pub(super) struct Shared {
    wire: Wire,
    /// What goes before paths: of this client, else of the transport.
    base: Option<HttpUrl>,
}

client!(RestClient, Shared, OPERATIONS);

impl RestClient {
    /// A client over HTTP. Paths are below the base of its transport, if that has one.
    #[must_use]
    pub fn over(http: HttpClient) -> Self {
        let base = HttpUrl::parse(http.info().location()).ok().filter(HttpUrl::is_absolute);
        Self { shared: Arc::new(Shared { wire: Wire::over(http), base }) }
    }

    /// The same client, whose paths are below this URL.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no absolute URL, or one with a query.
    pub fn with_base(self, url: &str) -> Result<Self> {
        let base = HttpUrl::parse(url)?;
        if !base.is_absolute() || base.query().is_some() {
            return Err(Error::invalid_argument("the base of a client has a host, and no query"));
        }
        Ok(self.changed(|shared| shared.base = Some(base)))
    }

    /// Calls an endpoint.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and as [`FromAnswer::from_answer`] of its answer.
    pub async fn call<E: Endpoint>(&self, endpoint: &E) -> Result<E::Answer> {
        self.answer(endpoint.request().named(E::NAME)).await
    }

    /// Sends a request, and reads the answer as a `T`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and as [`FromAnswer::from_answer`].
    pub async fn fetch<T: FromAnswer>(&self, request: &RestRequest) -> Result<T> {
        self.answer(request.clone()).await
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// By the status, as [`HttpTransport::execute`](external_http::HttpTransport::execute) says, with what the server
    /// said as [`RestError`]; `InvalidArgument` for a request that was built wrongly.
    pub async fn send(&self, request: &RestRequest) -> Result<RestAnswer> {
        self.answer(request.clone()).await
    }

    /// The pages of a list, one request each.
    #[must_use]
    pub fn pages<T>(&self, request: &RestRequest, paging: Paging) -> Pages<T> {
        Pages::new(self.clone(), request.clone(), paging)
    }

    /// The pages of an endpoint.
    #[must_use]
    pub fn list<E: PagedEndpoint>(&self, endpoint: &E) -> Pages<E::Item> {
        Pages::new(self.clone(), endpoint.request().named(E::NAME), endpoint.paging())
    }

    /// Where a request goes.
    pub(super) fn place(&self, request: &RestRequest) -> Result<HttpUrl> {
        request.url(self.shared.base.as_ref())
    }

    async fn answer<T: FromAnswer>(&self, request: RestRequest) -> Result<T> {
        let name = request.name();
        let answer = self.whole(request.accepting(T::ACCEPT)).await;
        answer.and_then(T::from_answer).map_err(|error| named(error, name))
    }

    /// One call, and its whole answer.
    pub(super) async fn whole(&self, request: RestRequest) -> Result<RestAnswer> {
        let request = self.to_http(request)?;
        RestAnswer::of(self.exchange(&request).await?, request.url).await
    }

    /// A request as HTTP.
    pub(super) fn to_http(&self, request: RestRequest) -> Result<HttpRequest> {
        let mut request = request.into_http(self.shared.base.as_ref())?;
        self.shared.wire.complete(&mut request.headers);
        Ok(request)
    }

    /// One call, whose refusal is told with what the server said.
    pub(super) async fn exchange(&self, request: &HttpRequest) -> Result<HttpResponse> {
        self.http().send(request).await.map_err(RestError::attached)
    }
}

/// The error of an endpoint.
pub(super) fn named(error: Error, endpoint: Option<&'static str>) -> Error {
    match endpoint {
        Some(endpoint) => error.with_context("endpoint", endpoint),
        None => error,
    }
}

impl fmt::Debug for RestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestClient")
            .field("http", self.http())
            .field("base", &self.shared.base)
            .finish_non_exhaustive()
    }
}
