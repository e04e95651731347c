//! Links, opened as any HTTP client would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use external_storage::{
    BuildContext, ErrorKind, LocalConfig, ObjectKey, PresignRequest, PresignedUrl, PutRequest, ServeConfig,
    StorageClient,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

/// Sends a request as it is written and reads until the end.
async fn send(url: &str, method: &str, headers: &str, body: &[u8]) -> Answer {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head =
        format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{length}{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server may answer and close before it has read all of a body that it refuses.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let split = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..split].to_vec()).unwrap();
    Answer { status: head[9..12].parse().unwrap(), head, body: answer[split + 4..].to_vec() }
}

fn required(link: &PresignedUrl) -> String {
    link.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

struct World {
    storage: StorageClient,
    /// Seconds that the wall clock is ahead.
    ahead: Arc<AtomicU64>,
    _root: tempfile::TempDir,
}

fn world(serve: ServeConfig) -> World {
    let root = tempfile::tempdir().unwrap();
    let ahead = Arc::new(AtomicU64::new(0));
    let clock = {
        let ahead = ahead.clone();
        move || BuildContext::default().now() + Duration::from_secs(ahead.load(Ordering::SeqCst))
    };
    let config = LocalConfig::new(root.path()).without_durability().with_serve(serve);
    let store = config.build(&BuildContext::default().with_clock(clock)).unwrap();
    World { storage: StorageClient::over(store), ahead, _root: root }
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

#[tokio::test]
async fn a_link_answers_the_object_as_it_was_stored() {
    let World { storage, .. } = world(ServeConfig::new("127.0.0.1:0"));
    let put = PutRequest::new(key("a/b c.html"), "0123456789").with_content_type("text/html");
    storage.put_with(put).await.unwrap();
    let url = storage.get_url("a/b c.html", Duration::from_secs(60)).await.unwrap();
    let whole = send(&url, "GET", "", b"").await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, &b"0123456789"[..]));
    for header in ["content-type: text/html", "content-length: 10", "x-content-type-options: nosniff"] {
        assert!(whole.head.contains(header), "{}", whole.head);
    }
    let head = send(&url, "HEAD", "", b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(head.head.contains("content-length: 10"));
    let part = send(&url, "GET", "range: bytes=2-4\r\n", b"").await;
    assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
    assert!(part.head.contains("content-range: bytes 2-4/10"));
    assert_eq!(send(&url, "GET", "range: bytes=99-\r\n", b"").await.status, 416);
    let etag = format!("if-none-match: \"{}\"\r\n", storage.head("a/b c.html").await.unwrap().token);
    assert_eq!(send(&url, "GET", &etag, b"").await.status, 304);
    storage.delete("a/b c.html").await.unwrap();
    assert_eq!(send(&url, "GET", "", b"").await.status, 404);
}

#[tokio::test]
async fn a_link_stores_what_it_was_made_for() {
    let World { storage, .. } = world(ServeConfig::new("127.0.0.1:0"));
    let request = PresignRequest::put(key("in.bin")).with_content_type("image/png");
    let link = storage.presign(&request).await.unwrap();
    assert_eq!(send(&link.url, "PUT", "content-type: text/html\r\n", b"x").await.status, 403);
    assert_eq!(send(&link.url, "PUT", "", b"x").await.status, 403);
    assert_eq!(send(&link.url, "GET", "", b"").await.status, 403);
    assert!(!storage.exists("in.bin").await.unwrap());
    let body = vec![7; 1 << 20];
    assert_eq!(send(&link.url, "PUT", &required(&link), &body).await.status, 200);
    assert_eq!(storage.download("in.bin").await.unwrap(), body);
    let head = storage.head("in.bin").await.unwrap();
    assert_eq!(head.headers.content_type.as_deref(), Some("image/png"));
}

#[tokio::test]
async fn a_link_ends() {
    let World { storage, ahead, .. } = world(ServeConfig::new("127.0.0.1:0"));
    storage.put("k", "x").await.unwrap();
    let url = storage.get_url("k", Duration::from_secs(100)).await.unwrap();
    let hour = storage.presign(&PresignRequest::get(key("k"))).await.unwrap();
    ahead.store(98, Ordering::SeqCst);
    assert_eq!(send(&url, "GET", "", b"").await.status, 200);
    ahead.store(101, Ordering::SeqCst);
    assert_eq!(send(&url, "GET", "", b"").await.status, 403);
    ahead.store(3598, Ordering::SeqCst);
    assert_eq!(send(&hour.url, "GET", "", b"").await.status, 200);
    ahead.store(3601, Ordering::SeqCst);
    assert_eq!(send(&hour.url, "GET", "", b"").await.status, 403);
    for lifetime in [Duration::ZERO, Duration::from_millis(900), Duration::from_secs(8 * 24 * 3600)] {
        assert_eq!(storage.get_url("k", lifetime).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[tokio::test]
async fn an_upload_beyond_the_limit_leaves_nothing() {
    let mut serve = ServeConfig::new("127.0.0.1:0");
    serve.upload_bytes_max = 1000;
    let World { storage, .. } = world(serve);
    let link = storage.presign(&PresignRequest::put(key("k"))).await.unwrap();
    assert_eq!(send(&link.url, "PUT", "", &[0; 1001]).await.status, 413);
    let chunked = format!("transfer-encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n", "x".repeat(2000));
    assert_eq!(send(&link.url, "PUT", &chunked, b"").await.status, 413);
    assert!(!storage.exists("k").await.unwrap());
    assert_eq!(send(&link.url, "PUT", "", &[0; 1000]).await.status, 200);
}

/// Time passes whenever all wait.
#[tokio::test(start_paused = true)]
async fn an_upload_that_only_trickles_is_ended() {
    let World { storage, .. } = world(ServeConfig::new("127.0.0.1:0"));
    let link = storage.presign(&PresignRequest::put(key("k"))).await.unwrap();
    let (host, path) = link.url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
    let (mut reader, mut writer) = TcpStream::connect(host).await.unwrap().into_split();
    let head = format!("PUT /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1000\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    trickle.abort();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!((60..=80).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(!storage.exists("k").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_cut_off() {
    let World { storage, .. } = world(ServeConfig::new("127.0.0.1:0"));
    let body = vec![7; 32 << 20];
    storage.put("k", body.clone()).await.unwrap();
    let url = storage.get_url("k", Duration::from_secs(60)).await.unwrap();
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.len() < body.len(), "{}", answer.len());
}

#[tokio::test]
async fn links_of_one_key_hold_across_stores_and_end_with_the_server() {
    let serve = ServeConfig::new("127.0.0.1:0").with_key("a key of sixteen bytes".into());
    let one = world(serve.clone().with_public_url("https://files.example.org/"));
    let link = one.storage.get_url("k", Duration::from_secs(60)).await.unwrap();
    assert!(link.starts_with("https://files.example.org/k?"), "{link}");
    let other = world(serve);
    other.storage.put("k", "other").await.unwrap();
    let local = other.storage.get_url("k", Duration::from_secs(60)).await.unwrap();
    let base = local.split("/k?").next().unwrap();
    let answer = send(&link.replace("https://files.example.org", base), "GET", "", b"").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"other"[..]));
    assert!(other.storage.close(Duration::from_secs(5)).await.is_clean());
    let address = base.strip_prefix("http://").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn a_server_that_makes_no_sense_is_a_configuration_error() {
    let build = |serve| LocalConfig::new("/tmp").with_serve(serve).build(&BuildContext::default());
    for serve in [
        ServeConfig::new("localhost"),
        ServeConfig::new("127.0.0.1:0").with_key("short".into()),
        ServeConfig::new("127.0.0.1:0").with_public_url("files.example.org"),
    ] {
        assert_eq!(build(serve).unwrap_err().kind(), ErrorKind::Configuration);
    }
}

#[tokio::test]
async fn a_store_that_is_not_served_says_what_links_need() {
    let root = tempfile::tempdir().unwrap();
    let refused = [
        super::client(root.path()).get_url("k", Duration::from_secs(60)).await.unwrap_err(),
        super::client(root.path()).presign(&PresignRequest::put(key("k"))).await.unwrap_err(),
        super::store(root.path()).serve().await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(
            error.to_string().contains("the table `serve` in its configuration, and the feature `serve`"),
            "{error}"
        );
    }
}
