//! Downloads: whole or not at all, and of one version.

use std::path::{Path, PathBuf};
use std::time::Duration;

use external_api::rest::{Download, Downloaded, RestRequest};
use external_api::{ErrorKind, Result};
use external_simulator::{HttpAnswer, HttpQuestion};
use sha2::{Digest, Sha256};

use super::origin::{Origin, both};

const LENGTH: usize = 100_000;

/// A version of the file: bytes that no mistake leaves alike.
fn content(version: u8) -> Vec<u8> {
    (0..LENGTH).map(|at| u8::try_from(at % 251).unwrap() ^ version).collect()
}

/// A server of one version, which understands ranges.
fn serve(question: &HttpQuestion, version: u8) -> HttpAnswer {
    let tag = format!("\"v{version}\"");
    let header = |name: &str| question.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("accept-encoding"), Some("identity"));
    let whole = content(version);
    let range = header("range").filter(|_| header("if-range") == Some(&tag));
    let answer = match range {
        None => HttpAnswer::new(200).with_body(whole),
        Some(range) => {
            let start: usize =
                range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap();
            if start >= LENGTH {
                return HttpAnswer::new(416).with_header("content-range", &format!("bytes */{LENGTH}"));
            }
            let told = format!("bytes {start}-{}/{LENGTH}", LENGTH - 1);
            HttpAnswer::new(206).with_header("content-range", &told).with_body(whole[start..].to_vec())
        }
    };
    answer.with_header("etag", &tag)
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn target(&self) -> PathBuf {
        self.0.path().join("file.bin")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn is_of(&self, version: u8) -> bool {
        std::fs::read(self.target()).unwrap() == content(version)
    }
}

async fn download(origin: &Origin, target: &Path) -> Result<Downloaded> {
    origin.rest.download(&RestRequest::get("/file"), Download::to(target)).await
}

#[tokio::test]
async fn a_file_is_there_as_a_whole() {
    for origin in both(|question, _| serve(question, 1)).await {
        let folder = Folder::new();
        std::fs::write(folder.target(), "old").unwrap();
        let digest: [u8; 32] = Sha256::digest(content(1)).into();
        let to = Download::to(folder.target())
            .with_sha256(digest)
            .with_length(LENGTH as u64)
            .with_limit(LENGTH as u64);
        let done = origin.rest.download(&RestRequest::get("/file"), to).await.unwrap();
        assert_eq!((done.bytes, done.found, done.requests), (LENGTH as u64, 0, 1));
        assert_eq!(done.validators.etag.unwrap().as_str(), "\"v1\"");
        assert!(folder.is_of(1));
        assert_eq!(folder.names(), ["file.bin"]);
    }
}

#[tokio::test]
async fn what_breaks_off_goes_on() {
    for origin in both(|question, _| serve(question, 1)).await {
        let folder = Folder::new();
        origin.line.cut(&[20_000; 3]);
        let done = download(&origin, &folder.target()).await.unwrap();
        assert_eq!((done.bytes, done.requests), (LENGTH as u64, 4));
        assert!(folder.is_of(1));
        let asked = origin.asked();
        let ranges: Vec<_> = asked.iter().map(|question| question.headers.get("range").cloned()).collect();
        let range = |from: &str| Some(from.parse().unwrap());
        assert_eq!(ranges, [None, range("bytes=20000-"), range("bytes=40000-"), range("bytes=60000-")]);
        assert_eq!(folder.names(), ["file.bin"]);
    }
}

#[tokio::test]
async fn versions_are_never_mixed() {
    for origin in both(|question, number| serve(question, if number < 3 { 1 } else { 2 })).await {
        let folder = Folder::new();
        origin.line.cut(&[20_000; 2]);
        let done = download(&origin, &folder.target()).await.unwrap();
        assert!(folder.is_of(2));
        assert_eq!((done.requests, done.validators.etag.unwrap().as_str()), (3, "\"v2\""));
        assert_eq!(folder.names(), ["file.bin"]);
    }
}

#[tokio::test]
async fn a_server_without_ranges_or_versions_is_asked_for_the_whole() {
    for with_tag in [true, false] {
        let whole = move |_: &_, _| {
            let answer = HttpAnswer::new(200).with_body(content(1));
            if with_tag {
                answer.with_header("etag", "\"v1\"")
            } else {
                answer.with_header("etag", "W/\"v1\"")
            }
        };
        for origin in both(whole).await {
            let folder = Folder::new();
            origin.line.cut(&[20_000; 2]);
            let done = download(&origin, &folder.target()).await.unwrap();
            assert_eq!(done.requests, 3);
            assert!(folder.is_of(1));
            assert_eq!(folder.names(), ["file.bin"]);
            let asked = origin.asked();
            assert_eq!(asked[1].headers.contains_key("range"), with_tag);
        }
    }
}

