//! The provider `file`: one `.eml` file a mail, for development and for whatever picks files up from a folder.
//!
//! A file is there whole or not at all: it is written under a temporary name, synchronised, and renamed. Its name sorts by
//! time and holds the Message-ID. The envelope stands before the mail as `X-Envelope-From` and one `X-Envelope-To` for
//! each recipient; mail programs open the file as it is. There is no
//! `error.rs`: what the file system says is told apart in `folder.rs`, where it is met.

mod config;
mod eml;
mod folder;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use external_core::email::{
    BatchEmail, BatchReceipt, BatchRequest, EmailAddress, EmailService, Message, MessageId, OutboxEmail,
    OutboxRequest, RawEmail, RawRequest, SendReceipt, SendRequest, StoredMail, check, check_batch, check_raw,
    check_size,
};
use external_core::{
    BuildContext, CallContext, Capabilities, Effect, Error, Provider, ProviderEntry, ProviderInfo,
    ProviderKind, Result,
};

pub use config::FileConfig;
use folder::Folder;

use crate::mime::render;
use crate::rehearsal::{Rehearsal, lost_reply};

/// The row of this provider.
pub(crate) const ENTRY: ProviderEntry<dyn EmailService> = ProviderEntry {
    id: "file",
    feature: "file",
    kind: ProviderKind::Embedded,
    build: |section, context| Ok(Arc::new(section.parse::<FileConfig>()?.build(context)?)),
    schema: super::schema::<FileConfig>,
};

/// Writes each mail to a file.
pub struct FileEmail {
    info: ProviderInfo,
    context: BuildContext,
    rehearsal: Rehearsal,
    folder: Folder,
}

/// A mail that is ready to be written.
struct Prepared {
    from: EmailAddress,
    message_id: Option<MessageId>,
    bytes: Bytes,
}

impl FileEmail {
    fn assemble(config: FileConfig, context: &BuildContext) -> Self {
        let capabilities = Capabilities::new()
            .all_native(&["outcome-per-recipient", "envelope-sender", "message-id", "smtputf8"])
            .all_native(&["batch", "raw", "outbox"])
            .emulated("tags", "written as X-Tag headers")
            .emulated("metadata", "written as X-Metadata- headers")
            .unsupported("idempotency-key")
            .unsupported("scheduling")
            .unsupported("vendor-templates")
            .limit("recipients", config.max_recipients)
            .limit("message-bytes", config.max_message_bytes)
            .limit("batch-recipients", config.max_batch_recipients);
        let location = format!("file://{}", config.path.display());
        Self {
            info: ProviderInfo::new("file", "email", location, capabilities),
            context: context.clone(),
            rehearsal: config.rehearse,
            folder: Folder::new(config.path),
        }
    }

    /// The folder that the mails are written to.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn prepare(&self, message: &Message) -> Result<Prepared> {
        let rendered = render(message, &self.context)?;
        check_size(&self.info, rendered.bytes.len() as u64)?;
        let from = message
            .envelope_sender()
            .cloned()
            .ok_or_else(|| Error::invalid_argument("the mail has no sender"))?;
        Ok(Prepared { from, message_id: Some(rendered.message_id), bytes: rendered.bytes })
    }

    /// Stages the file, marks the call as sent, and lets the file appear.
    async fn write(
        &self,
        cx: &CallContext,
        mail: Prepared,
        recipients: &[&EmailAddress],
    ) -> Result<SendReceipt> {
        let verdict = self.rehearsal.judge(recipients)?;
        let receipt = SendReceipt::new(mail.message_id.clone(), verdict.outcomes);
        if verdict.accepted.is_empty() {
            return Ok(receipt);
        }
        let name = eml::file_name(self.context.now(), mail.message_id.as_ref(), &self.context.random_id());
        let content = eml::encode(&mail.from, &verdict.accepted, &mail.bytes);
        let staged = self.folder.stage(name.clone(), content).await?;
        cx.mark_sent();
        staged.publish().await?;
        if verdict.lose_reply {
            return Err(lost_reply());
        }
        Ok(receipt.with_vendor_id(name))
    }
}

impl std::fmt::Debug for FileEmail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileEmail").field("path", &self.folder.path()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for FileEmail {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// Writes a temporary file into the folder and removes it.
    async fn probe(&self, _cx: &CallContext) -> Result<()> {
        drop(self.folder.stage(format!("probe-{}", self.context.random_id()), Vec::new()).await?);
        Ok(())
    }
}

#[async_trait]
impl EmailService for FileEmail {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        check(&self.info, request)?;
        let mail = self.prepare(&request.message)?;
        self.write(cx, mail, &request.message.recipients()).await
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        Some(self)
    }

    fn raw(&self) -> Option<&dyn RawEmail> {
        Some(self)
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        Some(self)
    }
}

#[async_trait]
impl BatchEmail for FileEmail {
    async fn send_batch(&self, cx: &CallContext, request: &BatchRequest) -> Result<BatchReceipt> {
        let requests = check_batch(&self.info, request)?;
        // All are prepared before the first is written: what cannot be sent is refused with nothing sent.
        let prepared = requests.iter().map(|r| self.prepare(&r.message)).collect::<Result<Vec<_>>>()?;
        let mut mails = Vec::with_capacity(prepared.len());
        for (mail, request) in prepared.into_iter().zip(&requests) {
            mails.push(self.write(cx, mail, &request.message.recipients()).await);
        }
        Ok(BatchReceipt::new(mails))
    }
}

#[async_trait]
impl RawEmail for FileEmail {
    async fn send_raw(&self, cx: &CallContext, request: &RawRequest) -> Result<SendReceipt> {
        check_raw(&self.info, request)?;
        let mail = Prepared {
            from: request.from.clone(),
            message_id: request.content.message_id().cloned(),
            bytes: request.content.bytes().clone(),
        };
        self.write(cx, mail, &request.recipients()).await
    }
}

#[async_trait]
impl OutboxEmail for FileEmail {
    async fn sent(&self, _cx: &CallContext, request: &OutboxRequest) -> Result<Vec<StoredMail>> {
        let mut mails = Vec::new();
        for (name, content) in self.folder.read_all().await? {
            let mail = eml::decode(content).ok_or_else(|| {
                Error::corrupt("a mail in the folder has no readable envelope")
                    .with_effect(Effect::NotApplied)
                    .with_context("file", name)
            })?;
            if request.recipient.as_ref().is_none_or(|address| mail.to.contains(address)) {
                mails.push(mail);
            }
        }
        Ok(mails)
    }
}

#[cfg(test)]
mod tests;
