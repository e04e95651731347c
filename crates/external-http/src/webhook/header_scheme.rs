//! Signatures that stand in a header field: how most vendors do it.

use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use external_core::{CallContext, Error, Result};
use http::HeaderMap;
use http::header::HeaderName;
use http::request::Parts;

use super::scheme::{refused, single};
use super::{Authentic, WebhookKey, WebhookScheme};

/// The most signatures of one request that are tried, so that nobody makes us check thousands.
const MOST_SIGNATURES: usize = 16;

/// A piece of what is signed. Pieces follow one another without anything between them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedPart {
    /// The body, byte for byte as it came.
    Body,
    /// This text.
    Text(String),
    /// The value of this header field: the time in seconds since 1970, which the receiver holds against its clock.
    Timestamp(String),
    /// The value of this header field: the vendor's id of the message, the same whenever it is sent again.
    Id(String),
    /// The value of this header field.
    Header(String),
}

/// How the bytes of a signature are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignatureEncoding {
    /// Base64 with its usual alphabet and padding.
    #[default]
    Base64,
    /// Lower-case hex.
    Hex,
}

/// Signatures in a header field, over pieces of the request.
///
/// A time or an id counts only as a piece of what is signed: what is not signed can be changed by whoever repeats a request.
#[derive(Debug, Clone)]
pub struct HeaderScheme {
    signature: HeaderName,
    content: Vec<SignedPart>,
    keys: Vec<WebhookKey>,
    encoding: SignatureEncoding,
    prefix: String,
    separator: Option<char>,
}

impl HeaderScheme {
    /// The header field of the signature, what is signed, and the keys; one that fits is enough, so that a new one can
    /// take over from an old one.
    ///
    /// # Errors
    ///
    /// `Configuration` without a key, for a name that is none, and for content without the body or with two times or ids.
    pub fn new(
        signature: &str,
        content: impl IntoIterator<Item = SignedPart>,
        keys: impl IntoIterator<Item = WebhookKey>,
    ) -> Result<Self> {
        let content: Vec<_> = content.into_iter().collect();
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(Error::configuration("a webhook without a key would believe nobody"));
        }
        let name = |name: &str| {
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                Error::configuration("not the name of a header field").with_context("header", name)
            })
        };
        let number = |is: fn(&SignedPart) -> bool| content.iter().filter(|part| is(part)).count();
        if number(|part| matches!(part, SignedPart::Body)) != 1 {
            return Err(Error::configuration("what is signed holds the body, once"));
        }
        let times = number(|part| matches!(part, SignedPart::Timestamp(_)));
        if times > 1 || number(|part| matches!(part, SignedPart::Id(_))) > 1 {
            return Err(Error::configuration("what is signed holds one time and one id at most"));
        }
        for part in &content {
            if let SignedPart::Timestamp(field) | SignedPart::Id(field) | SignedPart::Header(field) = part {
                name(field)?;
            }
        }
        Ok(Self {
            signature: name(signature)?,
            content,
            keys,
            encoding: SignatureEncoding::default(),
            prefix: String::new(),
            separator: None,
        })
    }

    /// How signatures are written. Default: base64.
    #[must_use]
    pub fn with_encoding(mut self, encoding: SignatureEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// What stands before a signature: `sha256=`, `v1,`. One without it counts as none. Default: nothing.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// What stands between signatures, where there may be several (16 at most): one that fits is enough. Default: there
    /// is one.
    #[must_use]
    pub fn with_separator(mut self, separator: char) -> Self {
        self.separator = Some(separator);
        self
    }

    fn signatures(&self, headers: &HeaderMap) -> Result<Vec<Vec<u8>>> {
        let name = self.signature.as_str();
        let value = single(headers, name)?;
        let refuse = |why| Err(refused(why).with_context("header", name));
        let pieces: Vec<&str> = match self.separator {
            Some(separator) => value.split(separator).take(MOST_SIGNATURES + 1).collect(),
            None => vec![value],
        };
        if pieces.len() > MOST_SIGNATURES {
            return refuse("more signatures than anybody makes");
        }
        let of_scheme = pieces.iter().filter_map(|piece| piece.strip_prefix(self.prefix.as_str()));
        let decoded: Vec<_> = of_scheme.filter_map(|text| self.encoding.decode(text)).collect();
        match decoded.is_empty() {
            true => refuse("no signature in the form that this webhook has"),
            false => Ok(decoded),
        }
    }

    /// What was signed, and what it says of itself.
    fn content(&self, headers: &HeaderMap, body: &[u8]) -> Result<(Vec<u8>, Said)> {
        let (mut content, mut said) = (Vec::with_capacity(body.len() + 64), Said::default());
        for part in &self.content {
            match part {
                SignedPart::Body => content.extend_from_slice(body),
                SignedPart::Text(text) => content.extend_from_slice(text.as_bytes()),
                SignedPart::Header(name) => content.extend_from_slice(single(headers, name)?.as_bytes()),
                SignedPart::Id(name) => {
                    let id = single(headers, name)?;
                    content.extend_from_slice(id.as_bytes());
                    said.id = Some(id.to_owned());
                }
                SignedPart::Timestamp(name) => {
                    let text = single(headers, name)?;
                    content.extend_from_slice(text.as_bytes());
                    let seconds = seconds(text).ok_or_else(|| {
                        refused("not a time in seconds since 1970").with_context("header", name)
                    })?;
                    said.seconds = Some(seconds);
                }
            }
        }
        Ok((content, said))
    }
}

