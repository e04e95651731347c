//! The short form, defaults, and what a message is given once.

use std::sync::Arc;

use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error};
use external_core::{Effect, ErrorKind};
use external_email::{EmailClient, Message};

use super::S;
use super::delivered::{address, delivered};
use super::faulty::{Fault, Faulty};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.short.1",
            "The short form sends one mail with text, and HTML if there is some.",
            |case: S| {
                let service = case.bare()?;
                let email = EmailClient::from(service.clone()).with_from("Shop <shop@example.org>".parse()?);
                let (plain, rich) = (address(case, "plain"), address(case, "rich"));
                let receipt = email.send_email(plain.as_str(), "Grüße", "hello\n", None).await?;
                ensure(receipt.is_complete(), "the mail is accepted", format!("{receipt:?}"))?;
                email.send_email(&format!("Ada <{rich}>"), "s", "hello\n", Some("<p>hello</p>")).await?;
                let mail = delivered(case, &*service, &plain, 1).await?.remove(0);
                ensure_eq(
                    "subject, text and HTML",
                    &(mail.subject.as_str(), mail.text.trim_end(), mail.html),
                    &("Grüße", "hello", None),
                )?;
                let mail = delivered(case, &*service, &rich, 1).await?.remove(0);
                ensure_eq("the HTML", &mail.html.as_deref().map(str::trim_end), &Some("<p>hello</p>"))?;
            }
        )
        .of_client(),
        clause!(
            "email.short.2",
            "What is wrong in the short form is named, and nothing is sent.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?, &[]);
                let service: Arc<S> = faulty.clone();
                let email = EmailClient::from(service).with_from("shop@example.org".parse()?);
                let long = format!("{}@example.org", "a".repeat(200));
                for (to, subject, field) in [
                    ("no address", "s", "to"),
                    (long.as_str(), "s", "to"),
                    ("a@example.org\r\nBcc: eve@example.org", "s", "to"),
                    ("a@example.org", "s\r\nBcc: eve@example.org", "subject"),
                ] {
                    let error = ensure_error(
                        "a malformed field",
                        email.send_email(to, subject, "t", None).await,
                        ErrorKind::InvalidArgument,
                    )?;
                    let told = error.to_string();
                    ensure(
                        told.contains(field) && !told.contains("eve"),
                        format!("it names {field} and repeats nothing"),
                        told,
                    )?;
                    ensure_eq("the effect", &error.effect(), &Effect::NotSent)?;
                }
                ensure_eq("the calls", &faulty.sends().len(), &0)?;
            }
        )
        .of_client(),
        clause!(
            "email.defaults.1",
            "A mail that names no sender and no Reply-To gets the client's; one that does keeps its own.",
            |case: S| {
                let service = case.bare()?;
                let email = EmailClient::from(service.clone())
                    .with_from("shop@example.org".parse()?)
                    .with_reply_to(vec!["help@example.org".parse()?]);
                let (without, with) = (address(case, "without"), address(case, "with"));
                let message = |to: &external_email::EmailAddress| {
                    Message::new("s".parse().unwrap()).with_to(to.clone()).with_text("t")
                };
                email.send(message(&without)).await?;
                let own =
                    message(&with).with_from("own@example.org".parse::<external_email::EmailAddress>()?);
                email
                    .send(own.with_reply_to("answers@example.org".parse::<external_email::EmailAddress>()?))
                    .await?;
                let mail = delivered(case, &*service, &without, 1).await?.remove(0);
                ensure_eq(
                    "the defaults",
                    &(mail.from.as_str(), mail.reply_to.as_deref()),
                    &("shop@example.org", Some("help@example.org")),
                )?;
                let mail = delivered(case, &*service, &with, 1).await?.remove(0);
                ensure_eq(
                    "its own",
                    &(mail.from.as_str(), mail.reply_to.as_deref()),
                    &("own@example.org", Some("answers@example.org")),
                )?;
                let nobody = EmailClient::from(service).send(message(&without)).await;
                let error = ensure_error("no sender at all", nobody, ErrorKind::InvalidArgument)?;
                ensure(error.to_string().contains("sender"), "it names the sender", &error)?;
            }
        )
        .of_client(),
        clause!(
            "email.identity.1",
            "Message-ID and date are made once: every attempt is the same mail, and the receipt names it.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?, &[Fault::Unreachable, Fault::Unreachable]);
                let service: Arc<S> = faulty.clone();
                let email = EmailClient::from(service).with_from("shop@example.org".parse()?);
                let to = address(case, "once");
                let receipt =
                    email.send(Message::new("s".parse()?).with_to(to.clone()).with_text("t")).await?;
                let sends = faulty.sends();
                ensure_eq("the attempts", &sends.len(), &3)?;
                for send in &sends {
                    ensure_eq("the identity of an attempt", &send.message.message_id, &receipt.message_id)?;
                    ensure(
                        send.message.date.is_some(),
                        "an attempt has a date",
                        format!("{:?}", send.message.date),
                    )?;
                    ensure_eq("the date of an attempt", &send.message.date, &sends[0].message.date)?;
                }
                let id = receipt.message_id.as_ref().map(ToString::to_string).unwrap_or_default();
                ensure(id.ends_with("@example.org"), "the identity is in the sender's domain", &id)?;
                let mail = delivered(case, &*faulty, &to, 1).await?.remove(0);
                ensure_eq("the identity that arrived", &mail.message_id, &id)?;
            }
        )
        .of_client(),
        clause!("email.nested.1", "A client within a client meets one retry layer.", |case: S| {
            let faulty = Faulty::over(case.bare()?, &[Fault::Unreachable; 10]);
            let service: Arc<S> = faulty.clone();
            let inner: Arc<S> = EmailClient::from(service).into();
            let email = EmailClient::from(inner).with_from("shop@example.org".parse()?);
            let to = address(case, "nested");
            let failed = email.send(Message::new("s".parse()?).with_to(to).with_text("t")).await;
            ensure_error("an unreachable server", failed, ErrorKind::Unavailable)?;
            ensure_eq("the attempts", &faulty.sends().len(), &3)?;
        })
        .of_client(),
    ]
}
