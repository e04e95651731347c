//! Notes behind a REST interface: written, listed page by page, changed only by who has the latest version.
//!
//! `cargo run -p external-api --features rest --example rest` asks a server within this process. With a URL it asks that one,
//! a Kinto: `cargo xtask servers run rest` starts one and tells where.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_api::rest::{Endpoint, PagedEndpoint, Paging, RestClient, RestError, RestRequest, Versioned};
use external_api::{Error, HttpClient, Result, Secret};
use external_http::{BasicAuth, BuildContext, MemoryAnswer, MemoryHttp, Method, ReqwestConfig};
use serde::{Deserialize, Serialize};

const NOTES: &str = "/buckets/{bucket}/collections/notes/records";

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    text: String,
}

/// What the interface puts around everything.
#[derive(Debug, Serialize, Deserialize)]
struct Data<T> {
    data: T,
}

struct PutNote<'a> {
    bucket: &'a str,
    id: u32,
    text: &'a str,
}

impl Endpoint for PutNote<'_> {
    const NAME: &'static str = "put_note";
    type Answer = Versioned<Data<Note>>;

    fn request(&self) -> RestRequest {
        RestRequest::put("/buckets/{bucket}/collections/notes/records/{id}")
            .with_parameter("bucket", self.bucket)
            .with_parameter("id", format!("note-{}", self.id))
            .with_json(&Data { data: Note { text: self.text.to_owned() } })
    }
}

struct ListNotes<'a> {
    bucket: &'a str,
}

impl PagedEndpoint for ListNotes<'_> {
    const NAME: &'static str = "list_notes";
    type Item = Note;

    fn request(&self) -> RestRequest {
        RestRequest::get(NOTES).with_parameter("bucket", self.bucket)
    }

    fn paging(&self) -> Paging {
        Paging::by_url_header("next-page").with_items("/data").with_size("_limit", 2)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let rest = match std::env::args().nth(1) {
        Some(url) => over_network(&url)?,
        None => RestClient::over(HttpClient::over(double())),
    };
    let bucket = format!("example-{}", BuildContext::default().random_id());
    for path in ["/buckets/{bucket}", "/buckets/{bucket}/collections/notes"] {
        rest.send(&RestRequest::put(path).with_parameter("bucket", &bucket)).await?;
    }

    for (id, outcome) in rest
        .batch((1..=3).map(|id| PutNote { bucket: &bucket, id, text: "buy tea" }), 2)
        .await
        .iter()
        .enumerate()
    {
        println!("note {}: {}", id + 1, if outcome.is_ok() { "written" } else { "not written" });
    }
    let mut notes = rest.list(&ListNotes { bucket: &bucket }).items();
    while let Some(note) = notes.next().await? {
        println!("listed: {}", note.text);
    }

    let put = PutNote { bucket: &bucket, id: 1, text: "buy coffee" };
    let mine = rest.call(&put).await?;
    let theirs = rest.call(&put).await?;
    let error = rest.send(&put.request().if_unchanged(&mine.validators)).await.err();
    println!("somebody else was faster: {}", error.as_ref().map_or("no", |error| error.kind().as_str()));
    rest.send(&put.request().if_unchanged(&theirs.validators)).await?;

    let missing = rest.send(&RestRequest::get("/nowhere")).await.err();
    println!("{}", missing.as_ref().map_or_else(String::new, Error::to_string));
    let said = missing.as_ref().and_then(RestError::of);
    println!("the server said {} bytes about it", said.map_or(0, |said| said.body().len()));
    Ok(())
}

fn over_network(url: &str) -> Result<RestClient> {
    let transport = ReqwestConfig::new().with_base_url(url).build(&BuildContext::default())?;
    let auth = BasicAuth::new("app", Secret::new("s3cret"))?;
    Ok(RestClient::over(HttpClient::over(transport).with_auth(auth)))
}

/// As much of the interface as this needs.
fn double() -> MemoryHttp {
    use std::sync::atomic::{AtomicU64, Ordering};
    let version = AtomicU64::new(0);
    MemoryHttp::new()
        .with_route(Method::PUT, "/buckets/{bucket}/collections/notes/records/{id}", move |request| {
            let latest = format!("\"{}\"", version.load(Ordering::Relaxed));
            if request.header("if-match").is_some_and(|asked| asked != latest) {
                return MemoryAnswer::json(412, r#"{"message": "Resource was modified meanwhile"}"#);
            }
            let next = version.fetch_add(1, Ordering::Relaxed) + 1;
            MemoryAnswer::json(200, request.body.clone()).with_header("etag", &format!("\"{next}\""))
        })
        .with_route(Method::GET, NOTES, |request| {
            let note = r#"{"text": "buy tea"}"#;
            if request.url.query().is_some_and(|query| query.contains("_token")) {
                return MemoryAnswer::json(200, format!(r#"{{"data": [{note}]}}"#));
            }
            let next = format!("{}?_token=2", request.url.path());
            MemoryAnswer::json(200, format!(r#"{{"data": [{note}, {note}]}}"#))
                .with_header("next-page", &next)
        })
        .with_route(Method::PUT, "/buckets/{*path}", |_| MemoryAnswer::json(201, "{}"))
        .with_fallback(|_| MemoryAnswer::json(404, r#"{"message": "Not Found"}"#))
}
