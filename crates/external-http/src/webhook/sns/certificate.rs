//! The certificate that a message of SNS names: where it may lie, how it is fetched and kept, whose it is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use external_core::http::{HttpRequest, HttpTransport};
use external_core::{CallContext, Error, ErrorKind, Result};
use http::StatusCode;
use x509_parser::parse_x509_certificate;
use x509_parser::pem::parse_x509_pem;

use super::super::WebhookKey;
use super::super::scheme::refused;

/// SNS has one certificate a region at a time.
const MOST_KEPT: usize = 16;

/// A certificate is a few kilobytes.
const LARGEST: u64 = 64 << 10;

/// How long a fetch may take, whatever the transport thinks.
const PATIENCE: Duration = Duration::from_secs(5);

/// The certificates that were fetched, the latest ones.
pub(super) struct Certificates {
    transport: Arc<dyn HttpTransport>,
    kept: Mutex<VecDeque<(String, Arc<Certificate>)>>,
    /// Held by whoever fetches: many messages of one new certificate are one fetch.
    fetching: tokio::sync::Mutex<()>,
}

/// Whose signatures SNS's are.
pub(super) struct Certificate {
    sha256: WebhookKey,
    sha1: WebhookKey,
    /// In seconds since 1970.
    valid: (i64, i64),
}

