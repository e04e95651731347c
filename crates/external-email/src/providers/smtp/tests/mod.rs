//! The provider against a server that answers by script: outcomes, effects, connections, login.

mod login;
mod server;

use std::time::Duration;

use external_core::email::{EmailAddress, Message, Outcome, RawMessage, RawRequest};
use external_core::{CallOptions, Effect};

use super::*;
use server::{Answer, Server};

const PIPELINING: &[&str] = &["PIPELINING", "SIZE 100000", "8BITMIME", "SMTPUTF8"];

fn config(server: &Server) -> SmtpConfig {
    SmtpConfig::new(server.url()).with_security(Security::None).with_hello("client.example.org")
}

fn provider(server: &Server) -> SmtpEmail {
    config(server).build(&BuildContext::default()).unwrap()
}

fn request(recipients: &[&str]) -> SendRequest {
    let mut message = Message::new("s".parse().unwrap())
        .with_from("shop@example.org".parse::<EmailAddress>().unwrap())
        .with_message_id("id@example.org".parse().unwrap())
        .with_text(".hello\nworld\n");
    for recipient in recipients {
        message = message.with_to(recipient.parse::<EmailAddress>().unwrap());
    }
    SendRequest::new(message)
}

async fn send(email: &SmtpEmail, recipients: &[&str]) -> (Result<SendReceipt>, bool) {
    let cx = CallContext::default();
    let result = email.send(&cx, &request(recipients)).await;
    (result, cx.was_sent())
}

fn by_recipient(line: &str, _: usize) -> Answer {
    match line {
        l if l.starts_with("RCPT TO:<refuse") => Answer::Say("550 5.1.1 <refuse@example.org> unknown\r\n"),
        l if l.starts_with("RCPT TO:<defer") => Answer::Say("451 4.2.1 busy\r\n"),
        _ => Answer::Usual,
    }
}

#[tokio::test]
async fn each_phase_is_one_write_and_each_recipient_one_outcome() {
    let server = Server::start(PIPELINING, by_recipient).await;
    let email = provider(&server);
    let to = ["refuse@example.org", "ada@example.org", "defer@example.org", "bob@example.org"];
    let (receipt, sent) = send(&email, &to).await;
    let receipt = receipt.unwrap();
    assert!(sent);
    let Outcome::Refused(refusal) = &receipt.recipients[0].outcome else { panic!("{receipt:?}") };
    assert_eq!(refusal.code.as_deref(), Some("550 5.1.1"));
    assert_eq!(refusal.message, "<refuse@example.org> unknown");
    assert!(matches!(receipt.recipients[2].outcome, Outcome::Deferred(_)));
    assert_eq!(receipt.accepted().count(), 2);
    assert_eq!(receipt.vendor_id.as_deref(), Some("queued as 4711"));
    let reads = server.reads();
    assert_eq!(reads[0], "EHLO client.example.org\r\n");
    assert!(
        reads[1].starts_with("MAIL FROM:<shop@example.org> SIZE=") && reads[1].ends_with("DATA\r\n"),
        "{reads:?}"
    );
    assert!(reads[2].contains("\r\n..hello\r\nworld\r\n") && reads[2].ends_with("\r\n.\r\n"), "{reads:?}");
    assert_eq!(reads.len(), 3);
    assert!(server.mails()[0].ends_with("\r\n\r\n.hello\r\nworld\r\n"));
    // The next mail needs no greeting: two round trips in all.
    send(&email, &["ada@example.org"]).await.0.unwrap();
    assert_eq!((server.connections(), server.reads().len()), (1, 5));
}

