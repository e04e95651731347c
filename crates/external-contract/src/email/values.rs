//! What the values of a mail promise when they are built, and what an instance says of itself.

use external_core::ErrorKind;
use external_core::email::{
    ContentId, EmailAddress, FileName, HeaderName, HeaderText, ListUnsubscribe, Mailbox, MediaType,
    MessageId, MetadataKey, RawMessage,
};

use super::S;
use crate::{Clause, Verdict, clause, ensure, ensure_error};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "email.value.1",
            "Line breaks, control characters and NUL are refused wherever a header would carry them: when the value is built.",
            |_case: S| {
                for bad in ["a\rb", "a\nb", "a\r\nBcc: evil@example.test", "a\0b", "a\u{7f}b", "a\u{85}b", "a\u{2028}b", "a\u{1b}[2Jb"] {
                    refused("a subject", bad, HeaderText::parse(bad))?;
                    refused("a header's name", bad, HeaderName::parse(bad))?;
                    refused("a file name", bad, FileName::parse(bad))?;
                    refused("a content id", bad, ContentId::parse(bad))?;
                    refused("a media type", bad, MediaType::parse(&format!("text/{bad}")))?;
                    refused("a Message-ID", bad, MessageId::parse(&format!("{bad}@example.test")))?;
                    refused("a metadata key", bad, MetadataKey::parse(bad))?;
                    refused("an address", bad, EmailAddress::parse(&format!("{bad}@example.test")))?;
                    refused("a domain", bad, EmailAddress::parse(&format!("a@{bad}.test")))?;
                    refused("a quoted local part", bad, EmailAddress::parse(&format!("\"{bad}\"@example.test")))?;
                    refused("a mailbox", bad, format!("{bad} <a@example.test>").parse::<Mailbox>())?;
                    refused("an unsubscribe link", bad, ListUnsubscribe::url(&format!("https://example.test/{bad}")))?;
                }
            }
        )
        .of_provider(),
        clause!(
            "email.value.2",
            "Addresses keep the limits of RFC 5321 (local part 64 octets, domain 255, whole 254) and may hold any script; what is longer or malformed is refused when parsed.",
            |_case: S| {
                let longest = format!("{}@example.test", "l".repeat(64));
                let domain = format!("{}.{}.{}.example", "d".repeat(60), "d".repeat(60), "d".repeat(50));
                for good in [
                    "a@b.test", "first.last+tag@sub.example.test", "用户@例え.テスト", "ünï@müller.test", "a!#$%&'*+-/=?^_`{|}~b@x.test",
                    "\"quoted local\"@x.test", "a@[192.0.2.1]", &longest, &format!("{}@{domain}", "l".repeat(64)),
                ] {
                    EmailAddress::parse(good).map_err(|error| crate::Finding::from(error).while_(good))?;
                }
                for bad in [
                    "", "a", "@", "a@", "@b.test", "a b@c.test", "a@b c.test", "a@@b.test", "a@b..test", "a@.test", ".a@b.test",
                    "a.@b.test", "a..b@c.test", "a@-b.test", "a@b.test.", "<a@b.test>", "a@b.test, c@d.test", "a@b.test;c@d.test",
                    &format!("{}@b.test", "l".repeat(65)), &format!("{}@b.test", "l".repeat(200)), &format!("{}@b.test", "é".repeat(33)),
                    &format!("a@{}.test", "d".repeat(64)), &format!("{}@{domain}.{}", "l".repeat(64), "e".repeat(30)),
                ] {
                    refused("an address", bad, EmailAddress::parse(bad))?;
                }
            }
        )
        .of_provider(),
        clause!("email.value.3", "A custom header cannot set what the message's own fields or the transport set.", |_case: S| {
            for bad in [
                "From", "from", "TO", "Cc", "Bcc", "Subject", "Date", "Message-ID", "Reply-To", "Sender", "Return-Path", "MIME-Version",
                "Content-Type", "content-transfer-encoding", "List-Unsubscribe", "List-Unsubscribe-Post", "Received", "DKIM-Signature",
                "Resent-To", "", "a b", "a:b", "ä", "X-Envelope-To",
            ] {
                refused("a custom header", bad, HeaderName::parse(bad))?;
            }
            for good in ["X-Campaign", "Precedence", "List-Id", "In-Reply-To", "References", "Auto-Submitted"] {
                HeaderName::parse(good)?;
            }
        })
        .of_provider(),
        clause!(
            "email.value.4",
            "Raw bytes with a lone CR or LF, a NUL, a line above 998 octets, a `Bcc` header or no header at all are refused when parsed.",
            |_case: S| {
                let long = format!("From: a@b.test\r\n\r\n{}\r\n", "x".repeat(999));
                for bad in [
                    "From: a@b.test\r\n\r\nx\n.\r\nMAIL FROM:<evil@b.test>\r\n", "From: a@b.test\r\n\r\nx\r.\r\n", "From: a@b.test\n\nx", "From: a\0b\r\n\r\nx",
                    "From: a@b.test\r\n\r\nx\0\r\n", "From: a@b.test\r\nBcc: c@d.test\r\n\r\nx", "bCC: c@d.test\r\n\r\nx", "", "\r\nno header", "no colon\r\n\r\nx", &long,
                ] {
                    refused("raw bytes", bad, RawMessage::parse(bad.as_bytes().to_vec()))?;
                }
                let longest = format!("From: a@b.test\r\n\r\n{}\r\n.\r\n..\r\n", "x".repeat(998));
                for good in [longest.as_str(), "From: a@b.test\r\n\r\nno line end", "From: a@b.test\r\nX: 1\r\n folded\r\n\r\n"] {
                    RawMessage::parse(good.as_bytes().to_vec())?;
                }
            }
        )
        .of_provider(),
        clause!("email.value.5", "A one-click unsubscribe link that is not `https` is refused when built.", |_case: S| {
            for bad in ["http://example.test/u", "mailto:a@b.test", "ftp://example.test/", "example.test", "", "https://"] {
                refused("a one-click link", bad, ListUnsubscribe::one_click(bad))?;
            }
            ensure(ListUnsubscribe::one_click("https://example.test/u?id=1")?.is_one_click(), "one click", "more")?;
            ensure(!ListUnsubscribe::url("http://example.test/u")?.is_one_click(), "no one click", "one click")?;
        })
        .of_provider(),
        clause!(
            "email.capability.1",
            "Each facet's accessor answers if and only if its capability is declared native.",
            |case: S| {
                let service = case.service();
                for (id, present) in [
                    ("batch", service.batch().is_some()),
                    ("raw", service.raw().is_some()),
                    ("scheduling", service.scheduler().is_some()),
                    ("vendor-templates", service.vendor_templates().is_some()),
                    ("outbox", service.outbox().is_some()),
                ] {
                    let native = service.info().capabilities().grade(id) == external_core::Capability::Native;
                    let told = format!("native: {native}, present: {present}");
                    ensure(native == present, format!("the facet of `{id}` as declared"), told)?;
                }
            }
        )
        .of_provider(),
    ]
}

fn refused<T>(what: &str, text: &str, result: external_core::Result<T>) -> Verdict {
    let shown: String = text.chars().take(40).collect();
    ensure_error(&format!("{what} {shown:?}"), result, ErrorKind::InvalidArgument).map(drop)
}
