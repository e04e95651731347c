//! Uploads of several parts: `multipart/form-data` (RFC 7578).

use std::fmt;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use external_core::{BuildContext, ByteStream, Error, Result};
use external_http::{BodySource, HttpBody};
use futures_util::{StreamExt, stream};
use http::HeaderValue;

/// The parts of a form. Each is bytes, a file or made by a function; all are sent again by each attempt, and their length is
/// told before if every part knows its own.
///
/// ```
/// use external_api::rest::{Multipart, Part, RestRequest};
///
/// # async fn upload() -> external_api::Result<()> {
/// use external_http::{FileBody, HttpBody};
///
/// let film = HttpBody::from_source(FileBody::of("film.mp4").await?);
/// let form = Multipart::new()
///     .with_text("title", "Metropolis")
///     .with_part(Part::new("film", film).with_file_name("film.mp4").with_content_type("video/mp4"));
/// let request = RestRequest::post("/films").with_multipart(form);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Multipart {
    parts: Vec<Part>,
    context: BuildContext,
}

/// One part.
#[derive(Clone)]
pub struct Part {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    body: HttpBody,
}

impl Part {
    /// A field of the form and what is in it.
    #[must_use]
    pub fn new(name: impl Into<String>, body: impl Into<HttpBody>) -> Self {
        Self { name: name.into(), file_name: None, content_type: None, body: body.into() }
    }

    /// The name of the file that it is, which servers take for the mark of one. Any text: what would end it early is
    /// percent-encoded, as browsers do.
    #[must_use]
    pub fn with_file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// What it is. Default: nothing is said, which means text.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// The lines before it.
    fn head(&self) -> Result<String> {
        let mut head = format!("Content-Disposition: form-data; name=\"{}\"", quoted(&self.name));
        if let Some(name) = &self.file_name {
            head.push_str(&format!("; filename=\"{}\"", quoted(name)));
        }
        head.push_str("\r\n");
        if let Some(content_type) = &self.content_type {
            if HeaderValue::from_str(content_type).is_err() {
                return Err(Error::invalid_argument("not a content type of a part"));
            }
            head.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        Ok(head)
    }
}

/// A name between quotes: what would end it, or the line, is encoded.
fn quoted(name: &str) -> String {
    let mut all = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '"' | '\0'..='\x1F' | '\x7F' => all.push_str(&format!("%{:02X}", u32::from(character))),
            other => all.push(other),
        }
    }
    all
}

impl Multipart {
    /// Without parts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes randomness from a context: for tests that compare what is sent.
    #[must_use]
    pub fn with_context(mut self, context: &BuildContext) -> Self {
        self.context = context.clone();
        self
    }

    /// Adds a field of text.
    #[must_use]
    pub fn with_text(self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.with_part(Part::new(name, text.into()))
    }

    /// Adds a part.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// The content type, which names the boundary, and the body.
    pub(crate) fn into_body(self) -> Result<(String, HttpBody)> {
        let heads = self.parts.iter().map(Part::head).collect::<Result<Vec<_>>>()?;
        let boundary = self.boundary(&heads);
        let mut pieces = Vec::with_capacity(self.parts.len() * 2 + 1);
        let mut before = format!("--{boundary}\r\n");
        for (part, head) in self.parts.into_iter().zip(heads) {
            pieces.push(HttpBody::from(format!("{before}{head}\r\n")));
            pieces.push(part.body);
            before = format!("\r\n--{boundary}\r\n");
        }
        let end = before.trim_end_matches("\r\n");
        pieces.push(HttpBody::from(format!("{end}--\r\n")));
        Ok((format!("multipart/form-data; boundary={boundary}"), joined(pieces)))
    }

    /// One that stands in no part: seen where a part is in memory, and by its 128 random bits where it is not.
    fn boundary(&self, heads: &[String]) -> String {
        let random = self.context.random_id();
        let occurs = |boundary: &str| {
            let in_bytes =
                |bytes: &[u8]| bytes.windows(boundary.len()).any(|window| window == boundary.as_bytes());
            heads.iter().any(|head| head.contains(boundary))
                || self.parts.iter().filter_map(|part| part.body.as_bytes()).any(|bytes| in_bytes(&bytes))
        };
        let candidates = std::iter::successors(Some(0_u64), |number| Some(number + 1));
        let mut boundaries = candidates.map(|number| format!("part-{random}-{number}"));
        boundaries.find(|boundary| !occurs(boundary)).unwrap_or(random)
    }
}

