//! Messages as bytes, read back by a parser that is not ours.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::BuildContext;
use external_core::email::{Attachment, InlineImage, ListUnsubscribe, Mailbox, Message, RawMessage};
use mail_parser::{MessageParser, MimeHeaders, PartType};

use super::{PLAIN_LINE, body, only_text, plain_text, render, travels_as_it_is};

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn message(subject: &str) -> Message {
    Message::new(subject.parse().unwrap())
        .with_from(mailbox("Shop <shop@example.org>"))
        .with_to(mailbox("Ada <ada@example.org>"))
        .with_date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .with_message_id("one@example.org".parse().unwrap())
}

fn bytes(message: &Message) -> Vec<u8> {
    let bytes = render(message, &BuildContext::default()).unwrap().bytes;
    // Whatever is rendered must pass as raw mail: CRLF only, no long line, no Bcc.
    RawMessage::parse(bytes.clone()).unwrap();
    bytes.to_vec()
}

#[test]
fn headers_survive_in_any_script() {
    let long = "Ein sehr langer Betreff, der über viele Zeilen geht ".repeat(8);
    for subject in [
        "plain",
        "",
        "Grüße aus München",
        "世界へようこそ、これは長い件名です。どうぞよろしくお願いいたします。以上です。",
        "looks like =?utf-8?q?an_encoded_word?=",
        "two  spaces and \u{1F600}\u{1F600} faces",
        "نص عربي",
        "a ".repeat(300).trim(),
        &"x".repeat(1500),
        long.trim(),
    ] {
        let message = message(subject)
            .with_text("t")
            .with_header("X-Campaign".parse().unwrap(), subject.parse().unwrap())
            .with_cc(Mailbox::new("bob@example.org".parse().unwrap()).with_name(subject.parse().unwrap()));
        let bytes = bytes(&message);
        let parsed = MessageParser::new()
            .with_address_headers()
            .header_text("Subject")
            .header_text("X-Campaign")
            .parse(&bytes)
            .unwrap();
        assert_eq!(parsed.subject().unwrap_or_default(), subject);
        assert_eq!(parsed.header("X-Campaign").and_then(|h| h.as_text()).unwrap_or_default(), subject);
        let cc = parsed.cc().and_then(|cc| cc.first()).unwrap_or_else(|| panic!("no Cc: {subject}"));
        assert_eq!(cc.address(), Some("bob@example.org"));
        assert_eq!(cc.name().unwrap_or_default(), subject);
        let header_lines = bytes.split(|&b| b == b'\n').take_while(|line| line.len() > 1);
        assert!(subject.len() > 900 || header_lines.into_iter().all(|line| line.len() <= 80));
    }
}

#[test]
fn names_with_quotes_and_many_recipients_survive() {
    let names = ["O\"Brien, \\ Pat", "Dr. A. B.", "山田 太郎", "(comment) x", "a=b", "Ünïcode, with comma"];
    let mut message = message("s").with_text("t");
    message.to = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            Mailbox::new(format!("user{i}@example.org").parse().unwrap()).with_name(name.parse().unwrap())
        })
        .collect();
    let bytes = bytes(&message);
    let parsed = MessageParser::default().parse(&bytes).unwrap();
    let seen: Vec<_> = parsed.to().unwrap().iter().map(|to| to.name().unwrap().to_owned()).collect();
    assert_eq!(seen, names);
}

#[test]
fn bodies_survive_whatever_they_hold() {
    for text in [
        "hello\nworld\n",
        "no end",
        ".\n.leading dots\n..\n",
        "lone\rreturn\r\nand line\n",
        "日本語の本文\n",
        "trailing space \nand tab\t\n",
        "From the start\n",
        "control \u{0} \u{7} characters\n",
        &format!("{}\n", "long ".repeat(1000)),
        &"x".repeat(5000),
        "=20 looks quoted = yes\n",
        "",
    ] {
        let expected = text.replace("\r\n", "\n").replace('\r', "\n");
        for message in [
            message("s").with_text(text),
            message("s").with_text(text).with_html(text),
            message("s").with_html(text).with_attachment(Attachment::new(
                "a.bin".parse().unwrap(),
                "application/octet-stream".parse().unwrap(),
                vec![0, 10, 13, 255],
            )),
        ] {
            let bytes = bytes(&message);
            let parsed = MessageParser::default().parse(&bytes).unwrap();
            let body = |body: Option<&mail_parser::MessagePart<'_>>| match &body.unwrap().body {
                PartType::Text(text) | PartType::Html(text) => {
                    text.replace("\r\n", "\n").trim_end_matches('\n').to_owned()
                }
                other => panic!("{other:?}"),
            };
            let expected = expected.trim_end_matches('\n');
            if message.text.is_some() {
                assert_eq!(body(parsed.text_part(0)), expected);
            }
            if message.html.is_some() {
                assert_eq!(body(parsed.html_part(0)), expected);
            }
        }
    }
}