#[derive(Default)]
struct Said {
    id: Option<String>,
    seconds: Option<u64>,
}

#[async_trait]
impl WebhookScheme for HeaderScheme {
    async fn verify(&self, _: &CallContext, parts: &Parts, body: &Bytes) -> Result<Authentic> {
        let signatures = self.signatures(&parts.headers)?;
        let (content, said) = self.content(&parts.headers, body)?;
        for key in &self.keys {
            for signature in &signatures {
                if key.signed(&content, signature)? {
                    let authentic = match said.id {
                        Some(id) => Authentic::new(id),
                        None => Authentic::new(&content),
                    };
                    return Ok(match said.seconds {
                        Some(seconds) => authentic.with_sent_at(UNIX_EPOCH + Duration::from_secs(seconds)),
                        None => authentic,
                    });
                }
            }
        }
        Err(refused("no key of this webhook made the signature").with_context("header", &self.signature))
    }
}

impl SignatureEncoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        let bytes = match self {
            Self::Base64 => STANDARD.decode(text).ok(),
            // One signature has one form, so that nobody can tell two of them apart.
            Self::Hex if text.bytes().any(|byte| byte.is_ascii_uppercase()) => None,
            Self::Hex => hex::decode(text).ok(),
        };
        bytes.filter(|bytes| !bytes.is_empty())
    }
}

