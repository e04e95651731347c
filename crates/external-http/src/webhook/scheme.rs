//! The seam between what is common to all webhooks and how one vendor signs.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use external_core::{CallContext, Error, Result};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};

/// How a vendor signs what it sends.
#[async_trait]
pub trait WebhookScheme: fmt::Debug + Send + Sync {
    /// Proves that the vendor sent this request. Whatever is not proven is an error: there is no third answer.
    ///
    /// # Errors
    ///
    /// `Unauthenticated` if it is not proven; `Configuration` if there is no key to prove it by; what keeps a key from
    /// being had.
    async fn verify(&self, cx: &CallContext, parts: &Parts, body: &Bytes) -> Result<Authentic>;

    /// How far the time that was signed may be from now, where the receiver is not told. Default: five minutes.
    fn tolerance(&self) -> Duration {
        Duration::from_secs(300)
    }
}

/// What a scheme proved: everything in it was signed.
#[derive(Debug, Clone)]
pub struct Authentic {
    pub(super) replay_id: String,
    pub(super) sent_at: Option<SystemTime>,
}

impl Authentic {
    /// A message that is known by `id`: one that the vendor gave it and signed, else all that was signed. Never by the
    /// signature, of which there may be many for the same message.
    #[must_use]
    pub fn new(id: impl AsRef<[u8]>) -> Self {
        // Of one length whatever the id, fit for any store.
        Self { replay_id: hex::encode(Sha256::digest(id.as_ref())), sent_at: None }
    }

    /// When it was signed, as the signature says.
    #[must_use]
    pub fn with_sent_at(mut self, sent_at: SystemTime) -> Self {
        self.sent_at = Some(sent_at);
        self
    }
}

/// The one value of a header field. Two of them are refused: another reader might take the other one.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str> {
    let mut values = headers.get_all(name).iter();
    let refuse = |why| Err(refused(why).with_context("header", name));
    let Some(value) = values.next() else {
        return refuse("a header field is missing");
    };
    if values.next().is_some() {
        return refuse("a header field stands there more than once");
    }
    match value.to_str() {
        Ok("") => refuse("a header field is empty"),
        Ok(text) => Ok(text),
        Err(_) => refuse("a header field is not visible ASCII"),
    }
}

/// It is not proven who sent this.
pub(super) fn refused(why: &'static str) -> Error {
    Error::unauthenticated(why)
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_field_is_there_once_and_holds_text() {
        let mut headers = HeaderMap::new();
        let mut fails = |value: Option<&'static [u8]>, why: &str| {
            if let Some(value) = value {
                headers.append("x-signature", HeaderValue::from_bytes(value).unwrap());
            }
            let error = single(&headers, "x-signature").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            assert_eq!(error.context_value("header"), Some("x-signature"));
            assert!(error.message().contains(why), "{error}");
            headers.remove("x-signature");
        };
        fails(None, "missing");
        fails(Some(b""), "empty");
        fails(Some(b"\xff"), "visible ASCII");
        headers.append("X-Signature", HeaderValue::from_static("a"));
        assert_eq!(single(&headers, "x-signature").unwrap(), "a");
        headers.append("x-signature", HeaderValue::from_static("a"));
        assert!(single(&headers, "x-signature").unwrap_err().message().contains("more than once"));
    }

    proptest! {
        #[test]
        fn any_value_is_text_or_an_error_that_does_not_show_it(value in "[\\x20-\\x7e\\x80-\\xff]{8,40}") {
            let mut headers = HeaderMap::new();
            headers.insert("x", HeaderValue::from_bytes(value.as_bytes()).unwrap());
            if let Err(error) = single(&headers, "x") {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains(&value));
            }
        }
    }
}
