//! What reading back promises.

use external_core::email::{Mailbox, OutboxEmail, OutboxRequest, StoredMail};

use super::S;
use super::post::Post;
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq};

async fn sent(case: &Case<S>, request: &OutboxRequest) -> Result<Vec<StoredMail>, Finding> {
    let facet: &dyn OutboxEmail = case
        .service()
        .outbox()
        .ok_or_else(|| Finding::failed("the facet `outbox`, which is declared", "no facet"))?;
    Ok(facet.sent(&case.cx(), request).await?)
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.outbox.1",
            "A mail is listed once, with its envelope's sender, the recipients that accepted it, and its bytes as they got them.",
            |case: S| {
                let post = Post::of(case);
                let mut expected = Vec::new();
                for n in 0..5 {
                    let mut message = post.message(&format!("mail {n}"), &format!("r{n}"))?.with_text(format!("text {n}"));
                    message = message.with_bcc(post.mailbox(&format!("b{n}"))?);
                    if let Ok(refused) = post.scripted("refuses") {
                        message = message.with_to(Mailbox::new(refused));
                    }
                    post.send(message).await?;
                    expected.push((n, vec![post.address(&format!("r{n}"))?, post.address(&format!("b{n}"))?]));
                }
                let mails = sent(case, &OutboxRequest::new()).await?;
                // Others may have sent as well, so ours are picked by their recipients.
                let ours: Vec<_> = mails.iter().filter(|mail| mail.to.iter().any(|to| to.as_str().contains(case.namespace()))).collect();
                ensure_eq("the number of mails", &ours.len(), &5)?;
                for ((n, to), mail) in expected.iter().zip(ours) {
                    ensure_eq("the recipients, oldest mail first", &mail.to, to)?;
                    ensure_eq("the envelope's sender", &mail.from, &post.address("sender")?)?;
                    let text = String::from_utf8_lossy(&mail.bytes).contains(&format!("text {n}"));
                    ensure(text, format!("the bytes of mail {n}"), String::from_utf8_lossy(&mail.bytes))?;
                }
            }
        )
        .capability("outbox", check!(|case| { no_facet(case)?; })),
        clause!("email.outbox.2", "With a recipient given, only mails whose envelope names that address.", |case: S| {
            let post = Post::of(case);
            post.deliver(post.message("both", "ada")?.with_cc(post.mailbox("bob")?).with_text("x")).await?;
            post.deliver(post.message("bob", "bob")?.with_text("x")).await?;
            post.deliver(post.message("blind", "eve")?.with_bcc(post.mailbox("ada")?).with_text("x")).await?;
            for (who, count) in [("ada", 2), ("bob", 2), ("eve", 1), ("nobody", 0), ("ad", 0)] {
                let request = OutboxRequest::new().with_recipient(post.address(who)?);
                ensure_eq(&format!("the number of mails to {who}"), &sent(case, &request).await?.len(), &count)?;
            }
        })
        .capability("outbox", check!(|case| { no_facet(case)?; })),
    ]
}

fn no_facet(case: &Case<S>) -> Verdict {
    ensure(case.service().outbox().is_none(), "no facet `outbox`", "one")
}
