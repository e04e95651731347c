//! Automatic persisted queries: a hash in the place of a document that the server has seen before.
//!
//! <https://www.apollographql.com/docs/apollo-server/performance/apq>

use std::sync::atomic::{AtomicBool, Ordering};

use external_core::http::HttpUrl;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{GraphqlError, GraphqlRequest};

/// What servers, proxies and caches are known to take.
const LONGEST_URL: usize = 2048;

/// Whether a hash stands for the document, and how it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PersistedQueries {
    /// The document is sent with each request.
    #[default]
    Off,
    /// The hash is sent by `POST`.
    Post,
    /// The hash of a query is sent by `GET`, which caches understand, where the URL stays below 2 KiB; else by `POST`.
    Get,
}

/// What the server said to a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It has not seen the document.
    NotFound,
    /// It keeps none.
    NotSupported,
}

impl Unknown {
    /// The answer to a hash that is none. Some servers tell it by the message alone.
    pub(super) fn told(errors: &[GraphqlError]) -> Option<Self> {
        let says = |code, message| errors.iter().any(|error| error.is(code) || error.message == message);
        if says("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported") {
            Some(Self::NotSupported)
        } else if says("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound") {
            Some(Self::NotFound)
        } else {
            None
        }
    }
}

/// What is known of one server.
#[derive(Debug, Default)]
pub(super) struct Persistence {
    pub(super) mode: PersistedQueries,
    is_refused: AtomicBool,
}

impl Persistence {
    pub(super) fn of(mode: PersistedQueries) -> Self {
        Self { mode, is_refused: AtomicBool::new(false) }
    }

    /// Whether a hash may stand for the document of this request.
    pub(super) fn applies(&self, request: &GraphqlRequest) -> bool {
        self.mode != PersistedQueries::Off
            && request.uploads.is_empty()
            && !self.is_refused.load(Ordering::Relaxed)
    }

    /// Remembers that the server keeps no documents.
    pub(super) fn refuse(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }
}

/// The extensions of a request with the hash of its document.
pub(super) fn extensions(request: &GraphqlRequest) -> Map<String, Value> {
    let hash = hex::encode(Sha256::digest(&request.document));
    let mut extensions = request.extensions.clone();
    extensions.insert("persistedQuery".to_owned(), json!({"version": 1, "sha256Hash": hash}));
    extensions
}

/// The URL of a request by `GET`, if it is short enough.
pub(super) fn url(
    url: &HttpUrl,
    request: &GraphqlRequest,
    extensions: &Map<String, Value>,
) -> Option<HttpUrl> {
    let mut url = url.clone();
    if let Some(name) = &request.operation_name {
        url = url.with_query("operationName", name);
    }
    for (name, value) in [("variables", &request.variables), ("extensions", extensions)] {
        if !value.is_empty() {
            url = url.with_query(name, &Value::Object(value.clone()).to_string());
        }
    }
    Some(url).filter(|url| url.expose().len() <= LONGEST_URL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_document() {
        // The example of Apollo's documentation.
        let told = extensions(&GraphqlRequest::new("{__typename}"));
        assert_eq!(
            told["persistedQuery"],
            json!({"version": 1, "sha256Hash": "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"})
        );
    }

    #[test]
    fn what_is_too_long_for_a_url_has_none() {
        let base = HttpUrl::parse("https://a.example/graphql").unwrap();
        let request = GraphqlRequest::new("{ a }").with_operation("A").with_variable("x", "y z").unwrap();
        let short = url(&base, &request, &Map::new()).unwrap();
        assert_eq!(short.target(), "/graphql?operationName=A&variables=%7B%22x%22%3A%22y%20z%22%7D");
        let long = request.with_variable("x", "y".repeat(3000)).unwrap();
        assert!(url(&base, &long, &Map::new()).is_none());
    }
}