#[tokio::test]
async fn what_failed_is_found_by_the_next_download() {
    for origin in both(|question, _| serve(question, 1)).await {
        let folder = Folder::new();
        // The second request brings nothing.
        origin.line.cut(&[30_000, 0]);
        let error = download(&origin, &folder.target()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!folder.target().exists());
        assert_eq!(folder.names().len(), 1);

        let before = origin.asked().len();
        let done = download(&origin, &folder.target()).await.unwrap();
        assert_eq!((done.found, done.requests), (30_000, 2));
        assert!(folder.is_of(1));
        assert_eq!(origin.asked()[before + 1].headers["range"], "bytes=30000-");
        assert_eq!(folder.names(), ["file.bin"]);
    }
}

#[tokio::test]
async fn what_was_found_of_another_version_is_left_alone() {
    for origin in both(|question, number| serve(question, if number < 3 { 1 } else { 2 })).await {
        let folder = Folder::new();
        origin.line.cut(&[30_000, 0]);
        download(&origin, &folder.target()).await.unwrap_err();
        let done = download(&origin, &folder.target()).await.unwrap();
        assert_eq!((done.found, done.requests), (0, 1));
        assert!(folder.is_of(2));
    }
}

#[tokio::test]
async fn what_never_comes_is_an_error_and_the_old_file_stays() {
    for origin in both(|question, _| serve(question, 1)).await {
        let folder = Folder::new();
        std::fs::write(folder.target(), "old").unwrap();
        origin.line.cut(&[0]);
        let error = download(&origin, &folder.target()).await.unwrap_err();
        assert_eq!((error.kind(), origin.asked().len()), (ErrorKind::Unavailable, 1));
        assert_eq!(std::fs::read(folder.target()).unwrap(), b"old");
    }
}

#[tokio::test]
async fn what_is_not_what_was_expected_is_nowhere() {
    let to = |folder: &Folder| Download::to(folder.target());
    type Expecting = fn(Download) -> Download;
    let cases: [(Expecting, ErrorKind); 4] = [
        (|download| download.with_sha256([7; 32]), ErrorKind::Corrupt),
        (|download| download.with_length(LENGTH as u64 - 1), ErrorKind::Corrupt),
        (|download| download.with_length(LENGTH as u64 + 1), ErrorKind::Corrupt),
        (|download| download.with_limit(LENGTH as u64 - 1), ErrorKind::PayloadTooLarge),
    ];
    for tells_length in [true, false] {
        for (expecting, kind) in cases {
            let whole = move |_: &_, _| {
                let answer = HttpAnswer::new(200).with_header("etag", "\"v1\"").with_body(content(1));
                if tells_length { answer } else { answer.without_length() }
            };
            for origin in both(whole).await {
                let folder = Folder::new();
                let download = expecting(to(&folder));
                let error = origin.rest.download(&RestRequest::get("/file"), download).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{}", error.report());
                assert_eq!(folder.names(), [""; 0]);
            }
        }
    }
}

#[tokio::test]
async fn a_part_that_does_not_fit_is_not_taken() {
    for (range, tag) in [
        ("bytes 10000-99999/100000", "\"v1\""),
        ("bytes 20000-99999/100001", "\"v1\""),
        ("bytes 20000-99999/100000", "\"v2\""),
        ("nonsense", "\"v1\""),
    ] {
        let says = move |question: &HttpQuestion, number: usize| match number {
            2 => {
                let answer =
                    HttpAnswer::new(206).with_header("content-range", range).with_header("etag", tag);
                answer.with_body(vec![0; 80_000])
            }
            _ => serve(question, 1),
        };
        for origin in both(says).await {
            let folder = Folder::new();
            origin.line.cut(&[20_000]);
            let done = download(&origin, &folder.target()).await.unwrap();
            assert_eq!(done.requests, 3, "{range}");
            assert!(folder.is_of(1), "{range}");
            assert_eq!(folder.names(), ["file.bin"]);
        }
    }
}

/// A server that sends 30 000 bytes of a range at a time, and does not tell how many there are in all.
fn serve_pieces(question: &HttpQuestion) -> HttpAnswer {
    let header = |name: &str| question.headers.get(name).map(|value| value.to_str().unwrap());
    let Some(range) = header("range") else { return serve(question, 1).without_length() };
    let start: usize = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap();
    if start >= LENGTH {
        return serve(question, 1);
    }
    let end = LENGTH.min(start + 30_000);
    HttpAnswer::new(206)
        .with_header("etag", "\"v1\"")
        .with_header("content-range", &format!("bytes {start}-{}/*", end - 1))
        .with_body(content(1)[start..end].to_vec())
}

