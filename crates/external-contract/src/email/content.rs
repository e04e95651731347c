//! What arrives of what was written.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::ErrorKind;
use external_core::email::{
    Attachment, ContentId, FileName, HeaderName, HeaderText, InlineImage, ListUnsubscribe, MediaType,
    MessageId, MetadataKey,
};
use mail_parser::MimeHeaders;

use super::S;
use super::inbox::Delivered;
use super::post::Post;
use crate::{Clause, Finding, Verdict, check, clause, ensure, ensure_eq, refuses};

const SCRIPTS: &str = "Ünïcödé, ελληνικά, Кириллица, עברית, العربية, हिन्दी, 日本語, 🔑 and \u{1d518}.";

pub(super) fn clauses() -> Vec<Clause<S>> {
    [bodies(), headers(), identity()].into_iter().flatten().collect()
}

fn bodies() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.send.7",
            "Text and HTML arrive unchanged but for CRLF line ends, in any script, as alternatives with the text first; long lines and lines that start with a dot included.",
            |case| {
                let post = Post::of(case);
                let long = "x".repeat(5000);
                let texts = [
                    ("plain", "hello".to_owned()),
                    ("scripts", SCRIPTS.to_owned()),
                    ("dots", ".\n..\n.leading\nmiddle\n.\n\nMAIL FROM:<evil@example.test>\n".to_owned()),
                    ("lines", "unix\nwindows\r\n\n\nempty ones above\n".to_owned()),
                    ("long", format!("{long}\n{}\nend", "é".repeat(2000))),
                    ("blanks", "trailing blank \ntab\t\n  leading\n=3D =?utf-8?q?x?= %20 From the start\nFrom here\n".to_owned()),
                    ("boundary", "--\n--boundary\n------=_Part\n".to_owned()),
                ];
                for (who, text) in &texts {
                    let html = format!("<!doctype html><p class=\"a\">{text}</p>");
                    let both = post
                        .message("both", &format!("both-{who}"))?
                        .with_text(text.clone())
                        .with_html(html.clone());
                    post.deliver(both).await?;
                    let mail = post.only(&format!("both-{who}")).await?;
                    mail.says("plain", text)?;
                    mail.says("html", &html)?;
                    let alternatives = mail.inside("alternative")?;
                    let (text_at, html_at) = (number(&mail, "plain")?, number(&mail, "html")?);
                    ensure(
                        alternatives.first() == Some(&text_at),
                        "the text as the first alternative",
                        format!("{alternatives:?}"),
                    )?;
                    ensure(
                        text_at < html_at,
                        "the HTML after the text",
                        format!("{html_at} before {text_at}"),
                    )?;
                    post.deliver(post.message("text", &format!("text-{who}"))?.with_text(text.clone()))
                        .await?;
                    post.only(&format!("text-{who}")).await?.says("plain", text)?;
                    post.deliver(post.message("html", &format!("html-{who}"))?.with_html(html.clone()))
                        .await?;
                    post.only(&format!("html-{who}")).await?.says("html", &html)?;
                }
            }
        ),
        clause!(
            "email.send.8",
            "Attachments arrive byte for byte with their name, in any script, and media type.",
            |case: S| {
                let takes_empty = case.fact("empty-files").is_none_or(|told| told != "no");
                if !takes_empty {
                    refuses(case, "an empty file", ErrorKind::InvalidArgument, |case, service| {
                        Box::pin(async move {
                            let post = Post::on(case, service);
                            let empty = file("empty.bin", "application/octet-stream", Bytes::new())?;
                            post.send(post.message("x", "ada")?.with_attachment(empty)).await.map(drop)
                        })
                    })
                    .await?;
                }
                let post = Post::of(case);
                let every: Bytes = (0..=255_u8).cycle().take(100_000).collect::<Vec<_>>().into();
                let files = [
                    ("photo.png", "image/png", every.clone()),
                    ("empty.bin", "application/octet-stream", Bytes::new()),
                    (
                        "Prüfbericht 鍵 🔑.pdf",
                        "application/pdf",
                        Bytes::from_static(b"%PDF-1.7\n.\r\n..\r\n"),
                    ),
                    (
                        "quote \"and\" ; semi, comma=%20'.txt",
                        "text/plain",
                        Bytes::from_static(b"lone \n and \r and \r\n.\r\nend"),
                    ),
                    ("table.csv", "text/csv; charset=utf-8", Bytes::from_static("ä;ö\r\n1;2".as_bytes())),
                ];
                let long_name = format!("{}.txt", "名".repeat(80));
                let mut message = post.message("files", "ada")?.with_text("see the files");
                let files: Vec<_> =
                    files.into_iter().filter(|(_, _, content)| takes_empty || !content.is_empty()).collect();
                for (name, media_type, content) in &files {
                    message = message.with_attachment(file(name, media_type, content.clone())?);
                }
                message = message.with_attachment(file(&long_name, "text/plain", Bytes::from_static(b"x"))?);
                post.deliver(message).await?;
                let mail = post.only("ada").await?;
                mail.says("plain", "see the files")?;
                let parsed = mail.parsed()?;
                for (name, media_type, content) in files
                    .iter()
                    .map(|(name, kind, content)| (*name, *kind, content.clone()))
                    .chain([(long_name.as_str(), "text/plain", Bytes::from_static(b"x"))])
                {
                    let part = parsed.parts.iter().find(|part| part.attachment_name() == Some(name));
                    let names: Vec<_> =
                        parsed.parts.iter().filter_map(MimeHeaders::attachment_name).collect();
                    let part = part.ok_or_else(|| {
                        Finding::failed(format!("an attachment `{name}`"), format!("{names:?}"))
                    })?;
                    let (kind, rest) = media_type.split_once('/').unwrap_or((media_type, ""));
                    let subtype = rest.split(';').next().unwrap_or(rest);
                    ensure(
                        part.is_content_type(kind, subtype),
                        format!("`{name}` as {media_type}"),
                        format!("{:?}", part.content_type()),
                    )?;
                    let raw = part.contents();
                    ensure(
                        raw == &*content,
                        format!("the {} bytes of `{name}`", content.len()),
                        format!("{} other bytes", raw.len()),
                    )?;
                }
            }
        ),
        clause!(
            "email.send.9",
            "Inline images arrive byte for byte, related to the HTML, under their content id.",
            |case| {
                let post = Post::of(case);
                let png: Bytes = (0..=255_u8).rev().cycle().take(5000).collect::<Vec<_>>().into();
                let html = "<p><img src=\"cid:logo@example\"></p>";
                let image = InlineImage::new(
                    ContentId::parse("logo@example")?,
                    MediaType::parse("image/png")?,
                    png.clone(),
                );
                let message =
                    post.message("inline", "ada")?.with_text("a logo").with_html(html).with_inline(image);
                post.deliver(message.with_attachment(file(
                    "a.txt",
                    "text/plain",
                    Bytes::from_static(b"attached"),
                )?))
                .await?;
                let mail = post.only("ada").await?;
                mail.says("html", html)?;
                mail.says("plain", "a logo")?;
                let parsed = mail.parsed()?;
                let found = parsed
                    .parts
                    .iter()
                    .enumerate()
                    .find(|(_, part)| part.content_id() == Some("logo@example"));
                let (at, part) =
                    found.ok_or_else(|| Finding::failed("a part with the content id", "none"))?;
                ensure(
                    part.contents() == &*png,
                    "the bytes of the image",
                    format!("{} other bytes", part.contents().len()),
                )?;
                ensure(
                    part.is_content_type("image", "png"),
                    "image/png",
                    format!("{:?}", part.content_type()),
                )?;
                let related = mail.inside("related")?;
                ensure(
                    related.contains(&at),
                    "the image related to the HTML",
                    format!("{related:?} without {at}"),
                )?;
                let html_at = number(&mail, "html")?;
                ensure(
                    related.contains(&html_at),
                    "the HTML beside its image",
                    format!("{related:?} without {html_at}"),
                )?;
            }
        ),
    ]
}

