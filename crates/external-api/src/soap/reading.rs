//! From an HTTP answer to what a service said: an envelope, a fault, or no more than a status.

use bytes::Bytes;
use external_core::{ByteStream, Effect, Error, Result};
use external_http::{HttpRequest, HttpResponse, StatusCode, answered, retry_after};
use http::{HeaderMap, Method};

use super::client::Shared;
use super::envelope::{self, Envelope, SoapVersion};
use super::fault::SoapFault;
use super::request::SoapAnswer;
use super::security::{WSSE, WsSecurity};
use super::xml::Element;
use crate::media;

/// What is known of an answer before its body is read.
pub(super) struct Reading<'a> {
    shared: &'a Shared,
    status: StatusCode,
    headers: HeaderMap,
    request_id: Option<String>,
    /// The media type without its parameters, in lower case; no longer than one is.
    media: String,
}

impl<'a> Reading<'a> {
    pub(super) fn of(shared: &'a Shared, answer: &HttpResponse) -> Self {
        let media = media::of(&answer.headers).to_ascii_lowercase();
        Self {
            shared,
            status: answer.status,
            headers: answer.headers.clone(),
            request_id: answer.request_id.clone(),
            media: media.chars().take(80).collect(),
        }
    }

    /// What the service said, or the error that it is.
    pub(super) async fn answer(self, answer: HttpResponse) -> Result<SoapAnswer> {
        let document = answer.bytes().await?;
        if self.status.is_success() && is_nothing(&document) {
            let version = self.shared.version;
            let request_id = self.request_id;
            return Ok(SoapAnswer { version, headers: Vec::new(), body: Vec::new(), request_id });
        }
        let envelope = match self.envelope(&document) {
            Ok(envelope) => envelope,
            Err(error) if self.status.is_success() => return Err(self.told(error)),
            // What a server says that does not speak SOAP is in the status.
            Err(_) => return Err(self.refusal().await),
        };
        if let Some(fault) = envelope.fault() {
            return Err(self.fault(envelope.version, fault));
        }
        if !self.status.is_success() {
            return Err(self.refusal().await);
        }
        self.understand(&envelope).map_err(|error| self.told(error))?;
        let Envelope { version, headers, body } = envelope;
        Ok(SoapAnswer { version, headers, body, request_id: self.request_id })
    }

    fn envelope(&self, document: &[u8]) -> Result<Envelope> {
        match self.media.as_str() {
            "text/xml" | "application/soap+xml" | "application/xml" | "" => {
                envelope::read(document, &self.shared.limits)
            }
            media => Err(Error::corrupt("the answer is no SOAP").with_context("content_type", media)),
        }
    }

    fn fault(&self, version: SoapVersion, fault: &Element) -> Error {
        let after = retry_after(&self.headers, self.shared.context.now());
        let fault = SoapFault::read(version, fault).map(|fault| fault.into_error(after));
        self.told(fault.unwrap_or_else(|broken| broken))
    }

    /// Refuses what must be understood and is not (SOAP 1.1, 4.2.3; SOAP 1.2 part 1, 5.2.3).
    fn understand(&self, envelope: &Envelope) -> Result<()> {
        for block in envelope.required() {
            if self.shared.understood.contains(block.name()) {
                continue;
            }
            if self.shared.security.is_none() || !block.is(WSSE, "Security") {
                return Err(Error::unsupported("soap-header")
                    .with_effect(Effect::MaybeApplied)
                    .with_context("header", block.name()));
            }
            WsSecurity::check(block, &self.shared.context)?;
        }
        Ok(())
    }

    /// The error that the status is.
    async fn refusal(&self) -> Error {
        let plain = HttpRequest::new(Method::POST, self.shared.endpoint.clone());
        let nothing = ByteStream::from_bytes(Bytes::new());
        let now = self.shared.context.now();
        let error = match answered(&plain, self.status, self.headers.clone(), nothing, now).await {
            Err(error) => error,
            Ok(_) => {
                self.told(Error::unexpected("the server sent the message elsewhere, where nobody followed"))
            }
        };
        if self.media.is_empty() { error } else { error.with_context("content_type", &self.media) }
    }

    /// The same error, with what the answer said of itself.
    fn told(&self, error: Error) -> Error {
        let error = error.with_http_status(self.status.as_u16());
        match &self.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

fn is_nothing(document: &[u8]) -> bool {
    document.iter().all(u8::is_ascii_whitespace)
}
