//! Batches: split at the limit, emulated, never losing what was sent.

use std::sync::Arc;

use external_contract::{Case, Clause, Verdict, clause, ensure, ensure_eq, ensure_error};
use external_core::{Effect, ErrorKind};
use external_email::{BatchRecipient, BatchRequest, EmailAddress, EmailClient, Message};
use external_resilience::BoxFuture;

use super::S;
use super::delivered::{address, delivered};
use super::faulty::{Fault, Faulty};

fn batch(recipients: &[EmailAddress]) -> BatchRequest {
    let message = Message::new("Hi {{ name }}".parse().unwrap())
        .with_text("for {{ name }}")
        .with_html("<p>{{ name }}</p>");
    let person = |(n, address): (usize, &EmailAddress)| {
        BatchRecipient::new(address.clone()).with_value("name", format!("<{n}>"))
    };
    BatchRequest::new(message, recipients.iter().enumerate().map(person).collect())
}

fn people(case: &Case<S>, count: usize) -> Vec<EmailAddress> {
    (0..count).map(|n| address(case, &format!("p{n}"))).collect()
}

/// How many mails one exchange takes: one where batches are emulated.
fn piece(service: &S) -> usize {
    match service.batch() {
        None => 1,
        Some(_) => {
            let limit = service.info().capabilities().get_limit("batch-recipients");
            usize::try_from(limit.unwrap()).unwrap()
        }
    }
}

/// Whose provider declares no batch refuses one: mail by mail is what a provider emulates, and says so.
fn refused(case: &Case<S>) -> BoxFuture<'_, Verdict> {
    Box::pin(async move {
        let faulty = Faulty::over(case.bare()?, &[]);
        let service: Arc<S> = faulty.clone();
        let email = EmailClient::from(service).with_from("shop@example.org".parse()?);
        let sent = email.send_batch(batch(&people(case, 2))).await;
        let error = ensure_error("a batch that is not declared", sent, ErrorKind::Unsupported)?;
        ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
        ensure_eq("the exchanges", &(faulty.batches().len() + faulty.sends().len()), &0)
    })
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    let clauses = vec![
        clause!("email.pieces.1", "A batch above the provider's limit goes out in pieces; receipts come in order, and each person gets one mail.", |case: S| {
            let faulty = Faulty::over(case.bare()?, &[]);
            let limit = piece(&*faulty);
            let to = people(case, limit * 2 + 1);
            let service: Arc<S> = faulty.clone();
            let email = EmailClient::from(service).with_from("shop@example.org".parse()?);
            let receipt = email.send_batch(batch(&to)).await?;
            ensure(receipt.is_complete(), "all are accepted", format!("{receipt:?}"))?;
            ensure_eq("the exchanges", &(faulty.batches().len() + faulty.sends().len()), &3)?;
            for (n, address) in to.iter().enumerate() {
                let mail = delivered(case, &*faulty, address, 1).await?.remove(0);
                ensure_eq("the subject", &mail.subject, &format!("Hi <{n}>"))?;
                ensure_eq("the text", &mail.text.trim_end().to_owned(), &format!("for <{n}>"))?;
                ensure(mail.html.is_some_and(|html| html.contains(&format!("&lt;{n}&gt;"))), "the HTML is escaped", "it is not")?;
                let told = receipt.mails[n].as_ref().ok().and_then(|r| r.message_id.as_ref()).map(ToString::to_string);
                ensure_eq("the identity", &Some(mail.message_id), &told)?;
            }
        })
        .of_client(),
        clause!("email.pieces.2", "A piece that fails is told mail by mail and never loses the others.", |case: S| {
            let faulty = Faulty::over(case.bare()?, &[Fault::None, Fault::Denied]);
            let limit = piece(&*faulty);
            let to = people(case, limit * 3);
            let service: Arc<S> = faulty.clone();
            let email = EmailClient::from(service).with_from("shop@example.org".parse()?);
            let receipt = email.send_batch(batch(&to)).await?;
            ensure_eq("the entries", &receipt.mails.len(), &to.len())?;
            for (n, mail) in receipt.mails.iter().enumerate() {
                ensure_eq("whether a mail failed", &mail.is_err(), &(n / limit == 1))?;
                delivered(case, &*faulty, &to[n], usize::from(mail.is_ok())).await?;
            }
        })
        .of_client(),
        clause!("email.pieces.3", "What is wrong with one mail is found before the first is sent.", |case: S| {
            let faulty = Faulty::over(case.bare()?, &[]);
            let to = people(case, piece(&*faulty) + 2);
            let service: Arc<S> = faulty.clone();
            let email = EmailClient::from(service).with_from("shop@example.org".parse()?);
            let mut request = batch(&to);
            let last = to.len() - 1;
            request.recipients[last].values.clear();
            let error = ensure_error("a missing word", email.send_batch(request).await, ErrorKind::InvalidArgument)?;
            let told = error.to_string();
            ensure(told.contains("name") && told.contains(&last.to_string()), "it names the word and the recipient", told)?;
            ensure_eq("the effect", &error.effect(), &Effect::NotSent)?;
            ensure_eq("the exchanges", &(faulty.batches().len() + faulty.sends().len()), &0)?;
        })
        .of_client(),
    ];
    clauses.into_iter().map(|clause| clause.capability("batch", refused)).collect()
}
