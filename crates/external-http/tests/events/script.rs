//! A transport that answers by a script, in its own time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use external_http::external_core::{CallContext, Capabilities, ProviderInfo, async_trait};
use external_http::{
    ByteStream, Error, HttpClient, HttpRequest, HttpResponse, HttpTransport, Policy, Provider, Result,
    StatusCode,
};
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};

/// What is sent, and how long after what went before.
pub(crate) type Piece = (u64, Result<&'static str>);

/// What a connection brings.
#[derive(Debug)]
pub(crate) enum Act {
    /// An answer with status and content type, and a body in pieces, their delays in seconds.
    Answer(u16, &'static str, Vec<Piece>),
    /// None at all.
    Fails(Error),
}

/// Events at once, then an end as it should be.
pub(crate) fn events(body: &'static str) -> Act {
    Act::Answer(200, "text/event-stream", vec![(0, Ok(body))])
}

#[derive(Debug)]
pub(crate) struct Script {
    info: ProviderInfo,
    acts: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<HeaderMap>>,
}

impl Script {
    /// A client without repetitions of its own.
    pub(crate) fn client(acts: impl IntoIterator<Item = Act>) -> HttpClient {
        let info = ProviderInfo::new("script", "http", "http://script.invalid", Capabilities::new());
        let script = Self { info, acts: Mutex::new(acts.into_iter().collect()), asked: Mutex::default() };
        HttpClient::over(script).with_policy(Policy::off())
    }
}

/// The ids that the client said it had, a request each.
pub(crate) fn ids(http: &HttpClient) -> Vec<Option<String>> {
    let asked = http.provider::<Script>().unwrap().asked.lock().unwrap();
    let id = |headers: &HeaderMap| Some(headers.get("last-event-id")?.to_str().unwrap().to_owned());
    asked.iter().map(id).collect()
}

#[async_trait]
impl Provider for Script {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl HttpTransport for Script {
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        cx.mark_sent();
        self.asked.lock().unwrap().push(request.headers.clone());
        let act = self.acts.lock().unwrap().pop_front();
        match act.unwrap_or_else(|| Act::Fails(Error::unavailable("the script is over"))) {
            Act::Fails(error) => Err(error),
            Act::Answer(status, kind, pieces) => {
                let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
                let body = futures_util::stream::iter(pieces).then(|(delay, piece)| async move {
                    tokio::time::sleep(Duration::from_secs(delay)).await;
                    piece.map(|text| Bytes::from_static(text.as_bytes()))
                });
                Ok(HttpResponse::new(StatusCode::from_u16(status).unwrap(), headers, ByteStream::new(body)))
            }
        }
    }
}