fn headers() -> Vec<Clause<S>> {
    vec![
        clause!("email.send.10", "Subject and display names arrive unchanged in any script.", |case| {
            let post = Post::of(case);
            let long = format!("{} {}", "word ".repeat(60), "é".repeat(100));
            for (n, text) in [
                "plain", SCRIPTS, long.trim(), "=?utf-8?q?not_encoded?=", "a  double  blank", "comma, semi; \"quotes\" (paren) <angle> back\\slash",
                "日本語の件名はとても長いので折り返さなければなりません。日本語の件名はとても長いので折り返さなければなりません。",
            ]
            .into_iter()
            .enumerate()
            {
                let who = format!("r{n}");
                let named = |who: &str| Ok::<_, Finding>(post.mailbox(who)?.with_name(HeaderText::parse(text)?));
                let mut message = post.blank(text)?.with_text("hello");
                message.from = Some(named("sender")?);
                post.deliver(message.with_to(named(&who)?).with_cc(named(&format!("c{n}"))?)).await?;
                let mail = post.only(&who).await?;
                ensure_eq("the subject", &mail.parsed()?.subject(), &Some(text))?;
                for (header, who) in [
                    (mail_parser::HeaderName::From, "sender".to_owned()),
                    (mail_parser::HeaderName::To, who.clone()),
                    (mail_parser::HeaderName::Cc, format!("c{n}")),
                ] {
                    let name = header.as_str().to_owned();
                    let expected = vec![(Some(text.to_owned()), post.address(&who)?.to_string())];
                    ensure_eq(&name, &mail.people(header)?, &expected)?;
                }
            }
        }),
        clause!("email.send.11", "Custom headers arrive unchanged, in any script.", |case| {
            let post = Post::of(case);
            let long = "value ".repeat(100);
            let headers = [
                ("X-Campaign", "spring-2026"),
                ("X-Scripts", SCRIPTS),
                ("X-Long", long.trim()),
                ("X-Odd", "a=b; c=\"d\", <e>"),
                ("Auto-Submitted", "auto-generated"),
            ];
            let mut message = post.message("headers", "ada")?.with_text("x");
            for (name, value) in headers {
                message = message.with_header(HeaderName::parse(name)?, HeaderText::parse(value)?);
            }
            post.deliver(message).await?;
            let mail = post.only("ada").await?;
            for (name, value) in headers {
                ensure_eq(name, &mail.header(name)?.as_deref(), &Some(value))?;
            }
        }),
        clause!("email.send.12", "Reply-To arrives.", |case| {
            let post = Post::of(case);
            let named = post.mailbox("support")?.with_name(HeaderText::parse("Süpport")?);
            let message = post.message("reply", "ada")?.with_text("x");
            post.deliver(message.with_reply_to(named).with_reply_to(post.mailbox("second")?)).await?;
            let seen = post.only("ada").await?.people(mail_parser::HeaderName::ReplyTo)?;
            let expected = vec![
                (Some("Süpport".to_owned()), post.address("support")?.to_string()),
                (None, post.address("second")?.to_string()),
            ];
            ensure_eq("the Reply-To header", &seen, &expected)?;
        }),
        clause!(
            "email.send.17",
            "`list_unsubscribe` arrives as `List-Unsubscribe`, and one-click adds `List-Unsubscribe-Post`.",
            |case| {
                let post = Post::of(case);
                let link = "https://example.test/unsubscribe?id=1&token=abc";
                let click = ListUnsubscribe::one_click(link)?.with_mailto(post.address("leave")?);
                post.deliver(post.message("list", "click")?.with_text("x").with_list_unsubscribe(click))
                    .await?;
                let plain = ListUnsubscribe::url(link)?;
                post.deliver(post.message("list", "plain")?.with_text("x").with_list_unsubscribe(plain))
                    .await?;
                let expected = format!("<{link}>, <mailto:{}>", post.address("leave")?);
                for (who, value, one_click) in [
                    ("click", expected, Some("List-Unsubscribe=One-Click")),
                    ("plain", format!("<{link}>"), None),
                ] {
                    let mail = post.only(who).await?;
                    let seen = mail
                        .raw_header("List-Unsubscribe")?
                        .map(|value| value.replace(", ", ",").replace(',', ", "));
                    ensure_eq("List-Unsubscribe", &seen, &Some(value))?;
                    ensure_eq(
                        "List-Unsubscribe-Post",
                        &mail.raw_header("List-Unsubscribe-Post")?.as_deref(),
                        &one_click,
                    )?;
                }
            }
        ),
        clause!("email.send.18", "Tags travel with the mail.", |case: S| {
            let post = Post::of(case);
            let message = post.message("tags", "ada")?.with_text("x");
            post.deliver(
                message.with_tag(HeaderText::parse("welcome-mail")?).with_tag(HeaderText::parse("spring")?),
            )
            .await?;
            let mail = post.only("ada").await?;
            for tag in ["welcome-mail", "spring"] {
                ensure(mail.mentions(tag), format!("the tag `{tag}`"), String::from_utf8_lossy(&mail.bytes))?;
            }
        })
        .capability(
            "tags",
            check!(|case| {
                refuses(case, "a mail with a tag", ErrorKind::Unsupported, |case, service| {
                    Box::pin(async move {
                        let post = Post::on(case, service);
                        post.send(post.message("x", "ada")?.with_text("x").with_tag(HeaderText::parse("t")?))
                            .await
                            .map(drop)
                    })
                })
                .await?;
            }),
        ),
        clause!("email.send.19", "Metadata travels with the mail.", |case: S| {
            let post = Post::of(case);
            let message = post.message("metadata", "ada")?.with_text("x");
            let pair = |key: &str, value: &str| {
                Ok::<_, Finding>((MetadataKey::parse(key)?, HeaderText::parse(value)?))
            };
            let (key, value) = pair("user-id", "4711-abc")?;
            post.deliver(message.with_metadata(key, value)).await?;
            let mail = post.only("ada").await?;
            let lower = String::from_utf8_lossy(&mail.bytes).to_ascii_lowercase();
            for text in ["user-id", "4711-abc"] {
                ensure(
                    lower.contains(text),
                    format!("`{text}` in the mail"),
                    String::from_utf8_lossy(&mail.bytes),
                )?;
            }
        })
        .capability(
            "metadata",
            check!(|case| {
                refuses(case, "a mail with metadata", ErrorKind::Unsupported, |case, service| {
                    Box::pin(async move {
                        let post = Post::on(case, service);
                        let message = post.message("x", "ada")?.with_text("x");
                        post.send(message.with_metadata(MetadataKey::parse("k")?, HeaderText::parse("v")?))
                            .await
                            .map(drop)
                    })
                })
                .await?;
            }),
        ),
    ]
}

