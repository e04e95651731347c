//! The client: one exchange after another through the pipeline, each of them understood as GraphQL before it is judged: a 200
//! whose body says `RATE_LIMITED` is waited for and repeated like a 429.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use external_core::http::{HttpBody, HttpRequest, HttpTransport, HttpUrl, Statuses};
use external_core::{BuildContext, CallContext, Effect, Error, ErrorKind, Operation, Repeat, Result};
use external_http::{HttpClient, Policy};
use external_resilience::{Call, Pipeline};
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::persisted::{self, Persistence, Unknown};
use super::reply::{ACCEPT, Answer, read};
use super::subscription::Sockets;
use super::{GraphqlReply, GraphqlRequest, PersistedQueries, upload};
use crate::attempts::without_layers;
use crate::wire::{Wire, client};

/// The domain's name in operations and records.
pub(super) const DOMAIN: &str = "graphql";
/// What a policy may name.
const OPERATIONS: &[&str] = &["query", "mutation", "subscribe"];

/// A GraphQL API, behind the pipeline of an [`HttpClient`]. Cloning is cheap; clones share everything.
///
/// Its operations are `query`, `mutation` and `subscribe`: a policy may say something for each, and call records name them.
///
/// ```
/// use external_api::graphql::{GraphqlClient, GraphqlRequest};
/// use external_api::HttpClient;
/// use external_api::external_http::{MemoryAnswer, MemoryHttp};
///
/// #[derive(serde::Deserialize)]
/// struct Found {
///     user: User,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let double = MemoryHttp::new().with_fallback(|_| MemoryAnswer::json(200, r#"{"data": {"user": {"name": "Ada"}}}"#));
/// let api = GraphqlClient::over(HttpClient::over(double), "https://api.example.org/graphql")?;
///
/// let request = GraphqlRequest::new("query ($id: ID!) { user(id: $id) { name } }").with_variable("id", 7)?;
/// let found: Found = api.query(&request).await?.into_data()?;
/// assert_eq!(found.user.name, "Ada");
/// # Ok::<(), external_api::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct GraphqlClient {
    pub(super) shared: Arc<Shared>,
}

#[derive(Clone)]
pub(super) struct Shared {
    pub(super) wire: Wire,
    /// The same without layers: what one attempt goes through.
    pub(super) attempts: HttpClient,
    pub(super) url: HttpUrl,
    pub(super) context: BuildContext,
    persistence: Arc<Persistence>,
    /// What subscriptions go over; without, over HTTP.
    pub(super) sockets: Option<Sockets>,
    pub(super) max_reconnects: u32,
}

impl Shared {
    /// Where the API is, with its host where that is known.
    pub(super) fn place(&self) -> HttpUrl {
        self.wire.http.place(&self.url)
    }
}

client!(GraphqlClient, Shared, OPERATIONS);

impl GraphqlClient {
    /// A client for the API at `url`, which may be a path below the base of the HTTP client.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL.
    pub fn over(http: HttpClient, url: &str) -> Result<Self> {
        Ok(Self {
            shared: Arc::new(Shared {
                url: HttpUrl::parse(url)?,
                attempts: without_layers(&http),
                wire: Wire::over(http),
                context: BuildContext::default(),
                persistence: Arc::default(),
                sockets: None,
                max_reconnects: 5,
            }),
        })
    }

    /// The same client with the clock, the random numbers and the TLS settings of this context. To be called before
    /// [`with_websocket`](Self::with_websocket), which takes them from here.
    #[must_use]
    pub fn with_context(self, context: &BuildContext) -> Self {
        self.changed(|shared| shared.context = context.clone())
    }

    /// The same client, which sends a hash in the place of documents that the server has seen, and the document where it has
    /// not. Of a server that keeps none this is remembered.
    #[must_use]
    pub fn with_persisted_queries(self, mode: PersistedQueries) -> Self {
        self.changed(|shared| shared.persistence = Arc::new(Persistence::of(mode)))
    }

    /// Asks. A query changes nothing, so it is repeated where that may help.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a document whose operation is a mutation. Where there are no data: by the code of the server's errors, which [`errors_of`](super::errors_of) hands out, else by
    /// the status; `Corrupt` for an answer that is no GraphQL, and for data of another type than `T`, which is never
    /// retried. Errors beside data are part of the reply.
    pub async fn query<T: DeserializeOwned + Send>(
        &self,
        request: &GraphqlRequest,
    ) -> Result<GraphqlReply<T>> {
        request.changes_nothing()?;
        self.call(request, "query", Repeat::Safe).await
    }

    /// Changes something. It is repeated only where it certainly took no effect, or has an idempotency key.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query). Errors beside data are part of the reply: what the data tells of was done.
    pub async fn mutate<T: DeserializeOwned + Send>(
        &self,
        request: &GraphqlRequest,
    ) -> Result<GraphqlReply<T>> {
        let repeat = if request.idempotency_key.is_some() { Repeat::Keyed } else { Repeat::Once };
        self.call(request, "mutation", repeat).await
    }

