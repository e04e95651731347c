//! What the three clients have in common: layers, records, header fields, a close.
#![cfg(all(feature = "graphql", feature = "rest", feature = "soap"))]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_api::external_http::external_resilience::{
    AttemptRecord, BreakerPolicy, BreakerState, CallObserver, CallRecord, CloseReport, OperationPolicy,
    Pipeline, Policy,
};
use external_api::external_http::{Domain, MemoryAnswer, MemoryHttp, MemoryRequest, Repeat};
use external_api::graphql::{GraphqlClient, GraphqlRequest};
use external_api::rest::{RestClient, RestRequest};
use external_api::soap::{Element, SoapClient, SoapRequest};
use external_api::{CallOptions, ErrorKind, HttpClient, Result};
use serde_json::Value;

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

type Called<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// What every client can do, and one harmless call of each.
trait Client {
    fn call(&self) -> Called<'_>;
    fn pipeline(&self) -> &Pipeline;
    fn close(&self, within: Duration) -> Pin<Box<dyn Future<Output = CloseReport> + '_>>;
    fn probe(&self) -> Called<'_>;
}

macro_rules! client {
    ($client:ty, |$this:ident| $call:expr) => {
        impl Client for $client {
            fn call(&self) -> Called<'_> {
                let $this = self;
                Box::pin(async move { $call.await.map(drop) })
            }

            fn pipeline(&self) -> &Pipeline {
                self.pipeline()
            }

            fn close(&self, within: Duration) -> Pin<Box<dyn Future<Output = CloseReport> + '_>> {
                Box::pin(self.close(within))
            }

            fn probe(&self) -> Called<'_> {
                Box::pin(async { self.probe(&CallOptions::new()).await })
            }
        }
    };
}

client!(RestClient, |rest| rest.send(&RestRequest::get("/")));
client!(GraphqlClient, |api| api.query::<Value>(&GraphqlRequest::new("{ a }")));
client!(SoapClient, |soap| async {
    soap.send(&SoapRequest::new(Element::new("urn:a", "Ask")).with_repeat(Repeat::Safe)).await
});

/// The three of them over one kind of server, each changed alike, with the operation that its call is.
macro_rules! clients {
    ($answer:expr, |$client:ident| $changed:expr) => {{
        let http = || HttpClient::over(MemoryHttp::new().with_fallback($answer)).with_policy(quick());
        let clients: [(&str, Box<dyn Client>); 3] = [
            ("http.get", {
                let $client = RestClient::over(http());
                Box::new($changed)
            }),
            ("graphql.query", {
                let $client = GraphqlClient::over(http(), "/").unwrap();
                Box::new($changed)
            }),
            ("soap.call", {
                let $client = SoapClient::over(http(), "/").unwrap();
                Box::new($changed)
            }),
        ];
        clients
    }};
}

/// Three attempts, close together; ten are enough to judge.
fn quick() -> Policy {
    let mut breaker = BreakerPolicy::default();
    (breaker.minimum_calls, breaker.window) = (10, 10);
    HttpClient::policy()
        .with_backoff(Duration::from_millis(1), Duration::from_millis(2))
        .with_breaker(breaker)
}

/// Every record, as one line.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl CallObserver for Heard {
    fn on_attempt(&self, record: &AttemptRecord<'_>) {
        let AttemptRecord { operation, attempt, outcome, managed, .. } = record;
        let line = format!("{operation} attempt {attempt} {} {managed}", outcome.as_str());
        self.0.lock().unwrap().push(line);
    }

    fn on_call(&self, record: &CallRecord<'_>) {
        let CallRecord { operation, attempts, outcome, managed, .. } = record;
        let line = format!("{operation} {attempts} {} {managed}", outcome.as_str());
        self.0.lock().unwrap().push(line);
    }
}

