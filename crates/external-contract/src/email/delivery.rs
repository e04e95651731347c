//! Keys, side by side, and what happens when an answer is lost.

use std::time::Duration;

use external_core::email::{EmailService, Mailbox, SendRequest, supports};
use external_core::{CallContext, Effect, ErrorKind};
use futures_util::future::join_all;

use super::S;
use super::post::Post;
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.send.24",
            "Two requests with the same key are one mail; the second receipt repeats the first and says `replayed`. Where keys are not native a key changes nothing: it is a wish about repetition, not a part of the mail.",
            |case: S| {
                let post = Post::of(case);
                let message = post.message("keyed", "ada")?.with_text("hello");
                let request = SendRequest::new(message.clone()).with_idempotency_key(case.namespace());
                let first = case.service().send(&case.cx(), &request).await?;
                let second = case.service().send(&case.cx(), &request).await?;
                ensure(!first.replayed, "a first receipt", "`replayed`")?;
                ensure(second.replayed, "`replayed`", "a receipt as if for the first time")?;
                ensure_eq("the Message-ID", &second.message_id, &first.message_id)?;
                ensure_eq("the vendor's id", &second.vendor_id, &first.vendor_id)?;
                ensure_eq("the outcomes", &second.recipients, &first.recipients)?;
                post.only("ada").await?;
                let other = SendRequest::new(message).with_idempotency_key(format!("{}-other", case.namespace()));
                case.service().send(&case.cx(), &other).await?;
                ensure_eq("the number of mails", &post.inbox(&post.address("ada")?).await?.len(), &2)?;
            }
        )
        .capability("idempotency-key", check!(|case| { ignores_key(case).await?; })),
        clause!(
            "email.send.25",
            "The same key with another mail (other recipients, subject or bodies) is `Conflict`, and nothing is sent.",
            |case: S| {
                let post = Post::of(case);
                let first = post.message("first", "ada")?.with_text("hello");
                let keyed = |message| SendRequest::new(message).with_idempotency_key(case.namespace());
                case.service().send(&case.cx(), &keyed(first.clone())).await?;
                for (what, other) in [
                    ("another subject", post.message("second", "ada")?.with_text("hello")),
                    ("another body", post.message("first", "ada")?.with_text("hello!")),
                    ("another recipient", post.message("first", "bob")?.with_text("hello")),
                    ("a recipient more", first.clone().with_bcc(post.mailbox("bob")?)),
                ] {
                    let result = case.service().send(&case.cx(), &keyed(other)).await;
                    ensure_error(&format!("the same key with {what}"), result, ErrorKind::Conflict)?;
                }
                post.nothing_for(&[post.address("bob")?]).await?;
                post.only("ada").await?;
            }
        )
        .capability("idempotency-key", check!(|case| { ignores_key(case).await?; })),
        clause!("email.send.26", "Mails sent side by side do not mix: each recipient gets the one meant for them.", |case| {
            let post = Post::of(case);
            let service = case.shared_service();
            let mut running = Vec::new();
            for n in 0..40 {
                // Of very different length, so that they overtake each other.
                let text = format!("mail {n} ").repeat(1 + n * n);
                let message = post.message(&format!("subject {n}"), &format!("r{n}"))?.with_text(text);
                let service = service.clone();
                running.push(tokio::spawn(async move {
                    service.send(&CallContext::default(), &SendRequest::new(message)).await
                }));
            }
            for result in join_all(running).await {
                result.map_err(|error| Finding::failed("no panic", error.to_string()))??.into_complete()?;
            }
            for n in 0..40 {
                let mail = post.only(&format!("r{n}")).await?;
                ensure_eq("the subject", &mail.parsed()?.subject(), &Some(format!("subject {n}").as_str()))?;
                mail.says("plain", &format!("mail {n} ").repeat(1 + n * n))?;
                ensure_eq("the number of recipients", &mail.to.len(), &1)?;
            }
        }),
        clause!(
            "email.send.27",
            "An answer lost after the mail may have been taken is an error with effect `MaybeApplied`.",
            |case: S| {
                let post = Post::of(case);
                let error = lost(&post, case.service(), None).await?;
                ensure_eq("its effect", &error.effect(), &Effect::MaybeApplied)
                    .map_err(|finding| finding.with_said(Some(&error)))?;
                // The broken connection is nobody's any more.
                post.deliver(post.message("next", "next")?.with_text("hello")).await?;
                post.only("next").await?;
            }
        )
        .of_provider(),
        clause!(
            "email.send.28",
            "A client never repeats such a mail: it arrives once, whether there is a key or not, unless keys are native.",
            |case: S| {
                let post = Post::of(case);
                for key in [None, Some(case.namespace())] {
                    // With native keys the vendor itself sees to it that a repetition is no second mail.
                    if key.is_some() && supports(case.service(), "idempotency-key").is_supported() {
                        continue;
                    }
                    let before = post.inbox(&post.scripted("loses_reply")?).await?.len();
                    let error = lost(&post, case.service(), key).await?;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    let after = post.inbox(&post.scripted("loses_reply")?).await?.len();
                    ensure_eq(&format!("the number of mails (key: {})", key.is_some()), &(after - before), &1)
                        .map_err(|finding| finding.with_said(Some(&error)))?;
                }
            }
        )
        .of_client(),
    ]
}

/// Sends to the address whose answers are lost.
async fn lost(
    post: &Post<'_>,
    service: &dyn EmailService,
    key: Option<&str>,
) -> Result<external_core::Error, Finding> {
    let address = post.scripted("loses_reply")?;
    let message = post.blank("lost")?.with_to(Mailbox::new(address)).with_text("hello");
    let mut request = SendRequest::new(message);
    request.idempotency_key = key.map(str::to_owned);
    match service.send(&post.case.cx(), &request).await {
        Err(error) => Ok(error),
        Ok(receipt) => Err(Finding::failed("an error, since the answer is lost", format!("{receipt:?}"))),
    }
}

/// Where keys are not native, two mails with one key are two mails like any others.
async fn ignores_key(case: &Case<S>) -> Verdict {
    let post = Post::of(case);
    for subject in ["one", "two"] {
        let message = post.message(subject, "ada")?.with_text("hello");
        let request = SendRequest::new(message).with_idempotency_key(case.namespace());
        let receipt = case.service().send(&case.cx(), &request).await?;
        ensure(!receipt.replayed, "a receipt of its own", "`replayed`")?;
    }
    let mails = post.inbox(&post.address("ada")?).await?;
    ensure_eq("the number of mails", &mails.len(), &2)?;
    let keyed = mails.iter().any(|mail| mail.mentions(&format!(": {}", case.namespace())));
    ensure(!keyed, "the key nowhere in the mail", "a header with it")
}
