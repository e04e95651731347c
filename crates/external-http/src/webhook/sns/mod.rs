//! Messages of Amazon SNS: signed inside the body, by a certificate that they say where to find.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>

mod certificate;
mod message;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use external_core::http::HttpTransport;
use external_core::{BuildContext, CallContext, Error, Result};
use http::request::Parts;

use super::scheme::{refused, single};
use super::{Authentic, WebhookScheme};
use certificate::Certificates;
use message::Envelope;
pub use message::{SnsKind, SnsMessage};

/// Verifies messages of Amazon SNS: notifications and the confirmations of subscribing and unsubscribing.
///
/// What is believed: a message of one of these topics, signed by the key of a certificate of SNS that is valid now, which
/// was fetched over TLS from SNS in the topic's region. Signature version 2 (SHA-256) alone, unless version 1 is allowed.
/// Raw delivery is not signed: it is refused.
///
/// SNS sends a message again for an hour at most: that is the tolerance, and five minutes for clocks.
pub struct SnsScheme {
    topics: Vec<Topic>,
    certificates: Certificates,
    context: BuildContext,
    takes_version_1: bool,
}

struct Topic {
    arn: String,
    region: String,
}

impl SnsScheme {
    /// Messages of these topics, by their ARNs. Certificates are fetched over `transport`, and kept.
    ///
    /// # Errors
    ///
    /// `Configuration` without a topic, and for what is no ARN of one.
    pub fn new<T: Into<String>>(
        transport: Arc<dyn HttpTransport>,
        topics: impl IntoIterator<Item = T>,
        context: &BuildContext,
    ) -> Result<Self> {
        let topics = topics.into_iter().map(|arn| Topic::parse(arn.into())).collect::<Result<Vec<_>>>()?;
        if topics.is_empty() {
            return Err(Error::configuration("a webhook of SNS without a topic would believe nobody"));
        }
        Ok(Self {
            topics,
            certificates: Certificates::new(transport),
            context: context.clone(),
            takes_version_1: false,
        })
    }

    /// Takes signature version 1 (SHA-1) too, which SNS uses until a topic's attribute `SignatureVersion` says 2. A message
    /// is verified by the version that it names, never by the other.
    #[must_use]
    pub fn insecure_with_version_1(mut self) -> Self {
        self.takes_version_1 = true;
        self
    }
}

impl Topic {
    fn parse(arn: String) -> Result<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        match parts.as_slice() {
            ["arn", partition, "sns", region, account, name]
                if partition.starts_with("aws")
                    && [region, account, name].iter().all(|part| !part.is_empty()) =>
            {
                Ok(Self { region: (*region).to_owned(), arn })
            }
            _ => Err(Error::configuration("not the ARN of an SNS topic").with_context("topic", &arn)),
        }
    }
}

#[async_trait]
impl WebhookScheme for SnsScheme {
    async fn verify(&self, cx: &CallContext, parts: &Parts, body: &Bytes) -> Result<Authentic> {
        let envelope = Envelope::parse(body)?;
        let kind = envelope.kind()?;
        // A reader of the header field must not see another kind than the one that was signed.
        const KIND: &str = "x-amz-sns-message-type";
        if parts.headers.contains_key(KIND) && single(&parts.headers, KIND)? != kind.as_str() {
            return Err(
                refused("a header field says something else than the message").with_context("header", KIND)
            );
        }
        let refuse = |why, field| Err(refused(why).with_context("field", field));
        let Some(topic) = self.topics.iter().find(|topic| topic.arn == envelope.topic_arn) else {
            return refuse("a message of a topic that is not ours", "TopicArn");
        };
        let is_version_1 = match envelope.signature_version.as_str() {
            "2" => false,
            "1" if self.takes_version_1 => true,
            "1" => return refuse("signature version 1 is not allowed here", "SignatureVersion"),
            _ => return refuse("a signature version that nobody knows", "SignatureVersion"),
        };
        let content = envelope.signed_text(kind)?;
        let sent_at = envelope.sent_at()?;
        let Ok(signature) = STANDARD.decode(&envelope.signature) else {
            return refuse("a signature that is not base64", "Signature");
        };
        // Nothing is fetched before all else is in order.
        let certificate =
            self.certificates.get(cx, &envelope.signing_cert_url, &topic.region, self.context.now()).await?;
        if !certificate.key(is_version_1).signed(content.as_bytes(), &signature)? {
            return refuse("the key of the certificate did not make the signature", "Signature");
        }
        Ok(Authentic::new(format!("{}\n{}", envelope.topic_arn, envelope.message_id)).with_sent_at(sent_at))
    }

    fn tolerance(&self) -> Duration {
        // https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
        Duration::from_secs(3600 + 300)
    }
}

impl fmt::Debug for SnsScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnsScheme")
            .field("topics", &self.topics.iter().map(|topic| topic.arn.as_str()).collect::<Vec<_>>())
            .field("takes_version_1", &self.takes_version_1)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;
    use crate::MemoryHttp;

    #[test]
    fn topics_are_named_and_are_topics() {
        let made = |topics: &[&str]| {
            SnsScheme::new(Arc::new(MemoryHttp::new()), topics.iter().copied(), &BuildContext::default())
        };
        made(&["arn:aws:sns:us-east-1:1:a", "arn:aws-cn:sns:cn-north-1:1:b.fifo"]).unwrap();
        for wrong in [
            &[][..],
            &[""],
            &["a"],
            &["arn:aws:sqs:us-east-1:1:a"],
            &["arn:aws:sns::1:a"],
            &["arn:aws:sns:us-east-1:1:a:subscription"],
            &["arn:aws:sns:us-east-1:1:*", "*"],
        ] {
            assert_eq!(made(wrong).unwrap_err().kind(), ErrorKind::Configuration, "{wrong:?}");
        }
    }
}
