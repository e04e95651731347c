//! HTTP transports that are wrong in one way each.

use std::sync::Arc;

use bytes::Bytes;
use external_core::http::{Delivery, HttpBody, HttpRequest, HttpResponse, HttpTransport, HttpUrl, Statuses};
use external_core::{ByteStream, CallContext, Effect, Error, ErrorKind, Result, Retry, async_trait};
use http::Method;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue, LOCATION};

use super::wrapped::Wrapped;
use super::{Flaw, flaws};

flaws! {
    LosesQuery: "The query is not sent." ["http.execute.1"];
    KeepsLastField: "Of header fields with one name the last one is sent." ["http.execute.2"];
    CutsBodies: "A body is sent up to 64 KiB." ["http.execute.3", "http.execute.4"];
    OpensOnce: "A source is opened once, and what is left of it is sent." ["http.execute.4"];
    SendsNothingUnknown: "A body of unknown length is not sent." ["http.execute.5"];
    SendsHalf: "A body that fails is sent up to there." ["http.execute.6"];
    KeepsKey: "The idempotency key is not sent." ["http.execute.7"];
    ForgetsBase: "The path of the base is left out." ["http.execute.8"];
    AlwaysOk: "Every status that is an answer is 200." ["http.execute.9"];
    DropsFields: "The answer's header fields are left out." ["http.execute.9", "http.execute.14"];
    LosesEnd: "The last byte of an answer's body is left out." ["http.execute.10"];
    HasNoLimit: "The limit of an answer's body is not kept." ["http.execute.11", "http.execute.12"];
    CutsAtLimit: "What is beyond the limit is left out." ["http.execute.11"];
    GathersStreams: "A streamed body comes in one piece." ["http.execute.12"];
    BreaksAfterDrop: "After a body that was not read to its end nothing works." ["http.execute.13"];
    AsksGetForHead: "For `HEAD` it sends `GET`." ["http.execute.14"];
    MixesAnswers: "Side by side, an answer goes to whoever asked last." ["http.execute.15"];
    LeavesGzip: "What is compressed stays so." ["http.execute.16"];
    ForgetsId: "The id of the request is not told." ["http.execute.17"];
    Follows: "Redirects are followed." ["http.execute.18"];
    RefusalIsUnknown: "A refusal may have been applied." ["http.status.1"];
    NeverWaits: "What the server says of waiting is not heard." ["http.status.2"];
    TakesSuccessOnly: "Only statuses below 400 are answers." ["http.status.3"];
    TellsUrl: "Errors tell the URL." ["http.status.4"];
    ForgetsWhy: "What the server says about a refusal is not kept." ["http.status.5"];
    LogsTokens: "The token of each request is written into the log." ["common.7.1"];
}

/// Every flaw of HTTP transports, those that any provider may have among them.
#[must_use]
pub fn flaws() -> Vec<Flaw<dyn HttpTransport>> {
    super::with_common(Wrong::ALL, |right, wrong, common| Arc::new(Broken::new(right, wrong, common)))
}

/// A right provider with a flaw over it.
type Broken = Wrapped<dyn HttpTransport, Wrong, Seen>;

/// What the flaws remember.
#[derive(Default)]
struct Seen {
    opened: bool,
    was_streamed: bool,
    last: Option<HttpUrl>,
}

