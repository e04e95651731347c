//! The REST client against a service that others wrote (Kinto, which `cargo xtask contract-test` starts), as clauses.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod suite;

use std::process::ExitCode;

use external_api::ErrorKind;
use external_api::external_http::{BasicAuth, FileBody, HttpBody, Secret};
use external_api::rest::{
    Conditional, Download, Endpoint, Multipart, Nothing, PagedEndpoint, Paging, Part, RestClient, RestError,
    RestRequest, Versioned,
};
use external_contract::{Case, Clause, Finding, clause, ensure, ensure_eq, ensure_error};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use suite::{S, http};

fn main() -> ExitCode {
    suite::run(clauses(), include_str!("rest/contract.toml"))
}

fn anonymous(case: &Case<S>) -> RestClient {
    RestClient::over(http(case))
}

fn as_user(case: &Case<S>, name: &str) -> RestClient {
    RestClient::over(http(case).with_auth(BasicAuth::new(name, Secret::new("of-nobody")).unwrap()))
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
    async fn of(case: &Case<S>) -> Result<Self, Finding> {
        let rest = as_user(case, "app");
        // Its names have no slash.
        let bucket = case.name("notes").replace('/', "-");
        for path in ["/buckets/{bucket}", "/buckets/{bucket}/collections/notes"] {
            let made = RestRequest::put(path).with_parameter("bucket", &bucket).if_absent();
            ensure_eq("the status", &rest.send(&made).await?.status.as_u16(), &201)?;
        }
        Ok(Self { rest, bucket })
    }

    fn put<'a>(&'a self, id: &'a str, note: &'a Note) -> PutNote<'a> {
        PutNote { bucket: &self.bucket, id, note }
    }

    fn get(&self, id: &str) -> RestRequest {
        RestRequest::get("/buckets/{bucket}/collections/notes/records/{id}")
            .with_parameter("bucket", &self.bucket)
            .with_parameter("id", id)
    }

    async fn fill(&self, count: u32) -> Result<(), Finding> {
        let notes: Vec<_> = (0..count).map(|rank| (format!("n{rank}"), note(rank))).collect();
        let put = notes.iter().map(|(id, note)| self.put(id, note));
        for outcome in self.rest.batch(put, 8).await {
            outcome?;
        }
        Ok(())
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

/// What Kinto says of a file.
#[derive(Deserialize)]
struct Stored {
    location: String,
    hash: String,
    size: u64,
    mimetype: String,
    filename: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "api.rest.1",
            "What is written is read as it was, and not again where it has not changed.",
            |case| {
                let notes = Notes::of(case).await?;
                let written = notes.rest.call(&notes.put("a", &note(1))).await?;
                ensure_eq("the text", &written.value.data.text, &note(1).text)?;
                let read: Versioned<Data<Note>> = notes.rest.fetch(&notes.get("a")).await?;
                ensure_eq("what is read", &read, &written)?;
                let again = notes.get("a").if_changed(&read.validators);
                let unchanged: Conditional<Data<Note>> = notes.rest.fetch(&again).await?;
                ensure_eq("the second look", &unchanged, &Conditional::NotModified)?;
                notes.rest.call(&notes.put("a", &note(2))).await?;
                let newer: Conditional<Data<Note>> = notes.rest.fetch(&again).await?;
                let is_newer = matches!(&newer, Conditional::Changed(note) if note.data.rank == 2);
                ensure(is_newer, "the new version", format!("{newer:?}"))?;
            }
        )
        .of_provider(),
        clause!("api.rest.2", "Who has not the latest version changes nothing.", |case| {
            let notes = Notes::of(case).await?;
            let first = notes.rest.call(&notes.put("a", &note(1))).await?;
            let change = |note: &Note| notes.put("a", note).request().if_unchanged(&first.validators);
            let second: Versioned<Data<Note>> = notes.rest.fetch(&change(&note(2))).await?;
            let late = notes.rest.send(&change(&note(3))).await;
            let error = ensure_error("a change of an old version", late, ErrorKind::Conflict)?;
            ensure_eq("the status", &error.http_status(), &Some(412))?;
            let read: Versioned<Data<Note>> = notes.rest.fetch(&notes.get("a")).await?;
            ensure_eq("what is there", &read, &second)?;
        })
        .of_provider(),
        clause!("api.rest.3", "A refusal has its kind, and what the server said about it.", |case| {
            let notes = Notes::of(case).await?;
            notes.fill(1).await?;
            let nonsense = RestRequest::put("/buckets/{bucket}/collections/notes/records/x")
                .with_parameter("bucket", &notes.bucket)
                .with_json(&"no record");
            let wrong = RestRequest::post("/buckets/{b}").with_parameter("b", "x");
            let taken = notes.put("n0", &note(9)).request().if_absent();
            for (rest, request, kind, code) in [
                (&anonymous(case), notes.get("n0"), ErrorKind::Unauthenticated, 401),
                (&as_user(case, "other"), notes.get("n0"), ErrorKind::PermissionDenied, 403),
                (&notes.rest, notes.get("missing"), ErrorKind::NotFound, 404),
                (&notes.rest, RestRequest::get("/nowhere"), ErrorKind::NotFound, 404),
                (&notes.rest, wrong, ErrorKind::InvalidArgument, 405),
                (&notes.rest, nonsense, ErrorKind::InvalidArgument, 400),
                (&notes.rest, taken, ErrorKind::Conflict, 412),
            ] {
                let error = ensure_error("what is refused", rest.send(&request).await, kind)?;
                ensure_eq("the status", &error.http_status(), &Some(code))?;
                let said = RestError::of(&error)
                    .ok_or_else(|| Finding::failed("what the server said", error.report()))?;
                let told: Told = said.json()?;
                ensure(told.code == code && told.errno > 0, "the server's own form", format!("{told:?}"))?;
            }
        })
        .of_provider(),
        clause!(
            "api.rest.4",
            "A list is read through, page by page and item by item, and goes on from anywhere.",
            |case| {
                let notes = Notes::of(case).await?;
                notes.fill(23).await?;
                let list = || notes.rest.list(&ListNotes { bucket: &notes.bucket });
                let pages: Vec<usize> =
                    list().into_stream().map_ok(|page| page.items.len()).try_collect().await?;
                ensure_eq("the sizes of the pages", &pages, &vec![5, 5, 5, 5, 1])?;
                let all: Vec<u32> = (2..23).collect();
                let ranks: Vec<u32> =
                    list().items().into_stream().map_ok(|note| note.rank).try_collect().await?;
                ensure_eq("the items", &ranks, &all)?;
                for read in [1, 5, 13, 20] {
                    let mut items = list().items();
                    let mut ranks = Vec::new();
                    while ranks.len() < read {
                        let next = items.next().await?;
                        ranks.push(next.ok_or_else(|| Finding::failed("another item", "the end"))?.rank);
                    }
                    let kept = serde_json::to_string(&items.checkpoint()).unwrap();
                    let left = list().resume(serde_json::from_str(&kept).unwrap())?.items().all().await?;
                    ranks.extend(left.iter().map(|note| note.rank));
                    ensure_eq("the items of both", &ranks, &all)?;
                }
            }
        )
        .of_provider(),
        clause!("api.rest.5", "A file goes up as a part of a form, and comes back byte for byte.", |case| {
            let notes = Notes::of(case).await?;
            notes.fill(1).await?;
            let folder = case.scratch();
            let (up, down) = (folder.join("up.png"), folder.join("down.png"));
            let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
            std::fs::write(&up, &content).unwrap();
            let digest: [u8; 32] = Sha256::digest(&content).into();

            let file = HttpBody::from_source(FileBody::of(&up).await?);
            let part =
                Part::new("attachment", file).with_file_name("a \"b\" é.png").with_content_type("image/png");
            let form = Multipart::new().with_text("data", r#"{"text": "with a file"}"#).with_part(part);
            let request = RestRequest::post("/buckets/{bucket}/collections/notes/records/n0/attachment")
                .with_parameter("bucket", &notes.bucket)
                .with_multipart(form);
            let stored: Stored = notes.rest.fetch(&request).await?;
            ensure_eq("size and type", &(stored.size, stored.mimetype.as_str()), &(3_000_000, "image/png"))?;
            ensure_eq("the digest", &stored.hash, &hex(&digest))?;
            let is_named = stored.filename.starts_with('a') && stored.filename.contains('é');
            ensure(is_named, "the name of the file", &stored.filename)?;

            let file = RestRequest::get(stored.location);
            let to = Download::to(&down).with_sha256(digest).with_length(3_000_000);
            let done = notes.rest.download(&file, to).await?;
            ensure_eq("the bytes", &done.bytes, &3_000_000)?;
            ensure(std::fs::read(&down).unwrap() == content, "the same content", "another one")?;
            let again: Conditional<Nothing> = notes.rest.fetch(&file.if_changed(&done.validators)).await?;
            ensure_eq("the second look", &again, &Conditional::NotModified)?;
            let mut names: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            ensure_eq("what lies there", &names, &vec!["down.png", "up.png"])?;
        })
        .of_provider(),
    ]
}
