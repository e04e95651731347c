//! Scripted answers for the embedded providers, so that a service can rehearse what a real server may do.

use external_core::email::{EmailAddress, Outcome, RecipientOutcome, Refusal};
use external_core::{Effect, Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Addresses that are answered by script, in the table `rehearse` of the providers `memory` and `file`.
///
/// An entry with `@` is one address. One without is a local part, of which only what stands before a `+` is compared and
/// whose case does not matter: `refuse550` matches `Refuse550+anything@example.org`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Rehearsal {
    /// Refused for good.
    pub refuse: Vec<String>,
    /// Refused for now.
    pub defer: Vec<String>,
    /// The mail is taken, but the answer is lost: an error with effect `MaybeApplied`.
    pub lose_reply: Vec<String>,
    /// The mail as a whole is refused after its recipients were accepted.
    pub refuse_content: Vec<String>,
}

/// What is to become of a mail.
pub(crate) struct Verdict {
    pub(crate) outcomes: Vec<RecipientOutcome>,
    /// Whom the mail is for after the refusals; nobody means that there is nothing to do.
    pub(crate) accepted: Vec<EmailAddress>,
    pub(crate) lose_reply: bool,
}

impl Rehearsal {
    /// Scripts nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses an address or local part for good.
    #[must_use]
    pub fn with_refuse(mut self, entry: impl Into<String>) -> Self {
        self.refuse.push(entry.into());
        self
    }

    /// Refuses an address or local part for now.
    #[must_use]
    pub fn with_defer(mut self, entry: impl Into<String>) -> Self {
        self.defer.push(entry.into());
        self
    }

    /// Takes mails to an address or local part, and loses the answer.
    #[must_use]
    pub fn with_lose_reply(mut self, entry: impl Into<String>) -> Self {
        self.lose_reply.push(entry.into());
        self
    }

    /// Refuses mails to an address or local part as a whole.
    #[must_use]
    pub fn with_refuse_content(mut self, entry: impl Into<String>) -> Self {
        self.refuse_content.push(entry.into());
        self
    }

    /// Plays the script for one mail.
    pub(crate) fn judge(&self, recipients: &[&EmailAddress]) -> Result<Verdict> {
        let mut verdict = Verdict { outcomes: Vec::new(), accepted: Vec::new(), lose_reply: false };
        for address in recipients.iter().copied() {
            let outcome = if names(&self.refuse, address) {
                Outcome::Refused(Refusal::new("No such mailbox").with_code("550 5.1.1"))
            } else if names(&self.defer, address) {
                Outcome::Deferred(Refusal::new("Mailbox busy, try again later").with_code("451 4.2.1"))
            } else {
                verdict.accepted.push(address.clone());
                Outcome::Accepted
            };
            verdict.outcomes.push(RecipientOutcome::new(address.clone(), outcome));
        }
        if verdict.accepted.iter().any(|address| names(&self.refuse_content, address)) {
            return Err(
                Error::permission_denied("the content of the mail was refused").with_vendor_code("554 5.6.0")
            );
        }
        verdict.lose_reply = verdict.accepted.iter().any(|address| names(&self.lose_reply, address));
        Ok(verdict)
    }
}

/// The error of a reply that was lost on purpose.
pub(crate) fn lost_reply() -> Error {
    Error::unavailable("the answer to the mail was lost").with_effect(Effect::MaybeApplied)
}

fn names(entries: &[String], address: &EmailAddress) -> bool {
    let local = address.local().split('+').next().unwrap_or_default();
    entries.iter().any(|entry| {
        if entry.contains('@') {
            entry.eq_ignore_ascii_case(address.as_str())
        } else {
            entry.eq_ignore_ascii_case(local)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_addresses_or_local_parts() {
        let script = Rehearsal::new().with_refuse("refuse550").with_defer("bob@example.org");
        let addresses: Vec<EmailAddress> = ["Refuse550+a@x.org", "bob@example.org", "bob@other.org"]
            .iter()
            .map(|a| a.parse().unwrap())
            .collect();
        let verdict = script.judge(&addresses.iter().collect::<Vec<_>>()).unwrap();
        assert!(matches!(verdict.outcomes[0].outcome, Outcome::Refused(_)));
        assert!(matches!(verdict.outcomes[1].outcome, Outcome::Deferred(_)));
        assert_eq!(verdict.accepted, [addresses[2].clone()]);
    }
}
