//! REST: typed endpoints over [`HttpClient`](external_http::HttpClient), with pages, conditions, uploads, downloads and
//! the errors that the server describes.
//!
//! Retries, deadlines, circuit breaking, credentials and call records are those of the `HttpClient` beneath; what is
//! here is what HTTP alone does not say.
//!
//! ```
//! use external_api::rest::{Endpoint, RestClient, RestRequest};
//! use external_http::{HttpClient, MemoryAnswer, MemoryHttp, Method};
//!
//! #[derive(serde::Deserialize)]
//! struct User {
//!     name: String,
//! }
//!
//! /// One endpoint: its values are its calls.
//! struct GetUser {
//!     id: u64,
//! }
//!
//! impl Endpoint for GetUser {
//!     const NAME: &'static str = "get_user";
//!     type Answer = User;
//!
//!     fn request(&self) -> RestRequest {
//!         RestRequest::get("/users/{id}").with_parameter("id", self.id)
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let double = MemoryHttp::new()
//!     .with_route(Method::GET, "/users/{id}", |_| MemoryAnswer::json(200, r#"{"name": "Ada"}"#));
//! let rest = RestClient::over(HttpClient::over(double));
//! assert_eq!(rest.call(&GetUser { id: 7 }).await?.name, "Ada");
//!
//! // Without a type for the endpoint:
//! let user: User = rest.fetch(&RestRequest::get("/users/7")).await?;
//! assert_eq!(user.name, "Ada");
//! # Ok::<(), external_api::Error>(()) }).unwrap();
//! ```
//!
//! | for | there is |
//! |---|---|
//! | endpoints | [`Endpoint`], [`RestRequest`]; what an answer may be: [`FromAnswer`] |
//! | lists | [`RestClient::pages`], [`Paging`], [`Checkpoint`] |
//! | what others may have changed | [`Versioned`], [`Conditional`], [`RestRequest::if_unchanged`] |
//! | uploads | [`Multipart`], and any [`HttpBody`](external_http::HttpBody) |
//! | downloads | [`RestClient::download`], [`Download`] |
//! | many calls | [`RestClient::batch`] |
//! | refusals | [`RestError`], [`Problem`] |
//!
//! # What is promised
//!
//! - The status comes before the body: a refusal is an error with kind, effect and retry advice whatever its body is, and
//!   only the answer of a success is decoded.
//! - An answer that is not what was expected is `Corrupt`; the error names the place in the JSON and shows no value.
//! - Parameters stay within their segment of the path, whatever is in them.
//! - No error, `Debug` or record shows a URL, a header field or a body.

mod answer;
mod batch;
mod client;
mod conditional;
mod download;
mod endpoint;
mod json;
mod link;
mod pages;
mod path;
mod problem;
mod query;
mod request;

pub use answer::{FromAnswer, Nothing, RestAnswer};
pub use client::RestClient;
pub use conditional::{Conditional, ETag, Validators, Versioned};
pub use download::{Download, Downloaded};
pub use endpoint::{Endpoint, PagedEndpoint};
pub use link::Link;
pub use pages::{Checkpoint, Items, Page, Pages, Paging};
pub use problem::{Problem, RestError};
pub use request::RestRequest;

pub use crate::multipart::{Multipart, Part};
