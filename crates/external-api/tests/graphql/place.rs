//! A server that a function answers for, reached by the double and by the network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_api::HttpClient;
use external_api::external_http::{
    BuildContext, Domain, MemoryAnswer, MemoryHttp, MemoryRequest, ReqwestConfig,
};
use external_api::graphql::{GraphqlClient, GraphqlRequest};
use external_simulator::{HttpAnswer, HttpQuestion, HttpServer};
use serde_json::Value;

/// A client, and what it asked.
pub(crate) struct Place {
    pub(crate) api: GraphqlClient,
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<HttpQuestion>>>,
    _server: Option<HttpServer>,
}

impl Place {
    /// What was asked, oldest first.
    pub(crate) fn asked(&self) -> Vec<HttpQuestion> {
        self.asked.lock().unwrap().clone()
    }

    /// The parameters of each request, as JSON.
    pub(crate) fn parameters(&self) -> Vec<Value> {
        self.asked().iter().map(|question| serde_json::from_slice(&question.body).unwrap()).collect()
    }

    pub(crate) fn with(mut self, change: impl FnOnce(GraphqlClient) -> GraphqlClient) -> Self {
        self.api = change(self.api);
        self
    }
}

/// The same server twice, each with requests of its own.
pub(crate) async fn both(answer: impl Fn(&HttpQuestion) -> HttpAnswer + Send + Sync + 'static) -> [Place; 2] {
    let answer = Arc::new(answer);
    let remember = || {
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), answer.clone());
        let remembered = asked.clone();
        let answered = move |question: &HttpQuestion| {
            // After the answer, which may ask how many came before.
            let said = answer(question);
            remembered.lock().unwrap().push(question.clone());
            said
        };
        (asked, answered)
    };
    let (asked, answered) = remember();
    let double = MemoryHttp::new().with_fallback(move |request| said(answered(&question(request))));
    let url = "/graphql".to_owned();
    let memory = Place { api: client(HttpClient::over(double), &url), url, asked, _server: None };

    let (asked, answered) = remember();
    let server = HttpServer::start(answered).await.unwrap();
    let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default()).unwrap());
    let url = format!("http://{}/graphql", server.address());
    [memory, Place { api: client(http, &url), url, asked, _server: Some(server) }]
}

/// The same answer to everything.
pub(crate) async fn answering(answer: HttpAnswer) -> [Place; 2] {
    both(move |_| answer.clone()).await
}

fn client(http: HttpClient, url: &str) -> GraphqlClient {
    let quick = HttpClient::policy().with_backoff(Duration::from_millis(1), Duration::from_millis(2));
    GraphqlClient::over(http.with_policy(quick), url).unwrap()
}

pub(crate) fn json(status: u16, body: impl AsRef<str>) -> HttpAnswer {
    typed("application/json; charset=utf-8", status, body)
}

pub(crate) fn graphql(status: u16, body: impl AsRef<str>) -> HttpAnswer {
    typed("application/graphql-response+json", status, body)
}

pub(crate) fn typed(media_type: &str, status: u16, body: impl AsRef<str>) -> HttpAnswer {
    HttpAnswer::new(status).with_header("content-type", media_type).with_body(body.as_ref().to_owned())
}

pub(crate) fn request() -> GraphqlRequest {
    GraphqlRequest::new("query A { a }").with_operation("A")
}

fn question(request: &MemoryRequest) -> HttpQuestion {
    HttpQuestion::new(
        request.method.clone(),
        request.url.target(),
        request.headers.clone(),
        request.body.clone(),
    )
}

fn said(answer: HttpAnswer) -> MemoryAnswer {
    let fields =
        answer.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    fields
        .fold(MemoryAnswer::new(answer.status.as_u16()), |said, (name, value)| said.with_header(name, value))
        .with_body(answer.body)
}
