//! Calls of a REST interface: JSON that is read into a type, and JSON that is sent.
//!
//! Everybody builds each request from its URL, reads the body as a whole, and decodes it by serde. Ours goes through its
//! client with the default policy; both have one pool of connections, with the same settings, and send the same header fields.

use std::time::Duration;

use external_bench::Rounds;
use external_core::BuildContext;
use external_http::{HttpClient, HttpRequest, ReqwestConfig};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::calls::{Call, ID, load};
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

const ORDER: Order = Order { item: ID, quantity: 2, note: "Please ring twice, the bell is weak." };

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
        let load = |name: &str, way: Way| load(name, runtime, callers, slice, Items { url, way });
        let name = format!("GET, JSON read into a type, {callers} callers");
        let contestants = vec![
            load("ours", Way::Get(ours.clone())),
            load("reqwest", Way::RawGet(reqwest.clone())),
            load("reqwest, with a timeout", Way::RawGet(timed.clone())),
        ];
        rounds.case("http", &name, "calls/s", contestants);
        let name = format!("POST, JSON both ways, {callers} callers");
        let contestants = vec![
            load("ours", Way::Post(ours.clone())),
            load("reqwest", Way::RawPost(reqwest.clone())),
            load("reqwest, with a timeout", Way::RawPost(timed.clone())),
        ];
        rounds.case("http", &name, "calls/s", contestants);
    }
    Ok(())
}

pub(crate) fn ours() -> Result<HttpClient, String> {
    let provider = ReqwestConfig::new().build(&BuildContext::default()).map_err(|error| error.to_string())?;
    Ok(HttpClient::over(provider))
}

/// As its documentation builds one, with the settings of ours: see [`raw_builder`].
pub(crate) fn raw() -> Result<reqwest::Client, String> {
    built(raw_builder())
}

/// What ours has off is off here too: the library's own repetition copies the header fields of every request. Pools are alike,
/// and both send the same fields, which the server reads on the same processors: of reqwest's own accord there is neither a
/// `User-Agent` nor an `Accept-Encoding`. Nothing is compressed here, so that nobody decompresses.
fn raw_builder() -> reqwest::ClientBuilder {
    let ours = ReqwestConfig::new();
    let gzip = [(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))];
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(ours.user_agent)
        .default_headers(HeaderMap::from_iter(gzip))
        .connect_timeout(ours.connect_timeout)
        .pool_idle_timeout(ours.idle_timeout)
        .pool_max_idle_per_host(ours.max_idle_per_host)
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| error.to_string())
}

#[derive(Clone)]
struct Items {
    url: &'static str,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Get(HttpClient),
    RawGet(reqwest::Client),
    Post(HttpClient),
    RawPost(reqwest::Client),
}

impl Call for Items {
    async fn made(&self) -> u64 {
        let Self { url, ref way } = *self;
        let body = match way {
            Way::Get(http) => {
                let request = HttpRequest::get(url).expect("a URL");
                http.send(&request).await.expect("an answer").bytes().await.expect("a body")
            }
            Way::RawGet(http) => {
                let answer = http.get(url).send().await.expect("an answer");
                answer.error_for_status().expect("a success").bytes().await.expect("a body")
            }
            Way::Post(http) => {
                let order = serde_json::to_vec(&ORDER).expect("JSON");
                let request = HttpRequest::post(url).expect("a URL").with_body(order);
                let request =
                    request.with_header("content-type", "application/json").expect("a header field");
                http.send(&request).await.expect("an answer").bytes().await.expect("a body")
            }
            Way::RawPost(http) => {
                let order = serde_json::to_vec(&ORDER).expect("JSON");
                let request = http.post(url).header("content-type", "application/json").body(order);
                let answer = request.send().await.expect("an answer");
                answer.error_for_status().expect("a success").bytes().await.expect("a body")
            }
        };
        serde_json::from_slice::<Item>(&body).expect("an item").id
    }
}
