//! What S3 answers and what breaks on the way, as our errors: one table.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use external_core::{Effect, Error, ErrorKind, Retry};

use super::no_credentials::no_credentials;

/// The error of an exchange that failed, of a client that takes the bucket to be in the region `here`.
pub(super) fn failed<E>(error: &SdkError<E, HttpResponse>, here: Option<&str>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(refusal) => {
            let answer = Answer::read(refusal.raw(), here);
            answered(refusal.err().code(), refusal.err().message(), &answer)
        }
        SdkError::ResponseError(broken) => {
            let answer = Answer::read(broken.raw(), here);
            // A body that broke off is the transport's fault, one that cannot be read the server's.
            let error = match broke_off(error) {
                Some(error) => error.with_effect(Effect::MaybeApplied),
                None => Error::corrupt("the answer cannot be read"),
            };
            answer.told(error)
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => ours(error)
            .unwrap_or_else(|| Error::unavailable("the connection broke").with_source(Chain::of(error))),
        // Region and credentials are looked for before anything is sent.
        _ => ours(error).or_else(|| no_credentials(error)).unwrap_or_else(|| {
            Error::configuration("the request cannot be made")
                .with_effect(Effect::NotSent)
                .with_source(Chain::of(error))
        }),
    }
}

/// Whether other credentials are to be looked for.
pub(super) fn is_expired(error: &Error) -> bool {
    error.vendor_code().is_some_and(|code| EXPIRED.contains(&code))
}

/// Whether a request was refused without a reason, as each HEAD is: expired credentials are one.
pub(super) fn may_be_expired(error: &Error) -> bool {
    // Another region is a reason.
    let has_none = error.vendor_code().is_none() && error.kind() == ErrorKind::InvalidArgument;
    has_none && error.http_status() == Some(400)
}

/// The codes of credentials that have ended.
pub(super) const EXPIRED: &[&str] =
    &["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"];

