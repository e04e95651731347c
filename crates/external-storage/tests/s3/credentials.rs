//! Keys that expire in the middle, keys in files, roles, and a clock that is wrong.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use external_core::{CallContext, Effect, ErrorKind, Retry, Secret};
use external_storage::{
    BuildContext, DownloadRequest, GetRequest, Policy, PresignRequest, PutRequest, RoleConfig, S3Storage,
    StorageClient, StorageService, StorageSettings, UploadRequest,
};
use time::OffsetDateTime;
use wiremock::matchers::{any, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::{NOW, as_service, config, context, header, key, refusal, stored};

pub(super) fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> Secret {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let text = format!("{{ \"file\": {:?} }}", path.to_str().unwrap());
    serde_json::from_str(&text).unwrap()
}

/// Takes parts until the token is called old, and from then on only those with another.
struct Expiring {
    parts: Mutex<u32>,
    token: std::path::PathBuf,
}

impl Respond for Expiring {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut parts = self.parts.lock().unwrap();
        *parts += 1;
        let token = header(request, "x-amz-security-token").unwrap();
        if *parts <= 2 || token == "new" {
            return stored();
        }
        // Whoever hands out the tokens has written the next one meanwhile.
        std::fs::write(&self.token, "new").unwrap();
        refusal(400, "ExpiredToken")
    }
}

#[tokio::test]
async fn credentials_that_expire_in_the_middle_of_an_upload_are_looked_for_anew() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "old");
    let begun = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
    let done = "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
    let xml = |body: &str| ResponseTemplate::new(200).set_body_raw(body, "application/xml");
    Mock::given(method("POST")).and(query_param("uploads", "")).respond_with(xml(begun)).mount(&server).await;
    Mock::given(method("POST"))
        .and(query_param("uploadId", "u"))
        .respond_with(xml(done))
        .mount(&server)
        .await;
    let parts = Expiring { parts: Mutex::new(0), token: folder.path().join("token") };
    Mock::given(method("PUT")).respond_with(parts).mount(&server).await;
    let storage = config(&server).with_session_token(token).build(&context()).unwrap();
    let settings = StorageSettings::new().with_part_bytes(5 << 20);
    let client = StorageClient::over(storage).with_settings(settings).unwrap();
    let body = vec![7_u8; 21 << 20];
    let receipt = client.upload_with(&body[..], UploadRequest::new(key("k"))).await.unwrap();
    assert_eq!(receipt.size, 21 << 20);
    let requests = server.received_requests().await.unwrap();
    let aborted = requests.iter().any(|request| request.method.as_str() == "DELETE");
    assert!(!aborted, "the upload went on");
    let tokens: Vec<_> = requests
        .iter()
        .map(|request| (request.method.to_string(), header(request, "x-amz-security-token").unwrap()))
        .collect();
    assert_eq!(tokens.last().unwrap().1, "new", "{tokens:?}");
}

/// Answers a range of ten bytes as long as the token is not called old, which it is after the first read.
struct ExpiringRead {
    reads: Mutex<u32>,
    token: std::path::PathBuf,
}

impl Respond for ExpiringRead {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut reads = self.reads.lock().unwrap();
        *reads += 1;
        if *reads > 1 && header(request, "x-amz-security-token").unwrap() != "new" {
            std::fs::write(&self.token, "new").unwrap();
            return refusal(400, "ExpiredToken");
        }
        let range = header(request, "range").unwrap();
        let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        ResponseTemplate::new(206)
            .insert_header("etag", "\"e\"")
            .insert_header("content-range", format!("bytes {from}-{to}/30"))
            .set_body_bytes(vec![7; to + 1 - from])
    }
}

#[tokio::test]
async fn credentials_that_expire_in_the_middle_of_a_download_are_looked_for_anew() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let token = file(&folder, "token", "old");
    let head = ResponseTemplate::new(200).insert_header("etag", "\"e\"").set_body_bytes(vec![7; 30]);
    Mock::given(method("HEAD")).respond_with(head).mount(&server).await;
    let reads = ExpiringRead { reads: Mutex::new(0), token: folder.path().join("token") };
    Mock::given(method("GET")).respond_with(reads).mount(&server).await;
    let storage = config(&server).with_session_token(token).build(&context()).unwrap();
    let settings = StorageSettings::new().with_ranged_download(10, 1);
    let client = StorageClient::over(storage).with_settings(settings).unwrap();
    let object = client.download_ranged(&DownloadRequest::new(key("k"))).await.unwrap();
    assert_eq!(object.body.collect(100).await.unwrap(), vec![7; 30]);
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 5, "a head, three ranges, one of them twice");
}

