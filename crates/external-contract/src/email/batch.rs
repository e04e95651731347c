//! What one message to many promises. Where a provider emulates it, the promises are its client's.

use external_core::email::{
    BatchEmail, BatchReceipt, BatchRecipient, BatchRequest, EmailAddress, Mailbox, Message, Outcome, supports,
};
use external_core::{Capability, Effect, ErrorKind, Result};

use super::S;
use super::post::Post;
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error};

/// `None` where the provider itself has nothing to promise, since its client does it.
fn facet(case: &Case<S>) -> std::result::Result<Option<&dyn BatchEmail>, Finding> {
    let facet = case.service().batch();
    let grade = case.service().info().capabilities().grade("batch");
    let left_to_the_client = matches!(grade, Capability::Emulated(_)) && !case.is_about_client();
    if facet.is_none() && !left_to_the_client {
        return Err(Finding::failed("the facet `batch`, which is declared", "no facet"));
    }
    Ok(facet)
}

fn shared(post: &Post<'_>) -> Result<Message> {
    Ok(post
        .blank("Hello {{ name }}")?
        .with_text("Dear {{name}}, your code is {{ code }}.")
        .with_html("<p>Dear {{ name }}, your code is <b>{{ code }}</b>.</p>"))
}

fn recipient(post: &Post<'_>, who: &str, name: &str, code: &str) -> Result<BatchRecipient> {
    Ok(BatchRecipient::new(post.mailbox(who)?).with_value("name", name).with_value("code", code))
}

async fn send(
    facet: &dyn BatchEmail,
    case: &Case<S>,
    message: Message,
    recipients: Vec<BatchRecipient>,
) -> Result<BatchReceipt> {
    facet.send_batch(&case.cx(), &BatchRequest::new(message, recipients)).await
}

fn complete(receipt: &BatchReceipt, count: usize) -> Verdict {
    ensure_eq("the number of receipts", &receipt.mails.len(), &count)?;
    ensure(receipt.is_complete(), "a complete receipt", format!("{receipt:?}"))
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    [words(), refusals()].into_iter().flatten().collect()
}

