//! From a status, header fields and bytes on their way to what the contract promises: the same for every transport.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use external_core::http::{Delivery, HttpRefusal, HttpRequest, HttpResponse};
use external_core::{ByteStream, CallContext, Effect, Error, ErrorKind, Result, Retry};
use futures_util::StreamExt;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::decoding::decoded;
use crate::request_id::request_id;
use crate::retry_after::retry_after;

/// The header fields of a request as they are sent: its own, its idempotency key, and that gzip is understood. Those that
/// may hold a secret are marked, so that no protocol keeps or shows them.
///
/// # Errors
///
/// `InvalidArgument` for an idempotency key that no header field can hold.
pub fn send_headers(request: &HttpRequest) -> Result<HeaderMap> {
    let mut headers = request.headers.clone();
    for (name, value) in &mut headers {
        value.set_sensitive(!HARMLESS.contains(&name.as_str()));
    }
    if let Some(key) = &request.idempotency_key {
        let mut value = HeaderValue::from_str(key)
            .map_err(|_| Error::invalid_argument("an idempotency key that no header field can hold"))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static("idempotency-key"), value);
    }
    if !headers.contains_key(ACCEPT_ENCODING) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(headers)
}

/// Header fields that tell nobody anything.
const HARMLESS: &[&str] =
    &["accept", "accept-encoding", "accept-language", "content-length", "content-type", "user-agent"];

