//! The base trait of HTTP.

use async_trait::async_trait;

use super::{HttpRequest, HttpResponse};
use crate::{CallContext, Provider, Result};

/// Makes HTTP exchanges.
///
/// The clauses named in brackets prove each promise; `external-contract` runs them against every provider.
#[async_trait]
pub trait HttpTransport: Provider {
    /// Makes one exchange.
    ///
    /// What is sent:
    ///
    /// - Method, path and query arrive as they are. (http.execute.1)
    /// - Header fields arrive with their values and in number, those of one name in their order. (http.execute.2)
    /// - A body of bytes arrives byte for byte, with its length; a request without a body has none. (http.execute.3)
    /// - A body from a source arrives byte for byte, and is opened anew for each execution. (http.execute.4)
    /// - A body of a length that nobody knows arrives byte for byte. (http.execute.5)
    /// - A body that fails while it is sent is an error with what the source said, and the server takes no half of it for
    ///   the whole. (http.execute.6)
    /// - An idempotency key travels as `Idempotency-Key`. (http.execute.7)
    /// - A URL without a host is one below the base that the transport was configured with. (http.execute.8)
    ///
    /// What comes back:
    ///
    /// - Status, header fields and body are those of the server. (http.execute.9)
    /// - A body of a thousand and of a million bytes comes whole, whether its length was told or not, and an empty one is
    ///   empty. (http.execute.10)
    /// - A body larger than the limit of the request is `PayloadTooLarge`; how far it goes on matters
    ///   not. (http.execute.11)
    /// - A streamed body comes in order, and its limit holds for it too. (http.execute.12)
    /// - A streamed body that is dropped halfway leaves the transport fit for the next exchange. (http.execute.13)
    /// - The answer to `HEAD` has the header fields of `GET` and no body. (http.execute.14)
    /// - Answers do not mix: each of many exchanges side by side gets its own. (http.execute.15)
    /// - What the server compressed by gzip comes as it was before, without `Content-Encoding`, and no further than the
    ///   limit: a bomb is `PayloadTooLarge`. (http.execute.16)
    /// - The id that the server gave the request is told, in answers and in errors. (http.execute.17)
    /// - A redirect is an answer: it is not followed. (http.execute.18)
    ///
    /// What is an error:
    ///
    /// - Each status from 400 has the kind, effect and retry advice of the table below, whatever the
    ///   body. (http.status.1)
    /// - `Retry-After` is the retry advice, in seconds, as a date, or in milliseconds in one of the forms vendors
    ///   use. (http.status.2)
    /// - A request that takes any status as an answer gets it as one, with its body; one that takes final statuses gets
    ///   every one that does not ask for another attempt. (http.status.3)
    /// - The error shows nothing of the body, nor of the request's URL and header fields. (http.status.4)
    /// - Where the request asks for it the error keeps the header fields of the answer and the beginning of its
    ///   body, and shows nothing of them. (http.status.5)
    ///
    /// | status | kind | effect | retry |
    /// |---|---|---|---|
    /// | 401, 407 | `Unauthenticated` | `NotApplied` | never |
    /// | 402 | `QuotaExhausted` | `NotApplied` | never |
    /// | 403, 451 | `PermissionDenied` | `NotApplied` | never |
    /// | 404, 410 | `NotFound` | `NotApplied` | never |
    /// | 408, 504 | `Timeout` | `MaybeApplied` | backoff |
    /// | 409, 412, 423 | `Conflict` | `NotApplied` | never |
    /// | 413 | `PayloadTooLarge` | `NotApplied` | never |
    /// | 425 | `Unavailable` | `NotApplied` | backoff |
    /// | 429 | `RateLimited` | `NotApplied` | backoff |
    /// | 501, 505, every other 4xx | `InvalidArgument` | `NotApplied` | never |
    /// | every other 5xx | `Unavailable` | `MaybeApplied` | backoff |
    ///
    /// # Errors
    ///
    /// By the table; `InvalidArgument` for a URL without a host where there is no base; `Unavailable` where the server
    /// cannot be reached or the exchange breaks off; `PayloadTooLarge`; `Corrupt` for an answer that is none; `Closed`.
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse>;
}