impl Broken {
    /// The request as this transport sends it.
    async fn request(&self, mut request: HttpRequest) -> Result<HttpRequest> {
        match self.wrong {
            Some(Wrong::LosesQuery) => request.url = HttpUrl::parse(request.url.path())?,
            Some(Wrong::KeepsLastField) => {
                let fields = std::mem::take(&mut request.headers);
                for (name, value) in &fields {
                    request.headers.insert(name, value.clone());
                }
            }
            Some(Wrong::CutsBodies) => {
                let mut body = read(&request.body).await?;
                body.truncate(64 << 10);
                request.body = body.into();
            }
            Some(Wrong::OpensOnce)
                if request.body.as_bytes().is_none() && std::mem::replace(&mut self.seen().opened, true) =>
            {
                request.body = HttpBody::empty();
            }
            Some(Wrong::SendsNothingUnknown) if request.body.length().is_none() => {
                request.body = HttpBody::empty();
            }
            Some(Wrong::SendsHalf) if request.body.as_bytes().is_none() => {
                let (mut source, mut half) = (request.body.open().await?, Vec::new());
                while let Ok(Some(piece)) = source.next_chunk().await {
                    half.extend_from_slice(&piece);
                }
                request.body = half.into();
            }
            Some(Wrong::KeepsKey) => request.idempotency_key = None,
            Some(Wrong::LogsTokens) => {
                let token = request.headers.get(AUTHORIZATION).and_then(|token| token.to_str().ok());
                tracing::info!(token, "asked");
            }
            Some(Wrong::ForgetsBase) if !request.url.is_absolute() => {
                let base = HttpUrl::parse(self.right.info().location())?;
                let origin = base.redirected("/")?;
                request.url = request.url.below(&origin);
            }
            Some(Wrong::HasNoLimit | Wrong::CutsAtLimit) => {
                request.delivery = match request.delivery {
                    Delivery::Whole { .. } => Delivery::Whole { limit: u64::MAX },
                    _ => Delivery::Streamed { limit: u64::MAX },
                };
            }
            Some(Wrong::AsksGetForHead) if request.method == Method::HEAD => {
                request.method = Method::GET;
                request.delivery = Delivery::default();
            }
            Some(Wrong::LeavesGzip) => {
                request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            }
            Some(Wrong::TakesSuccessOnly) => request.statuses = Statuses::Success,
            Some(Wrong::ForgetsWhy) => request.refusal_limit = 0,
            _ => {}
        }
        Ok(request)
    }

    /// The answer as this transport tells it.
    async fn answer(&self, asked: &HttpRequest, mut answer: HttpResponse) -> Result<HttpResponse> {
        match self.wrong {
            Some(Wrong::AlwaysOk) => answer.status = http::StatusCode::OK,
            Some(Wrong::DropsFields) => answer.headers.clear(),
            Some(Wrong::LosesEnd) => {
                let mut body = Vec::from(gathered(&mut answer).await?);
                body.pop();
                answer.body = ByteStream::from_bytes(body.into());
            }
            Some(Wrong::CutsAtLimit) => {
                let limit = usize::try_from(asked.delivery.limit()).unwrap_or(usize::MAX);
                let mut body = gathered(&mut answer).await?;
                body.truncate(limit);
                answer.body = ByteStream::from_bytes(body);
            }
            Some(Wrong::GathersStreams) => {
                let body = gathered(&mut answer).await?;
                answer.body = ByteStream::from_bytes(body);
            }
            Some(Wrong::BreaksAfterDrop) => {
                let streamed = matches!(asked.delivery, Delivery::Streamed { .. });
                if std::mem::replace(&mut self.seen().was_streamed, streamed) {
                    return Err(Error::unavailable("the rest of another body"));
                }
            }
            Some(Wrong::ForgetsId) => answer.request_id = None,
            Some(Wrong::Follows) => {
                let place = answer.headers.get(LOCATION).and_then(|place| place.to_str().ok());
                if let Some(place) = place {
                    let there = HttpRequest::get(place)?;
                    return self.right.execute(&CallContext::default(), &there).await;
                }
            }
            _ => {}
        }
        Ok(answer)
    }

    fn error(&self, asked: &HttpRequest, error: Error) -> Error {
        match self.wrong {
            Some(Wrong::RefusalIsUnknown) if error.http_status().is_some() => {
                error.with_effect(Effect::MaybeApplied)
            }
            Some(Wrong::NeverWaits) if matches!(error.retry(), Retry::After(_)) => {
                error.with_retry(Retry::Backoff)
            }
            Some(Wrong::TellsUrl) => error.with_context("url", asked.url.expose()),
            _ => error,
        }
    }
}

#[async_trait]
impl HttpTransport for Broken {
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        let _inside = self.gate.enter().await?;
        let mut sent = self.request(request.clone()).await?;
        if self.is(Wrong::MixesAnswers) {
            self.seen().last = Some(sent.url.clone());
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            let last = self.seen().last.clone();
            sent.url = last.unwrap_or(sent.url);
        }
        match self.right.execute(cx, &sent).await {
            Ok(answer) => self.answer(request, answer).await,
            Err(error) if self.is(Wrong::ForgetsId) && error.request_id().is_some() => {
                Err(Error::new(ErrorKind::Unexpected, "who knows"))
            }
            Err(error) => Err(self.error(request, error)),
        }
    }
}

async fn read(body: &HttpBody) -> Result<Vec<u8>> {
    Ok(body.open().await?.collect(u64::MAX).await?.into())
}

async fn gathered(answer: &mut HttpResponse) -> Result<Bytes> {
    let body = std::mem::replace(&mut answer.body, ByteStream::from_bytes(Bytes::new()));
    body.collect(u64::MAX).await
}
