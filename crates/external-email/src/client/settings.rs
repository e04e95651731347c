//! The client's own configuration: the table `client` of an e-mail instance.

use external_core::email::Mailbox;
use schemars::JsonSchema;
use serde::Deserialize;

/// What the client fills in where a mail says nothing: `[email.default.client]`.
///
/// These belong to the client, not to a provider: which vendor carries a mail does not decide whom it is from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct EmailSettings {
    /// The sender of mails that name none: `Shop <shop@example.org>`. Default: none, so that every mail must name one; where
    /// development mode chose the provider, `Development <development@service.test>`.
    #[schemars(with = "Option<String>")]
    pub from: Option<Mailbox>,
    /// Where answers go for mails that do not say. Default: to the sender.
    #[schemars(with = "Vec<String>")]
    pub reply_to: Vec<Mailbox>,
    /// The locale of templates that are asked for in none, or in one they do not have. Default: `en`.
    pub locale: Option<String>,
}

impl EmailSettings {
    /// Nothing is filled in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the sender.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Mailbox>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Adds an address for answers.
    #[must_use]
    pub fn with_reply_to(mut self, mailbox: impl Into<Mailbox>) -> Self {
        self.reply_to.push(mailbox.into());
        self
    }

    /// Sets the fallback locale.
    #[must_use]
    pub fn with_locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = Some(locale.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use external_core::{BuildContext, Provider};
    use external_resilience::{Domain, Pipeline};

    use crate::{EmailClient, MemoryEmail};

    #[tokio::test]
    async fn in_development_a_mail_needs_no_sender_of_its_own() {
        let pairs = EmailClient::DEVELOPMENT_SETTINGS.iter().map(|(name, text)| (*name, (*text).into()));
        let settings = serde_json::from_value(serde_json::Value::Object(
            pairs.map(|(name, text): (&str, serde_json::Value)| (name.to_owned(), text)).collect(),
        ));
        let memory = Arc::new(MemoryEmail::new());
        let pipeline = Pipeline::new("default", memory.info(), EmailClient::policy());
        let email =
            EmailClient::new(memory.clone(), pipeline, settings.unwrap(), &BuildContext::default()).unwrap();
        email.send_email("ada@example.com", "Hello", "text", None).await.unwrap();
        assert_eq!(memory.sent().len(), 1);
    }
}
