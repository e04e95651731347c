//! What is answered: data, errors and extensions, read by the rules of GraphQL over HTTP.
//!
//! <https://graphql.github.io/graphql-over-http/draft/#sec-Response>

use std::fmt;
use std::time::SystemTime;

use external_core::http::{HttpRequest, HttpResponse};
use external_core::{ByteStream, Effect, Error, Result, Retry};
use external_http::{answered, retry_after};
use http::{HeaderMap, Method, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::GraphqlError;
use super::error::{Stage, error_of, throttled_for};
use super::persisted::Unknown;
use crate::media;

/// The media types that are asked for, the specification's own first.
pub(super) const ACCEPT: &str = "application/graphql-response+json, application/json;q=0.9";

/// An answer, or one event of a subscription: data, and errors about what is missing in it. `Debug` shows the data as their
/// own type does, and of the rest no more than its names.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct GraphqlReply<T> {
    /// What was asked for. There always in the reply to a query or a mutation; an event of a subscription can be without.
    pub data: Option<T>,
    /// What went wrong on the way, field by field; empty if all is well.
    pub errors: Vec<GraphqlError>,
    /// What the server tells beside GraphQL.
    pub extensions: Map<String, Value>,
}

impl<T> GraphqlReply<T> {
    /// The data, where nothing went wrong at all.
    ///
    /// # Errors
    ///
    /// Where there is any error, whatever the data: kind and retry advice by the server's code, the effect `MaybeApplied`,
    /// since the rest was done. [`errors_of`](super::errors_of) has all that was told.
    pub fn into_data(self) -> Result<T> {
        match self.data {
            Some(data) if self.errors.is_empty() => Ok(data),
            None if self.errors.is_empty() => Err(empty()),
            _ => Err(error_of(self.errors, Stage::Executed, None)),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for GraphqlReply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphqlReply")
            .field("data", &self.data)
            .field("errors", &self.errors)
            .field("extensions", &self.extensions.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// What one exchange came to, where the server did its part.
pub(super) enum Answer<T> {
    Reply(GraphqlReply<T>),
    /// The server does not know the document that a hash stood for.
    Unknown(Unknown),
    /// The data is not what the caller takes it for: no failing of the server.
    Misfit(Error),
}

/// Reads an answer of whatever status.
pub(super) async fn read<T: DeserializeOwned>(answer: HttpResponse, now: SystemTime) -> Result<Answer<T>> {
    let HttpResponse { status, headers, request_id, body, .. } = answer;
    let body = body.collect(u64::MAX).await?;
    let media = Media::of(&headers);
    let read = match media {
        Media::Graphql => decode::<T>(&body),
        // With data the status would be another: this is from somebody on the way.
        Media::Json => {
            decode::<T>(&body).filter(|read| status.as_u16() < 400 || matches!(read, Decoded::Errors(..)))
        }
        Media::Other => None,
    };
    let located = |error: Error| {
        let error = error.with_http_status(status.as_u16());
        request_id.into_iter().fold(error, Error::with_request_id)
    };
    match read {
        Some(Decoded::Reply(reply)) => Ok(Answer::Reply(reply)),
        Some(Decoded::Misfit(error)) => Ok(Answer::Misfit(located(error))),
        Some(Decoded::Errors(errors, stage, extensions)) => {
            if let Some(unknown) = Unknown::told(&errors) {
                return Ok(Answer::Unknown(unknown));
            }
            let error = error_of(errors, stage, refusal(status, &headers, now).await);
            Err(located(told_to_wait(error, &headers, &extensions, now)))
        }
        None => Err(located(match refusal(status, &headers, now).await {
            Some(error) => error,
            None if status.is_redirection() => {
                Error::unexpected("the server redirects: configure where it leads")
            }
            None => no_graphql(media),
        })),
    }
}

/// Reads a reply that came as a message of its own: an event of a subscription. Errors without data are a reply, too.
pub(super) fn read_event<T: DeserializeOwned>(message: &[u8]) -> Result<GraphqlReply<T>> {
    match decode(message) {
        Some(Decoded::Reply(reply)) => Ok(reply),
        Some(Decoded::Errors(errors, _, extensions)) => Ok(GraphqlReply { data: None, errors, extensions }),
        Some(Decoded::Misfit(error)) => Err(error),
        None => Err(no_graphql(Media::Json)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    /// It is GraphQL, whatever the status.
    Graphql,
    /// It may come from somebody on the way, and is GraphQL if it reads like it.
    Json,
    Other,
}

impl Media {
    fn of(headers: &HeaderMap) -> Self {
        let essence = media::of(headers);
        if essence.eq_ignore_ascii_case("application/graphql-response+json") {
            Self::Graphql
        } else if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else {
            Self::Other
        }
    }
}

enum Decoded<T> {
    Reply(GraphqlReply<T>),
    /// Nothing but errors.
    Errors(Vec<GraphqlError>, Stage, Map<String, Value>),
    Misfit(Error),
}

/// `None` for what is no reply of GraphQL.
fn decode<T: DeserializeOwned>(body: &[u8]) -> Option<Decoded<T>> {
    let why = match serde_json::from_slice::<Wire<T>>(body) {
        Ok(wire) => return sorted(wire),
        Err(why) => why,
    };
    // It is the data that does not fit, or the rest is no GraphQL either.
    match sorted(serde_json::from_slice::<Wire<IgnoredAny>>(body).ok()?)? {
        Decoded::Reply(reply) if reply.errors.is_empty() => Some(Decoded::Misfit(misfit(&why))),
        // What is missing is missing for a reason that the server told.
        Decoded::Reply(reply) => Some(Decoded::Misfit(error_of(reply.errors, Stage::Executed, None))),
        Decoded::Errors(errors, stage, extensions) => Some(Decoded::Errors(errors, stage, extensions)),
        Decoded::Misfit(error) => Some(Decoded::Misfit(error)),
    }
}

fn sorted<T>(wire: Wire<T>) -> Option<Decoded<T>> {
    let errors = wire.errors.unwrap_or_default();
    let extensions = match wire.extensions {
        Some(Value::Object(extensions)) => extensions,
        _ => Map::new(),
    };
    match wire.data {
        Data::There(data) => Some(Decoded::Reply(GraphqlReply { data: Some(data), errors, extensions })),
        _ if errors.is_empty() => None,
        Data::Null => Some(Decoded::Errors(errors, Stage::Executed, extensions)),
        Data::Absent => Some(Decoded::Errors(errors, Stage::Refused, extensions)),
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Wire<T> {
    #[serde(default)]
    data: Data<T>,
    errors: Option<Vec<GraphqlError>>,
    extensions: Option<Value>,
}

/// Without `data` nothing was executed; with a `data` of null something was.
#[derive(Default)]
enum Data<T> {
    #[default]
    Absent,
    Null,
    There(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Data<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::There))
    }
}

/// The error that a status is by itself.
pub(super) async fn refusal(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Error> {
    if status.as_u16() < 400 {
        return None;
    }
    let asked = HttpRequest::new(Method::GET, "/".parse().ok()?);
    let body = ByteStream::from_bytes(bytes::Bytes::new());
    answered(&asked, status, headers.clone(), body, now).await.err()
}

/// What is worth another try is so when the server says.
fn told_to_wait(
    error: Error,
    headers: &HeaderMap,
    extensions: &Map<String, Value>,
    now: SystemTime,
) -> Error {
    if error.retry() == Retry::Never {
        return error;
    }
    match retry_after(headers, now).or_else(|| throttled_for(extensions)) {
        Some(wait) => error.with_retry(Retry::After(wait)),
        None => error,
    }
}

fn no_graphql(media: Media) -> Error {
    Error::corrupt(match media {
        Media::Other => "the answer is no GraphQL: its media type is another",
        Media::Graphql | Media::Json => "the answer is no GraphQL, though its media type is",
    })
}

fn misfit(why: &serde_json::Error) -> Error {
    // The library's own words may hold a piece of the data.
    Error::corrupt("the data is not of the type that was asked for")
        .with_retry(Retry::Never)
        .with_context("line", why.line())
        .with_context("column", why.column())
}

fn empty() -> Error {
    Error::corrupt("neither data nor errors").with_effect(Effect::MaybeApplied)
}
