//! The provider `smtp`: any mail server, by submission (RFC 6409).
//!
//! - One attempt is one mail: MAIL, each RCPT, DATA. What the server answers to each recipient is that recipient's outcome.
//! - A lost reply is `MaybeApplied` once the end of the mail may have been on its way, and such a mail is never sent again,
//!   with an idempotency key or without: SMTP honours none. The Message-ID is what a reader can deduplicate by.
//! - Before that nothing has taken effect (`NotSent`), or the server has refused (`NotApplied`). A connection that died
//!   while it rested is replaced once within the attempt.
//! - Credentials never travel over an unprotected connection unless the configuration says `insecure_plaintext_auth`.
//!
//! The end of a mail is an empty line away from being someone else's mail, so messages are built by
//! [`mime`](crate::mime), raw ones checked when they are parsed, and everything that goes into a command is a parsed
//! address.

mod address;
mod auth;
mod config;
mod connection;
mod error;
mod pool;
mod reply;
mod transaction;

use std::sync::Arc;

use async_trait::async_trait;
use external_core::email::{
    EmailAddress, EmailService, MessageId, RawEmail, RawRequest, SendReceipt, SendRequest, check, check_raw,
    check_size,
};
use external_core::{
    BuildContext, CallContext, Capabilities, Effect, Error, ErrorKind, Provider, ProviderEntry, ProviderInfo,
    ProviderKind, Result,
};

pub use auth::{AccessTokens, Mechanism};
pub use config::{Security, SmtpConfig};
use connection::Endpoint;
use pool::{Limits, Pool};
use transaction::{Carried, Envelope};

use crate::mime::render;

/// The row of this provider.
pub(crate) const ENTRY: ProviderEntry<dyn EmailService> = ProviderEntry {
    id: "smtp",
    feature: "smtp",
    kind: ProviderKind::Remote,
    build: |section, context| Ok(Arc::new(section.parse::<SmtpConfig>()?.build(context)?)),
    schema: super::schema::<SmtpConfig>,
};

/// Hands mail to an SMTP server.
pub struct SmtpEmail {
    info: ProviderInfo,
    context: BuildContext,
    pool: Pool,
}

impl SmtpEmail {
    fn assemble(
        endpoint: Endpoint,
        limits: Limits,
        (recipients, bytes): (u64, u64),
        context: &BuildContext,
    ) -> Self {
        let capabilities = Capabilities::new()
            .all_native(&["outcome-per-recipient", "envelope-sender", "message-id", "raw"])
            // Native where the server offers it; refused before anything is sent where it does not.
            .native("smtputf8")
            .emulated("batch", "one mail after the other on kept connections")
            .emulated("tags", "written as X-Tag headers")
            .emulated("metadata", "written as X-Metadata- headers")
            .unsupported("idempotency-key")
            .unsupported("scheduling")
            .unsupported("vendor-templates")
            .unsupported("outbox")
            .limit("recipients", recipients)
            .limit("message-bytes", bytes);
        let scheme = if endpoint.security == Security::Tls { "smtps" } else { "smtp" };
        let location = format!("{scheme}://{}:{}", endpoint.host, endpoint.port);
        Self {
            info: ProviderInfo::new("smtp", "email", location, capabilities),
            context: context.clone(),
            pool: Pool::new(endpoint, limits),
        }
    }

    /// How many connections rest, waiting for the next mail.
    pub fn resting_connections(&self) -> usize {
        self.pool.resting()
    }

    /// Delivers within the call's deadline, which in a managed call is a pipeline's to keep: it drops this future.
    async fn deliver(
        &self,
        cx: &CallContext,
        mail: &Envelope<'_>,
        id: Option<MessageId>,
    ) -> Result<SendReceipt> {
        let carried = match cx.deadline().filter(|_| !cx.is_managed()) {
            None => self.transact(cx, mail).await,
            Some(deadline) => match tokio::time::timeout_at(deadline, self.transact(cx, mail)).await {
                Ok(carried) => carried,
                Err(_) => {
                    let effect = if cx.was_sent() { Effect::MaybeApplied } else { Effect::NotSent };
                    Err(Error::timeout("the mail was not delivered in time").with_effect(effect))
                }
            },
        }?;
        let receipt = SendReceipt::new(id, carried.outcomes);
        Ok(match carried.queued {
            Some(queued) => receipt.with_vendor_id(queued),
            None => receipt,
        })
    }

    async fn transact(&self, cx: &CallContext, mail: &Envelope<'_>) -> Result<Carried> {
        let mut loan = self.pool.borrow().await?;
        let mut carried = loan.connection.carry(cx, mail).await;
        if loan.reused && !cx.was_sent() && carried.as_ref().is_err_and(died) {
            // It died while it rested, or was told to go; that says nothing about the server. Dialling again is transport.
            loan = self.pool.renew(loan).await?;
            carried = loan.connection.carry(cx, mail).await;
        }
        self.pool.give_back(loan);
        carried
    }
}

/// Whether a connection ended before it said anything about the mail.
fn died(error: &Error) -> bool {
    let told_to_go = error.vendor_code().is_some_and(|code| code.starts_with("421"));
    error.kind() == ErrorKind::Unavailable && (error.effect() == Effect::NotSent || told_to_go)
}

impl std::fmt::Debug for SmtpEmail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpEmail").field("location", &self.info.location()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for SmtpEmail {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// Takes a connection, logging in if it is a new one, and sends NOOP.
    async fn probe(&self, _cx: &CallContext) -> Result<()> {
        let mut loan = self.pool.borrow().await?;
        let mut alive = loan.connection.check().await;
        if loan.reused && alive.is_err() {
            loan = self.pool.renew(loan).await?;
            alive = loan.connection.check().await;
        }
        alive?;
        self.pool.give_back(loan);
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.pool.close().await;
        Ok(())
    }
}

#[async_trait]
impl EmailService for SmtpEmail {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        check(&self.info, request)?;
        let rendered = render(&request.message, &self.context)?;
        check_size(&self.info, rendered.bytes.len() as u64)?;
        let from = request.message.envelope_sender();
        let from: &EmailAddress = from.ok_or_else(|| Error::invalid_argument("the mail has no sender"))?;
        let mail = Envelope { from, to: request.message.recipients(), content: &rendered.bytes };
        self.deliver(cx, &mail, Some(rendered.message_id)).await
    }

    fn raw(&self) -> Option<&dyn RawEmail> {
        Some(self)
    }
}

#[async_trait]
impl RawEmail for SmtpEmail {
    async fn send_raw(&self, cx: &CallContext, request: &RawRequest) -> Result<SendReceipt> {
        check_raw(&self.info, request)?;
        let mail =
            Envelope { from: &request.from, to: request.recipients(), content: request.content.bytes() };
        self.deliver(cx, &mail, request.content.message_id().cloned()).await
    }
}

#[cfg(test)]
mod tests;