#[tokio::test]
async fn without_pipelining_each_command_waits() {
    let server = Server::start(&[], by_recipient).await;
    let email = provider(&server);
    let (receipt, sent) = send(&email, &["refuse@example.org", "ada@example.org"]).await;
    assert!(sent && receipt.unwrap().accepted().count() == 1);
    let (receipt, sent) = send(&email, &["refuse@example.org", "defer@example.org"]).await;
    assert_eq!(receipt.unwrap().accepted().count(), 0);
    assert!(!sent, "nobody was to get it");
    assert_eq!((server.heard("DATA"), server.heard("RSET"), server.connections()), (1, 1, 1));
    send(&email, &["ada@example.org"]).await.0.unwrap();
    assert_eq!((server.mails().len(), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_server_that_goes_on_without_recipients_gets_no_mail() {
    let server = Server::start(PIPELINING, by_recipient).await;
    let email = provider(&server);
    let (receipt, sent) = send(&email, &["refuse@example.org"]).await;
    assert_eq!(receipt.unwrap().accepted().count(), 0);
    assert!(!sent && server.mails().is_empty());
    send(&email, &["ada@example.org"]).await.0.unwrap();
    assert_eq!((server.mails().len(), server.connections()), (1, 2));
}

#[tokio::test]
async fn a_mail_that_the_server_cannot_take_costs_no_connection() {
    let server = Server::start(&["PIPELINING"], by_recipient).await;
    let email = provider(&server);
    let (error, sent) = send(&email, &["jürgen@example.org"]).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.effect(), sent), (ErrorKind::Unsupported, Effect::NotSent, false));
    send(&email, &["ada@example.org"]).await.0.unwrap();
    assert_eq!((server.heard("MAIL"), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_reply_lost_after_the_mail_leaves_its_fate_unknown() {
    let server =
        Server::start(PIPELINING, |line, _| if line == "<end>" { Answer::Close } else { Answer::Usual })
            .await;
    let email: Arc<dyn EmailService> = Arc::new(provider(&server));
    let cx = CallContext::default();
    let error = email.send(&cx, &request(&["ada@example.org"])).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied));
    assert!(cx.was_sent());
    // With retries, and with a key that SMTP does not honour: still one mail a call.
    let client = crate::EmailClient::from(email);
    let keyed = request(&["ada@example.org"]).with_idempotency_key("k");
    let error = client.send(keyed).await.unwrap_err();
    assert_eq!(error.effect(), Effect::MaybeApplied);
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_connection_lost_before_the_mail_is_tried_again_by_the_client() {
    let script = |line: &str, number| match line {
        l if l.starts_with("RCPT") && number < 2 => Answer::Close,
        _ => Answer::Usual,
    };
    let server = Server::start(PIPELINING, script).await;
    let email: Arc<dyn EmailService> = Arc::new(provider(&server));
    let cx = CallContext::default();
    let error = email.send(&cx, &request(&["ada@example.org"])).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
    assert!(!cx.was_sent());
    assert_eq!(server.connections(), 1, "no retry of its own");
    crate::EmailClient::from(email).send(request(&["ada@example.org"])).await.unwrap();
    assert_eq!((server.mails().len(), server.connections()), (1, 3));
}

#[tokio::test]
async fn a_connection_that_died_at_rest_is_replaced_within_the_attempt() {
    let closing = Server::start(PIPELINING, |line, number| match line {
        "<end>" if number == 0 => Answer::SayAndClose("250 ok\r\n"),
        _ => Answer::Usual,
    })
    .await;
    let email = provider(&closing);
    for _ in 0..2 {
        send(&email, &["ada@example.org"]).await.0.unwrap();
    }
    assert_eq!((closing.mails().len(), closing.connections()), (2, 2));
    let told_to_go = Server::start(PIPELINING, |line, number| match line {
        l if l.starts_with("MAIL FROM:<second") && number == 0 => {
            Answer::SayAndClose("421 4.4.2 idle too long\r\n")
        }
        _ => Answer::Usual,
    })
    .await;
    let email = provider(&told_to_go);
    send(&email, &["ada@example.org"]).await.0.unwrap();
    let mut second = request(&["ada@example.org"]);
    second.message.envelope_from = Some("second@example.org".parse().unwrap());
    email.send(&CallContext::default(), &second).await.unwrap();
    assert_eq!((told_to_go.mails().len(), told_to_go.connections()), (2, 2));
}

#[tokio::test]
async fn a_refused_mail_says_so_and_the_connection_goes_on() {
    let server = Server::start(PIPELINING, |line, _| match line {
        "<end>" => Answer::Say("554 5.6.0 no\r\n"),
        _ => Answer::Usual,
    })
    .await;
    let email = provider(&server);
    for _ in 0..2 {
        let error = send(&email, &["ada@example.org"]).await.0.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::PermissionDenied, Effect::NotApplied));
        assert_eq!(error.vendor_code(), Some("554 5.6.0"));
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(email.resting_connections(), 1);
}

#[tokio::test]
async fn a_refused_sender_is_an_error() {
    for features in [PIPELINING, &[]] {
        let server = Server::start(features, |line, _| match line {
            l if l.starts_with("MAIL") => Answer::Say("553 5.7.1 not yours\r\n"),
            _ => Answer::Usual,
        })
        .await;
        let (result, sent) = send(&provider(&server), &["ada@example.org"]).await;
        let error = result.unwrap_err();
        assert_eq!(
            (error.kind(), error.effect(), sent),
            (ErrorKind::PermissionDenied, Effect::NotApplied, false)
        );
    }
}

#[tokio::test]
async fn silence_is_a_timeout_with_the_right_effect() {
    for (silent, effect) in
        [("<hello>", Effect::NotSent), ("MAIL", Effect::NotSent), ("<end>", Effect::MaybeApplied)]
    {
        let script = move |line: &str, _| {
            if line.starts_with(silent) { Answer::Silence } else { Answer::Usual }
        };
        let server = Server::start(PIPELINING, script).await;
        let short = Duration::from_millis(50);
        let by_phase =
            config(&server).with_greeting_timeout(short).with_command_timeout(short).with_data_timeout(short);
        let error = send(&by_phase.build(&BuildContext::default()).unwrap(), &["ada@example.org"])
            .await
            .0
            .unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, effect), "{silent}");
        let cx = CallContext::new(&CallOptions::new().with_timeout(short));
        let error = provider(&server).send(&cx, &request(&["ada@example.org"])).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, effect), "{silent}, by deadline");
    }
}

