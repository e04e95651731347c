//! One download on its way: request after request, until the file is whole.

use std::fmt;

use external_core::{ByteStream, Error, ErrorKind, Result, Retry};
use external_http::{HttpRequest, HttpResponse};
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, IF_RANGE};
use tokio::time::Instant;

use super::super::{RestClient, RestError, Validators};
use super::part::PartFile;
use super::range::ContentRange;
use super::{Download, Downloaded};

/// So many requests are made for one download at most.
const MAX_REQUESTS: u32 = 100;

/// A download, and what is known of it so far.
pub(super) struct Running<'a> {
    client: &'a RestClient,
    request: HttpRequest,
    download: Download,
    part: Option<PartFile>,
    requests: u32,
    found: u64,
    /// Where the bytes that are being sent end, if they are a part of the file.
    end: Option<u64>,
    encoding: Option<String>,
    /// When all of it must be over, however many requests it takes, if the caller said so.
    deadline: Option<Instant>,
}

/// What an answer is worth.
enum Step {
    /// The bytes that go on where the file ends.
    Body(ByteStream),
    /// Nothing more is needed.
    Complete,
    /// Another request, with what is known now.
    Again,
}

impl<'a> Running<'a> {
    /// Nothing is asked for yet.
    pub(super) fn new(client: &'a RestClient, request: HttpRequest, download: Download) -> Self {
        let (part, end, encoding) = (None, None, None);
        let deadline = client.pipeline().transfer_deadline(request.operation().name, &request.context());
        Self { client, request, download, part, requests: 0, found: 0, end, encoding, deadline }
    }

    /// What was downloaded, once it is in its place.
    pub(super) async fn run(&mut self) -> Result<Downloaded> {
        // Ranges are of the bytes as they are sent, so those of one encoding.
        self.request.headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        loop {
            if self.requests == MAX_REQUESTS {
                return Err(Error::unavailable("a download that took too many requests"));
            }
            self.requests += 1;
            let step = match self.client.exchange(&self.range_request()?).await {
                Ok(answer) => self.judge(answer).await?,
                Err(error) if error.http_status() == Some(416) && self.length() > 0 => {
                    self.beyond_the_end(&error)
                }
                Err(error) => return Err(error),
            };
            match step {
                Step::Again => {}
                Step::Complete => return self.finish().await,
                Step::Body(body) => {
                    let before = self.length();
                    match self.copy(body).await {
                        Ok(()) if self.has_all() => return self.finish().await,
                        Ok(()) => {}
                        Err(error) => self.goes_on_after(error, before)?,
                    }
                }
            }
        }
    }

    /// Whether another request is of use after a body that broke: each must have brought something.
    fn goes_on_after(&mut self, error: Error, before: u64) -> Result<()> {
        if error.kind() == ErrorKind::PayloadTooLarge {
            // Nobody wants the rest of it.
            self.discard();
        }
        let is_over = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let is_of_no_use = error.retry() == Retry::Never || self.length() <= before;
        if is_over || is_of_no_use || self.requests == MAX_REQUESTS {
            return Err(error);
        }
        if self.tag().is_none() {
            self.discard();
        }
        Ok(())
    }

    /// The request for what is missing, if the server still has the version.
    fn range_request(&self) -> Result<HttpRequest> {
        let mut request = self.request.clone();
        if let Some(tag) = self.tag().filter(|_| self.length() > 0) {
            request = request.with_header("range", &format!("bytes={}-", self.length()))?;
            request.headers.insert(IF_RANGE, tag.clone());
        }
        if let Some(deadline) = self.deadline {
            request.call = request.call.with_timeout(deadline.saturating_duration_since(Instant::now()));
        }
        Ok(request)
    }

    async fn judge(&mut self, answer: HttpResponse) -> Result<Step> {
        match answer.status {
            StatusCode::PARTIAL_CONTENT => self.go_on(answer),
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => self.begin(answer).await,
            other => Err(Error::unexpected("a download is answered with something else than a file")
                .with_http_status(other.as_u16())),
        }
    }

    /// The range is beyond the end: all is there if that is the end, and else it is not the version that was begun.
    fn beyond_the_end(&mut self, error: &Error) -> Step {
        let said = RestError::of(error).map(RestError::headers);
        let told = said.and_then(|headers| headers.get(CONTENT_RANGE)?.to_str().ok());
        let total = told.and_then(ContentRange::beyond);
        let is_same = |part: &PartFile| {
            said.is_some_and(|headers| is_version(&Validators::of(headers), part))
                && total == Some(part.length())
        };
        match self.part.as_ref().is_some_and(is_same) {
            true => Step::Complete,
            false => self.discard(),
        }
    }

    /// Whether nothing is missing. A part that ends where nobody knows the end of the file may have more behind it.
    fn has_all(&self) -> bool {
        let known = self.download.length.or_else(|| self.part.as_ref().and_then(PartFile::total));
        self.end.is_none() || known.is_some_and(|total| total <= self.length())
    }