/// The error of a body that failed while it was read.
pub(super) fn body(error: &(dyn StdError + 'static)) -> Error {
    Error::unavailable("the connection broke in the middle of the body").with_source(Chain::of(error))
}

/// The error of one entry of an answer that holds several.
pub(super) fn of_entry(code: Option<&str>, message: Option<&str>) -> Error {
    let whole = Answer { status: 200, ..Answer::default() };
    answered(code, message, &whole)
}

/// What is of use in an answer beside its code.
#[derive(Default)]
pub(super) struct Answer {
    status: u16,
    request_id: Option<String>,
    /// Where the bucket is, if that is elsewhere.
    region: Option<String>,
    retry_after: Option<Duration>,
    delete_marker: bool,
    minio_code: Option<String>,
}

impl Answer {
    fn read(answer: &HttpResponse, here: Option<&str>) -> Self {
        let header = |name| answer.headers().get(name).map(str::to_owned);
        Self {
            status: answer.status().as_u16(),
            request_id: header("x-amz-request-id").map(|id| clean(&id, 128)),
            // Also told of buckets that are where they are looked for, with whatever was refused.
            region: header("x-amz-bucket-region").filter(|region| here != Some(region)),
            retry_after: header("x-amz-retry-after")
                .and_then(|value| millis(&value))
                .or_else(|| header("retry-after").and_then(|value| wait(&value, header("date").as_deref()))),
            delete_marker: header("x-amz-delete-marker").as_deref() == Some("true"),
            minio_code: header("x-minio-error-code"),
        }
    }

    fn told(&self, mut error: Error) -> Error {
        if let Some(id) = &self.request_id {
            error = error.with_request_id(id.clone());
        }
        error.with_http_status(self.status)
    }
}

/// Somebody else's words, fit for a log.
pub(super) fn clean(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `Retry-After`: seconds, or a date by the server's own clock.
/// <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
fn wait(value: &str, now: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text| DateTime::from_str(text, Format::HttpDate).ok().map(|date| date.secs());
    u64::try_from(time(value)?.checked_sub(time(now?)?)?).ok().map(Duration::from_secs)
}

/// AWS's own header, in milliseconds: what its SDKs ask first (the retry classifiers of the crate `aws-runtime`).
fn millis(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_millis)
}

/// The error of an answer with this code.
fn answered(code: Option<&str>, message: Option<&str>, answer: &Answer) -> Error {
    // HEAD answers have no body, so no code: S3 then tells by the status alone, MinIO by a header.
    let code = match code.filter(|code| !matches!(*code, "NotFound" | "BadRequest" | "Forbidden")) {
        None => answer.minio_code.as_deref(),
        code => code,
    };
    let mut error = by_code(code.unwrap_or_default(), answer)
        .unwrap_or_else(|| if code.is_none() { by_status_alone(answer) } else { by_status(answer.status) });
    if let Some(code) = code {
        error = error.with_vendor_code(clean(code, 64));
    }
    if let Some(message) = message.filter(|message| !message.is_empty()) {
        error = error.with_context("answer", clean(message, 200));
    }
    if let (Some(after), ErrorKind::RateLimited | ErrorKind::Unavailable) = (answer.retry_after, error.kind())
    {
        error = error.with_retry(Retry::After(after));
    }
    answer.told(error)
}

/// The error of a code that stands in the table.
pub(super) fn by_code(code: &str, answer: &Answer) -> Option<Error> {
    let refused = |error: Error| error.with_effect(Effect::NotApplied);
    Some(match code {
        "NoSuchKey" => refused(Error::not_found("no such object")),
        "NoSuchVersion" => refused(Error::not_found("no such version")),
        "NoSuchUpload" => refused(Error::not_found("no such upload")),
        "NoSuchBucket" => refused(Error::configuration("the bucket does not exist")),
        "PreconditionFailed" => refused(Error::conflict("the precondition does not hold")),
        // Nothing is decided yet, so it is no failed precondition: asking again is right. The store is well, so it says
        // nothing to a breaker either.
        "ConditionalRequestConflict" => {
            refused(Error::conflict("another write of the key was under way")).with_retry(Retry::Backoff)
        }
        "OperationAborted" => refused(Error::conflict("another operation on the resource was under way"))
            .with_retry(Retry::Backoff),
        "MethodNotAllowed" if answer.delete_marker => refused(Error::not_found("the version is a deletion")),
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "InvalidPayer" | "NotSignedUp" => {
            refused(Error::permission_denied("not allowed with these credentials"))
        }
        "InvalidObjectState" => refused(Error::permission_denied(
            "the object is in an archive: it must be restored before it is read",
        )),
        "InvalidAccessKeyId" | "InvalidSecurity" | "MissingSecurityHeader" | "InvalidClientTokenId" => {
            refused(Error::unauthenticated("the access key is not known"))
        }
        "SignatureDoesNotMatch" => {
            refused(Error::unauthenticated("the signature is wrong: most often the secret key is"))
        }
        code if EXPIRED.contains(&code) => {
            // The next attempt finds credentials anew.
            refused(Error::unauthenticated("the credentials have expired")).with_retry(Retry::Backoff)
        }
        "RequestTimeTooSkewed" => {
            // The SDK has learned the difference from this answer, and signs the next request by the server's clock.
            refused(Error::unauthenticated("this machine's clock is more than 15 minutes off"))
                .with_retry(Retry::Backoff)
        }
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "IncorrectEndpoint" => refused(elsewhere(answer)),
        "TemporaryRedirect" => refused(Error::unavailable("the bucket is moving")),
        "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" => {
            refused(Error::corrupt("the bytes that arrived are not those that were sent"))
        }
        "IncompleteBody" => refused(Error::unavailable("the body broke off")),
        "RequestTimeout" => refused(Error::timeout("the server waited too long for the body")),
        "EntityTooLarge" | "MaxMessageLengthExceeded" => {
            refused(Error::payload_too_large("larger than the store takes"))
        }
        "QuotaExceeded" | "XMinioAdminBucketQuotaExceeded" | "XMinioStorageFull" | "InsufficientCapacity" => {
            refused(Error::quota_exhausted("the store is full"))
        }
        "EntityTooSmall" => refused(Error::invalid_argument("a part that is not the last is too small")),
        "InvalidPart" => refused(Error::invalid_argument("a part did not arrive, or is another one")),
        "InvalidPartOrder" => refused(Error::invalid_argument("the parts are out of order")),
        "InvalidRange" => refused(Error::invalid_argument("the range selects no byte of the object")),
        "SlowDown"
        | "SlowDownRead"
        | "SlowDownWrite"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "BandwidthLimitExceeded" => refused(Error::rate_limited("the store asks for fewer requests")),
        "NotImplemented" => {
            // Sent and refused: a provider that declared it truly would not have asked.
            refused(Error::new(ErrorKind::Unsupported, "the store does not have this"))
        }
        "InternalError" => Error::unavailable("the store failed").with_effect(Effect::MaybeApplied),
        "ServiceUnavailable" | "Busy" => {
            Error::unavailable("the store is not available").with_effect(Effect::MaybeApplied)
        }
        _ => return None,
    })
}

/// An answer without a code is that of a HEAD, or a gateway's.
fn by_status_alone(answer: &Answer) -> Error {
    match answer.status {
        301 | 307 => elsewhere(answer).with_effect(Effect::NotApplied),
        400 if answer.region.is_some() => elsewhere(answer).with_effect(Effect::NotApplied),
        405 if answer.delete_marker => {
            Error::not_found("the version is a deletion").with_effect(Effect::NotApplied)
        }
        status => by_status(status),
    }
}

fn by_status(status: u16) -> Error {
    let refused = |error: Error| error.with_effect(Effect::NotApplied);
    match status {
        400 => refused(Error::invalid_argument("the store refuses the request")),
        401 => refused(Error::unauthenticated("the store asks for credentials")),
        403 => refused(Error::permission_denied("not allowed with these credentials")),
        404 => refused(Error::not_found("not there")),
        408 => refused(Error::timeout("the server waited too long for the request")),
        409 | 412 => refused(Error::conflict("the precondition does not hold")),
        413 => refused(Error::payload_too_large("larger than the store takes")),
        416 => refused(Error::invalid_argument("the range selects no byte of the object")),
        429 => refused(Error::rate_limited("the store asks for fewer requests")),
        200..=299 => Error::corrupt("the answer cannot be read"),
        500..=599 => Error::unavailable("the store failed").with_effect(Effect::MaybeApplied),
        status if (400..500).contains(&status) => refused(Error::unexpected("the store refuses the request")),
        _ => Error::unexpected("an answer that the protocol does not have here"),
    }
}

fn elsewhere(answer: &Answer) -> Error {
    let error = Error::configuration("the bucket is in another region or at another endpoint");
    match &answer.region {
        Some(region) => error.with_context("bucket_region", region),
        None => error,
    }
}

/// Our own error in the chain of sources: a connection that could not be made, a secret that could not be read.
fn ours(error: &(dyn StdError + 'static)) -> Option<Error> {
    let found = sources(error).find_map(|source| source.downcast_ref::<Error>())?;
    Some(found.clone().with_effect(Effect::NotSent))
}

fn broke_off(error: &(dyn StdError + 'static)) -> Option<Error> {
    sources(error)
        .any(|source| source.is::<hyper::Error>() || source.is::<std::io::Error>())
        .then(|| Error::unavailable("the connection broke").with_source(Chain::of(error)))
}

pub(super) fn sources<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| <dyn StdError>::source(*error))
}

/// A chain of sources as one text: the SDK's errors hold whole requests and answers, which must not be carried about.
#[derive(Debug)]
pub(super) struct Chain(String);

impl Chain {
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        let links: Vec<_> = sources(error).map(ToString::to_string).collect();
        Self(links.join(": "))
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Chain {}