#[tokio::test]
async fn a_dropped_call_takes_its_connection_along_and_gives_its_place_back() {
    let server = Server::start(PIPELINING, |line, number| match line {
        "<end>" if number == 0 => Answer::Silence,
        _ => Answer::Usual,
    })
    .await;
    let email = config(&server).with_max_connections(1).build(&BuildContext::default()).unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(100), send(&email, &["ada@example.org"])).await;
    assert!(dropped.is_err());
    assert_eq!(email.resting_connections(), 0);
    send(&email, &["ada@example.org"]).await.0.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn connections_are_bounded_and_replaced_after_their_share() {
    let server = Server::start(PIPELINING, |_, _| Answer::Usual).await;
    let email = config(&server)
        .with_max_connections(2)
        .with_mails_per_connection(5)
        .build(&BuildContext::default())
        .unwrap();
    let email = Arc::new(email);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let email = email.clone();
        tasks.spawn(async move { send(&email, &[&format!("user{n}@example.org")]).await.0.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(server.mails().len(), 20);
    // Those that were replaced may still be open for a moment on the other side.
    assert!(server.peak() <= 4 && server.connections() >= 4, "{} {}", server.peak(), server.connections());
    email.close().await.unwrap();
    let error = send(&email, &["ada@example.org"]).await.0.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Closed, Effect::NotSent));
}