    async fn call<T: DeserializeOwned + Send>(
        &self,
        request: &GraphqlRequest,
        name: &'static str,
        repeat: Repeat,
    ) -> Result<GraphqlReply<T>> {
        let operation = Operation::new(DOMAIN, name, repeat);
        let cx = request.context();
        let persistence = &self.shared.persistence;
        if !persistence.applies(request) {
            return settled(self.exchange(&cx, operation, self.whole(request)?).await?);
        }
        let extensions = persisted::extensions(request);
        let by_get = persistence.mode == PersistedQueries::Get && repeat == Repeat::Safe;
        let hashed = self.hashed(request, &extensions, by_get)?;
        match self.exchange(&cx, operation, hashed).await {
            Ok(Answer::Unknown(Unknown::NotFound)) => {
                let both = self.post(request, request.parameters(true, &extensions)?)?;
                settled(self.exchange(&cx, operation, both).await?)
            }
            Ok(Answer::Unknown(Unknown::NotSupported)) => {
                persistence.refuse();
                settled(self.exchange(&cx, operation, self.whole(request)?).await?)
            }
            // A server that has not heard of hashes misses the document. If it was something else, it still is.
            Err(error)
                if error.kind() == ErrorKind::InvalidArgument && error.effect() == Effect::NotApplied =>
            {
                let reply = settled(self.exchange(&cx, operation, self.whole(request)?).await?)?;
                persistence.refuse();
                Ok(reply)
            }
            answer => settled(answer?),
        }
    }

    /// The request as it is, with its files.
    fn whole(&self, request: &GraphqlRequest) -> Result<HttpRequest> {
        if request.uploads.is_empty() {
            return self.post(request, request.parameters(true, &request.extensions)?);
        }
        let (content_type, body) = upload::form(request, &self.shared.context)?;
        let post = self.request(Method::POST, self.shared.url.clone(), request).with_body(body);
        guarded(post)?.with_header("content-type", &content_type)
    }

    /// The request with a hash in the place of its document.
    fn hashed(
        &self,
        request: &GraphqlRequest,
        extensions: &Map<String, Value>,
        by_get: bool,
    ) -> Result<HttpRequest> {
        match persisted::url(&self.shared.url, request, extensions).filter(|_| by_get) {
            Some(url) => guarded(self.request(Method::GET, url, request)),
            None => self.post(request, request.parameters(false, extensions)?),
        }
    }

    pub(super) fn post(&self, request: &GraphqlRequest, parameters: String) -> Result<HttpRequest> {
        let post = self.request(Method::POST, self.shared.url.clone(), request);
        post.with_body(HttpBody::from(parameters)).with_header("content-type", "application/json")
    }

    pub(super) fn request(&self, method: Method, url: HttpUrl, request: &GraphqlRequest) -> HttpRequest {
        let mut asked = HttpRequest::new(method, url);
        asked.headers = request.headers.clone();
        self.shared.wire.complete(&mut asked.headers);
        asked.headers.entry(http::header::ACCEPT).or_insert(http::HeaderValue::from_static(ACCEPT));
        asked.idempotency_key.clone_from(&request.idempotency_key);
        asked.with_statuses(Statuses::Any).with_body_limit(request.body_limit)
    }

    /// One pass through the pipeline.
    async fn exchange<T: DeserializeOwned + Send>(
        &self,
        cx: &CallContext,
        operation: Operation,
        request: HttpRequest,
    ) -> Result<Answer<T>> {
        let Shared { attempts, context, .. } = &*self.shared;
        let request = request.with_repeat(operation.repeat);
        let attempts = match request.body.length() {
            Some(_) => Cow::Borrowed(attempts),
            None => Cow::Owned(with_a_watched_body(attempts, self.pipeline(), &operation)),
        };
        let call = Call::new(operation).with_body(request.body.length());
        let run = self.pipeline().run(call, cx, |cx, _| {
            let (request, attempts) = (&request, &attempts);
            Box::pin(async move { read(attempts.execute(cx, request).await?, context.now()).await })
        });
        run.await
    }
}

/// Servers refuse what a browser could be made to send from anywhere, unless a field says that it was meant.
/// <https://www.apollographql.com/docs/apollo-server/security/cors#preventing-cross-site-request-forgery-csrf>
fn guarded(request: HttpRequest) -> Result<HttpRequest> {
    request.with_header("apollo-require-preflight", "true")
}

/// The client of attempts for a body of unknown length, which the layers around leave the time of a very large one: it ends
/// the attempt where nothing of the body moves any more, after as long as those layers would leave it for what has been sent.
fn with_a_watched_body(bare: &HttpClient, layers: &Pipeline, operation: &Operation) -> HttpClient {
    let mut policy = Policy::off().with_attempt_timeout(layers.attempt_timeout(operation.name, 0));
    policy.floor_rate = layers.policy().floor_rate;
    bare.clone().with_pipeline(Pipeline::new(layers.instance(), bare.info(), policy))
}

fn settled<T>(answer: Answer<T>) -> Result<GraphqlReply<T>> {
    match answer {
        Answer::Reply(reply) => Ok(reply),
        Answer::Misfit(error) => Err(error),
        Answer::Unknown(_) => {
            Err(Error::unexpected("the server says that it does not know a document that it was sent"))
        }
    }
}

impl fmt::Debug for GraphqlClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphqlClient")
            .field("url", &self.shared.url)
            .field("http", self.http())
            .finish_non_exhaustive()
    }
}
