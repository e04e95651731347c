//! Calls of a REST interface: JSON that is read into a type, and JSON that is sent.
//!
//! Everybody builds each request from its URL, reads the body as a whole, and decodes it by serde. Ours goes through its
//! client with the default policy; both have one pool of connections.

use std::time::Duration;

use external_bench::{Contestant, Rounds, per_second};
use external_core::BuildContext;
use external_http::{HttpClient, HttpRequest, ReqwestConfig};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::server::Server;

/// What comes back.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: u64,
    #[expect(dead_code, reason = "decoding it is the work")]
    name: String,
    #[expect(dead_code, reason = "decoding it is the work")]
    tags: Vec<String>,
    #[expect(dead_code, reason = "decoding it is the work")]
    description: String,
}

/// What is sent.
#[derive(Debug, Serialize)]
struct Order {
    item: u64,
    quantity: u32,
    note: &'static str,
}

const ORDER: Order = Order { item: 4711, quantity: 2, note: "Please ring twice, the bell is weak." };

pub(crate) fn measure(
    rounds: &mut Rounds,
    slice: Duration,
    runtime: &Runtime,
    server: &Server,
) -> Result<(), String> {
    let url: &'static str = server.url("/items").leak();
    let ours = ours()?;
    // It installs what TLS is made by, for the whole process.
    runtime.block_on(ours.get(url)).map_err(|error| error.report().to_string())?;
    let (reqwest, timed) = (raw()?, built(raw_builder().timeout(Duration::from_secs(30)))?);
    for callers in [1, 64, 512] {
        let load = |name: &str, call: Call| {
            Contestant::new(name, move || {
                per_second(runtime, callers, slice, |_, until| {
                    let call = call.clone();
                    async move {
                        let mut calls = 0;
                        while until.goes_on() {
                            assert_eq!(call.made(url).await, 4711);
                            calls += 1;
                        }
                        calls
                    }
                })
            })
        };
        let name = format!("GET, JSON read into a type, {callers} callers");
        let contestants = vec![
            load("ours", Call::Get(ours.clone())),
            load("reqwest", Call::RawGet(reqwest.clone())),
            load("reqwest, with a timeout", Call::RawGet(timed.clone())),
        ];
        rounds.case("http", &name, "calls/s", contestants);
        let name = format!("POST, JSON both ways, {callers} callers");
        let contestants = vec![
            load("ours", Call::Post(ours.clone())),
            load("reqwest", Call::RawPost(reqwest.clone())),
            load("reqwest, with a timeout", Call::RawPost(timed.clone())),
        ];
        rounds.case("http", &name, "calls/s", contestants);
    }
    Ok(())
}

pub(crate) fn ours() -> Result<HttpClient, String> {
    let provider = ReqwestConfig::new().build(&BuildContext::default()).map_err(|error| error.to_string())?;
    Ok(HttpClient::over(provider))
}

/// As its documentation builds one, without what ours has off as well.
pub(crate) fn raw() -> Result<reqwest::Client, String> {
    built(raw_builder())
}

fn raw_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none())
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| error.to_string())
}

#[derive(Clone)]
enum Call {
    Get(HttpClient),
    RawGet(reqwest::Client),
    Post(HttpClient),
    RawPost(reqwest::Client),
}

impl Call {
    async fn made(&self, url: &str) -> u64 {
        let body = match self {
            Self::Get(http) => {
                let request = HttpRequest::get(url).expect("a URL");
                http.send(&request).await.expect("an answer").bytes().await.expect("a body")
            }
            Self::RawGet(http) => {
                let answer = http.get(url).send().await.expect("an answer");
                answer.error_for_status().expect("a success").bytes().await.expect("a body")
            }
            Self::Post(http) => {
                let order = serde_json::to_vec(&ORDER).expect("JSON");
                let request = HttpRequest::post(url).expect("a URL").with_body(order);
                let request =
                    request.with_header("content-type", "application/json").expect("a header field");
                http.send(&request).await.expect("an answer").bytes().await.expect("a body")
            }
            Self::RawPost(http) => {
                let order = serde_json::to_vec(&ORDER).expect("JSON");
                let request = http.post(url).header("content-type", "application/json").body(order);
                let answer = request.send().await.expect("an answer");
                answer.error_for_status().expect("a success").bytes().await.expect("a body")
            }
        };
        serde_json::from_slice::<Item>(&body).expect("an item").id
    }
}
