//! Who gets a mail, who does not, and what the receipt says about it.

use std::collections::BTreeSet;

use bytes::Bytes;
use external_core::email::{
    Attachment, EmailAddress, FileName, Mailbox, MediaType, Message, Outcome, RecipientOutcome, SendReceipt,
    SendRequest,
};
use external_core::{Effect, ErrorKind, Result};

use super::S;
use super::inbox::is_same;
use super::post::Post;
use crate::{
    Attempt, Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses,
};

pub(super) fn clauses() -> Vec<Clause<S>> {
    [delivering(), refusing(), limits()].into_iter().flatten().collect()
}

fn delivering() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.send.1",
            "The mail reaches every accepted recipient in `to`, `cc` and `bcc`, and the receipt holds one outcome for each address, in that order.",
            |case| {
                let post = Post::of(case);
                let message = post.blank("everybody")?.with_text("hello");
                let message = message.with_bcc(post.mailbox("bcc-1")?).with_to(post.mailbox("to-1")?).with_cc(post.mailbox("cc-1")?);
                let message = message.with_to(post.mailbox("to-2")?).with_cc(post.mailbox("cc-2")?).with_bcc(post.mailbox("bcc-2")?);
                let receipt = post.send(message).await?;
                let order = ["to-1", "to-2", "cc-1", "cc-2", "bcc-1", "bcc-2"];
                let expected: Vec<_> = order.iter().map(|who| post.address(who)).collect::<Result<_>>()?;
                outcomes(&receipt, &expected)?;
                for who in order {
                    post.only(who).await?;
                }
                ensure(receipt.is_complete(), "a complete receipt", format!("{receipt:?}"))?;
            }
        ),
        clause!("email.send.2", "An address named twice gets one copy and one outcome.", |case| {
            let post = Post::of(case);
            let message = post.message("twice", "ada")?.with_to(post.mailbox("ada")?).with_text("hello");
            let message = message.with_cc(post.mailbox("ada")?).with_bcc(post.mailbox("bob")?).with_bcc(post.mailbox("ada")?);
            let receipt = post.send(message).await?;
            outcomes(&receipt, &[post.address("ada")?, post.address("bob")?])?;
            post.only("ada").await?;
            post.only("bob").await?;
        }),
        clause!(
            "email.send.13",
            "`bcc` recipients get the mail, and the bytes that anyone gets name them nowhere.",
            |case| {
                let post = Post::of(case);
                let message = post.message("hidden", "open")?.with_text("hello").with_html("<p>hello</p>");
                post.deliver(message.with_bcc(post.mailbox("secret-friend")?).with_bcc(post.mailbox("secret-chief")?)).await?;
                for who in ["open", "secret-friend", "secret-chief"] {
                    let mail = post.only(who).await?;
                    let hidden = !mail.mentions("secret-");
                    ensure(hidden, "no blind recipient in the bytes", String::from_utf8_lossy(&mail.bytes))?;
                    ensure_eq("the Bcc header", &mail.raw_header("Bcc")?, &None)?;
                }
            }
        ),
        clause!(
            "email.send.14",
            "The envelope's sender is `envelope_from` where given, else the address of `from`; the header stays as it is.",
            |case: S| {
                let post = Post::of(case);
                post.deliver(post.message("with", "with")?.with_text("x").with_envelope_from(post.address("bounces")?)).await?;
                post.deliver(post.message("without", "without")?.with_text("x")).await?;
                for (who, sender) in [("with", "bounces"), ("without", "sender")] {
                    let mail = post.only(who).await?;
                    ensure_eq("the envelope's sender", &mail.from, &post.address(sender)?.to_string())?;
                    let from = mail.people(mail_parser::HeaderName::From)?;
                    ensure_eq("the From header", &from, &vec![(None, post.address("sender")?.to_string())])?;
                }
            }
        )
        .capability("envelope-sender", check!(|case| {
            refuses(case, "an envelope sender", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let post = Post::on(case, service);
                let message = post.message("x", "ada")?.with_text("x");
                post.send(message.with_envelope_from(post.address("bounces")?)).await.map(drop)
            })).await?;
        })),
        clause!("email.send.22", "A local part that is not ASCII is delivered to as it is.", |case: S| {
            let post = Post::of(case);
            let address = EmailAddress::parse(&format!("用户-é+{}@example.test", case.namespace()))?;
            post.deliver(post.blank("utf8")?.with_text("hello").with_to(Mailbox::new(address.clone()))).await?;
            let mails = post.inbox(&address).await?;
            ensure_eq("the number of mails", &mails.len(), &1)?;
            for mail in mails {
                mail.says("plain", "hello")?;
            }
        })
        .capability("smtputf8", check!(|case| {
            refuses(case, "a local part that is not ASCII", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let post = Post::on(case, service);
                let address = EmailAddress::parse("用户@example.test")?;
                post.send(post.blank("x")?.with_text("x").with_to(Mailbox::new(address))).await.map(drop)
            })).await?;
        })),
        clause!(
            "email.send.23",
            "A domain that is not ASCII is delivered to, as it is or in its ASCII form.",
            |case| {
                let post = Post::of(case);
                let address = EmailAddress::parse(&format!("ada+{}@müller-例え.test", case.namespace()))?;
                post.deliver(post.blank("idn")?.with_text("hello").with_to(Mailbox::new(address.clone()))).await?;
                let mails = post.inbox(&address).await?;
                ensure_eq("the number of mails", &mails.len(), &1)?;
                let written = mails.iter().flat_map(|mail| &mail.to).any(|to| is_same(to, &address));
                ensure(written, format!("{address} in the envelope"), format!("{mails:?}"))?;
            }
        ),
    ]
}

