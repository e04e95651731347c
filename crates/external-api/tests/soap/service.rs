//! A service that a test writes as a function, behind either transport.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_api::external_http::{
    BuildContext, Domain, HttpClient, MemoryAnswer, MemoryHttp, MemoryRequest, ReqwestConfig,
};
use external_api::soap::{Element, SoapClient, SoapRequest, SoapVersion};
use external_simulator::{HttpAnswer, HttpQuestion, HttpServer};

type Handler = dyn Fn(&HttpQuestion) -> HttpAnswer + Send + Sync;

/// The service, and a client for it.
pub(crate) struct Service {
    pub(crate) transport: &'static str,
    pub(crate) http: HttpClient,
    asked: Arc<Mutex<Vec<HttpQuestion>>>,
    _server: Option<HttpServer>,
}

/// The same service twice: as a function, and over loopback.
pub(crate) async fn both(
    handler: impl Fn(&HttpQuestion) -> HttpAnswer + Send + Sync + 'static,
) -> [Service; 2] {
    let handler: Arc<Handler> = Arc::new(handler);
    [memory(handler.clone()), reqwest(handler).await]
}

fn memory(handler: Arc<Handler>) -> Service {
    let (asked, seen) = heard();
    let double = MemoryHttp::new().with_fallback(move |request: &MemoryRequest| {
        let question = HttpQuestion::new(
            request.method.clone(),
            request.url.target(),
            request.headers.clone(),
            request.body.clone(),
        );
        let said = handler(&question);
        seen.lock().unwrap().push(question);
        let answer = MemoryAnswer::new(said.status.as_u16()).with_body(said.body);
        said.headers
            .iter()
            .fold(answer, |answer, (name, value)| answer.with_header(name.as_str(), value.to_str().unwrap()))
    });
    Service { transport: "memory", http: quick(HttpClient::over(double)), asked, _server: None }
}

async fn reqwest(handler: Arc<Handler>) -> Service {
    let (asked, seen) = heard();
    let server = HttpServer::start(move |question| {
        seen.lock().unwrap().push(question.clone());
        handler(question)
    });
    let server = server.await.unwrap();
    let config = ReqwestConfig::new().with_base_url(format!("http://{}", server.address()));
    let http = quick(HttpClient::over(config.build(&BuildContext::default()).unwrap()));
    Service { transport: "reqwest", http, asked, _server: Some(server) }
}

type Asked = Arc<Mutex<Vec<HttpQuestion>>>;

fn heard() -> (Asked, Asked) {
    let asked = Asked::default();
    (asked.clone(), asked)
}

/// Three attempts, close together.
fn quick(http: HttpClient) -> HttpClient {
    http.with_policy(HttpClient::policy().with_backoff(Duration::from_millis(1), Duration::from_millis(2)))
}

impl Service {
    pub(crate) fn client(&self) -> SoapClient {
        SoapClient::over(self.http.clone(), "/soap").unwrap()
    }

    /// What was asked since the last look.
    pub(crate) fn asked(&self) -> Vec<HttpQuestion> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// An envelope around this, with prefixes that nobody would choose.
pub(crate) fn envelope(version: SoapVersion, header: &str, body: &str) -> String {
    let namespace = version.namespace();
    let header = if header.is_empty() { String::new() } else { format!("<_.9:Header>{header}</_.9:Header>") };
    format!(
        "<?xml version='1.0'?>\n<!-- made elsewhere --><_.9:Envelope xmlns:_.9='{namespace}'>{header}\n <_.9:Body>\n{body}</_.9:Body></_.9:Envelope>"
    )
}

/// An answer of SOAP 1.1.
pub(crate) fn answer(body: &str) -> HttpAnswer {
    xml(200, envelope(SoapVersion::V1_1, "", body))
}

pub(crate) fn xml(status: u16, body: impl Into<bytes::Bytes>) -> HttpAnswer {
    HttpAnswer::new(status).with_header("content-type", "text/xml; charset=utf-8").with_body(body)
}

pub(crate) fn add() -> SoapRequest {
    SoapRequest::new(Element::new("urn:math", "Add").with_field("a", "1").with_field("b", "2"))
        .with_action("urn:math/Add")
}

/// The one header field of that name.
pub(crate) fn field<'a>(question: &'a HttpQuestion, name: &str) -> Option<&'a str> {
    let mut values = question.headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().unwrap());
    assert!(values.next().is_none(), "{name} is there once");
    value
}