fn identity() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.send.15",
            "The mail carries the Message-ID it was given, and the receipt repeats it; given none, the provider makes one and the receipt tells it.",
            |case: S| {
                let post = Post::of(case);
                let id = MessageId::parse(&format!("{}.1@example.test", case.namespace()))?;
                let receipt = post.deliver(post.message("given", "given")?.with_text("x").with_message_id(id.clone())).await?;
                ensure_eq("the receipt's Message-ID", &receipt.message_id, &Some(id))?;
                carries_id(&post, "given", receipt.message_id.as_ref()).await?;
                let mut made = Vec::new();
                for who in ["made-1", "made-2"] {
                    let receipt = post.deliver(post.message("made", who)?.with_text("x")).await?;
                    carries_id(&post, who, receipt.message_id.as_ref()).await?;
                    made.push(receipt.message_id.clone());
                }
                ensure(made.first() != made.last(), "an id of its own for each mail", format!("{made:?}"))?;
            }
        )
        .capability("message-id", check!(|case| {
            refuses(case, "a mail with a Message-ID", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let post = Post::on(case, service);
                let message = post.message("x", "ada")?.with_text("x");
                post.send(message.with_message_id(MessageId::parse("a@example.test")?)).await.map(drop)
            })).await?;
        })),
        clause!("email.send.16", "The mail carries the date it was given.", |case| {
            let post = Post::of(case);
            let given = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
            post.deliver(post.message("date", "given")?.with_text("x").with_date(given)).await?;
            post.deliver(post.message("date", "none")?.with_text("x")).await?;
            let now = case.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let given = date(&post.only("given").await?)?;
            ensure_eq("the date, in seconds since 1970", &given, &1_234_567_890)?;
            let none = date(&post.only("none").await?)?;
            ensure(now.abs_diff(none) < 60, format!("about {now}"), none)?;
        }),
    ]
}

fn file(name: &str, media_type: &str, content: Bytes) -> external_core::Result<Attachment> {
    Ok(Attachment::new(FileName::parse(name)?, MediaType::parse(media_type)?, content))
}

fn number(mail: &Delivered, subtype: &str) -> Result<usize, Finding> {
    let found = mail.body(subtype)?.map(|(number, _)| number);
    found.ok_or_else(|| Finding::failed(format!("a text/{subtype} part"), "none"))
}

async fn carries_id(post: &Post<'_>, who: &str, told: Option<&MessageId>) -> Verdict {
    let mail = post.only(who).await?;
    let parsed = mail.parsed()?;
    ensure_eq("the Message-ID", &parsed.message_id(), &told.map(MessageId::as_str))?;
    ensure(told.is_some(), "a Message-ID in the receipt", "none")
}

fn date(mail: &Delivered) -> Result<u64, Finding> {
    let parsed = mail.parsed()?;
    let seconds = parsed.date().map(mail_parser::DateTime::to_timestamp);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).ok_or_else(|| Finding::failed("a date", "none"))
}
