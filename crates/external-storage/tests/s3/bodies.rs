//! Bodies that are cut, changed or never come, from a server that speaks just enough HTTP.

use std::time::Duration;

use external_core::storage::{GetRequest, MultipartUpload, PutPartRequest, UploadId};
use external_core::{CallContext, Effect, ErrorKind};
use external_storage::{
    DownloadRequest, PayloadSigning, Policy, S3Config, S3Storage, StorageClient, StorageService,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{context, key};

/// Gives each connection this answer; then closes it, or keeps it open and silent.
async fn server(answer: &'static [u8], silent: bool) -> S3Storage {
    server_of(vec![answer], silent).await
}

/// Gives each connection the next answer, and all further ones the last.
async fn server_of(answers: Vec<&'static [u8]>, silent: bool) -> S3Storage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(answer) = answers.peek().copied() else { return };
            if answers.len() > 1 {
                answers.next();
            }
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer).await;
                if silent {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    let config = S3Config::new("bucket").with_endpoint(endpoint).with_keys("id", "secret");
    config.with_payload_signing(PayloadSigning::Never).build(&context()).unwrap()
}

const CUT: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 100\r\n\r\nonly this";
/// The CRC-32C is that of `123456789`.
const CHANGED: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\nx-amz-checksum-crc32c: 4waSgw==\r\n\
    x-amz-checksum-type: FULL_OBJECT\r\ncontent-length: 9\r\n\r\n123456780";
/// A checksum that only other writers give. (CRC-32 of `123456789`.)
const CHANGED_CRC32: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\nx-amz-checksum-crc32: y/Q5Jg==\r\n\
    content-length: 9\r\n\r\n123456780";
/// The whole, whatever range of it was asked for.
const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 9\r\n\r\n123456789";
const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 0\r\n\r\n";
/// Another range than any that is asked for here.
const OTHER: &[u8] = b"HTTP/1.1 206 Partial Content\r\netag: \"e\"\r\ncontent-range: bytes 2-3/9\r\n\
    content-length: 2\r\n\r\n34";
const NO_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\netag: ";
const GARBAGE: &[u8] = b"\x16\x03\x01 this is not HTTP\r\n\r\n";

async fn read(storage: &S3Storage) -> external_core::Result<bytes::Bytes> {
    let object = storage.get(&CallContext::default(), &GetRequest::new(key("k"))).await?;
    object.into_object()?.body.collect(1000).await
}

#[tokio::test]
async fn a_body_that_breaks_off_or_was_changed_is_told() {
    for (answer, kind) in [
        (CUT, ErrorKind::Unavailable),
        (CHANGED, ErrorKind::Corrupt),
        (CHANGED_CRC32, ErrorKind::Corrupt),
        (NO_HEAD, ErrorKind::Unavailable),
    ] {
        let error = read(&server(answer, false).await).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// A server may ignore a range (RFC 9110, section 14.2), and a proxy or a cache on the way does.
#[tokio::test]
async fn an_answer_of_other_bytes_than_were_asked_for_is_corrupt() {
    let part = GetRequest::new(key("k")).with_range(2..5);
    for (answer, request, kind) in [
        (WHOLE, part.clone(), Some(ErrorKind::Corrupt)),
        (OTHER, part.clone(), Some(ErrorKind::Corrupt)),
        (OTHER, GetRequest::new(key("k")), Some(ErrorKind::Corrupt)),
        (EMPTY, part, Some(ErrorKind::InvalidArgument)),
        (WHOLE, GetRequest::new(key("k")).with_range(0..9), None),
        (OTHER, GetRequest::new(key("k")).with_range(2..4), None),
    ] {
        let read = server(answer, false).await.get(&CallContext::default(), &request).await;
        assert_eq!(read.as_ref().err().map(external_core::Error::kind), kind, "{request:?}: {read:?}");
    }
}

/// The client verifies by the sums of the contract itself; by those of other writers the provider still does.
#[tokio::test]
async fn a_download_is_verified_once_by_whoever_can() {
    for answer in [CHANGED, CHANGED_CRC32] {
        let client = StorageClient::over(server(answer, false).await);
        let error = client.download("k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

/// The first breaks off, and so does the answer for the rest of it. The sum is one over all three: a CRC-32, as other
/// writers leave it.
#[tokio::test]
async fn a_body_that_is_cut_in_the_middle_of_its_resumption_arrives_whole_and_verified() {
    const CUT: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\nx-amz-checksum-crc32: y/Q5Jg==\r\n\
        content-length: 9\r\n\r\n1234";
    const CUT_AGAIN: &[u8] = b"HTTP/1.1 206 Partial Content\r\netag: \"e\"\r\n\
        content-range: bytes 4-8/9\r\ncontent-length: 5\r\n\r\n56";
    const REST: &[u8] = b"HTTP/1.1 206 Partial Content\r\netag: \"e\"\r\n\
        content-range: bytes 6-8/9\r\ncontent-length: 3\r\n\r\n789";
    const DAMAGED: &[u8] = b"HTTP/1.1 206 Partial Content\r\netag: \"e\"\r\n\
        content-range: bytes 6-8/9\r\ncontent-length: 3\r\n\r\n780";
    let read = |rest| async move {
        StorageClient::over(server_of(vec![CUT, CUT_AGAIN, rest], false).await).download("k").await
    };
    assert_eq!(read(REST).await.unwrap(), "123456789");
    assert_eq!(read(DAMAGED).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

/// In ranges no answer has a checksum: that of the whole is told by the head before them.
#[tokio::test]
async fn ranges_are_verified_by_what_other_writers_left() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\nx-amz-checksum-crc32: y/Q5Jg==\r\n\
        content-length: 9\r\nconnection: close\r\n\r\n";
    const FIRST: &[u8] = b"HTTP/1.1 206 Partial Content\r\netag: \"e\"\r\nconnection: close\r\n\
        content-range: bytes 0-5/9\r\ncontent-length: 6\r\n\r\n123456";
    const SECOND: &[u8] = b"HTTP/1.1 206 Partial Content\r\netag: \"e\"\r\n\
        content-range: bytes 6-8/9\r\ncontent-length: 3\r\n\r\n789";
    const DAMAGED: &[u8] = b"HTTP/1.1 206 Partial Content\r\netag: \"e\"\r\n\
        content-range: bytes 6-8/9\r\ncontent-length: 3\r\n\r\n780";
    let read = |rest| async move {
        let settings = external_storage::StorageSettings::new().with_ranged_download(6, 1);
        let client = StorageClient::over(server_of(vec![HEAD, FIRST, rest], false).await);
        let client = client.with_settings(settings).unwrap();
        let object = client.download_ranged(&DownloadRequest::new(key("k"))).await?;
        object.body.collect(100).await
    };
    assert_eq!(read(SECOND).await.unwrap(), "123456789");
    assert_eq!(read(DAMAGED).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

/// It takes the head of a part, and nothing of its body.
#[tokio::test]
async fn a_server_that_stalls_in_the_middle_of_a_part_meets_the_attempt_timeout() {
    let storage = server(b"", true).await;
    let mut policy = Policy::off().with_attempt_timeout(Duration::from_millis(200));
    policy.floor_rate = 1 << 30;
    let client = StorageClient::over(storage).with_policy(policy);
    let upload = MultipartUpload::new(key("k"), UploadId::new("u"));
    let part = PutPartRequest::new(upload, 1, vec![7; 16 << 20]);
    let multipart = (&client as &dyn StorageService).multipart().unwrap();
    let error = multipart.put_part(&CallContext::default(), &part).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::MaybeApplied), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_no_http_may_have_been_applied() {
    let storage = server(GARBAGE, false).await;
    let put = external_core::storage::PutRequest::new(key("k"), "x");
    let error = storage.put(&CallContext::default(), &put).await.unwrap_err();
    assert_eq!(error.effect(), Effect::MaybeApplied, "{error}");
}

#[tokio::test]
async fn a_server_that_stalls_in_the_middle_of_a_body_meets_the_idle_timeout() {
    let storage = server(CUT, true).await;
    let settings = external_storage::StorageSettings::new()
        .with_idle_timeout(Duration::from_millis(200))
        .with_resumes(0);
    let client = StorageClient::over(storage).with_policy(Policy::off()).with_settings(settings).unwrap();
    let error = client.download("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}
