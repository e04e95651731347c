//! Bodies that are cut, changed or never come, from a server that speaks just enough HTTP.

use std::time::Duration;

use external_core::storage::GetRequest;
use external_core::{CallContext, Effect, ErrorKind};
use external_storage::{Policy, S3Config, S3Storage, StorageClient, StorageService};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{context, key};

/// Gives each connection this answer; then closes it, or keeps it open and silent.
async fn server(answer: &'static [u8], silent: bool) -> S3Storage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
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
    S3Config::new("bucket").with_endpoint(endpoint).with_keys("id", "secret").build(&context()).unwrap()
}

const CUT: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 100\r\n\r\nonly this";
/// The CRC-32C is that of `123456789`.
const CHANGED: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\nx-amz-checksum-crc32c: 4waSgw==\r\n\
    x-amz-checksum-type: FULL_OBJECT\r\ncontent-length: 9\r\n\r\n123456780";
/// A checksum that only other writers give. (CRC-32 of `123456789`.)
const CHANGED_CRC32: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"e\"\r\nx-amz-checksum-crc32: y/Q5Jg==\r\n\
    content-length: 9\r\n\r\n123456780";
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

/// The client verifies by the sums of the contract itself; by those of other writers the provider still does.
#[tokio::test]
async fn a_download_is_verified_once_by_whoever_can() {
    for answer in [CHANGED, CHANGED_CRC32] {
        let client = StorageClient::over(server(answer, false).await);
        let error = client.download("k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
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
