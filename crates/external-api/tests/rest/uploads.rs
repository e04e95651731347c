//! Uploads.

use external_api::ErrorKind;
use external_api::rest::{Multipart, Part, RestRequest};
use external_http::{ByteStream, FileBody, HttpBody};
use external_simulator::{HttpAnswer, HttpQuestion};

use super::origin::{both, json};

/// The parts of a form as its reader sees them: head and content.
fn parts(question: &HttpQuestion) -> Vec<(String, Vec<u8>)> {
    let content_type = question.headers["content-type"].to_str().unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = question.body.as_ref();
    let first = format!("--{boundary}\r\n");
    let last = format!("\r\n--{boundary}--\r\n");
    let body = body.strip_prefix(first.as_bytes()).unwrap().strip_suffix(last.as_bytes()).unwrap();
    let between = format!("\r\n--{boundary}\r\n");
    split(body, between.as_bytes())
        .into_iter()
        .map(|part| {
            let at = split(part, b"\r\n\r\n")[0].len();
            (String::from_utf8(part[..at].to_vec()).unwrap(), part[at + 4..].to_vec())
        })
        .collect()
}

fn split<'a>(mut bytes: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let mut all = Vec::new();
    while let Some(at) = bytes.windows(by.len()).position(|window| window == by) {
        all.push(&bytes[..at]);
        bytes = &bytes[at + by.len()..];
    }
    all.push(bytes);
    all
}

#[tokio::test]
async fn a_form_with_a_file_arrives_by_each_attempt() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let content: Vec<u8> = (0..251_u8).cycle().take(300_000).collect();
    std::fs::write(file.path(), &content).unwrap();
    for origin in both(|_, number| if number == 1 { HttpAnswer::new(503) } else { json(201, "null") }).await {
        let film = HttpBody::from_source(FileBody::of(file.path()).await.unwrap());
        let form = Multipart::new()
            .with_text("title", "Größe \"1\"")
            .with_part(Part::new("film", film).with_file_name("f\"ilm é.mp4").with_content_type("video/mp4"));
        origin.rest.fetch::<()>(&RestRequest::put("/films/7").with_multipart(form)).await.unwrap();
        let asked = origin.asked();
        assert_eq!(asked.len(), 2);
        for question in &asked {
            let parts = parts(question);
            assert_eq!(parts[0].0, "Content-Disposition: form-data; name=\"title\"");
            assert_eq!(parts[0].1, "Größe \"1\"".as_bytes());
            let head = "Content-Disposition: form-data; name=\"film\"; filename=\"f%22ilm é.mp4\"\r\nContent-Type: video/mp4";
            assert_eq!(parts[1].0, head);
            assert!(parts[1].1 == content, "{} bytes", parts[1].1.len());
            assert_eq!(parts.len(), 2);
        }
        if let Some(told) = asked[0].headers.get("content-length") {
            assert_eq!(told.to_str().unwrap(), asked[0].body.len().to_string());
        }
    }
}

#[tokio::test]
async fn a_part_of_a_length_that_nobody_knows_arrives() {
    for origin in both(|_, _| json(201, "null")).await {
        let made = HttpBody::from_factory(None, || ByteStream::from_bytes("made".into()));
        let form = Multipart::new().with_part(Part::new("a", made)).with_text("b", "");
        origin.rest.fetch::<()>(&RestRequest::post("/").with_multipart(form)).await.unwrap();
        let parts = parts(&origin.asked()[0]);
        assert_eq!((parts[0].1.as_slice(), parts[1].1.as_slice()), (&b"made"[..], &b""[..]));
    }
}

#[tokio::test]
async fn a_part_that_cannot_be_read_is_nothing_sent() {
    for origin in both(|_, _| json(201, "null")).await {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone");
        std::fs::write(&path, "x").unwrap();
        let body = HttpBody::from_source(FileBody::of(&path).await.unwrap());
        std::fs::remove_file(&path).unwrap();
        let form = Multipart::new().with_part(Part::new("a", body));
        let error = origin.rest.send(&RestRequest::put("/").with_multipart(form)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{}", error.report());
        assert!(origin.asked().is_empty());
    }
}
