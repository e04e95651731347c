//! What the server answers: the object of a valid link, or a plain no.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::storage::{
    ByteRange, ByteStream, GetResult, ObjectAttributes, ObjectInfo, Precondition, PresignMethod, PutReceipt,
};
use external_core::{Error, ErrorKind, Result};
use futures_util::StreamExt;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::time::Instant;

use super::sign::{Link, Signer};
use crate::content_type;
use crate::providers::local::blocking;
use crate::providers::local::record::Recorded;
use crate::providers::local::tree::Store;

/// How long an upload may stall between two chunks.
const IDLE: Duration = Duration::from_secs(30);
/// How long an upload may take in all, beside a second for each `SLOWEST` bytes that arrived.
const GRACE: Duration = Duration::from_secs(60);
/// The slowest upload that goes on, in bytes a second.
const SLOWEST: u64 = 16 << 10;

type Body = UnsyncBoxBody<Bytes, Error>;

/// Answers requests from a store.
#[derive(Debug)]
pub(super) struct Answers {
    store: Arc<Store>,
    signer: Arc<Signer>,
    upload_bytes_max: u64,
}

impl Answers {
    pub(super) fn new(store: Arc<Store>, signer: Arc<Signer>, upload_bytes_max: u64) -> Self {
        Self { store, signer, upload_bytes_max }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let answered = match self.link(&request) {
            Ok(Some(link)) => match link.method {
                PresignMethod::Put => self.put(link, request).await,
                _ => self.get(link, &request).await,
            },
            Ok(None) => return plain(StatusCode::FORBIDDEN, "the link is not valid, or not any more\n"),
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| refuse(&error))
    }

    /// The link a request opens, if it is valid now and for this method.
    fn link(&self, request: &Request<Incoming>) -> Result<Option<Link>> {
        let uri = request.uri();
        let Some(link) = self.signer.read(uri.path(), uri.query().unwrap_or_default())? else {
            return Ok(None);
        };
        let now = self.store.context.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let allowed = match link.method {
            PresignMethod::Get => matches!(*request.method(), Method::GET | Method::HEAD),
            PresignMethod::Put => request.method() == Method::PUT,
            _ => false,
        };
        Ok((allowed && now < Duration::from_secs(link.expires)).then_some(link))
    }

    async fn get(&self, link: Link, request: &Request<Incoming>) -> Result<Response<Body>> {
        let headers = request.headers();
        let range = headers.get(header::RANGE).and_then(|value| read_range(value.to_str().ok()?));
        let unless = headers.get(header::IF_NONE_MATCH).cloned();
        let (store, head) = (self.store.clone(), request.method() == Method::HEAD);
        let result = blocking(move || {
            let (file, known) = store.open(&link.key)?;
            let etag = format!("\"{}\"", known.token);
            if unless.is_some_and(|value| value.as_bytes() == etag.as_bytes()) {
                return Ok(GetResult::NotModified);
            }
            Store::body(file, &known, &link.key, range, true).map(GetResult::Object)
        })
        .await;
        let object = match result {
            Ok(GetResult::Object(object)) => object,
            Ok(_) => return Ok(plain(StatusCode::NOT_MODIFIED, "")),
            Err(error) if range.is_some() && error.kind() == ErrorKind::InvalidArgument => {
                return Ok(plain(StatusCode::RANGE_NOT_SATISFIABLE, "the range selects no byte\n"));
            }
            Err(error) => return Err(error),
        };
        let length = object.range.end - object.range.start;
        let mut response = Response::new(if head { empty() } else { stream(object.body) });
        describe(response.headers_mut(), &object.info);
        set(response.headers_mut(), header::CONTENT_LENGTH, &length.to_string());
        if range.is_some() {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let (start, end) = (object.range.start, object.range.end - 1);
            set(
                response.headers_mut(),
                header::CONTENT_RANGE,
                &format!("bytes {start}-{end}/{}", object.info.size),
            );
        }
        Ok(response)
    }

