//! Links that a plain HTTP client opens: requests and results of the facet `presigner`.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::ObjectKey;
use crate::{CallOptions, Error, Operation, Repeat, Result};

/// How long a link is valid where the caller does not say: one hour.
pub const DEFAULT_LINK_LIFETIME: Duration = Duration::from_secs(3600);

/// What a link allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PresignMethod {
    /// Reading the object (HTTP `GET`).
    Get,
    /// Storing an object (HTTP `PUT`).
    Put,
}

impl PresignMethod {
    /// The HTTP method.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// A link to be made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PresignRequest {
    /// To which object. It need not exist.
    pub key: ObjectKey,
    /// What the link allows.
    pub method: PresignMethod,
    /// How long it is valid. Default: [`DEFAULT_LINK_LIFETIME`]. At least one second, at most the limit
    /// `presign-seconds-max`; parts of a second are dropped.
    pub expires_in: Duration,
    /// For `Put`: the media type the upload must state, and is stored with. Default: any.
    /// For `Get`: `InvalidArgument`.
    pub content_type: Option<String>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(PresignRequest);

impl PresignRequest {
    /// A link that reads `key`, valid for an hour.
    #[must_use]
    pub fn get(key: ObjectKey) -> Self {
        Self::new(key, PresignMethod::Get)
    }

    /// A link that stores `key`, valid for an hour.
    #[must_use]
    pub fn put(key: ObjectKey) -> Self {
        Self::new(key, PresignMethod::Put)
    }

    fn new(key: ObjectKey, method: PresignMethod) -> Self {
        Self {
            key,
            method,
            expires_in: DEFAULT_LINK_LIFETIME,
            content_type: None,
            call: CallOptions::default(),
        }
    }

    /// Sets how long the link is valid.
    #[must_use]
    pub fn with_expires_in(mut self, expires_in: Duration) -> Self {
        self.expires_in = expires_in;
        self
    }

    /// Sets the media type an upload must state.
    #[must_use]
    pub fn with_content_type(mut self, value: impl Into<String>) -> Self {
        self.content_type = Some(value.into());
        self
    }

    /// Whether the content type is one that an upload can state. Providers call it before they sign.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if a link that reads has one, or if it is empty or holds a control character.
    pub fn validate(&self) -> Result<()> {
        match &self.content_type {
            Some(_) if self.method != PresignMethod::Put => {
                Err(Error::invalid_argument("only a link that stores can state a content type"))
            }
            Some(text) if text.is_empty() || text.chars().any(char::is_control) => Err(
                Error::invalid_argument("a content type must not be empty nor contain control characters"),
            ),
            _ => Ok(()),
        }
    }

    /// `storage.presign`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "presign", Repeat::Safe)
    }
}

/// A link. Whoever holds it may do what it allows, so `Debug` hides its query.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresignedUrl {
    /// The whole URL, signature included: a secret until it expires.
    pub url: String,
    /// The method to open it with.
    pub method: PresignMethod,
    /// Headers that must be sent exactly like this.
    pub headers: Vec<(String, String)>,
    /// When it stops working.
    pub expires_at: SystemTime,
}

impl PresignedUrl {
    /// A link without required headers.
    #[must_use]
    pub fn new(url: String, method: PresignMethod, expires_at: SystemTime) -> Self {
        Self { url, method, headers: Vec::new(), expires_at }
    }

    /// Adds a header that must be sent.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("PresignedUrl")
            .field("url", &format_args!("{shown}?***"))
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_signature() {
        let url = "http://127.0.0.1:1/a?signature=c0ffee".to_owned();
        let link = PresignedUrl::new(url, PresignMethod::Get, SystemTime::UNIX_EPOCH);
        assert!(!format!("{link:?}").contains("c0ffee"));
    }
}