#[tokio::test]
async fn keys_in_a_file_are_read_again_when_they_were_refused() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let id = file(&folder, "id", "FIRST");
    Mock::given(any()).respond_with(refusal(403, "InvalidAccessKeyId")).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(stored()).mount(&server).await;
    let storage = config(&server).with_keys(id, "secret").build(&context()).unwrap();
    let cx = CallContext::default();
    let put = PutRequest::new(key("k"), "x");
    let error = storage.put(&cx, &put).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    std::fs::write(folder.path().join("id"), "SECOND").unwrap();
    storage.put(&cx, &put).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert!(header(&requests[0], "authorization").unwrap().contains("Credential=FIRST/"));
    assert!(header(&requests[1], "authorization").unwrap().contains("Credential=SECOND/"));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_told_before_anything_is_sent() {
    let server = super::answering(stored()).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = file(&folder, "secret", "x");
    let storage = config(&server).with_keys("id", secret).build(&context()).unwrap();
    std::fs::remove_file(folder.path().join("secret")).unwrap();
    let cx = CallContext::default();
    let error = storage.put(&cx, &PutRequest::new(key("k"), "x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert_eq!(error.effect(), Effect::NotSent);
    assert!(server.received_requests().await.unwrap().is_empty());
}

/// The server's `Date` is an hour ahead of our clock: the second attempt is signed by it.
#[tokio::test]
async fn a_wrong_clock_is_corrected_by_what_the_server_says() {
    let server = MockServer::start().await;
    let refused = refusal(403, "RequestTimeTooSkewed").insert_header("date", "Sun, 22 Nov 2026 13:00:00 GMT");
    Mock::given(any()).respond_with(refused).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(stored()).mount(&server).await;
    let storage = StorageClient::over(config(&server).build(&context()).unwrap());
    storage.put("k", "x").await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let dates: Vec<_> = requests.iter().map(|request| header(request, "x-amz-date").unwrap()).collect();
    assert_eq!(dates[0], "20261122T120000Z");
    assert!(dates[1].starts_with("20261122T1300") || dates[1].starts_with("20261122T1259"), "{dates:?}");
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
#[tokio::test]
async fn a_role_is_assumed_with_the_keys_given() {
    let server = MockServer::start().await;
    let answer = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>\
        <Credentials><AccessKeyId>TEMPORARY</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
        <SessionToken>session</SessionToken><Expiration>2026-11-22T13:00:00Z</Expiration></Credentials>\
        </AssumeRoleResult></AssumeRoleResponse>";
    let xml = ResponseTemplate::new(200).set_body_raw(answer, "text/xml");
    Mock::given(method("POST")).and(path("/")).respond_with(xml).expect(1).mount(&server).await;
    Mock::given(header_exists("x-amz-security-token")).respond_with(stored()).mount(&server).await;
    let mut role = RoleConfig::new("arn:aws:iam::123456789012:role/writer");
    role.endpoint = Some(server.uri());
    role.external_id = Some("agreed".to_owned());
    let storage = config(&server).with_role(role).build(&context()).unwrap();
    let cx = CallContext::default();
    for _ in 0..3 {
        storage.put(&cx, &PutRequest::new(key("k"), "x")).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let asked = String::from_utf8(requests[0].body.clone()).unwrap();
    for part in ["Action=AssumeRole", "ExternalId=agreed", "DurationSeconds=3600"] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    assert!(header(&requests[1], "authorization").unwrap().contains("Credential=TEMPORARY/"));
}

/// Gives out keys that live for twenty minutes from each time on that it is asked.
pub(super) fn temporary(now: u64, id: &str) -> ResponseTemplate {
    let end = OffsetDateTime::from_unix_timestamp(i64::try_from(now).unwrap() + 20 * 60).unwrap();
    let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();
    let answer = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>\
        <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
        <SessionToken>session</SessionToken><Expiration>{end}</Expiration></Credentials>\
        </AssumeRoleResult></AssumeRoleResponse>"
    );
    ResponseTemplate::new(200).set_body_raw(answer, "text/xml")
}

/// A link ends with the keys it was made with: it says when, and is not made with keys that are nearly through.
#[tokio::test]
async fn a_link_of_temporary_keys_tells_when_it_ends() {
    let server = MockServer::start().await;
    let minutes = Arc::new(AtomicU64::new(0));
    let (first, second) = (temporary(NOW, "FIRST"), temporary(NOW + 15 * 60, "SECOND"));
    Mock::given(method("POST")).respond_with(first).up_to_n_times(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(second).mount(&server).await;
    let mut role = RoleConfig::new("arn:aws:iam::123456789012:role/reader");
    role.endpoint = Some(server.uri());
    let clock = {
        let minutes = minutes.clone();
        move || SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + 60 * minutes.load(Ordering::Relaxed))
    };
    let storage = config(&server).with_role(role).build(&BuildContext::default().with_clock(clock)).unwrap();
    let presigner = as_service(&storage).presigner().unwrap();
    for (at, asked, ends, keys, requests) in [
        (0, 60, 20, "FIRST", 1),
        (5, 10, 15, "FIRST", 1),
        (9, 60, 20, "FIRST", 1),
        (15, 3, 18, "FIRST", 1),
        (15, 60, 35, "SECOND", 2),
        (16, 60, 35, "SECOND", 2),
    ] {
        minutes.store(at, Ordering::Relaxed);
        let request = PresignRequest::get(key("k")).with_expires_in(Duration::from_secs(60 * asked));
        let link = presigner.presign(&CallContext::default(), &request).await.unwrap();
        let left = link.expires_at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() - NOW;
        assert_eq!(left, 60 * ends, "asked for {asked} minutes after {at}");
        assert!(link.url.contains(&format!("X-Amz-Credential={keys}%2F")), "{}", link.url);
        assert_eq!(server.received_requests().await.unwrap().len(), requests, "{at}");
    }
}

/// A token service's form of an error.
fn no_token(status: u16, code: &str, message: &str) -> ResponseTemplate {
    let answer = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    ResponseTemplate::new(status).set_body_raw(answer, "text/xml")
}

pub(super) fn assuming(server: &MockServer) -> S3Storage {
    let mut role = RoleConfig::new("arn:aws:iam::123456789012:role/writer");
    role.endpoint = Some(server.uri());
    config(server).with_role(role).build(&context()).unwrap()
}

/// As an hour's difference is told: <https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html>
const EXPIRED_SIGNATURE: &str =
    "Signature expired: 20261122T120000Z is now earlier than 20261122T124500Z (20261122T130000Z - 15 min.)";

#[tokio::test]
async fn a_token_service_that_refuses_is_told_before_anything_is_sent() {
    for (status, code, message, words, retry) in [
        (403, "AccessDenied", "no", "refuses", Retry::Never),
        (403, "InvalidClientTokenId", "The security token is invalid.", "refuses", Retry::Never),
        (403, "SignatureDoesNotMatch", "The request signature does not match.", "refuses", Retry::Never),
        (403, "SignatureDoesNotMatch", EXPIRED_SIGNATURE, "clock", Retry::Backoff),
        (400, "RequestExpired", "Request has expired.", "clock", Retry::Backoff),
        (403, "ExpiredToken", "The security token is expired.", "expired", Retry::Backoff),
        (400, "Throttling", "Rate exceeded", "refuses", Retry::Backoff),
        (503, "ServiceUnavailable", "later", "refuses", Retry::Backoff),
    ] {
        let server = super::answering(no_token(status, code, message)).await;
        let get = GetRequest::new(key("k"));
        let error = assuming(&server).get(&CallContext::default(), &get).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unauthenticated, Effect::NotSent), "{error}");
        assert_eq!((error.vendor_code(), error.retry()), (Some(code), retry), "{error}");
        assert_eq!(error.context_value("answer"), Some(message), "{error}");
        assert!(error.message().contains("credentials") && error.message().contains(words), "{error}");
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.len(), 1, "nothing is repeated: {error}");
        assert_eq!(requests[0].url.path(), "/", "no request for the object");
    }
}

