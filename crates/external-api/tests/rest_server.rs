//! The REST client against Kinto: `cargo xtask servers run rest` starts it and tells the variable.
#![cfg(feature = "rest")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and one that did not run says so"
)]

use std::collections::BTreeSet;

use external_api::rest::{
    Conditional, Download, Endpoint, Multipart, PagedEndpoint, Paging, Part, RestClient, RestError,
    RestRequest, Versioned,
};
use external_api::{ErrorKind, HttpClient};
use external_http::{BasicAuth, BuildContext, FileBody, HttpBody, ReqwestConfig, Secret};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const VARIABLE: &str = "EXTERNAL_TEST_REST_URL";

/// Where the server is; `None`, and a word about it, where there is none.
fn url() -> Option<String> {
    let url = BuildContext::default().env(VARIABLE).filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("not run: {VARIABLE} is not set");
    }
    url
}

fn anonymous(url: &str) -> RestClient {
    let transport = ReqwestConfig::new().with_base_url(url).build(&BuildContext::default()).unwrap();
    RestClient::over(HttpClient::over(transport))
}

fn as_user(url: &str, name: &str) -> RestClient {
    let http = anonymous(url).http().clone();
    RestClient::over(http.with_auth(BasicAuth::new(name, Secret::new("s3cret")).unwrap()))
}

/// What Kinto puts around everything.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    text: String,
    rank: u32,
}

fn note(rank: u32) -> Note {
    Note { id: None, text: format!("Größe {rank} & \"more\""), rank }
}

/// Its own form of errors.
#[derive(Debug, Deserialize)]
struct Told {
    code: u16,
    errno: u32,
}

/// A collection of its own.
struct Notes {
    rest: RestClient,
    bucket: String,
}

impl Notes {
    async fn at(url: &str) -> Self {
        let rest = as_user(url, "app");
        let bucket = format!("b{}", BuildContext::default().random_id());
        for path in ["/buckets/{bucket}", "/buckets/{bucket}/collections/notes"] {
            let made = RestRequest::put(path).with_parameter("bucket", &bucket).if_absent();
            assert_eq!(rest.send(&made).await.unwrap().status, 201);
        }
        Self { rest, bucket }
    }

    fn put<'a>(&'a self, id: &'a str, note: &'a Note) -> PutNote<'a> {
        PutNote { bucket: &self.bucket, id, note }
    }

    fn get(&self, id: &str) -> RestRequest {
        RestRequest::get("/buckets/{bucket}/collections/notes/records/{id}")
            .with_parameter("bucket", &self.bucket)
            .with_parameter("id", id)
    }

    async fn fill(&self, count: u32) {
        let notes: Vec<_> = (0..count).map(|rank| (format!("n{rank}"), note(rank))).collect();
        let put = notes.iter().map(|(id, note)| self.put(id, note));
        for outcome in self.rest.batch(put, 8).await {
            outcome.unwrap();
        }
    }
}

struct PutNote<'a> {
    bucket: &'a str,
    id: &'a str,
    note: &'a Note,
}

impl Endpoint for PutNote<'_> {
    const NAME: &'static str = "put_note";
    type Answer = Versioned<Data<Note>>;

    fn request(&self) -> RestRequest {
        RestRequest::put("/buckets/{bucket}/collections/notes/records/{id}")
            .with_parameter("bucket", self.bucket)
            .with_parameter("id", self.id)
            .with_json(&Data { data: self.note })
    }
}

struct ListNotes<'a> {
    bucket: &'a str,
}

impl PagedEndpoint for ListNotes<'_> {
    const NAME: &'static str = "list_notes";
    type Item = Note;

    fn request(&self) -> RestRequest {
        RestRequest::get("/buckets/{bucket}/collections/notes/records")
            .with_parameter("bucket", self.bucket)
            .with_query(&[("_sort", "rank"), ("min_rank", "2")])
    }

    fn paging(&self) -> Paging {
        Paging::by_url_header("next-page").with_items("/data").with_size("_limit", 5)
    }
}

#[tokio::test]
async fn what_is_written_is_read_unless_it_has_not_changed() {
    let Some(url) = url() else { return };
    let notes = Notes::at(&url).await;
    let written = notes.rest.call(&notes.put("a", &note(1))).await.unwrap();
    assert_eq!(written.value.data.text, note(1).text);
    let read: Versioned<Data<Note>> = notes.rest.fetch(&notes.get("a")).await.unwrap();
    assert_eq!(read, written);

    let again = notes.get("a").if_changed(&read.validators);
    let unchanged: Conditional<Data<Note>> = notes.rest.fetch(&again).await.unwrap();
    assert_eq!(unchanged, Conditional::NotModified);

    let change = |note: &Note| notes.put("a", note).request().if_unchanged(&read.validators);
    let changed: Versioned<Data<Note>> = notes.rest.fetch(&change(&note(2))).await.unwrap();
    let error = notes.rest.send(&change(&note(3))).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Conflict, Some(412)));
    assert_eq!(notes.rest.fetch::<Versioned<Data<Note>>>(&notes.get("a")).await.unwrap(), changed);
    let newer: Conditional<Data<Note>> = notes.rest.fetch(&again).await.unwrap();
    assert!(matches!(newer, Conditional::Changed(note) if note.data.rank == 2));
}

