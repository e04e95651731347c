//! GraphQL: queries, mutations, file uploads and subscriptions through one client.
//!
//! A service holds a [`GraphqlClient`] over an [`HttpClient`](crate::HttpClient), which brings connections, credentials and
//! the pipeline.
//!
//! - [`query`](GraphqlClient::query) may be repeated, [`mutate`](GraphqlClient::mutate) is not unless that is certainly
//!   harmless; never is anything repeated that has data.
//! - A [`GraphqlReply`] keeps data and errors both; [`into_data`](GraphqlReply::into_data) takes any error for one.
//! - Errors have kind, effect and retry advice by the server's code, and [`errors_of`] hands out what it told. What is no
//!   GraphQL is an error that says so.
//! - [`PersistedQueries`] sends hashes in the place of documents; [`Upload`] sends files.
//! - [`subscribe`](GraphqlClient::subscribe) is one stream of events, over WebSocket (graphql-transport-ws) or server-sent
//!   events (graphql-sse); a connection that is lost is made anew, and the stream says so.

mod client;
mod document;
mod error;
mod persisted;
mod reply;
mod request;
mod subscription;
mod upload;

pub use client::GraphqlClient;
pub use error::{GraphqlError, Location, PathSegment, errors_of};
pub use persisted::PersistedQueries;
pub use reply::GraphqlReply;
pub use request::GraphqlRequest;
pub use subscription::{Subscription, SubscriptionEvent, WebSocketConfig};
pub use upload::Upload;