/// One body from several: in memory if all are, so that it can be signed.
fn joined(pieces: Vec<HttpBody>) -> HttpBody {
    let bytes: Option<Vec<Bytes>> = pieces.iter().map(HttpBody::as_bytes).collect();
    match bytes {
        Some(bytes) => {
            let mut all = BytesMut::with_capacity(bytes.iter().map(Bytes::len).sum());
            bytes.iter().for_each(|bytes| all.extend_from_slice(bytes));
            all.freeze().into()
        }
        None => HttpBody::from_source(Joined(pieces)),
    }
}

struct Joined(Vec<HttpBody>);

#[async_trait]
impl BodySource for Joined {
    fn length(&self) -> Option<u64> {
        self.0.iter().map(HttpBody::length).sum()
    }

    async fn open(&self) -> Result<ByteStream> {
        // One that cannot be read is known before anything is sent.
        let mut opened = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            opened.push(piece.open().await?);
        }
        Ok(ByteStream::new(stream::iter(opened).flatten()))
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("body", &self.body).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant() -> BuildContext {
        BuildContext::default().with_random(|buffer| buffer.fill(0xAB))
    }

    async fn read(body: &HttpBody) -> Bytes {
        body.open().await.unwrap().collect(u64::MAX).await.unwrap()
    }

    fn streamed(text: &'static str, length: Option<u64>) -> HttpBody {
        HttpBody::from_factory(length, move || ByteStream::from_bytes(text.into()))
    }

    #[tokio::test]
    async fn parts_stand_between_boundaries() {
        let form = Multipart::new()
            .with_context(&constant())
            .with_text("title", "Metropolis")
            .with_part(Part::new("film", "…").with_file_name("f.mp4").with_content_type("video/mp4"));
        let (content_type, body) = form.into_body().unwrap();
        let boundary = format!("part-{}-0", "ab".repeat(16));
        assert_eq!(content_type, format!("multipart/form-data; boundary={boundary}"));
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nMetropolis\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"film\"; filename=\"f.mp4\"\r\nContent-Type: video/mp4\r\n\r\n…\r\n\
             --{boundary}--\r\n"
        );
        assert_eq!(read(&body).await, expected);
        assert_eq!(body.length(), Some(expected.len() as u64));
        assert!(body.as_bytes().is_some());
    }

    #[tokio::test]
    async fn streams_are_told_by_length_and_read_anew() {
        let form = |length| {
            let part = Part::new("a", streamed("streamed", length));
            Multipart::new().with_context(&constant()).with_part(part).into_body().unwrap().1
        };
        let (known, unknown) = (form(Some(8)), form(None));
        let bytes = read(&known).await;
        assert_eq!(known.length(), Some(bytes.len() as u64));
        assert_eq!((read(&known).await, read(&unknown).await), (bytes.clone(), bytes));
        assert_eq!(unknown.length(), None);
    }

    #[tokio::test]
    async fn a_part_that_cannot_be_read_is_known_before_anything_is_sent() {
        struct Gone;

        #[async_trait]
        impl BodySource for Gone {
            fn length(&self) -> Option<u64> {
                Some(7)
            }

            async fn open(&self) -> Result<ByteStream> {
                Err(Error::not_found("the file has gone"))
            }
        }

        let form = Multipart::new().with_text("first", "1");
        let (_, body) = form.with_part(Part::new("b", HttpBody::from_source(Gone))).into_body().unwrap();
        assert_eq!(body.open().await.err().unwrap().message(), "the file has gone");
    }

    #[test]
    fn the_boundary_stands_in_no_part() {
        let taken = format!("part-{}-0", "ab".repeat(16));
        for part in [
            Part::new("a", format!("x--{taken}--\r\n")),
            Part::new(taken.as_str(), "x"),
            Part::new("a", "x").with_file_name(format!("--{taken}")),
            Part::new("a", "x").with_content_type(format!("text/{taken}")),
        ] {
            let (content_type, _) =
                Multipart::new().with_context(&constant()).with_part(part).into_body().unwrap();
            assert!(content_type.ends_with("-1"), "{content_type}");
        }
    }

    #[test]
    fn names_end_where_they_end() {
        let head = |name: &str| Part::new("n\"", "").with_file_name(name).head().unwrap();
        assert_eq!(
            head("a\"; x=\"b\r\nX: y\u{0}.txt"),
            "Content-Disposition: form-data; name=\"n%22\"; filename=\"a%22; x=%22b%0D%0AX: y%00.txt\"\r\n"
        );
        assert!(head("Straße 日本.txt").contains("filename=\"Straße 日本.txt\""));
        assert!(Part::new("a", "").with_content_type("text/plain\r\nX: y").head().is_err());
    }

    #[tokio::test]
    async fn a_form_without_parts_is_one() {
        let (_, body) = Multipart::new().with_context(&constant()).into_body().unwrap();
        assert_eq!(read(&body).await, format!("--part-{}-0--\r\n", "ab".repeat(16)));
    }
}