#[tokio::test]
async fn refusals_are_told() {
    let Some(url) = url() else { return };
    let notes = Notes::at(&url).await;
    notes.fill(1).await;
    let nonsense = RestRequest::put("/buckets/{bucket}/collections/notes/records/x")
        .with_parameter("bucket", &notes.bucket)
        .with_json(&"no record");
    for (rest, request, kind, code) in [
        (&anonymous(&url), notes.get("n0"), ErrorKind::Unauthenticated, 401),
        (&as_user(&url, "other"), notes.get("n0"), ErrorKind::PermissionDenied, 403),
        (&notes.rest, notes.get("missing"), ErrorKind::NotFound, 404),
        (&notes.rest, RestRequest::get("/nowhere"), ErrorKind::NotFound, 404),
        (
            &notes.rest,
            RestRequest::post("/buckets/{b}").with_parameter("b", "x"),
            ErrorKind::InvalidArgument,
            405,
        ),
        (&notes.rest, nonsense, ErrorKind::InvalidArgument, 400),
        (&notes.rest, notes.put("n0", &note(9)).request().if_absent(), ErrorKind::Conflict, 412),
    ] {
        let error = rest.send(&request).await.unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (kind, Some(code)), "{}", error.report());
        let told: Told = RestError::of(&error).unwrap().json().unwrap();
        assert!(told.code == code && told.errno > 0, "{told:?}");
    }
}

#[tokio::test]
async fn a_list_is_read_through_and_goes_on_from_anywhere() {
    let Some(url) = url() else { return };
    let notes = Notes::at(&url).await;
    notes.fill(23).await;
    let list = || notes.rest.list(&ListNotes { bucket: &notes.bucket });

    let pages: Vec<usize> = list().into_stream().map_ok(|page| page.items.len()).try_collect().await.unwrap();
    assert_eq!(pages, [5, 5, 5, 5, 1]);
    let ranks: Vec<u32> = list().items().into_stream().map_ok(|note| note.rank).try_collect().await.unwrap();
    assert_eq!(ranks, (2..23).collect::<Vec<_>>());

    for read in [1, 5, 13, 20] {
        let mut items = list().items();
        let mut ranks = Vec::new();
        for _ in 0..read {
            ranks.push(items.next().await.unwrap().unwrap().rank);
        }
        let kept = serde_json::to_string(&items.checkpoint()).unwrap();
        let left = list().resume(serde_json::from_str(&kept).unwrap()).unwrap().items().all().await.unwrap();
        ranks.extend(left.iter().map(|note| note.rank));
        assert_eq!(ranks, (2..23).collect::<Vec<_>>(), "{read}");
    }
}

#[tokio::test]
async fn a_file_goes_up_and_comes_back() {
    #[derive(Deserialize)]
    struct Stored {
        location: String,
        hash: String,
        size: u64,
        mimetype: String,
        filename: String,
    }

    let Some(url) = url() else { return };
    let notes = Notes::at(&url).await;
    notes.fill(1).await;
    let folder = tempfile::tempdir().unwrap();
    let (up, down) = (folder.path().join("up.png"), folder.path().join("down.png"));
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(&up, &content).unwrap();
    let digest: [u8; 32] = Sha256::digest(&content).into();

    let film = HttpBody::from_source(FileBody::of(&up).await.unwrap());
    let form = Multipart::new().with_text("data", r#"{"text": "with a file"}"#).with_part(
        Part::new("attachment", film).with_file_name("a \"b\" é.png").with_content_type("image/png"),
    );
    let request = RestRequest::post("/buckets/{bucket}/collections/notes/records/n0/attachment")
        .with_parameter("bucket", &notes.bucket)
        .with_multipart(form);
    let stored: Stored = notes.rest.fetch(&request).await.unwrap();
    assert_eq!((stored.size, stored.mimetype.as_str()), (3_000_000, "image/png"));
    assert_eq!(stored.hash, hex(&digest));
    assert!(stored.filename.starts_with('a') && stored.filename.contains('é'), "{}", stored.filename);

    let file = RestRequest::get(stored.location);
    let to = Download::to(&down).with_sha256(digest).with_length(3_000_000);
    let done = notes.rest.download(&file, to).await.unwrap();
    assert_eq!(done.bytes, 3_000_000);
    assert!(std::fs::read(&down).unwrap() == content);
    let unchanged: Conditional<external_api::rest::Nothing> =
        notes.rest.fetch(&file.if_changed(&done.validators)).await.unwrap();
    assert_eq!(unchanged, Conditional::NotModified);
    let names: BTreeSet<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, BTreeSet::from(["down.png".into(), "up.png".into()]));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
