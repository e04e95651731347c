//! The provider `s3` against answers that no server gives on demand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "s3/bodies.rs"]
mod bodies;
#[path = "s3/copies.rs"]
mod copies;
#[path = "s3/credentials.rs"]
mod credentials;
#[path = "s3/errors.rs"]
mod errors;
#[path = "s3/found.rs"]
mod found;
#[path = "s3/listings.rs"]
mod listings;
#[path = "s3/requests.rs"]
mod requests;
#[path = "s3/without_reason.rs"]
mod without_reason;

use std::time::{Duration, SystemTime};

use external_core::storage::{ObjectKey, StorageService};
use external_storage::{BuildContext, S3Config, S3Storage};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// 2026-11-22T12:00:00Z
const NOW: u64 = 1_795_348_800;

fn config(server: &MockServer) -> S3Config {
    S3Config::new("bucket").with_endpoint(server.uri()).with_keys("AKIDEXAMPLE", "secret")
}

fn context() -> BuildContext {
    BuildContext::default().with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
}

fn storage(server: &MockServer) -> S3Storage {
    config(server).build(&context()).unwrap()
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

/// A server that gives every request this answer.
async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// S3's form of an error.
fn refusal(status: u16, code: &str) -> ResponseTemplate {
    let body = format!("<Error><Code>{code}</Code><Message>told</Message><RequestId>R1</RequestId></Error>");
    ResponseTemplate::new(status)
        .insert_header("x-amz-request-id", "R1")
        .set_body_raw(body, "application/xml")
}

fn stored() -> ResponseTemplate {
    ResponseTemplate::new(200).insert_header("etag", "\"e1\"")
}

async fn only_request(server: &MockServer) -> Request {
    let mut requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1, "one call is one request");
    requests.remove(0)
}

fn header(request: &Request, name: &str) -> Option<String> {
    request.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
}

fn as_service(storage: &S3Storage) -> &dyn StorageService {
    storage
}
