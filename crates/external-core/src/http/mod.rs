//! The contract of HTTP: one request, one answer, and the truth about what became of it.
//!
//! A provider implements [`HttpTransport`]; providers of other domains whose vendor speaks HTTP stand on it, and so does
//! `HttpClient` from `external-http`, which adds redirects, credentials and the call pipeline.
//!
//! # The model, alike on every provider
//!
//! - A transport makes one exchange: it follows no redirect, repeats nothing, and keeps no cookies.
//! - Which statuses are answers and which are errors is a choice of the request ([`Statuses`]); an error has kind, effect
//!   and retry advice, and holds nothing of the body.
//! - An answer's body is read as a whole within the exchange, up to a limit, or handed on as it arrives ([`Delivery`]).
//! - A request's body can be sent again ([`HttpBody`]).
//! - No URL, header value or body is shown: not by `Debug`, not by an error.
mod body;
mod request;
mod response;
mod target;
mod transport;
mod url;

pub use body::{BodySource, HttpBody};
pub use request::{Delivery, HttpRequest, Statuses};
pub use response::{HttpRefusal, HttpResponse};
pub use transport::HttpTransport;
pub use url::HttpUrl;

use crate::Capability;

/// The domain's name in operations, configuration and reports.
pub const DOMAIN: &str = "http";

/// Every capability of this domain: its id and its meaning.
pub const CAPABILITIES: &[(&str, &str)] = &[(
    "streaming-upload",
    "request bodies that are made while they are sent, of a length that nobody knows yet",
)];

/// The names of the operations: what a policy may say for each. Any method that has no name here is `request`.
pub const OPERATIONS: &[&str] = &["get", "head", "options", "put", "delete", "post", "patch", "request"];

/// How well a service does `id`, one of [`CAPABILITIES`].
#[must_use]
pub fn supports(service: &dyn HttpTransport, id: &str) -> Capability {
    service.info().capabilities().grade(id)
}