fn refusing() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.send.3",
            "A refused address is the outcome `Refused` with the provider's code and words, and never loses the others, who are accepted and get the mail.",
            |case: S| {
                let post = Post::of(case);
                let refused = post.scripted("refuses")?;
                // First, in the middle, last: whoever gives up at the first refusal loses somebody.
                for (n, place) in [0, 1, 2].into_iter().enumerate() {
                    let who = [format!("a{n}"), format!("b{n}")];
                    let mut everybody: Vec<_> = who.iter().map(|who| post.address(who)).collect::<Result<_>>()?;
                    everybody.insert(place, refused.clone());
                    let mut message = post.blank("some")?.with_text("hello");
                    message.to = everybody.iter().cloned().map(Mailbox::new).collect();
                    let receipt = post.send(message).await?;
                    outcomes_of(&receipt, &everybody)?;
                    for recipient in &receipt.recipients {
                        let expected = recipient.address != refused;
                        let seen = format!("{:?}", recipient.outcome);
                        ensure(recipient.outcome.is_accepted() == expected, format!("accepted: {expected}"), seen)?;
                    }
                    let outcome = receipt.outcome(&refused);
                    let Some(Outcome::Refused(refusal)) = outcome else {
                        return Err(Finding::failed("the outcome `Refused`", format!("{outcome:?}")));
                    };
                    ensure(!refusal.message.is_empty(), "the provider's words", "none")?;
                    ensure(refusal.code.as_ref().is_some_and(|code| !code.is_empty()), "the provider's code", "none")?;
                    for who in &who {
                        post.only(who).await?.says("plain", "hello")?;
                    }
                }
                post.nothing_for(&[refused]).await?;
            }
        )
        .capability("outcome-per-recipient", check!(|case| { accepts_as_a_whole(case).await?; })),
        clause!("email.send.4", "An address that is refused for now is the outcome `Deferred`.", |case: S| {
            let post = Post::of(case);
            let deferred = post.scripted("defers")?;
            let message = post.message("later", "ada")?.with_to(Mailbox::new(deferred.clone())).with_text("hello");
            let receipt = post.send(message).await?;
            let outcome = receipt.outcome(&deferred);
            ensure(matches!(outcome, Some(Outcome::Deferred(_))), "the outcome `Deferred`", format!("{outcome:?}"))?;
            post.only("ada").await?;
            post.nothing_for(&[deferred]).await?;
        })
        .capability("outcome-per-recipient", check!(|case| { accepts_as_a_whole(case).await?; })),
        clause!(
            "email.send.5",
            "If every address is refused, that is still a receipt, and nobody gets the mail.",
            |case: S| {
                let post = Post::of(case);
                let (refused, deferred) = (post.scripted("refuses")?, post.scripted("defers")?);
                let mut message = post.blank("nobody")?.with_text("hello");
                message.to = [&refused, &deferred].map(|address| Mailbox::new(address.clone())).into();
                let receipt = post.send(message).await?;
                outcomes_of(&receipt, &[refused.clone(), deferred.clone()])?;
                let accepted = receipt.accepted().count();
                ensure_eq("the number of accepted recipients", &accepted, &0)?;
                post.nothing_for(&[refused, deferred]).await?;
                // The connection is as good as new.
                post.deliver(post.message("next", "next")?.with_text("hello")).await?;
                post.only("next").await?;
            }
        )
        .capability("outcome-per-recipient", check!(|case| { accepts_as_a_whole(case).await?; })),
        clause!(
            "email.send.6",
            "Without a recipient, a sender, or any of text, HTML and attachment: `InvalidArgument`, `NotSent`.",
            |case| {
                let without: [(&str, Attempt<S>); 3] = [
                    ("a mail without a recipient", |case, service| Box::pin(async move {
                        let post = Post::on(case, service);
                        post.send(post.blank("x")?.with_text("x")).await.map(drop)
                    })),
                    ("a mail without a sender", |case, service| Box::pin(async move {
                        let post = Post::on(case, service);
                        let mut message = post.message("x", "ada")?.with_text("x");
                        message.from = None;
                        post.send(message).await.map(drop)
                    })),
                    ("a mail without a body", |case, service| Box::pin(async move {
                        let post = Post::on(case, service);
                        post.send(post.message("x", "ada")?).await.map(drop)
                    })),
                ];
                for (what, attempt) in without {
                    refuses(case, what, ErrorKind::InvalidArgument, attempt).await?;
                }
                Post::of(case).nothing_for(&[Post::of(case).address("ada")?]).await?;
                // Each of the three is enough by itself.
                let post = Post::of(case);
                let file = Attachment::new(FileName::parse("a.txt")?, MediaType::parse("text/plain")?, "x");
                for (who, message) in [
                    ("text", post.message("x", "text")?.with_text("x")),
                    ("html", post.message("x", "html")?.with_html("x")),
                    ("file", post.message("x", "file")?.with_attachment(file)),
                ] {
                    post.deliver(message).await?;
                    post.only(who).await?;
                }
            }
        ),
        clause!(
            "email.send.29",
            "A mail refused as a whole after its recipients were accepted is an error with effect `NotApplied`, and nobody gets it.",
            |case: S| {
                let post = Post::of(case);
                let refused = post.scripted("refuses_content")?;
                let message = post.message("refused", "ada")?.with_to(Mailbox::new(refused.clone())).with_text("hello");
                let error = match post.send(message).await {
                    Ok(receipt) => return Err(Finding::failed("an error", format!("{receipt:?}"))),
                    Err(error) => error,
                };
                ensure_eq("its effect", &error.effect(), &Effect::NotApplied)
                    .map_err(|finding| finding.with_said(Some(&error)))?;
                post.nothing_for(&[post.address("ada")?, refused]).await?;
                post.deliver(post.message("next", "next")?.with_text("hello")).await?;
                post.only("next").await?;
            }
        ),
    ]
}