/// The answer as the request asked for it, or the error that it is. `body` is what the server sent, still compressed if it
/// is; `now` is the time that dates in the answer are measured from.
///
/// A status from 400 up is known when its body comes, and is not lost where that body stalls or breaks off: what is said
/// beside a refusal is waited for 2 seconds at most, and never beyond half of the time that `cx` has left.
///
/// # Errors
///
/// By the table of statuses at [`HttpTransport`](external_core::http::HttpTransport); `PayloadTooLarge` beyond the limit;
/// what breaks the body, where it is read as a whole.
pub async fn answered(
    cx: &CallContext,
    request: &HttpRequest,
    status: StatusCode,
    mut headers: HeaderMap,
    body: ByteStream,
    now: SystemTime,
) -> Result<HttpResponse> {
    let id = request_id(&headers);
    if !request.statuses.accept(status) {
        let error = refusal(status, &headers, now);
        return Err(match request.refusal_limit {
            0 => error,
            limit => error.with_source(said(cx, request, headers, body, limit).await),
        });
    }
    let told = |mut error: Error| {
        error = error.with_http_status(status.as_u16());
        match id.clone() {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    };
    let limit = request.delivery.limit();
    // Some tell the length of a body that does not come (RFC 9110, 8.6).
    let has_body = request.method != Method::HEAD
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if has_body && told_length(&headers).is_some_and(|length| length > limit) {
        return Err(told(too_large(limit)));
    }
    let body = readable(request, &mut headers, body);
    // Of what was compressed no length is told any more.
    let length = told_length(&headers);
    let body = match request.delivery {
        Delivery::Streamed { limit: u64::MAX } => body,
        Delivery::Streamed { limit } => limited(body, limit),
        _ if status.as_u16() >= 400 => match timeout_until(half_way(cx), body.collect(limit)).await {
            Some(Ok(bytes)) => ByteStream::from_bytes(bytes),
            Some(Err(error)) if error.kind() == ErrorKind::PayloadTooLarge => {
                return Err(told(too_large(limit)));
            }
            _ => return Err(refusal(status, &headers, now)),
        },
        _ => {
            let all = body.collect_announced(limit, length).await;
            ByteStream::from_bytes(all.map_err(|error| told(beyond(limit, error)))?)
        }
    };
    Ok(HttpResponse::new(status, headers, body).with_request_id(id))
}

/// Who says what encodings it takes decodes them itself.
fn readable(request: &HttpRequest, headers: &mut HeaderMap, body: ByteStream) -> ByteStream {
    match request.headers.contains_key(ACCEPT_ENCODING) {
        true => body,
        false => decoded(headers, body),
    }
}

/// How long what is said beside a refusal is waited for.
const SAID_WITHIN: Duration = Duration::from_secs(2);

/// The moment by which half of the time is over, if there is an end.
fn half_way(cx: &CallContext) -> Option<Instant> {
    cx.remaining().map(|left| Instant::now() + left / 2)
}

async fn timeout_until<F: Future>(end: Option<Instant>, work: F) -> Option<F::Output> {
    match end {
        Some(end) => timeout_at(end, work).await.ok(),
        None => Some(work.await),
    }
}

/// What the server says about a refusal. What breaks it off, or keeps it waiting, changes nothing about the refusal.
async fn said(
    cx: &CallContext,
    request: &HttpRequest,
    mut headers: HeaderMap,
    body: ByteStream,
    limit: u64,
) -> HttpRefusal {
    let mut body = readable(request, &mut headers, body);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let latest = Instant::now() + SAID_WITHIN;
    let end = half_way(cx).map_or(latest, |half| half.min(latest));
    let mut all = BytesMut::new();
    while let Ok(Ok(Some(chunk))) = timeout_at(end, body.next_chunk()).await {
        let fits = chunk.len().min(limit - all.len());
        all.extend_from_slice(&chunk[..fits]);
        if all.len() == limit {
            break;
        }
    }
    HttpRefusal { headers, body: all.freeze() }
}

fn told_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The answer was given, and only reading it is refused.
fn too_large(limit: u64) -> Error {
    Error::payload_too_large("the answer's body is larger than the limit of the request")
        .with_effect(Effect::MaybeApplied)
        .with_context("limit", limit)
}

/// A body that is read as a whole stops at the limit of the reading.
fn beyond(limit: u64, error: Error) -> Error {
    if error.kind() == ErrorKind::PayloadTooLarge { too_large(limit) } else { error }
}

fn limited(body: ByteStream, limit: u64) -> ByteStream {
    let mut left = limit;
    ByteStream::new(body.map(move |chunk: Result<Bytes>| {
        let chunk = chunk?;
        left = left.checked_sub(chunk.len() as u64).ok_or_else(|| too_large(limit))?;
        Ok(chunk)
    }))
}

/// The error that a status is, by the table of statuses at [`HttpTransport`](external_core::http::HttpTransport). For who
/// takes every status as an answer, to read what its vendor says beside it; `now` is the time that dates in the answer are
/// measured from.
#[must_use]
pub fn refusal(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Error {
    use Effect::{MaybeApplied, NotApplied};
    use ErrorKind as Kind;
    let (kind, effect, passes) = match status.as_u16() {
        401 | 407 => (Kind::Unauthenticated, NotApplied, false),
        402 => (Kind::QuotaExhausted, NotApplied, false),
        403 | 451 => (Kind::PermissionDenied, NotApplied, false),
        404 | 410 => (Kind::NotFound, NotApplied, false),
        408 | 504 => (Kind::Timeout, MaybeApplied, true),
        409 | 412 | 423 => (Kind::Conflict, NotApplied, false),
        413 => (Kind::PayloadTooLarge, NotApplied, false),
        425 => (Kind::Unavailable, NotApplied, true),
        429 => (Kind::RateLimited, NotApplied, true),
        400..=499 | 501 | 505 => (Kind::InvalidArgument, NotApplied, false),
        500..=599 => (Kind::Unavailable, MaybeApplied, true),
        _ => (Kind::Unexpected, MaybeApplied, false),
    };
    let retry = match passes {
        true => retry_after(headers, now).map_or(Retry::Backoff, Retry::After),
        false => Retry::Never,
    };
    let reason = status.canonical_reason().unwrap_or("a status without a name");
    let error = Error::new(kind, format!("the server answered {} {reason}", status.as_u16()))
        .with_effect(effect)
        .with_retry(retry)
        .with_http_status(status.as_u16());
    match request_id(headers) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use external_core::CallOptions;
    use external_core::http::Statuses;
    use futures_util::stream;

    use super::*;

    /// A 403 whose body begins and never ends, or breaks off.
    async fn refused(request: &HttpRequest, cx: &CallContext, end: Option<Error>) -> Result<HttpResponse> {
        let begun = stream::once(async { Ok(Bytes::from_static(b"you may")) });
        let body = match end {
            Some(error) => ByteStream::new(begun.chain(stream::once(async { Err(error) }))),
            None => ByteStream::new(begun.chain(stream::pending())),
        };
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-request-id"),
            HeaderValue::from_static("r-1"),
        )]);
        answered(cx, request, StatusCode::FORBIDDEN, headers, body, SystemTime::UNIX_EPOCH).await
    }

    fn attempt(seconds: u64) -> CallContext {
        CallContext::new(&CallOptions::new().with_timeout(Duration::from_secs(seconds)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_whose_body_stalls_keeps_its_status_and_what_came() {
        let request = HttpRequest::get("/").unwrap().with_refusal_limit(1000);
        for (timeout, waited) in [(Some(10), 2), (Some(2), 1), (None, 2)] {
            let cx = timeout.map_or_else(CallContext::default, attempt);
            let began = Instant::now();
            let error = refused(&request, &cx, None).await.unwrap_err();
            assert_eq!(began.elapsed(), Duration::from_secs(waited));
            assert_eq!((error.kind(), error.http_status()), (ErrorKind::PermissionDenied, Some(403)));
            assert_eq!(error.find_source::<HttpRefusal>().unwrap().body, "you may");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_length_of_a_body_that_does_not_come_is_not_too_large() {
        let request = HttpRequest::get("/").unwrap().with_body_limit(3);
        for (status, is_answer) in [(200, false), (204, true), (304, true)] {
            let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("1000"))]);
            let status = StatusCode::from_u16(status).unwrap();
            let none = ByteStream::from_bytes(Bytes::new());
            let cx = attempt(10);
            let answer = answered(&cx, &request, status, headers, none, SystemTime::UNIX_EPOCH).await;
            assert_eq!(answer.is_ok(), is_answer, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_to_be_an_answer_is_an_error_with_its_status() {
        let request = HttpRequest::get("/").unwrap().with_statuses(Statuses::Any);
        let broken = Error::unavailable("the connection broke in the middle of the body");
        for end in [None, Some(broken)] {
            let error = refused(&request, &attempt(10), end).await.unwrap_err();
            assert_eq!((error.kind(), error.effect()), (ErrorKind::PermissionDenied, Effect::NotApplied));
            assert_eq!((error.http_status(), error.request_id()), (Some(403), Some("r-1")));
        }
        let large = request.with_body_limit(3);
        let error = refused(&large, &attempt(10), None).await.unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::PayloadTooLarge, Some(403)));
    }
}
