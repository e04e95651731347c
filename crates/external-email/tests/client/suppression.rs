//! The suppression list: asked before every mail.

use std::sync::Arc;

use async_trait::async_trait;
use external_contract::{Clause, clause, ensure_eq, ensure_error};
use external_core::{Effect, Error, ErrorKind, Result};
use external_email::{
    BatchRecipient, BatchRequest, EmailAddress, EmailClient, MemorySuppressionList, Message, Outcome,
    SuppressionList,
};

use super::S;
use super::delivered::{address, delivered};
use super::faulty::Faulty;

struct Broken;

#[async_trait]
impl SuppressionList for Broken {
    async fn suppressed(&self, _: &[&EmailAddress]) -> Result<Vec<Option<String>>> {
        Err(Error::unavailable("the list cannot be read"))
    }
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.suppression.1",
            "A suppressed address is an outcome with its reason, in its place; the others get the mail.",
            |case: S| {
                let service = case.bare()?;
                let list = Arc::new(MemorySuppressionList::new());
                let (left, right, gone) =
                    (address(case, "left"), address(case, "right"), address(case, "Gone"));
                list.insert(&gone.as_str().to_lowercase().parse()?, "bounced");
                let email = EmailClient::from(service.clone())
                    .with_from("shop@example.org".parse()?)
                    .with_suppression_list(list);
                let message = Message::new("s".parse()?)
                    .with_to(left.clone())
                    .with_to(gone.clone())
                    .with_bcc(right.clone())
                    .with_text("t");
                let receipt = email.send(message).await?;
                let outcomes: Vec<_> =
                    receipt.recipients.iter().map(|r| (r.address.clone(), r.outcome.clone())).collect();
                let expected = vec![
                    (left.clone(), Outcome::Accepted),
                    (gone.clone(), Outcome::Suppressed("bounced".to_owned())),
                    (right.clone(), Outcome::Accepted),
                ];
                ensure_eq("the outcomes", &outcomes, &expected)?;
                for (address, count) in [(&left, 1), (&right, 1), (&gone, 0)] {
                    delivered(case, &*service, address, count).await?;
                }
            }
        )
        .of_client(),
        clause!(
            "email.suppression.2",
            "If everyone is suppressed nothing is sent, and that is a receipt.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?, &[]);
                let list = Arc::new(MemorySuppressionList::new());
                let gone = address(case, "gone");
                list.insert(&gone, "unsubscribed");
                let service: Arc<S> = faulty.clone();
                let email = EmailClient::from(service)
                    .with_from("shop@example.org".parse()?)
                    .with_suppression_list(list);
                let receipt = email.send_email(gone.as_str(), "s", "t", None).await?;
                ensure_eq(
                    "the outcome",
                    &receipt.outcome(&gone),
                    &Some(&Outcome::Suppressed("unsubscribed".to_owned())),
                )?;
                let batch = BatchRequest::new(
                    Message::new("s".parse()?).with_text("t"),
                    vec![BatchRecipient::new(gone.clone())],
                );
                let receipt = email.send_batch(batch).await?;
                ensure_eq("the batch's accepted mails", &receipt.accepted(), &0)?;
                ensure_eq("the exchanges", &(faulty.sends().len() + faulty.batches().len()), &0)?;
            }
        )
        .of_client(),
        clause!("email.suppression.3", "A list that cannot be read stops the mail.", |case: S| {
            let faulty = Faulty::over(case.bare()?, &[]);
            let service: Arc<S> = faulty.clone();
            let email = EmailClient::from(service)
                .with_from("shop@example.org".parse()?)
                .with_suppression_list(Arc::new(Broken));
            let stopped = email.send_email("a@example.org", "s", "t", None).await;
            let error = ensure_error("an unreadable list", stopped, ErrorKind::Unavailable)?;
            ensure_eq("the effect", &error.effect(), &Effect::NotSent)?;
            ensure_eq("the exchanges", &faulty.sends().len(), &0)?;
        })
        .of_client(),
    ]
}
