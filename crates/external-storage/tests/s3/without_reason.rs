//! A HEAD is refused without a reason: of keys that may have ended others are looked for, once.

use std::sync::atomic::{AtomicU32, Ordering};

use external_core::{CallContext, Effect, ErrorKind, Retry};
use external_storage::{Error, HeadRequest, S3Storage, StorageClient, StorageService};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::credentials::{assuming, file, temporary};
use super::{NOW, config, context, header, key, stored};

fn there() -> ResponseTemplate {
    stored().set_body_bytes("x")
}

/// How many requests of this kind there were.
async fn count(server: &MockServer, verb: &str) -> usize {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter(|request| request.method.as_str() == verb).count()
}

/// Asks with every attempt that there may be.
async fn head(storage: S3Storage) -> Result<u64, Error> {
    StorageClient::over(storage).head("k").await.map(|info| info.size)
}

fn is_refused(error: &Error) {
    let told = (error.kind(), error.effect(), error.retry());
    assert_eq!(told, (ErrorKind::InvalidArgument, Effect::NotApplied, Retry::Never), "{error}");
}

#[tokio::test]
async fn a_token_that_ended_is_read_again() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "old");
    let place = folder.path().join("token");
    let answer = move |request: &Request| {
        if header(request, "x-amz-security-token").as_deref() == Some("new") {
            return there();
        }
        std::fs::write(&place, "new").unwrap();
        ResponseTemplate::new(400)
    };
    Mock::given(method("HEAD")).respond_with(answer).mount(&server).await;
    let storage = config(&server).with_session_token(token).build(&context()).unwrap();
    assert_eq!(head(storage).await.unwrap(), 1);
    assert_eq!(count(&server, "HEAD").await, 2);
}

#[tokio::test]
async fn a_role_is_assumed_again() {
    let server = MockServer::start().await;
    let asked = || Mock::given(method("POST"));
    asked().respond_with(temporary(NOW, "FIRST")).up_to_n_times(1).mount(&server).await;
    asked().respond_with(temporary(NOW, "SECOND")).mount(&server).await;
    let answer = |request: &Request| {
        let is_second = header(request, "authorization").unwrap().contains("Credential=SECOND/");
        if is_second { there() } else { ResponseTemplate::new(400) }
    };
    Mock::given(method("HEAD")).respond_with(answer).mount(&server).await;
    assert_eq!(head(assuming(&server)).await.unwrap(), 1);
    assert_eq!((count(&server, "HEAD").await, count(&server, "POST").await), (2, 2));
}

#[tokio::test]
async fn a_request_that_is_refused_with_new_keys_too_is_at_fault_itself() {
    let server = MockServer::start().await;
    let roles = AtomicU32::new(0);
    let lend = move |_: &Request| temporary(NOW, &format!("ROLE{}", roles.fetch_add(1, Ordering::Relaxed)));
    Mock::given(method("POST")).respond_with(lend).mount(&server).await;
    Mock::given(method("HEAD")).respond_with(ResponseTemplate::new(400)).mount(&server).await;
    is_refused(&head(assuming(&server)).await.unwrap_err());
    assert_eq!((count(&server, "HEAD").await, count(&server, "POST").await), (2, 2));
}

#[tokio::test]
async fn keys_that_do_not_end_are_not_doubted() {
    let server = super::answering(ResponseTemplate::new(400)).await;
    let storage = config(&server).build(&context()).unwrap();
    is_refused(&storage.head(&CallContext::default(), &HeadRequest::new(key("k"))).await.unwrap_err());
    is_refused(&head(storage).await.unwrap_err());
    assert_eq!(count(&server, "HEAD").await, 2, "one a call");
}

/// Another region is a reason, and other keys do not change it.
#[tokio::test]
async fn a_bucket_elsewhere_is_no_doubt_about_keys() {
    let server = MockServer::start().await;
    let elsewhere = ResponseTemplate::new(400).insert_header("x-amz-bucket-region", "eu-west-1");
    Mock::given(method("POST")).respond_with(temporary(NOW, "ROLE")).mount(&server).await;
    Mock::given(method("HEAD")).respond_with(elsewhere).mount(&server).await;
    let error = head(assuming(&server)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Configuration, Retry::Never), "{error}");
    assert_eq!((count(&server, "HEAD").await, count(&server, "POST").await), (1, 1));
}
