//! Idempotency keys: what they change, and where.

use std::sync::Arc;

use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error};
use external_core::{Capability, Effect, ErrorKind};
use external_email::{EmailClient, Message, SendRequest};

use super::S;
use super::delivered::{address, delivered};
use super::faulty::{Fault, Faulty};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.key.1",
            "A mail whose answer was lost is never sent again without a key.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?, &[Fault::ReplyLost]);
                let service: Arc<S> = faulty.clone();
                let email = EmailClient::from(service).with_from("shop@example.org".parse()?);
                let to = address(case, "unknown");
                let lost = email.send(Message::new("s".parse()?).with_to(to.clone()).with_text("t")).await;
                let error = ensure_error("the lost answer", lost, ErrorKind::Unavailable)?;
                ensure_eq("the effect", &error.effect(), &Effect::MaybeApplied)?;
                ensure_eq("the attempts", &faulty.sends().len(), &1)?;
                delivered(case, &*faulty, &to, 1).await?;
            }
        )
        .of_client(),
        clause!(
            "email.key.2",
            "With a key it is sent again where keys are native, and only there; it arrives once.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?, &[Fault::ReplyLost]);
                let service: Arc<S> = faulty.clone();
                let email = EmailClient::from(service).with_from("shop@example.org".parse()?);
                let native = email.supports("idempotency-key") == Capability::Native;
                let to = address(case, "keyed");
                let message = Message::new("s".parse()?).with_to(to.clone()).with_text("t");
                let answer =
                    email.send(SendRequest::new(message).with_idempotency_key(case.namespace())).await;
                if native {
                    ensure(answer?.replayed, "the second attempt is told to be the first", "it is not")?;
                    ensure_eq("the attempts", &faulty.sends().len(), &2)?;
                } else {
                    let error = ensure_error("the lost answer", answer, ErrorKind::Unavailable)?;
                    ensure_eq("the effect", &error.effect(), &Effect::MaybeApplied)?;
                    ensure_eq("the attempts", &faulty.sends().len(), &1)?;
                }
                delivered(case, &*faulty, &to, 1).await?;
            }
        )
        .of_client(),
    ]
}
