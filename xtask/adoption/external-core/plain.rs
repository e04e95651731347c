//! Somebody writes a provider in a repository of their own: a mail goes to the lines of a log.
//!
//! beside: tokio
//!
//! ```text
//! log:paper is email, outcome-per-recipient Native
//! 1@example.org Your order -> ada@example.org Accepted
//! NotSent: no paper, may be repeated: true
//! ```

use std::sync::atomic::{AtomicBool, Ordering};

use external_core::email::{
    EmailService, HeaderText, Message, MessageId, Outcome, RecipientOutcome, SendReceipt, SendRequest, check,
};
use external_core::{CallContext, Capabilities, Effect, Error, Provider, ProviderInfo, Result, async_trait};

#[derive(Debug)]
struct Printer {
    info: ProviderInfo,
    has_paper: AtomicBool,
}

#[async_trait]
impl Provider for Printer {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        if self.has_paper.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Error::unavailable("no paper").with_effect(Effect::NotSent))
    }
}

#[async_trait]
impl EmailService for Printer {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        check(&self.info, request)?;
        self.probe(cx).await?;
        cx.mark_sent();
        let message = &request.message;
        let outcomes = message.recipients().into_iter().cloned();
        let outcomes = outcomes.map(|address| RecipientOutcome::new(address, Outcome::Accepted)).collect();
        let receipt = SendReceipt::new(message.message_id.clone(), outcomes);
        let id = receipt.message_id.as_ref().expect("the mail names it");
        for recipient in &receipt.recipients {
            println!("{} {} -> {} {:?}", id, message.subject.as_str(), recipient.address, recipient.outcome);
        }
        Ok(receipt)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let can = Capabilities::new().all_native(&["outcome-per-recipient", "message-id"]);
    let info = ProviderInfo::new("printer", "email", "log:paper", can);
    let printer = Printer { info, has_paper: AtomicBool::new(true) };
    let grade = external_core::email::supports(&printer, "outcome-per-recipient");
    println!("{} is {}, outcome-per-recipient {grade:?}", printer.info().location(), printer.info().domain());

    let mail = Message::new(HeaderText::parse("Your order")?)
        .with_from("shop@example.org".parse::<external_core::email::Mailbox>()?)
        .with_to("ada@example.org".parse::<external_core::email::Mailbox>()?)
        .with_text("It is on its way.\n");
    let request = SendRequest::new(mail.with_message_id(MessageId::parse("1@example.org")?));
    printer.send(&CallContext::default(), &request).await?;

    printer.has_paper.store(false, Ordering::Relaxed);
    let error = printer.send(&CallContext::default(), &request).await.expect_err("there is no paper");
    let again = error.may_repeat(&request.operation());
    println!("{:?}: {}, may be repeated: {again}", error.effect(), error.message());
    Ok(())
}
