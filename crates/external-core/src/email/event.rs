//! What vendors tell of a mail after they took it, in words that are the same for all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use super::address::EmailAddress;
use super::header::MessageId;

/// What became of a mail for one recipient, as its vendor tells it later. Made by the provider's receiver of webhooks, from
/// what is proven to come from the vendor.
///
/// What is optional is what some vendors, or some events, do not tell. Events come in any order, and some come twice: who
/// counts them goes by [`id`](Self::id).
///
/// ```
/// use external_core::email::{EmailEvent, EmailEventKind};
///
/// fn heard(event: &EmailEvent) {
///     match &event.kind {
///         EmailEventKind::Bounced { is_permanent: true } => println!("mail {:?} no more", event.recipient),
///         EmailEventKind::Other(name) => println!("{name}: {}", event.raw),
///         kind => println!("{kind}"),
///     }
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmailEvent {
    /// What happened.
    pub kind: EmailEventKind,
    /// To whom the mail went; `None` for events about no recipient, and for one that is no address.
    pub recipient: Option<EmailAddress>,
    /// The event's own identity, the same each time the vendor tells of it.
    pub id: Option<String>,
    /// When it happened.
    pub at: Option<SystemTime>,
    /// The mail's Message-ID, as far as the vendor kept the one it was given.
    pub message_id: Option<MessageId>,
    /// The vendor's own name for the mail: that of its [`SendReceipt`](super::SendReceipt).
    pub vendor_id: Option<String>,
    /// Why, in the words of the vendor or of the recipient's mail server. It may hold the address: do not log it.
    pub reason: Option<String>,
    /// The link that was clicked.
    pub url: Option<String>,
    /// The mail's tags.
    pub tags: Vec<String>,
    /// The mail's metadata, and what else the vendor tells under names of nobody's choosing.
    pub metadata: BTreeMap<String, String>,
    /// All of it, as the vendor tells it; most often JSON.
    pub raw: String,
}

impl EmailEvent {
    /// An event of which nothing else is known.
    pub fn new(kind: EmailEventKind, raw: impl Into<String>) -> Self {
        Self {
            kind,
            recipient: None,
            id: None,
            at: None,
            message_id: None,
            vendor_id: None,
            reason: None,
            url: None,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            raw: raw.into(),
        }
    }

    /// Whether the recipient is to get no more mail: their address takes none, or they do not want any. For whoever keeps a
    /// suppression list; [`EmailEventKind::as_str`] is a reason for it.
    pub fn ends_mailing(&self) -> bool {
        use EmailEventKind as Kind;
        matches!(
            self.kind,
            Kind::Bounced { is_permanent: true } | Kind::Complained | Kind::Unsubscribed { group: None }
        )
    }
}

/// Without what people wrote, clicked and are.
impl fmt::Debug for EmailEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailEvent")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("at", &self.at)
            .field("message_id", &self.message_id)
            .field("vendor_id", &self.vendor_id)
            .field("raw_bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// What happened to a mail. More kinds may follow: what a vendor tells beyond these is [`Other`](Self::Other).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmailEventKind {
    /// The recipient's mail server took it.
    Delivered,
    /// The recipient's mail server did not take it, and the vendor tries no more.
    Bounced {
        /// Whether no mail will ever get there. Else it was this mail, or this moment.
        is_permanent: bool,
    },
    /// The recipient called it spam.
    Complained,
    /// It was opened, perhaps by a program: some mail servers open everything.
    Opened,
    /// A link in it was followed, perhaps by a program.
    Clicked,
    /// The recipient wants no more mails.
    Unsubscribed {
        /// Of this group of mails; `None`: of all.
        group: Option<String>,
    },
    /// The recipient's mail server did not take it yet; the vendor tries again.
    Deferred,
    /// The vendor did not even try to deliver it.
    Rejected,
    /// Something else, under the vendor's name for it, which may be empty.
    Other(String),
}

impl EmailEventKind {
    /// A name out of nine, for labels: `other` stands for all that have none.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Bounced { .. } => "bounced",
            Self::Complained => "complained",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Unsubscribed { .. } => "unsubscribed",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for EmailEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailing_ends_where_no_mail_gets_there_or_none_is_wanted() {
        use EmailEventKind as Kind;
        let group = Some("news".to_owned());
        for (kind, ends) in [
            (Kind::Bounced { is_permanent: true }, true),
            (Kind::Bounced { is_permanent: false }, false),
            (Kind::Complained, true),
            (Kind::Unsubscribed { group: None }, true),
            (Kind::Unsubscribed { group }, false),
            (Kind::Deferred, false),
            (Kind::Rejected, false),
            (Kind::Other("bounced".to_owned()), false),
        ] {
            assert_eq!(EmailEvent::new(kind.clone(), "").ends_mailing(), ends, "{kind:?}");
        }
    }

    #[test]
    fn debug_hides_what_the_vendor_tells() {
        let mut event = EmailEvent::new(EmailEventKind::Clicked, "canary");
        event.recipient = Some(EmailAddress::parse("canary@example.org").unwrap());
        event.url = Some("https://example.org/?canary".to_owned());
        event.reason = Some("canary".to_owned());
        event.metadata.insert("canary".to_owned(), "canary".to_owned());
        let told = format!("{event:?}");
        assert!(!told.contains("canary") && told.contains("Clicked"), "{told}");
    }
}