    async fn put(&self, link: Link, request: Request<Incoming>) -> Result<Response<Body>> {
        let stated =
            request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().map(str::to_owned));
        let Ok(stated) = stated.transpose() else {
            return Ok(plain(StatusCode::BAD_REQUEST, "the content type is not text\n"));
        };
        if link.content_type.is_some() && link.content_type != stated {
            return Ok(plain(StatusCode::FORBIDDEN, "the link is for another content type\n"));
        }
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| bytes > self.upload_bytes_max) {
            return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the upload is too large\n"));
        }
        let mut attributes = ObjectAttributes::new();
        attributes.headers.content_type =
            stated.or_else(|| content_type::guess(link.key.as_str()).map(str::to_owned));
        attributes.validate()?;
        let receipt = self.store_body(link, attributes, request.into_body()).await?;
        let mut response = plain(StatusCode::OK, "");
        set(response.headers_mut(), header::ETAG, &format!("\"{}\"", receipt.token));
        Ok(response)
    }

    async fn store_body(
        &self,
        link: Link,
        attributes: ObjectAttributes,
        mut body: Incoming,
    ) -> Result<PutReceipt> {
        let store = self.store.clone();
        let recorded = Recorded { attributes, checksum: None, upload: None };
        let mut staged = blocking(move || store.stage(recorded)).await?;
        let begun = Instant::now();
        let mut total = 0_u64;
        loop {
            let slowest = begun + GRACE + Duration::from_secs(total / SLOWEST);
            let frame = tokio::time::timeout_at(slowest.min(Instant::now() + IDLE), body.frame())
                .await
                .map_err(|_| Error::timeout("the upload stalled or is too slow"))?;
            let Some(frame) = frame else { break };
            let frame =
                frame.map_err(|error| Error::invalid_argument("the upload broke off").with_source(error))?;
            let Ok(chunk) = frame.into_data() else { continue };
            total = total.saturating_add(chunk.len() as u64);
            if total > self.upload_bytes_max {
                return Err(Error::payload_too_large("the upload is too large"));
            }
            staged = blocking(move || staged.write(&chunk).map(|()| staged)).await?;
        }
        let store = self.store.clone();
        blocking(move || {
            store.seal(&mut staged)?;
            store.commit(staged, &link.key, &Precondition::None, None)
        })
        .await
    }
}

/// The headers an object was stored with, and what keeps a browser from running it.
fn describe(headers: &mut HeaderMap, info: &ObjectInfo) {
    let stored = &info.headers;
    for (name, value) in [
        (header::CONTENT_TYPE, stored.content_type.as_deref().or(Some("application/octet-stream"))),
        (header::CACHE_CONTROL, stored.cache_control.as_deref()),
        (header::CONTENT_DISPOSITION, stored.content_disposition.as_deref()),
        (header::CONTENT_ENCODING, stored.content_encoding.as_deref()),
        (header::CONTENT_LANGUAGE, stored.content_language.as_deref()),
    ] {
        if let Some(value) = value {
            set(headers, name, value);
        }
    }
    set(headers, header::ETAG, &format!("\"{}\"", info.token));
    set(headers, header::ACCEPT_RANGES, "bytes");
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::CONTENT_SECURITY_POLICY, "sandbox");
}

/// A value that cannot stand in a header is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}

/// One range of bytes; several, or what is no range, are answered with the whole object, as HTTP allows.
fn read_range(text: &str) -> Option<ByteRange> {
    let (start, end) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (start.trim(), end.trim()) {
        ("", suffix) => suffix.parse().ok().map(ByteRange::Suffix),
        (start, "") => start.parse().ok().map(ByteRange::From),
        (start, end) => {
            let (start, end) = (start.parse::<u64>().ok()?, end.parse::<u64>().ok()?);
            (start <= end).then(|| ByteRange::from(start..end.saturating_add(1)))
        }
    }
}

fn refuse(error: &Error) -> Response<Body> {
    match error.kind() {
        ErrorKind::NotFound => plain(StatusCode::NOT_FOUND, "there is no such object\n"),
        ErrorKind::InvalidArgument => plain(StatusCode::BAD_REQUEST, "the request cannot be served\n"),
        ErrorKind::PayloadTooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE, "the upload is too large\n"),
        ErrorKind::QuotaExhausted => plain(StatusCode::INSUFFICIENT_STORAGE, "there is no room for it\n"),
        ErrorKind::Timeout => plain(StatusCode::REQUEST_TIMEOUT, "the upload stalled or is too slow\n"),
        _ => {
            tracing::warn!(target: "external", %error, "a link could not be answered");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "the object cannot be had now\n")
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {});
    let mut response = Response::new(UnsyncBoxBody::new(body));
    *response.status_mut() = status;
    set(response.headers_mut(), header::CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}

fn empty() -> Body {
    UnsyncBoxBody::new(Full::default().map_err(|never| match never {}))
}

fn stream(body: ByteStream) -> Body {
    UnsyncBoxBody::new(StreamBody::new(body.map(|chunk| chunk.map(Frame::data))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_range() {
        assert_eq!(read_range("bytes=0-9"), Some(ByteRange::from(0..10)));
        assert_eq!(read_range("bytes=5-"), Some(ByteRange::From(5)));
        assert_eq!(read_range("bytes=-5"), Some(ByteRange::Suffix(5)));
        for text in ["bytes=9-0", "bytes=a-b", "items=0-1", "bytes=", "bytes=0-1,3-4"] {
            assert_eq!(read_range(text), None, "{text}");
        }
    }
}