#[tokio::test]
async fn a_part_is_the_whole_only_where_the_end_is_known() {
    for (length, requests) in [(None, 5), (Some(LENGTH as u64), 4)] {
        for origin in both(|question, _| serve_pieces(question)).await {
            let folder = Folder::new();
            origin.line.cut(&[20_000]);
            let mut to = Download::to(folder.target());
            if let Some(length) = length {
                to = to.with_length(length);
            }
            let done = origin.rest.download(&RestRequest::get("/file"), to).await.unwrap();
            assert_eq!((done.bytes, done.requests), (LENGTH as u64, requests));
            assert!(folder.is_of(1));
            assert_eq!(folder.names(), ["file.bin"]);
        }
    }
}

#[tokio::test]
async fn a_part_has_as_many_bytes_as_it_says() {
    let says = |told: usize| {
        move |question: &HttpQuestion, number: usize| match number {
            2 => HttpAnswer::new(206)
                .with_header("etag", "\"v1\"")
                .with_header("content-range", &format!("bytes 20000-{told}/*"))
                .with_body(content(1)[20_000..50_000].to_vec()),
            _ => serve(question, 1).without_length(),
        }
    };
    // Shorter than it says: the rest is asked for.
    for origin in both(says(69_999)).await {
        let folder = Folder::new();
        origin.line.cut(&[20_000]);
        let done = download(&origin, &folder.target()).await.unwrap();
        assert_eq!(done.requests, 3);
        assert!(folder.is_of(1));
    }
    // Longer: nobody knows which bytes they are.
    for origin in both(says(39_999)).await {
        let folder = Folder::new();
        origin.line.cut(&[20_000]);
        let error = download(&origin, &folder.target()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(folder.names(), [""; 0]);
    }
}

#[tokio::test]
async fn a_transfer_deadline_is_for_all_requests_together() {
    for origin in both(|question, _| serve(question, 1)).await {
        let folder = Folder::new();
        origin.line.delay(Duration::from_millis(20));
        // Each request by itself is in time, and together they take 1.8 s.
        origin.line.cut(&[100; 90]);
        let hurried =
            RestRequest::get("/file").with_timeout(Duration::from_millis(500)).with_transfer_deadline();
        let error = origin.rest.download(&hurried, Download::to(folder.target())).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{}", error.report());
        assert!(origin.asked().len() < 60, "{} requests", origin.asked().len());
        let done = download(&origin, &folder.target()).await.unwrap();
        assert!(done.found >= 100 && folder.is_of(1), "what came in time is gone on with: {}", done.found);
    }
}

#[tokio::test]
async fn one_download_writes_a_file() {
    for origin in both(|question, _| serve(question, 1)).await {
        let folder = Folder::new();
        origin.line.stall(10_000);
        let (rest, target) = (origin.rest.clone(), folder.target());
        let first =
            tokio::spawn(
                async move { rest.download(&RestRequest::get("/file"), Download::to(target)).await },
            );
        while folder.names().is_empty() {
            tokio::task::yield_now().await;
        }
        let error = download(&origin, &folder.target()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn refusals_and_other_answers_are_errors() {
    for (status, kind) in [
        (404, ErrorKind::NotFound),
        (204, ErrorKind::Unexpected),
        (302, ErrorKind::Unexpected),
        (206, ErrorKind::Corrupt),
    ] {
        for origin in both(move |_, _| HttpAnswer::new(status)).await {
            let folder = Folder::new();
            let error = download(&origin, &folder.target()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!(folder.names(), [""; 0]);
        }
    }
    for origin in both(|question, _| serve(question, 1)).await {
        let folder = Folder::new();
        for request in
            [RestRequest::post("/file"), RestRequest::get("/file").with_header("range", "bytes=0-1")]
        {
            let error = origin.rest.download(&request, Download::to(folder.target())).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        let nowhere = folder.0.path().join("missing/file.bin");
        assert_eq!(download(&origin, &nowhere).await.unwrap_err().kind(), ErrorKind::Unexpected);
    }
}

#[tokio::test]
async fn an_empty_file_is_one() {
    for origin in both(|_, _| HttpAnswer::new(200).with_header("etag", "\"e\"")).await {
        let folder = Folder::new();
        let done = download(&origin, &folder.target()).await.unwrap();
        assert_eq!((done.bytes, std::fs::read(folder.target()).unwrap().len()), (0, 0));
    }
}
