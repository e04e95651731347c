//! The suite of HTTP transports.
//!
//! A transport is tested against an origin of the suite's own ([`answer`]): over a network as the function of a
//! [`StandingServer`](external_simulator::StandingServer), which a test target starts and tells by
//! [`Harness::with_variable`](crate::Harness::with_variable), or, where a transport asks functions, as its function.
//! Requests name no host, so that the transport's configuration says where they go.

mod answers;
mod origin;
mod sending;
mod statuses;
mod web;

use external_core::http::{CAPABILITIES, HttpBody, HttpRequest, HttpTransport, supports};
use external_core::{ByteStream, Error, Result};
use futures_util::future::BoxFuture;

pub use origin::answer;

use crate::{Case, ProviderCall, Suite, Traffic};
use web::{Seen, Web};

type S = dyn HttpTransport;

/// What the contract demands natively of the providers it knows.
const NATIVES: &[(&str, &[&str])] = &[("memory", &["streaming-upload"]), ("reqwest", &["streaming-upload"])];

/// Every clause of [`HttpTransport`], with the common block.
#[must_use]
pub fn suite() -> Suite<dyn HttpTransport> {
    // Every operation is `execute` with another method: these differ in what body they send, and how.
    let marked = |name, run| ProviderCall { name, run, traffic: Traffic::Marked };
    let calls = vec![marked("get", call_get), marked("post", call_post), marked("put", call_put)];
    Suite::of_contract("http", CAPABILITIES, supports, calls)
        .with_calls("streaming-upload", vec![marked("patch", call_patch)])
        .with_natives(NATIVES)
        .with_all(sending::clauses())
        .with_all(answers::clauses())
        .with_all(statuses::clauses())
}

/// The canary is where secrets travel: in the query and in a header field.
fn call_get<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let mut request = HttpRequest::get(&format!("/echo/{}", case.name(marker)))?;
        request.url = request.url.with_query("key", case.canary());
        let request = request.with_header("x-api-key", case.canary())?;
        echoed(case, service, marker, request).await.map(drop)
    })
}

/// Here it is in the body.
fn call_post<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = HttpRequest::post(&format!("/echo/{}", case.name(marker)))?;
        let request = request.with_header("authorization", &format!("Bearer {}", case.canary()))?;
        has_body(case, &echoed(case, service, marker, request.with_body(case.canary().to_owned())).await?)
    })
}

fn call_put<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = HttpRequest::put(&format!("/echo/{}", case.name(marker)))?;
        let length = Some(case.canary().len() as u64);
        let request = request.with_body(source(case.canary(), length));
        has_body(case, &echoed(case, service, marker, request).await?)
    })
}

fn call_patch<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let mut request = HttpRequest::put(&format!("/echo/{}", case.name(marker)))?;
        request.method = http::Method::PATCH;
        let request = request.with_body(source(case.canary(), None));
        has_body(case, &echoed(case, service, marker, request).await?)
    })
}

fn source(text: &str, length: Option<u64>) -> HttpBody {
    let text = text.to_owned();
    HttpBody::from_factory(length, move || ByteStream::from_bytes(text.clone().into()))
}

/// What the origin saw of this request and of no other.
async fn echoed(case: &Case<S>, service: &S, marker: &str, request: HttpRequest) -> Result<Seen> {
    let answer = service.execute(&case.cx(), &request).await?;
    let seen = Seen::read(&answer.bytes().await?)?;
    match seen.target.contains(marker) {
        true => Ok(seen),
        false => Err(Error::unexpected("the answer to another request")),
    }
}

fn has_body(case: &Case<S>, seen: &Seen) -> Result<()> {
    match seen.body == case.canary().as_bytes() {
        true => Ok(()),
        false => Err(Error::unexpected("the server saw another body")),
    }
}

fn web(case: &Case<S>) -> Web<'_> {
    Web::of(case, case.service())
}