/// Digits alone, no more than fit a time.
fn seconds(text: &str) -> Option<u64> {
    let is_number = text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;
    use hmac::{Hmac, KeyInit, Mac};
    use http::Request;
    use sha2::Sha256;

    use super::super::standard_webhooks;
    use super::*;

    fn mac(key: &str, content: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(content.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    fn keys(keys: &[&'static str]) -> Vec<WebhookKey> {
        keys.iter().map(|key| WebhookKey::hmac_sha256((*key).into())).collect()
    }

    async fn verdict(
        scheme: &HeaderScheme,
        fields: &[(&str, String)],
        body: &'static str,
    ) -> Result<Authentic> {
        let request =
            fields.iter().fold(Request::post("/"), |request, (name, value)| request.header(*name, value));
        let (parts, body) = request.body(Bytes::from(body)).unwrap().into_parts();
        scheme.verify(&CallContext::default(), &parts, &body).await
    }

    fn standard(of: &[&'static str]) -> HeaderScheme {
        standard_webhooks(keys(of)).unwrap()
    }

    #[tokio::test]
    async fn any_of_the_keys_and_any_of_the_signatures_is_enough() {
        let by = |key: &str| format!("v1,{}", STANDARD.encode(mac(key, "m1.1700000000.{}")));
        let asked = async |keys: &[&'static str], signature: String| {
            let fields = [
                ("webhook-id", "m1".to_owned()),
                ("webhook-timestamp", "1700000000".to_owned()),
                ("webhook-signature", signature),
            ];
            verdict(&standard(keys), &fields, "{}").await
        };
        let authentic = asked(&["new", "old"], by("old")).await.unwrap();
        assert_eq!(authentic.sent_at, Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        assert_eq!(authentic.replay_id, Authentic::new("m1").replay_id);
        let both = format!("v2,AAAA {} {}", by("nobody"), by("new"));
        asked(&["new", "old"], both).await.unwrap();
        asked(&["new"], "v1,AAAA ".repeat(15) + &by("new")).await.unwrap();
        for wrong in [
            by("nobody"),
            by("new").replace("v1,", "v1a,"),
            by("new").replace("v1,", ""),
            "v1,".to_owned(),
            "v1,%".to_owned(),
            "v1,AAAA ".repeat(16) + &by("new"),
        ] {
            let error = asked(&["new"], wrong).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            assert_eq!(error.context_value("header"), Some("webhook-signature"));
        }
    }

    #[tokio::test]
    async fn what_is_signed_is_what_came() {
        let signature = format!("v1,{}", STANDARD.encode(mac("k", "m1.1700000000.{}")));
        let fields = |id: &str, time: &str| {
            [
                ("webhook-id", id.to_owned()),
                ("webhook-timestamp", time.to_owned()),
                ("webhook-signature", signature.clone()),
            ]
        };
        verdict(&standard(&["k"]), &fields("m1", "1700000000"), "{}").await.unwrap();
        for (id, time, body) in [
            ("m2", "1700000000", "{}"),
            ("m1", "1700000001", "{}"),
            ("m1", "1700000000", "{} "),
            ("m1", "1700000000", ""),
        ] {
            verdict(&standard(&["k"]), &fields(id, time), body).await.unwrap_err();
        }
        for time in ["+1700000000", "1700000000.5", "-1", "17e8", "9999999999999", " ", "٣"] {
            let signature = format!("v1,{}", STANDARD.encode(mac("k", &format!("m1.{time}.{{}}"))));
            let mut fields = fields("m1", time);
            fields[2].1 = signature;
            let error = verdict(&standard(&["k"]), &fields, "{}").await.unwrap_err();
            assert_eq!(error.context_value("header"), Some("webhook-timestamp"), "{time}");
        }
    }

    #[tokio::test]
    async fn hex_is_lower_case_and_without_an_id_the_content_is_one() {
        let scheme = HeaderScheme::new("x-signature", [SignedPart::Body], keys(&["k"]))
            .unwrap()
            .with_encoding(SignatureEncoding::Hex)
            .with_prefix("sha256=");
        let signature = hex::encode(mac("k", "{}"));
        let asked = async |value: String| verdict(&scheme, &[("x-signature", value)], "{}").await;
        let authentic = asked(format!("sha256={signature}")).await.unwrap();
        assert_eq!((authentic.replay_id, authentic.sent_at), (Authentic::new("{}").replay_id, None));
        for wrong in [
            signature.clone(),
            format!("sha256={}", signature.to_uppercase()),
            format!("sha256= {signature}"),
            format!("sha256={}", &signature[..62]),
            "sha256=".to_owned(),
        ] {
            assert_eq!(asked(wrong).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
        }
    }

    #[test]
    fn a_scheme_that_proves_nothing_cannot_be_made() {
        let body = || vec![SignedPart::Body];
        let with = |part: SignedPart| vec![SignedPart::Body, part.clone(), part];
        for (name, content, of) in [
            ("x-signature", body(), &[][..]),
            ("x signature", body(), &["k"]),
            ("x-signature", vec![], &["k"]),
            ("x-signature", vec![SignedPart::Timestamp("x-time".into())], &["k"]),
            ("x-signature", with(SignedPart::Body), &["k"]),
            ("x-signature", with(SignedPart::Timestamp("x-time".into())), &["k"]),
            ("x-signature", with(SignedPart::Id("x-id".into())), &["k"]),
            ("x-signature", with(SignedPart::Header("x id".into())), &["k"]),
        ] {
            let error = HeaderScheme::new(name, content, keys(of)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
        }
    }
}
