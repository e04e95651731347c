//! How a link is spelled and signed: path, method, expiry and content type under one HMAC-SHA256.

use external_core::storage::{ObjectKey, PresignMethod};
use external_core::{Error, Result, Secret};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What a URL carries as it is; everything else is percent-encoded.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a link allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) method: PresignMethod,
    pub(super) key: ObjectKey,
    /// Seconds since 1970.
    pub(super) expires: u64,
    pub(super) content_type: Option<String>,
}

/// Signs links and checks signatures.
#[derive(Debug)]
pub(super) struct Signer {
    key: Secret,
}

impl Signer {
    pub(super) fn new(key: Secret) -> Self {
        Self { key }
    }

    /// The link from its first slash on.
    pub(super) fn path_and_query(&self, link: &Link) -> Result<String> {
        let path: Vec<String> = link
            .key
            .as_str()
            .split('/')
            .map(|segment| utf8_percent_encode(segment, ESCAPED).to_string())
            .collect();
        let signature = hex(&self.signature(link)?);
        Ok(format!("/{}?{}&signature={signature}", path.join("/"), query(link)))
    }

    /// The link that a request's path and query spell; `None` unless this signer made it, letter for letter.
    pub(super) fn read(&self, path: &str, query_text: &str) -> Result<Option<Link>> {
        let Some(link) = parse(path, query_text) else {
            return Ok(None);
        };
        // One spelling for each link: nothing in it can be added, left out or written otherwise.
        let Some((unsigned, signature)) = query_text.rsplit_once("&signature=") else {
            return Ok(None);
        };
        let expected = hex(&self.signature(&link)?);
        let same: bool = expected.as_bytes().ct_eq(signature.as_bytes()).into();
        Ok((same && unsigned == query(&link)).then_some(link))
    }

    fn signature(&self, link: &Link) -> Result<Vec<u8>> {
        let key = self.key.expose()?;
        if key.len() < super::KEY_MIN {
            return Err(Error::configuration("the key that links are signed with has less than 16 bytes"));
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
            .map_err(|_| Error::configuration("the key that links are signed with cannot be used"))?;
        // No field but the last can contain a line break.
        let content_type = link.content_type.as_deref().unwrap_or_default();
        mac.update(
            format!("external-local-1\n{}\n{}\n{content_type}\n", link.method.as_str(), link.expires)
                .as_bytes(),
        );
        mac.update(link.key.as_str().as_bytes());
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

fn query(link: &Link) -> String {
    let mut query = format!("method={}&expires={}", link.method.as_str(), link.expires);
    if let Some(content_type) = &link.content_type {
        query.push_str("&content-type=");
        query.extend(utf8_percent_encode(content_type, ESCAPED));
    }
    query
}

fn parse(path: &str, query: &str) -> Option<Link> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    // Decoded segment by segment: an escaped slash stays part of none, since no key has one in a segment.
    let segments = path.strip_prefix('/')?.split('/').map(decode).collect::<Option<Vec<_>>>()?;
    if segments.iter().any(|segment| segment.contains('/')) {
        return None;
    }
    let key = ObjectKey::parse(segments.join("/")).ok()?;
    let (mut method, mut expires, mut content_type) = (None, None, None);
    for pair in query.split('&') {
        match pair.split_once('=')? {
            ("method", "GET") => method = Some(PresignMethod::Get),
            ("method", "PUT") => method = Some(PresignMethod::Put),
            ("expires", value) => expires = value.parse().ok(),
            ("content-type", value) => content_type = Some(decode(value)?),
            ("signature", _) => {}
            _ => return None,
        }
    }
    Some(Link { method: method?, key, expires: expires?, content_type })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link(key: &str) -> Link {
        Link {
            method: PresignMethod::Put,
            key: ObjectKey::parse(key).unwrap(),
            expires: 1_800_000_000,
            content_type: Some("text/plain; charset=utf-8".to_owned()),
        }
    }

    #[test]
    fn a_changed_link_is_none() {
        let signer = Signer::new(Secret::new("a key of sixteen bytes"));
        let text = signer.path_and_query(&link("a/b c.txt")).unwrap();
        let (path, query) = text.split_once('?').unwrap();
        assert_eq!(signer.read(path, query).unwrap(), Some(link("a/b c.txt")));
        let changed = [
            ("/a/b%20d.txt", query.to_owned()),
            ("/a%2Fb%20c.txt", query.to_owned()),
            (path, query.replace("PUT", "GET")),
            (path, query.replace("18000", "28000")),
            (path, query.replace("plain", "html")),
            (path, query.replace("&content-type=text%2Fplain%3B%20charset%3Dutf-8", "")),
            (path, query.replace("method=", "method=GET&method=")),
            (path, format!("{query}0")),
            (path, format!("{query}&more=1")),
            (path, query.replace("&signature=", "&signature=0")),
            (path, String::new()),
        ];
        for (path, query) in changed {
            assert_eq!(signer.read(path, &query).unwrap(), None, "{path}?{query}");
        }
        let other = Signer::new(Secret::new("another sixteen bytes key"));
        assert_eq!(other.read(path, query).unwrap(), None);
    }

    proptest! {
        #[test]
        fn every_key_has_a_link(key in "[^\0]{1,60}") {
            let Ok(key) = ObjectKey::parse(&key) else { return Ok(()) };
            let signer = Signer::new(Secret::new("a key of sixteen bytes"));
            let text = signer.path_and_query(&link(key.as_str())).unwrap();
            prop_assert!(text.is_ascii());
            let (path, query) = text.split_once('?').unwrap();
            prop_assert_eq!(signer.read(path, query).unwrap().map(|link| link.key), Some(key));
        }
    }
}