    /// The whole of a version, which may be another one than before.
    async fn begin(&mut self, answer: HttpResponse) -> Result<Step> {
        let total = told_length(&answer);
        self.check_length(total)?;
        let validators = Validators::of(&answer.headers);
        // What was begun is over: there is another version, or the server does not give the rest of this one.
        let gives_no_rest = match self.part.take() {
            Some(part) if part.validators().strong() == validators.strong() => true,
            Some(part) => {
                part.remove();
                false
            }
            None => false,
        };
        let mut part = PartFile::open(&self.download.target, &self.request.url, validators, total).await?;
        self.found = part.length();
        self.end = None;
        self.encoding = encoding(&answer);
        let (is_more, is_all) =
            (total.is_some_and(|total| part.length() > total), Some(part.length()) == total);
        if is_more || gives_no_rest {
            part.empty().await?;
            self.found = 0;
        }
        let found = self.found;
        self.part = Some(part);
        Ok(match found {
            0 => Step::Body(answer.body),
            _ if is_all => Step::Complete,
            _ => Step::Again,
        })
    }

    /// The rest of the version that was begun.
    fn go_on(&mut self, answer: HttpResponse) -> Result<Step> {
        let range = answer.header("content-range").and_then(ContentRange::parse);
        let Some(part) = self.part.as_mut().filter(|part| part.length() > 0) else {
            return Err(Error::corrupt("a part of a file, where the whole was asked for"));
        };
        let is_same = is_version(&Validators::of(&answer.headers), part);
        let fits = range.is_some_and(|range| {
            range.first == part.length()
                && (range.total.is_none() || part.total().is_none() || range.total == part.total())
        });
        if !is_same || !fits {
            return Ok(self.discard());
        }
        part.expect(range.and_then(|range| range.total));
        self.end = range.map(|range| range.last.saturating_add(1));
        Ok(Step::Body(answer.body))
    }

    async fn copy(&mut self, mut body: ByteStream) -> Result<()> {
        let Some(part) = &mut self.part else { return Ok(()) };
        let limit = self.download.limit;
        let outcome = loop {
            match body.next_chunk().await {
                Ok(Some(chunk)) => {
                    if part.length() + chunk.len() as u64 > limit {
                        break Err(too_large(limit));
                    }
                    part.write(&chunk).await?;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        part.flush().await?;
        outcome?;
        let length = part.length();
        let ends_early = |end: Option<u64>| end.is_some_and(|end| length < end);
        if ends_early(part.total()) || ends_early(self.end) {
            return Err(Error::unavailable("a download that ended too early"));
        }
        if self.end.is_some_and(|end| length > end) {
            self.discard();
            return Err(
                Error::corrupt("a part of a file that is longer than it says").with_retry(Retry::Never)
            );
        }
        Ok(())
    }

    /// Holds what is there against what was expected, and puts it in its place.
    async fn finish(&mut self) -> Result<Downloaded> {
        let Some(part) = self.part.take() else {
            return Err(Error::unexpected("a download without a file"));
        };
        let expected = self.download.length.or_else(|| part.total());
        if expected.is_some_and(|length| length != part.length()) {
            let bytes = part.length();
            part.remove();
            return Err(
                Error::corrupt("a download of another length than expected").with_context("bytes", bytes)
            );
        }
        if let Some(digest) = self.download.sha256
            && part.sha256().await? != digest
        {
            part.remove();
            return Err(Error::corrupt("a download whose SHA-256 is another one than expected"));
        }
        let (bytes, validators) = (part.length(), part.validators().clone());
        part.put_in_place(&self.download.target).await?;
        let (found, requests, content_encoding) = (self.found, self.requests, self.encoding.take());
        Ok(Downloaded { bytes, found, requests, validators, content_encoding })
    }

    /// Forgets what is there: it is of no version that could go on.
    fn discard(&mut self) -> Step {
        if let Some(part) = self.part.take() {
            part.remove();
        }
        self.found = 0;
        Step::Again
    }

    fn length(&self) -> u64 {
        self.part.as_ref().map_or(0, PartFile::length)
    }

    fn tag(&self) -> Option<HeaderValue> {
        let tag = self.part.as_ref()?.validators().strong()?;
        HeaderValue::from_str(tag.as_str()).ok()
    }

    fn check_length(&self, total: Option<u64>) -> Result<()> {
        match (total, self.download.length) {
            (Some(total), _) if total > self.download.limit => Err(too_large(self.download.limit)),
            (Some(total), Some(expected)) if total != expected => {
                Err(Error::corrupt("a download of another length than expected").with_context("bytes", total))
            }
            _ => Ok(()),
        }
    }
}

/// Whether an answer is of the version that is collected.
fn is_version(told: &Validators, part: &PartFile) -> bool {
    match &told.etag {
        Some(tag) => Some(tag) == part.validators().strong(),
        // It need not be told again (RFC 9110, 15.3.7).
        None => true,
    }
}

fn told_length(answer: &HttpResponse) -> Option<u64> {
    answer.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn encoding(answer: &HttpResponse) -> Option<String> {
    let told = answer.headers.get(CONTENT_ENCODING)?.to_str().ok()?;
    (!told.eq_ignore_ascii_case("identity")).then(|| told.to_owned())
}

fn too_large(limit: u64) -> Error {
    Error::payload_too_large("a download larger than its limit").with_context("limit", limit)
}

impl fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("requests", &self.requests).finish_non_exhaustive()
    }
}
