//! What finished bytes promise.

use external_core::ErrorKind;
use external_core::email::{EmailAddress, Outcome, RawMessage, RawRequest};

use super::S;
use super::post::Post;
use crate::{Case, Clause, Verdict, check, clause, ensure, ensure_eq, refuses};

const MAIL: &str = "From: \"Somebody\" <somebody@example.test>\r\nTo: everybody@example.test\r\nSubject: =?utf-8?q?r=C3=A4w?=\r\n\
    X-Folded: one\r\n two\r\nMessage-ID: <raw.1@example.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\n.\r\n..\r\n.leading dot\r\nGr\u{fc}\u{df}e\r\n  blanks  \r\n\r\nlast line\r\n";

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.raw.1",
            "The bytes arrive unchanged, lines that start with a dot included; a server may put its own header lines before them.",
            |case: S| {
                let post = Post::of(case);
                post.send_raw("sender", &["ada"], MAIL.as_bytes()).await?.into_complete()?;
                let mail = post.only("ada").await?;
                let same = mail.bytes.ends_with(MAIL.as_bytes());
                ensure(same, "the very bytes at the end", String::from_utf8_lossy(&mail.bytes))?;
            }
        )
        .capability("raw", check!(|case| { no_facet(case)?; })),
        clause!("email.raw.2", "The envelope decides who gets it, not the headers.", |case: S| {
            let post = Post::of(case);
            let (in_header, in_envelope) = (post.address("header")?, post.address("envelope")?);
            let mail = format!("From: x@example.test\r\nTo: {in_header}\r\nCc: {in_header}\r\nSubject: raw\r\n\r\nhello\r\n");
            let receipt = post.send_raw("bounces", &["envelope", "second"], mail.as_bytes()).await?;
            let told: Vec<_> = receipt.recipients.iter().map(|recipient| recipient.address.clone()).collect();
            ensure_eq("the addresses of the receipt", &told, &vec![in_envelope, post.address("second")?])?;
            post.nothing_for(&[in_header]).await?;
            for who in ["envelope", "second"] {
                let mail = post.only(who).await?;
                ensure_eq("the envelope's sender", &mail.from, &post.address("bounces")?.to_string())?;
            }
        })
        .capability("raw", check!(|case| { no_facet(case)?; })),
        clause!("email.raw.3", "A refused address is an outcome and never loses the others.", |case: S| {
            let post = Post::of(case);
            let refused = post.scripted("refuses")?;
            let facet = case.service().raw().ok_or_else(|| external_core::Error::unsupported("raw"))?;
            let to: Vec<EmailAddress> = vec![post.address("ada")?, refused.clone(), post.address("bob")?];
            let request = RawRequest::new(post.address("sender")?, to, RawMessage::parse(MAIL.as_bytes().to_vec())?);
            let receipt = facet.send_raw(&case.cx(), &request).await?;
            let outcome = receipt.outcome(&refused);
            ensure(matches!(outcome, Some(Outcome::Refused(_))), "the outcome `Refused`", format!("{outcome:?}"))?;
            ensure_eq("the number of accepted recipients", &receipt.accepted().count(), &2)?;
            post.only("ada").await?;
            post.only("bob").await?;
        })
        .capability("raw", check!(|case| { no_facet(case)?; })),
        clause!("email.raw.4", "Without a recipient: `InvalidArgument`, `NotSent`.", |case: S| {
            refuses(case, "raw bytes to nobody", ErrorKind::InvalidArgument, |case, service| Box::pin(async move {
                Post::on(case, service).send_raw("sender", &[], MAIL.as_bytes()).await.map(drop)
            })).await?;
        })
        .capability("raw", check!(|case| { no_facet(case)?; })),
        clause!("email.raw.5", "The receipt repeats the Message-ID that stands in the bytes.", |case: S| {
            let receipt = Post::of(case).send_raw("sender", &["ada"], MAIL.as_bytes()).await?;
            let told = receipt.message_id.as_ref().map(|id| id.as_str().to_owned());
            ensure_eq("the Message-ID", &told.as_deref(), &Some("raw.1@example.test"))?;
        })
        .capability("raw", check!(|case| { no_facet(case)?; })),
    ]
}

fn no_facet(case: &Case<S>) -> Verdict {
    ensure(case.service().raw().is_none(), "no facet `raw`", "one")
}