fn words() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.batch.1",
            "Each recipient gets one mail of their own, with their values in the places of `{{ name }}` in subject, text and HTML.",
            |case: S| {
                let Some(facet) = facet(case)? else { return Ok(()) };
                let post = Post::of(case);
                let people = [("ada", "Ada", "1"), ("bob", "Bob Ω", "22"), ("eve", "Eve", "333")];
                let recipients = people.map(|(who, name, code)| recipient(&post, who, name, code));
                let recipients = recipients.into_iter().collect::<Result<Vec<_>>>()?;
                complete(&send(facet, case, shared(&post)?, recipients).await?, 3)?;
                for (who, name, code) in people {
                    let mail = post.only(who).await?;
                    ensure_eq("the subject", &mail.parsed()?.subject(), &Some(format!("Hello {name}").as_str()))?;
                    mail.says("plain", &format!("Dear {name}, your code is {code}."))?;
                    mail.says("html", &format!("<p>Dear {name}, your code is <b>{code}</b>.</p>"))?;
                }
            }
        )
        .capability("batch", check!(|case| { no_facet(case)?; })),
        clause!("email.batch.2", "No recipient's mail names another recipient.", |case: S| {
            let Some(facet) = facet(case)? else { return Ok(()) };
            let post = Post::of(case);
            let all = ["ada", "bob", "eve"];
            let recipients = all.map(|who| recipient(&post, who, who, "1")).into_iter().collect::<Result<Vec<_>>>()?;
            complete(&send(facet, case, shared(&post)?, recipients).await?, 3)?;
            for who in all {
                let mail = post.only(who).await?;
                ensure_eq("the number of recipients in the envelope", &mail.to.len(), &1)?;
                for other in all.iter().filter(|other| **other != who) {
                    let named = mail.mentions(post.address(other)?.as_str());
                    ensure(!named, format!("nothing of {other} in the mail to {who}"), "the address")?;
                }
            }
        })
        .capability("batch", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.batch.3",
            "Values are escaped in HTML, and verbatim in subject and text; a value is never read as a placeholder.",
            |case: S| {
                let Some(facet) = facet(case)? else { return Ok(()) };
                let post = Post::of(case);
                let evil = "<script>alert(\"x\" & 'y')</script> {{ code }}";
                let recipients = vec![recipient(&post, "ada", evil, "secret")?];
                complete(&send(facet, case, shared(&post)?, recipients).await?, 1)?;
                let mail = post.only("ada").await?;
                ensure_eq("the subject", &mail.parsed()?.subject(), &Some(format!("Hello {evil}").as_str()))?;
                mail.says("plain", &format!("Dear {evil}, your code is secret."))?;
                let html = mail.body("html")?.map(|(_, html)| html).unwrap_or_default();
                ensure(!html.contains("<script>"), "no tag out of a value", &html)?;
                ensure(html.contains("&lt;script&gt;") && html.contains("&amp;"), "the value, escaped", &html)?;
                ensure(html.contains("{{ code }}"), "a value that is no placeholder", &html)?;
                ensure_eq("how often the other value appears", &html.matches("secret").count(), &1)?;
            }
        )
        .capability("batch", check!(|case| { no_facet(case)?; })),
        clause!("email.batch.8", "Each mail has a Message-ID of its own, told in its receipt.", |case: S| {
            let Some(facet) = facet(case)? else { return Ok(()) };
            let post = Post::of(case);
            let recipients = vec![recipient(&post, "ada", "Ada", "1")?, recipient(&post, "bob", "Bob", "2")?];
            let receipt = send(facet, case, shared(&post)?, recipients).await?;
            let mut ids = Vec::new();
            for (who, receipt) in ["ada", "bob"].into_iter().zip(receipt.mails) {
                let told = receipt?.message_id;
                let mail = post.only(who).await?;
                let parsed = mail.parsed()?;
                ensure_eq("the Message-ID", &parsed.message_id(), &told.as_ref().map(|id| id.as_str()))?;
                ids.push(told);
            }
            ensure(ids.first() != ids.last() && !ids.contains(&None), "two ids", format!("{ids:?}"))?;
        })
        .capability("batch", check!(|case| { no_facet(case)?; })),
    ]
}

