//! A message of SNS: its envelope, what of it is signed, and what is handed out.

use std::fmt;
use std::time::SystemTime;

use external_core::http::HttpUrl;
use external_core::{Error, Result, Secret};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::Verified;
use super::super::scheme::refused;

/// What SNS has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnsKind {
    /// Something was published to the topic.
    Notification,
    /// Somebody subscribed this address to the topic: who wants that visits [`SnsMessage::subscribe_url`].
    SubscriptionConfirmation,
    /// The subscription has ended: who did not want that visits [`SnsMessage::subscribe_url`].
    UnsubscribeConfirmation,
}

impl SnsKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// What SNS signed of a message. The rest of the body (message attributes, `UnsubscribeURL`) is not signed, and is not here.
#[derive(Clone)]
#[non_exhaustive]
pub struct SnsMessage {
    /// What it has to say.
    pub kind: SnsKind,
    /// The same whenever the message is sent again.
    pub message_id: String,
    /// The topic: one of those of the scheme.
    pub topic_arn: String,
    /// The subject, where one was published.
    pub subject: Option<String>,
    /// What was published, or a sentence to people.
    pub message: String,
    /// When it was published.
    pub sent_at: SystemTime,
    /// What `ConfirmSubscription` is called with; of a confirmation.
    pub token: Option<Secret>,
    /// What confirms by a `GET`; of a confirmation.
    pub subscribe_url: Option<HttpUrl>,
}

impl SnsMessage {
    /// The message in a request that a receiver with a [`SnsScheme`](super::SnsScheme) took.
    ///
    /// # Errors
    ///
    /// `Corrupt` for one of another scheme.
    pub fn of(verified: &Verified) -> Result<Self> {
        let other = |error: Error| Error::corrupt("not a message of SNS").with_source(error);
        let envelope = Envelope::parse(verified.body()).map_err(other)?;
        let kind = envelope.kind().map_err(other)?;
        let is_confirmation = kind != SnsKind::Notification;
        Ok(Self {
            kind,
            sent_at: envelope.sent_at().map_err(other)?,
            token: envelope.confirm_with.filter(|_| is_confirmation).map(Secret::new),
            subscribe_url: match envelope.subscribe_url.filter(|_| is_confirmation) {
                Some(url) => Some(HttpUrl::parse(&url).map_err(other)?),
                None => None,
            },
            subject: envelope.subject.filter(|_| !is_confirmation),
            message_id: envelope.message_id,
            topic_arn: envelope.topic_arn,
            message: envelope.message,
        })
    }
}

impl fmt::Debug for SnsMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnsMessage")
            .field("kind", &self.kind)
            .field("message_id", &self.message_id)
            .field("topic_arn", &self.topic_arn)
            .field("bytes", &self.message.len())
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}

/// The members that matter, as they came. One that stands there twice is refused by serde.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Envelope {
    #[serde(rename = "Type")]
    kind: String,
    pub(super) message_id: String,
    pub(super) topic_arn: String,
    message: String,
    timestamp: String,
    pub(super) signature_version: String,
    pub(super) signature: String,
    #[serde(rename = "SigningCertURL")]
    pub(super) signing_cert_url: String,
    subject: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    #[serde(rename = "Token")]
    confirm_with: Option<String>,
}

impl Envelope {
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        // What serde says may hold what stood there.
        serde_json::from_slice(body).map_err(|error| {
            refused("not a message of SNS: no JSON, or without a member that each of them has")
                .with_context("line", error.line())
                .with_context("column", error.column())
        })
    }

    pub(super) fn kind(&self) -> Result<SnsKind> {
        let all =
            [SnsKind::Notification, SnsKind::SubscriptionConfirmation, SnsKind::UnsubscribeConfirmation];
        all.into_iter()
            .find(|kind| kind.as_str() == self.kind)
            .ok_or_else(|| refused("a kind of message that nobody knows").with_context("field", "Type"))
    }

    pub(super) fn sent_at(&self) -> Result<SystemTime> {
        match OffsetDateTime::parse(&self.timestamp, &Rfc3339) {
            Ok(time) => Ok(time.into()),
            Err(_) => Err(refused("not a time").with_context("field", "Timestamp")),
        }
    }

    /// Names and values in the order of their names, each on a line of its own.
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html>
    pub(super) fn signed_text(&self, kind: SnsKind) -> Result<String> {
        let needed = |value: &'_ Option<String>, field: &'static str| match value {
            Some(_) => Ok(()),
            None => {
                Err(refused("a confirmation without a member that is signed").with_context("field", field))
            }
        };
        let mut members: Vec<(&str, Option<&str>)> = vec![
            ("Message", Some(&self.message)),
            ("MessageId", Some(&self.message_id)),
            ("Timestamp", Some(&self.timestamp)),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(&self.kind)),
        ];
        if kind == SnsKind::Notification {
            members.push(("Subject", self.subject.as_deref()));
        } else {
            needed(&self.subscribe_url, "SubscribeURL")?;
            needed(&self.confirm_with, "Token")?;
            members.push(("SubscribeURL", self.subscribe_url.as_deref()));
            members.push(("Token", self.confirm_with.as_deref()));
        }
        members.sort_unstable_by_key(|(name, _)| *name);
        let lines = members.into_iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", value?)));
        Ok(lines.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(more: &str) -> Envelope {
        let all = format!(
            r#"{{"Type":"Notification","MessageId":"1","TopicArn":"t","Message":"a\nb","Timestamp":"2024-01-02T03:04:05.000Z",
            "SignatureVersion":"2","Signature":"","SigningCertURL":"u"{more}}}"#
        );
        Envelope::parse(all.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_signed_are_the_members_of_the_kind_in_their_order() {
        let more = r#","Token":"k","SubscribeURL":"s","Other":{"a":[1]}"#;
        let signed = |kind| envelope(more).signed_text(kind).unwrap();
        assert_eq!(
            signed(SnsKind::Notification),
            "Message\na\nb\nMessageId\n1\nTimestamp\n2024-01-02T03:04:05.000Z\nTopicArn\nt\nType\nNotification\n"
        );
        assert_eq!(
            signed(SnsKind::UnsubscribeConfirmation),
            "Message\na\nb\nMessageId\n1\nSubscribeURL\ns\nTimestamp\n2024-01-02T03:04:05.000Z\nToken\nk\nTopicArn\nt\nType\nNotification\n"
        );
        let with_subject = envelope(r#","Subject":"""#).signed_text(SnsKind::Notification).unwrap();
        assert!(with_subject.contains("MessageId\n1\nSubject\n\nTimestamp\n"));
        let error = envelope(r#","Token":"k""#).signed_text(SnsKind::SubscriptionConfirmation).unwrap_err();
        assert_eq!(error.context_value("field"), Some("SubscribeURL"));
    }

    #[test]
    fn a_member_that_is_missing_or_there_twice_or_no_text_is_refused_and_not_shown() {
        for body in [
            r#"{"Type":"Notification"}"#,
            r#"{"Type":"canary","Type":"canary"}"#,
            r#"{"Type":{"a":"canary"}}"#,
            r#"["canary"]"#,
            "canary",
            "",
        ] {
            let Err(error) = Envelope::parse(body.as_bytes()) else { panic!("{body}") };
            assert!(!error.report().to_string().contains("canary"), "{body}");
        }
    }
}
