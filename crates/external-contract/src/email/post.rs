//! Short forms of the contract's calls, for clauses to read well.

use external_core::email::{
    EmailAddress, HeaderText, Mailbox, Message, OutboxRequest, RawMessage, RawRequest, SendReceipt,
    SendRequest,
};
use external_core::{Error, Result};

use super::S;
use super::inbox::{self, Delivered};
use crate::{Case, Finding, Verdict, ensure_eq};

/// What the test servers of this repository have a scripted answer for.
const SCRIPTED: &[(&str, &str)] = &[
    ("refuses", "refuse550"),
    ("defers", "defer451"),
    ("loses_reply", "dropafterdata"),
    ("refuses_content", "datafail"),
];

/// A service, and addresses that are this case's own.
#[derive(Clone, Copy)]
pub(super) struct Post<'a> {
    pub(super) case: &'a Case<S>,
    pub(super) service: &'a S,
}

impl<'a> Post<'a> {
    pub(super) fn of(case: &'a Case<S>) -> Self {
        Self { case, service: case.service() }
    }

    pub(super) fn on(case: &'a Case<S>, service: &'a S) -> Self {
        Self { case, service }
    }

    /// An address that nobody else writes to. What stands before the `+` may be scripted at the back end.
    pub(super) fn address(&self, who: &str) -> Result<EmailAddress> {
        EmailAddress::parse(&format!("{who}+{}@example.test", self.case.namespace()))
    }

    pub(super) fn mailbox(&self, who: &str) -> Result<Mailbox> {
        Ok(Mailbox::new(self.address(who)?))
    }

    /// An address for which the back end has this scripted answer.
    pub(super) fn scripted(&self, fact: &str) -> std::result::Result<EmailAddress, Finding> {
        if let Some(why) = self.case.fact("unscripted") {
            return Err(Finding::not_run(format!("the back end has no scripted answers: {why}")));
        }
        let known = SCRIPTED.iter().find(|(known, _)| *known == fact);
        let local = self.case.fact(fact).or_else(|| known.map(|(_, local)| (*local).to_owned()));
        let local = local.ok_or_else(|| Finding::not_run(format!("no fact `{fact}`")))?;
        Ok(self.address(&local)?)
    }

    /// A message from `sender` to `who`, without a body.
    pub(super) fn message(&self, subject: &str, who: &str) -> Result<Message> {
        Ok(self.blank(subject)?.with_to(self.mailbox(who)?))
    }

    /// A message from `sender` to nobody, without a body.
    pub(super) fn blank(&self, subject: &str) -> Result<Message> {
        Ok(Message::new(HeaderText::parse(subject)?).with_from(self.mailbox("sender")?))
    }

    pub(super) async fn send(&self, message: Message) -> Result<SendReceipt> {
        self.service.send(&self.case.cx(), &SendRequest::new(message)).await
    }

    /// Sends, and checks that everybody was accepted.
    pub(super) async fn deliver(&self, message: Message) -> Result<SendReceipt> {
        self.send(message).await?.into_complete()
    }

    pub(super) async fn send_raw(&self, from: &str, to: &[&str], bytes: &[u8]) -> Result<SendReceipt> {
        let facet = self.service.raw().ok_or_else(|| Error::unsupported("raw"))?;
        let to = to.iter().map(|who| self.address(who)).collect::<Result<_>>()?;
        let content = RawMessage::parse(bytes.to_vec())?;
        facet.send_raw(&self.case.cx(), &RawRequest::new(self.address(from)?, to, content)).await
    }

    /// What was delivered to this address of the case, oldest first.
    pub(super) async fn inbox(&self, address: &EmailAddress) -> std::result::Result<Vec<Delivered>, Finding> {
        if let Some(outbox) = self.service.outbox() {
            let request = OutboxRequest::new().with_recipient(address.clone());
            let mails = outbox.sent(&self.case.cx(), &request).await?;
            return Ok(mails.into_iter().map(Delivered::from).collect());
        }
        let folder = self.case.fact("mailbox").ok_or_else(|| {
            Finding::not_run("nobody can tell what was delivered: neither an outbox nor the fact `mailbox`")
        })?;
        inbox::read(std::path::Path::new(&folder), address)
    }

    /// The one mail that was delivered to `who`.
    pub(super) async fn only(&self, who: &str) -> std::result::Result<Delivered, Finding> {
        let address = self.address(who)?;
        let mut mails = self.inbox(&address).await?;
        ensure_eq(&format!("the number of mails to `{who}`"), &mails.len(), &1)?;
        mails.pop().ok_or_else(|| Finding::failed("a mail", "none"))
    }

    /// Checks that nobody of these got a mail.
    pub(super) async fn nothing_for(&self, addresses: &[EmailAddress]) -> Verdict {
        for address in addresses {
            ensure_eq(&format!("the number of mails to {address}"), &self.inbox(address).await?.len(), &0)?;
        }
        Ok(())
    }
}