#[tokio::test]
async fn what_the_server_does_not_offer_is_refused_before_the_mail() {
    let server = Server::start(&["SIZE 300"], |_, _| Answer::Usual).await;
    let email = provider(&server);
    let mut large = request(&["ada@example.org"]);
    large.message.text = Some("x".repeat(400));
    let error = email.send(&CallContext::default(), &large).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::PayloadTooLarge, Effect::NotSent));
    let (result, _) = send(&email, &["用户@example.org"]).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported);
    let bytes = RawMessage::parse("From: a@example.org\r\n\r\nGrüße\r\n").unwrap();
    let raw =
        RawRequest::new("a@example.org".parse().unwrap(), vec!["b@example.org".parse().unwrap()], bytes);
    let error = email.send_raw(&CallContext::default(), &raw).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotSent));
    assert_eq!(server.heard("MAIL"), 0);
}

#[tokio::test]
async fn addresses_in_other_scripts_travel() {
    let server = Server::start(PIPELINING, |_, _| Answer::Usual).await;
    let email = provider(&server);
    send(&email, &["anna@bücher.example"]).await.0.unwrap();
    assert_eq!(server.heard("RCPT TO:<anna@xn--bcher-kva.example>"), 1);
    assert!(!server.lines().iter().any(|line| line.contains("SMTPUTF8")));
    send(&email, &["用户@bücher.example"]).await.0.unwrap();
    assert_eq!(server.heard("RCPT TO:<用户@bücher.example>"), 1);
    assert!(server.lines().iter().any(|line| line.ends_with("BODY=8BITMIME SMTPUTF8")));
}

#[tokio::test]
async fn hostile_answers_are_errors() {
    let endless: &'static str = Box::leak("250-x\r\n".repeat(400).into_boxed_str());
    for (line, answer) in [
        ("<hello>", "hello there\r\n"),
        ("<hello>", Box::leak("2".repeat(10_000).into_boxed_str())),
        ("EHLO", endless),
        ("MAIL", "250-a\r\n550 b\r\n"),
    ] {
        let script = move |seen: &str, _| {
            if seen.starts_with(line) { Answer::Say(answer) } else { Answer::Usual }
        };
        let server = Server::start(PIPELINING, script).await;
        let error = send(&provider(&server), &["ada@example.org"]).await.0.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Corrupt, Effect::NotSent), "{line}");
    }
    let server =
        Server::start(
            PIPELINING,
            |line, _| {
                if line == "<end>" { Answer::Say("what?\r\n") } else { Answer::Usual }
            },
        )
        .await;
    let error = send(&provider(&server), &["ada@example.org"]).await.0.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Corrupt, Effect::MaybeApplied));
}

#[tokio::test]
async fn large_mails_and_many_recipients_pass_in_blocks() {
    let server = Server::start(&["PIPELINING"], |_, _| Answer::Usual).await;
    let email = config(&server).with_max_recipients(1000).build(&BuildContext::default()).unwrap();
    let to: Vec<String> = (0..250).map(|n| format!("user{n}@example.org")).collect();
    let mut request = request(&to.iter().map(String::as_str).collect::<Vec<_>>());
    request.message.text = Some(".line\n".repeat(200_000));
    let receipt = email.send(&CallContext::default(), &request).await.unwrap();
    assert!(receipt.is_complete() && receipt.recipients.len() == 250);
    assert!(server.mails()[0].ends_with(&".line\r\n".repeat(200_000)));
}

#[tokio::test]
async fn a_probe_says_nothing_but_noop() {
    let server = Server::start(PIPELINING, |_, _| Answer::Usual).await;
    let email = provider(&server);
    for _ in 0..2 {
        email.probe(&CallContext::default()).await.unwrap();
    }
    assert_eq!(server.lines(), ["EHLO client.example.org", "NOOP", "NOOP"]);
    let nobody = SmtpConfig::new("smtp://127.0.0.1:1").with_security(Security::None);
    let error =
        nobody.build(&BuildContext::default()).unwrap().probe(&CallContext::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
}