fn refusals() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.batch.4",
            "A placeholder without a value is `InvalidArgument` that names variable and recipient, and nothing is sent.",
            |case: S| {
                let Some(facet) = facet(case)? else { return Ok(()) };
                let post = Post::of(case);
                let lacking = BatchRecipient::new(post.mailbox("bob")?).with_value("name", "Bob");
                let recipients = vec![recipient(&post, "ada", "Ada", "1")?, lacking];
                let result = send(facet, case, shared(&post)?, recipients).await;
                let error = ensure_error("a batch that lacks a value", result, ErrorKind::InvalidArgument)?;
                let told = error.report();
                ensure(told.contains("code"), "the name of the variable", &told)?;
                ensure(told.contains("recipient") && told.contains('1'), "which recipient (number 1, counted from 0)", &told)?;
                post.nothing_for(&[post.address("ada")?, post.address("bob")?]).await?;
            }
        )
        .capability("batch", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.batch.5",
            "A line break in a value of the subject is `InvalidArgument`, and nothing is sent.",
            |case: S| {
                let Some(facet) = facet(case)? else { return Ok(()) };
                let post = Post::of(case);
                for evil in ["Bob\r\nBcc: evil@example.test", "Bob\nX: y", "Bob\rX", "Bob\0"] {
                    let recipients = vec![recipient(&post, "ada", "Ada", "1")?, recipient(&post, "bob", evil, "2")?];
                    let result = send(facet, case, shared(&post)?, recipients).await;
                    ensure_error(&format!("a batch with {evil:?} in a subject"), result, ErrorKind::InvalidArgument)?;
                }
                post.nothing_for(&[post.address("ada")?, post.address("bob")?]).await?;
            }
        )
        .capability("batch", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.batch.6",
            "A refused recipient is an outcome of their own mail and never loses the others; receipts come in the order of the recipients.",
            |case: S| {
                let Some(facet) = facet(case)? else { return Ok(()) };
                let post = Post::of(case);
                let refused: EmailAddress = post.scripted("refuses")?;
                // Who takes mails as a whole takes this one too.
                let is_refused =
                    |address: &EmailAddress| *address == refused && supports(case.service(), "outcome-per-recipient").is_supported();
                let lost = BatchRecipient::new(Mailbox::new(refused.clone())).with_value("name", "x").with_value("code", "0");
                let recipients = vec![recipient(&post, "ada", "Ada", "1")?, lost, recipient(&post, "bob", "Bob", "2")?];
                let receipt = send(facet, case, shared(&post)?, recipients).await?;
                ensure_eq("the number of receipts", &receipt.mails.len(), &3)?;
                let expected = [post.address("ada")?, refused.clone(), post.address("bob")?];
                for (expected, mail) in expected.iter().zip(receipt.mails) {
                    let mail = mail?;
                    let outcome = mail.outcome(expected);
                    let fits = match outcome {
                        Some(Outcome::Accepted) => !is_refused(expected),
                        Some(Outcome::Refused(_)) => is_refused(expected),
                        _ => false,
                    };
                    ensure(fits, format!("the outcome of {expected} in its own receipt"), format!("{mail:?}"))?;
                }
                post.only("ada").await?;
                post.only("bob").await?;
            }
        )
        .capability("batch", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.batch.7",
            "An empty batch, and one whose shared message has recipients, is `InvalidArgument`, `NotSent`.",
            |case: S| {
                let Some(facet) = facet(case)? else { return Ok(()) };
                let post = Post::of(case);
                let addressed = shared(&post)?.with_cc(post.mailbox("cc")?);
                for (what, message, recipients) in [
                    ("an empty batch", shared(&post)?, vec![]),
                    ("a shared message with recipients", addressed, vec![recipient(&post, "ada", "Ada", "1")?]),
                ] {
                    let result = send(facet, case, message, recipients).await;
                    let error = ensure_error(what, result, ErrorKind::InvalidArgument)?;
                    ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                }
                post.nothing_for(&[post.address("ada")?, post.address("cc")?]).await?;
            }
        )
        .capability("batch", check!(|case| { no_facet(case)?; })),
        clause!(
            "email.batch.9",
            "More recipients than the limit `batch-recipients`: `InvalidArgument`, `NotSent`. The client splits before that.",
            |case: S| {
                let Some(facet) = facet(case)? else { return Ok(()) };
                let post = Post::of(case);
                let limit = case.service().info().capabilities().get_limit("batch-recipients");
                let Some(most) = limit.filter(|limit| *limit <= 5000) else { return Ok(()) };
                let recipients = (0..=most).map(|n| recipient(&post, &format!("r{n}"), "x", "y"));
                let recipients = recipients.collect::<Result<Vec<_>>>()?;
                let message = post.blank("{{ name }}")?.with_text("{{ code }}");
                let result = send(facet, case, message, recipients).await;
                if case.is_about_client() {
                    let count = usize::try_from(most + 1).unwrap_or(usize::MAX);
                    return complete(&result?, count);
                }
                let error = ensure_error("a batch above the limit", result, ErrorKind::InvalidArgument)?;
                ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                post.nothing_for(&[post.address("r0")?]).await?;
            }
        )
        .capability("batch", check!(|case| { no_facet(case)?; })),
    ]
}

fn no_facet(case: &Case<S>) -> Verdict {
    ensure(case.service().batch().is_none(), "no facet `batch`", "one")
}
