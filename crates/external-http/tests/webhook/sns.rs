//! Amazon SNS: certificates, topics, and what stands beside what is signed.

use std::sync::Arc;
use std::time::Duration;

use external_http::webhook::{SnsScheme, WebhookReceiver, answer_status};
use external_http::{Error, ErrorKind, MemoryAnswer, MemoryConfig, MemoryHttp, Result};
use serde_json::{Value, json};

use super::cases::{TOPIC, case, origin, request};
use super::{NOW, context, post};

fn good() -> Value {
    case("aws_sns", "notification_v2_ok")
}

fn receiver(origin: Arc<MemoryHttp>, now: u64) -> WebhookReceiver {
    let topics = ["arn:aws:sns:us-east-1:123456789012:another", TOPIC];
    WebhookReceiver::new(SnsScheme::new(origin, topics, &context(now)).unwrap(), &context(now))
}

async fn asked(receiver: &WebhookReceiver, case: &Value) -> Result<()> {
    let (parts, body) = request(case);
    receiver.receive(&parts, body).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_fetched_once_for_any_number_of_messages() {
    let pem = good()["keys"]["signing_cert_pem"].as_str().unwrap().to_owned();
    let answer = MemoryAnswer::new(200).with_body(pem).with_delay(Duration::from_millis(20));
    let origin = Arc::new(MemoryHttp::new().with_fallback(move |_| answer.clone()));
    let receiver = receiver(origin.clone(), NOW);
    let good = good();
    let all = (0..20).map(|_| asked(&receiver, &good));
    for outcome in futures_util::future::join_all(all).await {
        outcome.unwrap();
    }
    asked(&receiver, &case("aws_sns", "notification_no_subject_ok")).await.unwrap();
    asked(&receiver, &case("aws_sns", "notification_wrong_key")).await.unwrap_err();
    assert_eq!(origin.received().len(), 1);
}

#[tokio::test]
async fn certificates_are_kept_within_a_bound() {
    let case = good();
    let pem = case["keys"]["signing_cert_pem"].as_str().unwrap().to_owned();
    let http = MemoryConfig::new().with_keep(100).build(&context(NOW)).unwrap();
    let origin = Arc::new(http.with_fallback(move |_| MemoryAnswer::new(200).with_body(pem.clone())));
    let receiver = receiver(origin.clone(), NOW);
    // Where it lies is not signed.
    let ask = async |number: usize| {
        let mut message: Value = serde_json::from_str(case["payload_utf8"].as_str().unwrap()).unwrap();
        message["SigningCertURL"] = json!(format!("https://sns.us-east-1.amazonaws.com/{number}.pem"));
        let (parts, body) = post(&[], message.to_string());
        receiver.receive(&parts, body).await.unwrap().confirm().await.unwrap();
        origin.received().len()
    };
    for number in 0..20 {
        assert_eq!(ask(number).await, number + 1);
    }
    assert_eq!(ask(19).await, 20, "the latest is kept");
    assert_eq!(ask(5).await, 20, "so are the sixteen before");
    assert_eq!(ask(0).await, 21, "the oldest is not");
}

#[tokio::test]
async fn a_certificate_that_is_none_or_cannot_be_had_proves_nothing() {
    let pem = good()["keys"]["signing_cert_pem"].as_str().unwrap().to_owned();
    let private = pem.replace("CERTIFICATE", "PRIVATE KEY");
    for (answer, kind) in [
        (MemoryAnswer::new(404), ErrorKind::Unauthenticated),
        (MemoryAnswer::new(403), ErrorKind::Unauthenticated),
        (
            MemoryAnswer::new(302).with_header("location", "https://evil.example.com/a.pem").with_body(pem),
            ErrorKind::Unauthenticated,
        ),
        (MemoryAnswer::new(200), ErrorKind::Unauthenticated),
        (MemoryAnswer::new(200).with_body("<html>"), ErrorKind::Unauthenticated),
        (MemoryAnswer::new(200).with_body(private), ErrorKind::Unauthenticated),
        (MemoryAnswer::new(200).with_body(vec![b'a'; 1 << 20]), ErrorKind::Unauthenticated),
        (MemoryAnswer::new(503), ErrorKind::Unavailable),
        (MemoryAnswer::failing(Error::unavailable("refused")), ErrorKind::Unavailable),
    ] {
        let said = format!("{answer:?}");
        let origin = Arc::new(MemoryHttp::new().with_fallback(move |_| answer.clone()));
        let receiver = receiver(origin.clone(), NOW);
        for _ in 0..2 {
            let error = asked(&receiver, &good()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{said}");
            assert_eq!(answer_status(&error), if kind == ErrorKind::Unavailable { 503 } else { 401 });
        }
        assert_eq!(origin.received().len(), 2, "{said}: nothing of it is kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_does_not_come_is_not_waited_for_longer_than_a_vendor_waits() {
    let answer = MemoryAnswer::new(200).with_delay(Duration::from_secs(3600));
    let receiver = receiver(Arc::new(MemoryHttp::new().with_fallback(move |_| answer.clone())), NOW);
    let began = tokio::time::Instant::now();
    let good = good();
    let all = (0..5).map(|_| asked(&receiver, &good));
    for outcome in futures_util::future::join_all(all).await {
        let error = outcome.unwrap_err();
        assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::Timeout, 503));
    }
    assert!(began.elapsed() <= Duration::from_secs(10));
}

#[tokio::test]
async fn a_message_is_taken_for_as_long_as_sns_sends_it() {
    for (now, is_taken) in
        [(NOW + 3600, true), (NOW + 3900, true), (NOW + 3901, false), (NOW - 300, true), (NOW - 3901, false)]
    {
        assert_eq!(asked(&receiver(origin(&good()), now), &good()).await.is_ok(), is_taken, "{now}");
    }
}

#[tokio::test]
async fn a_header_field_does_not_say_something_else_than_what_is_signed() {
    let (_, body) = request(&good());
    let receiver = receiver(origin(&good()), NOW);
    const KIND: &str = "x-amz-sns-message-type";
    for (fields, is_taken) in [
        (&[][..], true),
        (&[(KIND, "Notification")], true),
        (&[(KIND, "SubscriptionConfirmation")], false),
        (&[(KIND, "")], false),
        (&[(KIND, "Notification"), (KIND, "Notification")], false),
    ] {
        let (parts, body) = post(fields, body.clone());
        assert_eq!(receiver.receive(&parts, body).await.is_ok(), is_taken, "{fields:?}");
    }
}

#[tokio::test]
async fn an_error_names_the_member_and_shows_no_value() {
    let base: Value = serde_json::from_str(good()["payload_utf8"].as_str().unwrap()).unwrap();
    let origin = origin(&good());
    let receiver = receiver(origin.clone(), NOW);
    for field in ["Type", "TopicArn", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL"] {
        let mut message = base.clone();
        message[field] = json!("can%ary");
        let (parts, body) = post(&[], message.to_string());
        let error = receiver.receive(&parts, body).await.unwrap_err();
        assert_eq!(error.context_value("field"), Some(field));
        assert!(!format!("{error} {error:?} {}", error.report()).contains("can%ary"), "{field}");
    }
    for field in [
        "Type",
        "MessageId",
        "TopicArn",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
    ] {
        let mut message = base.clone();
        message.as_object_mut().unwrap().remove(field);
        let (parts, body) = post(&[], message.to_string());
        let error = receiver.receive(&parts, body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{field}");
    }
    assert!(origin.received().is_empty(), "nothing was fetched for any of them");
}