impl Certificates {
    pub(super) fn new(transport: Arc<dyn HttpTransport>) -> Self {
        Self { transport, kept: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The certificate that lies there, valid at `now`.
    pub(super) async fn get(
        &self,
        cx: &CallContext,
        url: &str,
        region: &str,
        now: SystemTime,
    ) -> Result<Arc<Certificate>> {
        if !is_of_sns(url, region) {
            return Err(refuse("a certificate that does not lie with SNS in the region of the topic"));
        }
        let certificate = match self.known(url) {
            Some(certificate) => certificate,
            None => {
                // Whoever waits for another's fetch waits no longer than for one of its own.
                let late = |_| Error::timeout("the certificate of SNS did not come in time");
                tokio::time::timeout(PATIENCE, self.fetched(cx, url)).await.map_err(late)??
            }
        };
        match certificate.is_valid_at(now) {
            true => Ok(certificate),
            false => Err(refuse("a certificate that is not valid now")),
        }
    }

    fn known(&self, url: &str) -> Option<Arc<Certificate>> {
        self.kept().iter().find(|(kept, _)| kept == url).map(|(_, certificate)| certificate.clone())
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(String, Arc<Certificate>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetched(&self, cx: &CallContext, url: &str) -> Result<Arc<Certificate>> {
        let _fetching = self.fetching.lock().await;
        if let Some(certificate) = self.known(url) {
            return Ok(certificate);
        }
        let pem = self.fetch(cx, url).await.map_err(|error| match error.kind() {
            // It may be had later, and the message with it.
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::RateLimited | ErrorKind::Closed => {
                error.with_context("while", "fetching a certificate of SNS")
            }
            _ => refuse("a certificate that cannot be had").with_source(error),
        })?;
        let certificate = Arc::new(Certificate::parse(&pem)?);
        let mut kept = self.kept();
        kept.truncate(MOST_KEPT - 1);
        kept.push_front((url.to_owned(), certificate.clone()));
        Ok(certificate)
    }

    async fn fetch(&self, cx: &CallContext, url: &str) -> Result<Bytes> {
        let request = HttpRequest::get(url)?.with_body_limit(LARGEST);
        let answer = self.transport.execute(cx, &request).await?;
        match answer.status {
            StatusCode::OK => answer.bytes().await,
            _ => Err(refuse("a certificate that lies elsewhere")),
        }
    }
}

impl Certificate {
    /// One certificate in PEM, with an RSA key, of SNS by its name.
    fn parse(pem: &[u8]) -> Result<Self> {
        let corrupt = || refuse("not a certificate with an RSA key");
        let (_, pem) = parse_x509_pem(pem).map_err(|_| corrupt())?;
        if pem.label != "CERTIFICATE" {
            return Err(corrupt());
        }
        let (rest, certificate) = parse_x509_certificate(&pem.contents).map_err(|_| corrupt())?;
        if !rest.is_empty() {
            return Err(corrupt());
        }
        let mut names = certificate.subject().iter_common_name();
        match (names.next().and_then(|name| name.as_str().ok()), names.next()) {
            (Some(name), None) if is_name_of_sns(name) => {}
            _ => return Err(refuse("a certificate that is not of SNS")),
        }
        let key = certificate.public_key().raw;
        let validity = certificate.validity();
        Ok(Self {
            sha256: WebhookKey::of_certificate(key, false).map_err(|_| corrupt())?,
            sha1: WebhookKey::of_certificate(key, true).map_err(|_| corrupt())?,
            valid: (validity.not_before.timestamp(), validity.not_after.timestamp()),
        })
    }

    pub(super) fn key(&self, is_version_1: bool) -> &WebhookKey {
        if is_version_1 { &self.sha1 } else { &self.sha256 }
    }

    fn is_valid_at(&self, now: SystemTime) -> bool {
        let seconds =
            now.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
        seconds.is_some_and(|now| self.valid.0 <= now && now <= self.valid.1)
    }
}

/// `https://sns.<region>.amazonaws.com/<name>.pem`, or `.com.cn`. Read by hand and letter by letter: there is no form of
/// URL here that one reader could take for another host than the next one.
fn is_of_sns(url: &str, region: &str) -> bool {
    let is_word = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let host = format!("https://sns.{region}.amazonaws.com");
    let path = url.strip_prefix(&host).map(|rest| rest.strip_prefix(".cn").unwrap_or(rest));
    let name = path.and_then(|path| path.strip_prefix('/')?.strip_suffix(".pem"));
    is_word(region) && name.is_some_and(is_word)
}

/// `sns.amazonaws.com`, and what the newer regions have (`sns-signing.me-south-1.amazonaws.com`,
/// `sns-cn-north-1.amazonaws.com.cn`), as AWS's SDK for Java lists them.
fn is_name_of_sns(name: &str) -> bool {
    let name = name.strip_suffix(".cn").unwrap_or(name);
    let Some(name) = name.strip_suffix(".amazonaws.com") else {
        return false;
    };
    let mut labels = name.split('.');
    let first = labels.next().unwrap_or_default();
    (first == "sns" || first.starts_with("sns-")) && labels.count() <= 1
}

fn refuse(why: &'static str) -> Error {
    refused(why).with_context("field", "SigningCertURL")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_certificate_lies_with_sns_and_nowhere_else() {
        for (url, region) in [
            ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem", "us-east-1"),
            ("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0a.pem", "cn-north-1"),
        ] {
            assert!(is_of_sns(url, region), "{url}");
        }
        for url in [
            "",
            "http://sns.us-east-1.amazonaws.com/a.pem",
            "HTTPS://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example.com/a.pem",
            "https://sns.us-east-1.amazonaws.com.cn.evil.example.com/a.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example.com/a.pem",
            "https://evil.example.com/https://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com:8443/a.pem",
            "https://sns.us-east-1.amazonaws.com\\@evil.example.com/a.pem",
            "https://sns.us-east-1.amazonaws.com/../a.pem",
            "https://sns.us-east-1.amazonaws.com/a/b.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem?b.pem",
            "https://sns.us-east-1.amazonaws.com/?Action=a.pem",
            "https://sns.us-east-1.amazonaws.com/a.pem#",
            "https://sns.us-east-1.amazonaws.com/a.pem\n",
            "https://sns.us-east-1.amazonaws.com/.pem",
            "https://sns.us-east-1.amazonaws.com/a.txt",
            "https://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sqs.us-east-1.amazonaws.com/a.pem",
            "https://bucket.s3.amazonaws.com/a.pem",
        ] {
            assert!(!is_of_sns(url, "us-east-1"), "{url}");
        }
        assert!(!is_of_sns("https://sns.x.evil.com/.amazonaws.com/a.pem", "x.evil.com/"));
    }

    #[test]
    fn certificates_of_sns_have_its_name() {
        for name in [
            "sns.amazonaws.com",
            "sns.eu-west-1.amazonaws.com",
            "sns-signing.me-south-1.amazonaws.com",
            "sns-us-gov-west-1.amazonaws.com",
            "sns-cn-north-1.amazonaws.com.cn",
        ] {
            assert!(is_name_of_sns(name), "{name}");
        }
        for name in [
            "",
            "amazonaws.com",
            ".amazonaws.com",
            "sqs.amazonaws.com",
            "snsx.amazonaws.com",
            "sns.amazonaws.com.evil.example.com",
            "sns.evilamazonaws.com",
            "sns.a.b.amazonaws.com",
            "sns.amazonaws.org",
        ] {
            assert!(!is_name_of_sns(name), "{name}");
        }
    }

    /// A certificate as it lies with SNS.
    fn pem() -> String {
        let case = include_str!("../../../tests/fixtures/webhook/aws_sns/notification_v2_ok.json");
        let case: serde_json::Value = serde_json::from_str(case).unwrap();
        case["keys"]["signing_cert_pem"].as_str().unwrap().to_owned()
    }

    proptest! {
        #[test]
        fn a_certificate_that_is_none_is_refused_and_nobody_falls(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(Certificate::parse(&bytes).is_err());
        }

        #[test]
        fn a_damaged_certificate_makes_nobody_fall(at in 0_usize..1100, byte in any::<u8>(), length in 0_usize..1200) {
            let mut pem = pem().into_bytes();
            let at = at % pem.len();
            pem[at] = byte;
            pem.truncate(length);
            let _ = Certificate::parse(&pem);
        }

        #[test]
        fn a_damaged_certificate_within_its_base64_makes_nobody_fall(at in 0_usize..784, byte in any::<u8>()) {
            use base64::Engine;
            let (_, parsed) = parse_x509_pem(pem().as_bytes()).map(|(rest, pem)| (rest.to_vec(), pem)).unwrap();
            let mut der = parsed.contents;
            let at = at % der.len();
            der[at] = byte;
            let coded = base64::engine::general_purpose::STANDARD.encode(der);
            let lines: Vec<_> = coded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
            let _ = Certificate::parse(pem.as_bytes());
        }

        #[test]
        fn no_text_is_a_place_of_a_certificate_but_one(name in "\\PC{0,60}") {
            let url = format!("https://sns.us-east-1.amazonaws.com{name}");
            let right = name.starts_with('/') && name.ends_with(".pem") && name.len() > 5
                && name[1..name.len() - 4].chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            prop_assert_eq!(is_of_sns(&url, "us-east-1"), right || (name.strip_prefix(".cn/").is_some() && is_of_sns(&url.replacen(".cn/", "/", 1), "us-east-1")));
        }
    }

    #[test]
    fn the_certificate_of_the_fixtures_is_one() {
        let certificate = Certificate::parse(pem().as_bytes()).unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(certificate.is_valid_at(at(1_704_164_645)));
        assert!(!certificate.is_valid_at(at(1_600_000_000)));
        assert!(!certificate.is_valid_at(at(2_000_000_000)));
        assert!(!certificate.is_valid_at(UNIX_EPOCH - Duration::from_secs(1)));
    }
}
