//! Copies of what is larger than S3 copies at once.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>

use external_core::storage::{
    CopyRequest, ObjectAttributes, Precondition, RestoreVersionRequest, VersionId, VersionToken,
};
use external_core::{CallContext, Effect, Error, ErrorKind, Retry};
use external_storage::StorageClient;
use wiremock::matchers::{header_exists, method, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{answering, as_service, config, context, header, key, storage, stored};

const TOO_LARGE: &str =
    "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";

fn invalid(message: &str) -> ResponseTemplate {
    let body = format!("<Error><Code>InvalidRequest</Code><Message>{message}</Message></Error>");
    ResponseTemplate::new(400).set_body_raw(body, "application/xml")
}

/// A store that refuses to copy at once, and has a small object for a large one.
async fn refusing() -> MockServer {
    let server = MockServer::start().await;
    let tags = "<Tagging><TagSet><Tag><Key>team</Key><Value>one</Value></Tag></TagSet></Tagging>";
    let tags = ResponseTemplate::new(200).set_body_raw(tags, "application/xml");
    let object = stored().insert_header("x-amz-meta-owner", "Ada").set_body_raw("large", "text/x-own");
    let copy = Mock::given(method("PUT")).and(header_exists("x-amz-copy-source"));
    copy.respond_with(invalid(TOO_LARGE)).mount(&server).await;
    Mock::given(method("GET")).and(query_param("tagging", "")).respond_with(tags).mount(&server).await;
    Mock::given(method("GET")).respond_with(object).mount(&server).await;
    let head = stored().set_body_bytes("large");
    Mock::given(method("HEAD")).respond_with(head).mount(&server).await;
    Mock::given(method("PUT")).respond_with(stored()).mount(&server).await;
    server
}

fn is_told(error: &Error) {
    let told = (error.kind(), error.effect(), error.retry());
    assert_eq!(told, (ErrorKind::PayloadTooLarge, Effect::NotApplied, Retry::Never), "{error}");
    assert_eq!(error.context_value("limit"), Some("5368709120"));
    assert_eq!((error.vendor_code(), error.http_status()), (Some("InvalidRequest"), Some(400)));
}

#[tokio::test]
async fn a_source_that_is_too_large_is_told_from_other_invalid_requests() {
    let cx = CallContext::default();
    let own = "This copy request is illegal because it is trying to copy an object to itself";
    for (message, is_size) in [(TOO_LARGE, true), (own, false)] {
        let server = answering(invalid(message)).await;
        let storage = config(&server).with_versions().build(&context()).unwrap();
        let service = as_service(&storage);
        let copy = CopyRequest::new(key("a"), key("b"));
        let copied = service.copier().unwrap().copy(&cx, &copy).await.unwrap_err();
        let restore = RestoreVersionRequest::new(key("a"), VersionId::new("v"));
        let restored = service.versions().unwrap().restore_version(&cx, &restore).await.unwrap_err();
        for error in [copied, restored] {
            if is_size {
                is_told(&error);
            } else {
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            }
        }
        assert_eq!(server.received_requests().await.unwrap().len(), 2, "one call is one request");
    }
}

#[tokio::test]
async fn what_is_too_large_passes_through_the_client() {
    let server = refusing().await;
    let copy = CopyRequest::new(key("from"), key("to"))
        .with_if_match(VersionToken::new("\"e1\""))
        .with_precondition(Precondition::Absent);
    StorageClient::over(storage(&server)).copy_with(&copy).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 5, "the copy, the object, its tags, whether they are its own, the upload");
    let read = requests.iter().find(|request| request.method.as_str() == "GET").unwrap();
    assert_eq!(header(read, "if-match").as_deref(), Some("\"e1\""), "pinned to what was asked for");
    let put = &requests[4];
    assert_eq!((put.url.path(), &put.body[..]), ("/bucket/to", &b"large"[..]));
    for (name, value) in [
        ("if-none-match", "*"),
        ("content-type", "text/x-own"),
        ("x-amz-meta-owner", "Ada"),
        ("x-amz-tagging", "team=one"),
    ] {
        assert_eq!(header(put, name).as_deref(), Some(value), "{name}");
    }
}

/// The tags of a named version cannot be read: nothing is copied without them unless others are given.
#[tokio::test]
async fn a_named_version_that_is_too_large_is_copied_with_attributes_of_its_own() {
    let server = refusing().await;
    let client = StorageClient::over(config(&server).with_versions().build(&context()).unwrap());
    let copy = CopyRequest::new(key("from"), key("to")).with_from_version(VersionId::new("v"));
    is_told(&client.copy_with(&copy).await.unwrap_err());
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    let copy = copy.with_replace_attributes(ObjectAttributes::new().with_tag("team", "two"));
    client.copy_with(&copy).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 4, "two copies, the object, the upload");
    assert_eq!(requests[2].url.query_pairs().find(|(name, _)| name == "versionId").unwrap().1, "v");
    assert_eq!(header(&requests[3], "x-amz-tagging").as_deref(), Some("team=two"));
}