/// An answer that all of them take for a success.
fn well(request: &MemoryRequest) -> MemoryAnswer {
    if request.header("soapaction").is_some() {
        let answer = format!("<e:Envelope xmlns:e='{ENVELOPE}'><e:Body><Said/></e:Body></e:Envelope>");
        return MemoryAnswer::new(200).with_header("content-type", "text/xml").with_body(answer);
    }
    MemoryAnswer::json(200, r#"{"data": {"a": 1}}"#)
}

fn down(_: &MemoryRequest) -> MemoryAnswer {
    MemoryAnswer::new(503)
}

#[tokio::test(start_paused = true)]
async fn each_call_is_one_record_and_each_attempt_too() {
    let heard = Arc::new(Heard::default());
    for (operation, client) in clients!(down, |client| client.with_observer(heard.clone())) {
        client.call().await.unwrap_err();
        let attempts = (1..=3).map(|nth| format!("{operation} attempt {nth} error false"));
        let expected: Vec<String> = attempts.chain([format!("{operation} 3 error false")]).collect();
        assert_eq!(heard.all(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn who_observes_the_http_client_hears_the_same() {
    let heard = Arc::new(Heard::default());
    let http = HttpClient::over(MemoryHttp::new().with_fallback(well)).with_observer(heard.clone());
    let clients: [(&str, Box<dyn Client>); 3] = [
        ("http.get", Box::new(RestClient::over(http.clone()))),
        ("graphql.query", Box::new(GraphqlClient::over(http.clone(), "/").unwrap())),
        ("soap.call", Box::new(SoapClient::over(http, "/").unwrap())),
    ];
    for (operation, client) in clients {
        client.call().await.unwrap();
        let expected = [format!("{operation} attempt 1 ok false"), format!("{operation} 1 ok false")];
        assert_eq!(heard.all(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_has_a_word_for_each_operation() {
    let heard = Arc::new(Heard::default());
    let once =
        |policy: Policy, name| policy.with_operation(name, OperationPolicy::new().with_max_attempts(1));
    let policy = ["get", "query", "call"].into_iter().fold(quick(), once);
    for (operation, client) in
        clients!(down, |client| client.with_policy(policy.clone()).with_observer(heard.clone()))
    {
        client.call().await.unwrap_err();
        assert_eq!(
            heard.all(),
            [format!("{operation} attempt 1 error false"), format!("{operation} 1 error false")]
        );
    }
}

/// `(status, media type, body, whether the service failed)`
fn answers_of_graphql() -> [(u16, &'static str, &'static str, bool); 5] {
    let failed = r#"{"errors": [{"message": "m", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}"#;
    let wrong = r#"{"errors": [{"message": "m", "extensions": {"code": "BAD_USER_INPUT"}}]}"#;
    [
        (503, "text/html", "<html>", true),
        (200, "application/json", failed, true),
        (200, "text/html", "<html>", true),
        (200, "application/json", wrong, false),
        (500, "application/graphql-response+json", wrong, false),
    ]
}

async fn state_after_ten(http: HttpClient, call: impl AsyncFn(&HttpClient)) -> BreakerState {
    let policy = quick().with_max_attempts(1);
    let http = http.with_policy(policy);
    for _ in 0..10 {
        call(&http).await;
    }
    http.pipeline().breaker_state().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_breaker_hears_what_graphql_says_and_not_what_http_does() {
    for (status, media_type, body, is_failure) in answers_of_graphql() {
        let answer =
            move |_: &_| MemoryAnswer::new(status).with_header("content-type", media_type).with_body(body);
        let http = HttpClient::over(MemoryHttp::new().with_fallback(answer));
        let state = state_after_ten(http, async |http| {
            let api = GraphqlClient::over(http.clone(), "/").unwrap();
            api.query::<Value>(&GraphqlRequest::new("{ a }")).await.unwrap_err();
        });
        let expected = if is_failure { BreakerState::Open } else { BreakerState::Closed };
        assert_eq!(state.await, expected, "{status} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_breaker_hears_what_soap_says_and_not_what_http_does() {
    for (status, code, is_failure) in
        [(500, "Server", true), (200, "Server", true), (500, "Client", false), (500, "MustUnderstand", false)]
    {
        let fault = format!(
            "<e:Envelope xmlns:e='{ENVELOPE}'><e:Body><e:Fault><faultcode>e:{code}</faultcode></e:Fault></e:Body></e:Envelope>"
        );
        let answer = move |_: &_| {
            MemoryAnswer::new(status).with_header("content-type", "text/xml").with_body(fault.clone())
        };
        let http = HttpClient::over(MemoryHttp::new().with_fallback(answer));
        let state = state_after_ten(http, async |http| {
            let soap = SoapClient::over(http.clone(), "/").unwrap();
            soap.send(&SoapRequest::new(Element::new("urn:a", "Ask"))).await.unwrap_err();
        });
        let expected = if is_failure { BreakerState::Open } else { BreakerState::Closed };
        assert_eq!(state.await, expected, "{status} {code}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_bears_the_header_fields_of_its_client() {
    let answer = |request: &MemoryRequest| match request.header("x-tenant") {
        Some("7") => well(request),
        _ => MemoryAnswer::new(400),
    };
    for (operation, client) in clients!(answer, |client| client.with_header("x-tenant", "7").unwrap()) {
        client.call().await.unwrap_or_else(|error| panic!("{operation}: {}", error.report()));
    }
    let http = || HttpClient::over(MemoryHttp::new());
    let refused = [
        RestClient::over(http()).with_header("x y", "1").err(),
        GraphqlClient::over(http(), "/").unwrap().with_header("x", "a\r\nb: c").err(),
        SoapClient::over(http(), "/").unwrap().with_header("x y", "1").err(),
    ];
    for error in refused {
        assert_eq!(error.unwrap().kind(), ErrorKind::InvalidArgument);
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_the_call_that_runs_and_refuses_the_next_one() {
    let slow = |request: &MemoryRequest| well(request).with_delay(Duration::from_secs(2));
    for (operation, client) in clients!(slow, |client| client) {
        let closing = async {
            tokio::task::yield_now().await;
            client.close(Duration::from_secs(60)).await
        };
        let (called, report) = tokio::join!(client.call(), closing);
        called.unwrap_or_else(|error| panic!("{operation}: {}", error.report()));
        assert!(report.is_clean(), "{operation}: {report:?}");
        for refused in [client.call().await, client.probe().await] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Closed, "{operation}");
        }
        assert_eq!(client.pipeline().running(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_reaches_the_server() {
    for (operation, client) in clients!(well, |client| client) {
        client.probe().await.unwrap_or_else(|error| panic!("{operation}: {}", error.report()));
    }
}
