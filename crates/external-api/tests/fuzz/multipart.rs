//! Forms: whatever is in them, and whatever it is called, a reader who knows no more than RFC 7578 finds the same parts.

use std::collections::HashSet;

use external_api::external_http::external_core::BuildContext;
use external_api::external_http::{ByteStream, HttpBody, HttpClient, MemoryAnswer, MemoryHttp};
use external_api::rest::{Multipart, Part, RestClient, RestRequest};
use external_contract::fuzz::Fuzz;

use super::run;

/// A part as it arrives.
#[derive(Debug, PartialEq)]
struct Found {
    head: Vec<String>,
    content: Vec<u8>,
}

/// Reads a form by its content type.
fn read(content_type: &str, body: &[u8]) -> Vec<Found> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    assert!(
        (1..=70).contains(&boundary.len())
            && boundary.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    );
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = [b"\r\n", body].concat();
    let mut pieces = Vec::new();
    while let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter.as_bytes()) {
        let behind = rest.split_off(at + delimiter.len());
        rest.truncate(at);
        pieces.push(std::mem::replace(&mut rest, behind));
    }
    assert_eq!((rest.as_slice(), pieces.remove(0).as_slice()), (&b"--\r\n"[..], &b""[..]));
    let parts = pieces.iter().map(|piece| {
        let piece = piece.strip_prefix(b"\r\n").unwrap();
        let at = piece.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&piece[..at]).unwrap();
        Found { head: head.split("\r\n").map(str::to_owned).collect(), content: piece[at + 4..].to_vec() }
    });
    parts.collect()
}

/// A name as it stands between quotes, <https://html.spec.whatwg.org/#multipart-form-data>, and no control characters.
fn quoted(name: &str) -> String {
    let encode = |c: char| {
        if c == '"' || c.is_ascii_control() { format!("%{:02X}", u32::from(c)) } else { c.to_string() }
    };
    name.chars().map(encode).collect()
}

#[test]
fn forms() {
    // The boundaries that are tried first, where chance gives nothing else.
    let taken: Vec<String> = (0..3).map(|number| format!("part-{}-{number}", "ab".repeat(16))).collect();
    let constant = BuildContext::default().with_random(|buffer| buffer.fill(0xAB));
    let mut words = vec![
        "\n",
        "|",
        "\r\n",
        "\r\n\r\n",
        "--",
        "\"",
        "; filename=\"",
        "Content-Type: x",
        "é",
        "%22",
        "a",
        "\0",
        "\\",
    ];
    words.extend(taken.iter().map(String::as_str));
    let rest =
        RestClient::over(HttpClient::over(MemoryHttp::new().with_fallback(|_| MemoryAnswer::new(204))));
    let boundaries = std::cell::RefCell::new(HashSet::new());
    let fuzz = Fuzz::of("forms").with_words(&words).with_example("title||Metropolis\nfilm|f\"x\".mp4|\r\n--");
    fuzz.with_example(taken.join("\n").replace("part", "a|b|\r\n--part")).with_cases(4_000).run(|input| {
        let mut form = Multipart::new().with_context(&constant);
        let mut expected = Vec::new();
        // A line is a part: its name, that of its file if it has one, and what is in it.
        for (at, line) in input.split(|byte| *byte == b'\n').enumerate() {
            let mut fields = line.splitn(3, |byte| *byte == b'|').map(<[u8]>::to_vec);
            let mut text = || String::from_utf8_lossy(&fields.next().unwrap_or_default()).into_owned();
            let (name, file) = (text(), text());
            let content = fields.next().unwrap_or_default();
            let mut head = vec![format!("Content-Disposition: form-data; name=\"{}\"", quoted(&name))];
            let mut part = Part::new(name, content.clone());
            if !file.is_empty() {
                head[0].push_str(&format!("; filename=\"{}\"", quoted(&file)));
                head.push("Content-Type: text/plain".to_owned());
                part = part.with_file_name(file).with_content_type("text/plain");
            }
            form = form.with_part(part);
            expected.push(Found { head, content });
            // One that is made while it is sent.
            if at == 5 {
                let streamed = HttpBody::from_factory(None, || ByteStream::from_bytes("streamed".into()));
                form = form.with_part(Part::new("s", streamed));
                let head = vec!["Content-Disposition: form-data; name=\"s\"".to_owned()];
                expected.push(Found { head, content: b"streamed".to_vec() });
            }
        }
        run(rest.send(&RestRequest::post("/").with_multipart(form))).unwrap();
        let double = rest.http().provider::<MemoryHttp>().unwrap();
        let asked = double.received().remove(0);
        double.clear();
        let content_type = asked.header("content-type").unwrap();
        assert_eq!(read(content_type, &asked.body), expected);
        boundaries.borrow_mut().insert(content_type.to_owned());
    });
    assert!(boundaries.borrow().len() > 1, "no input had the first boundary in it");
}