/// Behind its first sentences a refusal may name all that was signed.
#[tokio::test]
async fn what_was_signed_stands_in_no_error() {
    let sentences =
        "The request signature we calculated does not match the signature you provided. ".repeat(3);
    let answer = no_token(403, "SignatureDoesNotMatch", &format!("{sentences}x-amz-security-token:canary"));
    let server = super::answering(answer).await;
    let error = assuming(&server).get(&CallContext::default(), &GetRequest::new(key("k"))).await.unwrap_err();
    let shown = format!("{error} {error:?} {}", error.report());
    assert!(shown.contains("SignatureDoesNotMatch") && !shown.contains("canary"), "{shown}");
}

/// The token service's `Date` is an hour ahead of our clock: it is asked once more, by its own.
#[tokio::test]
async fn a_wrong_clock_is_corrected_by_what_the_token_service_says() {
    let server = MockServer::start().await;
    let refused = no_token(403, "SignatureDoesNotMatch", EXPIRED_SIGNATURE)
        .insert_header("date", "Sun, 22 Nov 2026 13:00:00 GMT");
    let asked = || Mock::given(method("POST")).and(path("/"));
    asked().respond_with(refused).up_to_n_times(1).mount(&server).await;
    asked().respond_with(temporary(NOW + 60 * 60, "TEMPORARY")).mount(&server).await;
    Mock::given(header_exists("x-amz-security-token")).respond_with(stored()).mount(&server).await;
    StorageClient::over(assuming(&server)).put("k", "x").await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3, "the token service twice, then the object");
    let dates: Vec<_> = requests.iter().map(|request| header(request, "x-amz-date").unwrap()).collect();
    assert_eq!(dates[0], "20261122T120000Z");
    assert!(dates[1].starts_with("20261122T1300") || dates[1].starts_with("20261122T1259"), "{dates:?}");
}

/// A token service that never agrees about the time is asked once an attempt, and no more.
#[tokio::test]
async fn a_clock_that_stays_wrong_is_no_endless_loop() {
    let server = MockServer::start().await;
    let refused = no_token(403, "SignatureDoesNotMatch", EXPIRED_SIGNATURE);
    Mock::given(any()).respond_with(refused).mount(&server).await;
    let policy = Policy::default().with_max_attempts(2);
    let storage = StorageClient::over(assuming(&server)).with_policy(policy);
    let error = storage.put("k", "x").await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unauthenticated, Effect::NotSent), "{error}");
    assert!(error.message().contains("clock"), "{error}");
    assert_eq!(server.received_requests().await.unwrap().len(), 2, "one question an attempt");
}