fn limits() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.send.20",
            "More recipients than the limit `recipients`: `InvalidArgument`, `NotSent`.",
            |case| {
                if limit(case, "recipients").is_some() {
                    refuses(case, "too many recipients", ErrorKind::InvalidArgument, |case, service| {
                        Box::pin(async move {
                            let post = Post::on(case, service);
                            let most = limit(case, "recipients").unwrap_or_default();
                            post.send(crowd(&post, most + 1)?).await.map(drop)
                        })
                    })
                    .await?;
                    let most = limit(case, "recipients").unwrap_or_default();
                    let receipt = Post::of(case).send(crowd(&Post::of(case), most)?).await?;
                    ensure_eq("the number of outcomes", &(receipt.recipients.len() as u64), &most)?;
                }
            }
        ),
        clause!(
            "email.send.21",
            "More bytes than the limit `message-bytes`: `PayloadTooLarge`, `NotSent`.",
            |case: S| {
                let post = Post::of(case);
                let limit = case.service().info().capabilities().get_limit("message-bytes");
                let Some(length) =
                    limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit <= 64 << 20)
                else {
                    // No limit is declared, so there is nothing to exceed.
                    return Ok(());
                };
                let file = Attachment::new(
                    FileName::parse("large.bin")?,
                    MediaType::parse("application/octet-stream")?,
                    Bytes::from(vec![0; length + 1]),
                );
                let result = post.send(post.message("large", "ada")?.with_attachment(file)).await;
                let error = ensure_error("a mail that is too large", result, ErrorKind::PayloadTooLarge)?;
                ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                post.nothing_for(&[post.address("ada")?]).await?;
            }
        ),
    ]
}

fn limit(case: &Case<S>, id: &str) -> Option<u64> {
    case.service().info().capabilities().get_limit(id).filter(|limit| *limit <= 2000)
}

fn crowd(post: &Post<'_>, count: u64) -> Result<Message> {
    let mut message = post.blank("crowd")?.with_text("hello");
    message.bcc = (0..count).map(|n| post.mailbox(&format!("r{n}"))).collect::<Result<_>>()?;
    Ok(message)
}

/// One outcome for each of these, in this order.
fn outcomes_of(receipt: &SendReceipt, expected: &[EmailAddress]) -> Verdict {
    let seen: Vec<_> = receipt.recipients.iter().map(|recipient| recipient.address.clone()).collect();
    ensure_eq("the addresses of the receipt", &seen, &expected.to_vec())?;
    let different: BTreeSet<_> = seen.iter().map(ToString::to_string).collect();
    ensure_eq("the number of different addresses", &different.len(), &expected.len())
}

/// One accepted outcome for each of these, in this order.
fn outcomes(receipt: &SendReceipt, expected: &[EmailAddress]) -> Verdict {
    let expected: Vec<_> =
        expected.iter().map(|address| RecipientOutcome::new(address.clone(), Outcome::Accepted)).collect();
    ensure_eq("the outcomes", &receipt.recipients, &expected)
}

/// Who cannot tell recipients apart accepts or refuses all of them alike.
async fn accepts_as_a_whole(case: &Case<S>) -> Verdict {
    let post = Post::of(case);
    let message = post.message("whole", "ada")?.with_to(post.mailbox("bob")?).with_text("hello");
    let receipt = case.service().send(&case.cx(), &SendRequest::new(message)).await?;
    let accepted = receipt.accepted().count();
    ensure(
        accepted == 0 || accepted == receipt.recipients.len(),
        "one outcome for all",
        format!("{receipt:?}"),
    )
}