#[test]
fn files_and_images_survive_byte_for_byte() {
    let all: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let names = ["report.pdf", "отчёт за год.pdf", "a \"quoted\" name; x=y.txt", "名".repeat(60).as_str()]
        .map(str::to_owned);
    let mut message = message("s")
        .with_text("text")
        .with_html("<img src=\"cid:logo@x\">")
        .with_inline(InlineImage::new("logo@x".parse().unwrap(), "image/png".parse().unwrap(), all.clone()));
    for name in &names {
        message = message.with_attachment(Attachment::new(
            name.parse().unwrap(),
            "text/csv; charset=utf-8".parse().unwrap(),
            Bytes::from_static(b"a;b\nc\r\nd\r"),
        ));
    }
    let bytes = bytes(&message);
    let parsed = MessageParser::default().parse(&bytes).unwrap();
    let mut seen = Vec::new();
    for part in parsed.parts.iter().filter(|part| !matches!(part.body, PartType::Multipart(_))) {
        if part.content_id() == Some("logo@x") {
            assert_eq!(part.contents(), all);
            assert_eq!(part.content_type().unwrap().subtype(), Some("png"));
        } else if let Some(name) = part.attachment_name() {
            assert_eq!(part.contents(), b"a;b\nc\r\nd\r");
            assert_eq!(part.content_type().unwrap().c_type, "text");
            seen.push(name.to_owned());
        }
    }
    assert_eq!(seen, names);
    let text = String::from_utf8_lossy(&bytes);
    let order = ["multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html"];
    let places: Vec<_> = order.iter().map(|kind| text.find(kind).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn marks_travel_and_hidden_recipients_do_not() {
    let message = message("s")
        .with_text("t")
        .with_bcc(mailbox("Secret <secret@example.org>"))
        .with_reply_to(mailbox("help@bücher.example"))
        .with_tag("welcome".parse().unwrap())
        .with_metadata("user-id".parse().unwrap(), "4711".parse().unwrap())
        .with_header("X-Twice".parse().unwrap(), "one".parse().unwrap())
        .with_header("X-Twice".parse().unwrap(), "two".parse().unwrap())
        .with_list_unsubscribe(
            ListUnsubscribe::one_click("https://example.org/u?x=1")
                .unwrap()
                .with_mailto("u@example.org".parse().unwrap()),
        );
    let text = String::from_utf8(bytes(&message)).unwrap();
    assert!(!text.to_lowercase().contains("secret") && !text.to_lowercase().contains("bcc"));
    for line in [
        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
        "From: Shop <shop@example.org>\r\n",
        "To: Ada <ada@example.org>\r\n",
        "Reply-To: help@xn--bcher-kva.example\r\n",
        "Message-ID: <one@example.org>\r\n",
        "X-Tag: welcome\r\n",
        "X-Metadata-user-id: 4711\r\n",
        "X-Twice: one\r\nX-Twice: two\r\n",
        "List-Unsubscribe: <https://example.org/u?x=1>, <mailto:u@example.org>\r\n",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        "MIME-Version: 1.0\r\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
}

#[test]
fn the_same_mail_is_the_same_bytes() {
    let message = message("s").with_text("t").with_html("h").with_attachment(Attachment::new(
        "a".parse().unwrap(),
        "image/png".parse().unwrap(),
        "x",
    ));
    assert_eq!(bytes(&message), bytes(&message));
    let mut unnamed = message;
    unnamed.message_id = None;
    let one = render(&unnamed, &BuildContext::default()).unwrap();
    let two = render(&unnamed, &BuildContext::default()).unwrap();
    assert_ne!(one.message_id, two.message_id);
    assert!(one.message_id.as_str().ends_with("@example.org"));
}

#[test]
fn only_hidden_recipients_leave_no_empty_header() {
    let mut message = message("s").with_text("t").with_bcc(mailbox("secret@example.org"));
    message.to.clear();
    assert!(String::from_utf8(bytes(&message)).unwrap().contains("To: undisclosed-recipients:;\r\n"));
}

#[test]
fn a_date_that_no_header_can_name_is_refused() {
    let early = message("s").with_text("t").with_date(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
    assert!(render(&early, &BuildContext::default()).is_err());
    let late = message("s").with_text("t").with_date(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40));
    assert!(render(&late, &BuildContext::default()).is_err());
}

/// What lettre's tree makes of a text is what the short way makes of it.
#[test]
fn a_short_text_is_written_as_the_tree_would() {
    let id = "a@example.org".parse().unwrap();
    let long = "x".repeat(PLAIN_LINE);
    for text in ["", "a", "a\n", "a\r\nb\rc\n\nd\te ", "\n.\n", "From me", "=E4", long.as_str()] {
        assert!(travels_as_it_is(text), "{text:?}");
        for html in [false, true] {
            let mut message = message("s");
            (message.text, message.html) = (None, None);
            if html {
                message.html = Some(text.into());
            } else {
                message.text = Some(text.into());
            }
            let (kind, same) = only_text(&message).unwrap();
            let (mut short, mut tree) = (Vec::new(), Vec::new());
            plain_text(kind, same, &mut short);
            body(&message, &id).unwrap().write(&mut tree);
            assert_eq!(String::from_utf8(short).unwrap(), String::from_utf8(tree).unwrap(), "{text:?}");
        }
    }
    let too_long = format!("{long}x");
    for text in ["\u{e4}", "\0", "\u{7f}", too_long.as_str()] {
        assert!(!travels_as_it_is(text), "{text:?}");
    }
}
