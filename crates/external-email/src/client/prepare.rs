//! What happens to a message before its first attempt: defaults, identity, suppression.

use std::collections::BTreeSet;

use external_core::email::{BatchRecipient, EmailAddress, Message, Outcome, RecipientOutcome, SendReceipt};
use external_core::{CallContext, Error, Result};

use super::EmailClient;
use crate::mime::new_message_id;

/// Who is left out, with the reason, in the order of the request; nothing where there is no list to ask.
pub(super) struct LeftOut {
    outcomes: Vec<(EmailAddress, Option<String>)>,
}

impl LeftOut {
    pub(super) fn reason(&self, address: &EmailAddress) -> Option<&str> {
        self.outcomes.iter().find(|(known, _)| known == address).and_then(|(_, reason)| reason.as_deref())
    }

    /// The receipt of one person of a batch who is left out.
    pub(super) fn receipt(recipient: &BatchRecipient, reason: &str) -> SendReceipt {
        let outcome = Outcome::Suppressed(reason.to_owned());
        let outcomes = vec![RecipientOutcome::new(recipient.to.address().clone(), outcome)];
        SendReceipt::new(recipient.message_id.clone(), outcomes)
    }

    /// Whether nobody is left out.
    pub(super) fn is_empty(&self) -> bool {
        self.outcomes.iter().all(|(_, reason)| reason.is_none())
    }

    /// Whether nobody is left to be mailed, of at least one.
    pub(super) fn is_all(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|(_, reason)| reason.is_some())
    }

    /// The receipt with those who were left out in their places.
    pub(super) fn complete(&self, mut receipt: SendReceipt) -> SendReceipt {
        if self.is_empty() {
            return receipt;
        }
        let mut answered = std::mem::take(&mut receipt.recipients);
        for (address, reason) in &self.outcomes {
            let outcome = match reason {
                Some(reason) => {
                    Some(RecipientOutcome::new(address.clone(), Outcome::Suppressed(reason.clone())))
                }
                None => answered.iter().position(|o| o.address == *address).map(|at| answered.remove(at)),
            };
            receipt.recipients.extend(outcome);
        }
        receipt.recipients.extend(answered);
        receipt
    }
}

impl EmailClient {
    /// The message with everything it leaves to the client.
    pub(super) fn filled(&self, mut message: Message) -> Message {
        let settings = &self.shared.settings;
        if message.from.is_none() {
            message.from.clone_from(&settings.from);
        }
        if message.reply_to.is_empty() {
            message.reply_to.clone_from(&settings.reply_to);
        }
        if message.date.is_none() {
            message.date = Some(self.shared.context.now());
        }
        message
    }

    /// As [`filled`](Self::filled), with an identity.
    pub(super) fn identified(&self, message: Message) -> Message {
        let mut message = self.filled(message);
        if message.message_id.is_none() {
            message.message_id =
                message.from.as_ref().map(|from| new_message_id(from.address(), &self.shared.context));
        }
        message
    }

    /// Asks the suppression list, if there is one, within the call's deadline.
    pub(super) async fn left_out(&self, cx: &CallContext, addresses: &[&EmailAddress]) -> Result<LeftOut> {
        let Some(list) = &self.shared.suppression else {
            return Ok(LeftOut { outcomes: Vec::new() });
        };
        let asked = list.suppressed(addresses);
        let reasons = match cx.deadline() {
            None => asked.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, asked).await {
                Ok(reasons) => reasons,
                Err(_) => Err(Error::timeout("the suppression list did not answer in time")
                    .with_effect(external_core::Effect::NotSent)),
            },
        }
        .map_err(|error| error.with_effect(external_core::Effect::NotSent))?;
        if reasons.len() != addresses.len() {
            return Err(Error::unexpected("the suppression list did not answer for every address")
                .with_effect(external_core::Effect::NotSent));
        }
        Ok(LeftOut { outcomes: addresses.iter().copied().cloned().zip(reasons).collect() })
    }
}

/// Takes those who are left out off the message.
pub(super) fn without(message: &mut Message, left_out: &LeftOut) {
    if left_out.is_empty() {
        return;
    }
    let gone: BTreeSet<&EmailAddress> =
        left_out.outcomes.iter().filter(|(_, reason)| reason.is_some()).map(|(address, _)| address).collect();
    for list in [&mut message.to, &mut message.cc, &mut message.bcc] {
        list.retain(|mailbox| !gone.contains(mailbox.address()));
    }
}
