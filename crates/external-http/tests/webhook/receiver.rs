//! The receiver, whatever the scheme: size, age, repetition, several keys.

use std::sync::Arc;
use std::time::Duration;

use external_http::webhook::{
    HeaderScheme, MemoryReplays, SignedPart, WebhookKey, WebhookReceiver, answer_status, sendgrid,
};
use external_http::{ErrorKind, Secret};
use http::header::HeaderValue;

use super::cases::{case, request};
use super::{NOW, at, context, post};

fn sendgrid_receiver(now: u64) -> WebhookReceiver {
    let case = case("sendgrid", "made_ok");
    let other = case_key("event_webhook_wrong_key");
    let key = WebhookKey::ecdsa_p256(case["keys"]["public_key_base64_der"].as_str().unwrap()).unwrap();
    WebhookReceiver::new(sendgrid([other, key]).unwrap(), &context(now))
}

fn case_key(operation: &str) -> WebhookKey {
    let case = case("sendgrid", operation);
    WebhookKey::ecdsa_p256(case["keys"]["public_key_base64_der"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_its_signature_is_looked_at() {
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    let receiver = sendgrid_receiver(NOW).with_body_limit(body.len());
    assert_eq!(receiver.body_limit(), body.len());
    let verified = receiver.receive(&parts, body.clone()).await.unwrap();
    assert_eq!(verified.sent_at(), Some(at(NOW)));
    let receiver = receiver.with_body_limit(body.len() - 1);
    let error = receiver.receive(&parts, body).await.unwrap_err();
    assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::PayloadTooLarge, 413));
    // The default is a mebibyte.
    let (parts, body) = post(&[], vec![b' '; (1 << 20) + 1]);
    let error = sendgrid_receiver(NOW).receive(&parts, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
}

#[tokio::test]
async fn the_age_is_bounded_both_ways_by_the_tolerance() {
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    for (now, tolerance, is_taken) in [
        (NOW + 60, 60, true),
        (NOW + 61, 60, false),
        (NOW - 60, 60, true),
        (NOW - 61, 60, false),
        (NOW, 0, true),
    ] {
        let receiver = sendgrid_receiver(now).with_tolerance(Duration::from_secs(tolerance));
        let outcome = receiver.receive(&parts, body.clone()).await;
        assert_eq!(outcome.is_ok(), is_taken, "{now} {tolerance}");
        if let Err(error) = outcome {
            assert_eq!(
                (error.context_value("seconds"), error.context_value("tolerance")),
                (Some("61"), Some("60"))
            );
        }
    }
}

#[tokio::test]
async fn what_was_dealt_with_is_known_when_it_comes_again() {
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    let receiver = sendgrid_receiver(NOW).with_replays(Arc::new(MemoryReplays::new(10)));
    receiver.receive(&parts, body.clone()).await.unwrap().confirm().await.unwrap();
    let error = receiver.receive(&parts, body.clone()).await.unwrap_err();
    assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::AlreadyExists, 200));
    let (again, same_body) = request(&case("sendgrid", "made_ok_again"));
    assert_eq!(body, same_body);
    let error = receiver.receive(&again, body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "ECDSA has many signatures for one message");
}

#[tokio::test]
async fn what_could_not_be_dealt_with_is_taken_when_it_comes_again() {
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    let receiver = sendgrid_receiver(NOW).with_replays(Arc::new(MemoryReplays::new(10)));
    let delivery = receiver.receive(&parts, body.clone()).await.unwrap();
    let error = receiver.receive(&parts, body.clone()).await.unwrap_err();
    // A success would end it, and whoever has it may fail.
    assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::Conflict, 503));
    delivery.release().await.unwrap();

    let delivery = receiver.receive(&parts, body.clone()).await.unwrap();
    let error = delivery.read(|verified| verified.json::<u8>()).unwrap_err();
    assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::Corrupt, 400));
    // What is dropped is given up beside.
    tokio::task::yield_now().await;
    let delivery = receiver.receive(&parts, body.clone()).await.unwrap();
    let read = delivery.read(|verified| verified.json::<serde_json::Value>()).unwrap();
    read.confirm().await.unwrap();
    assert_eq!(receiver.receive(&parts, body).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_took_who_is_no_more_is_taken_after_the_lease() {
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    let receiver = sendgrid_receiver(NOW)
        .with_replays(Arc::new(MemoryReplays::new(10)))
        .with_lease(Duration::from_secs(60));
    let gone = receiver.receive(&parts, body.clone()).await.unwrap();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(receiver.receive(&parts, body.clone()).await.unwrap_err().kind(), ErrorKind::Conflict);
    tokio::time::advance(Duration::from_secs(1)).await;
    let next = receiver.receive(&parts, body.clone()).await.unwrap();
    // Who comes back after the lease takes it from nobody.
    gone.release().await.unwrap();
    assert_eq!(receiver.receive(&parts, body.clone()).await.unwrap_err().kind(), ErrorKind::Conflict);
    next.confirm().await.unwrap();
    assert_eq!(receiver.receive(&parts, body).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn of_many_side_by_side_one_is_taken() {
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    let receiver = sendgrid_receiver(NOW).with_replays(Arc::new(MemoryReplays::new(10)));
    let all = (0..20).map(|_| receiver.receive(&parts, body.clone()));
    let taken: Vec<_> =
        futures_util::future::join_all(all).await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(taken.len(), 1);
}

#[tokio::test]
async fn what_was_refused_is_not_remembered() {
    let store = Arc::new(MemoryReplays::new(1));
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    let (forged, forged_body) = request(&case("sendgrid", "event_webhook_tampered_body"));
    let receiver = sendgrid_receiver(NOW).with_replays(store.clone());
    receiver.receive(&forged, forged_body).await.unwrap_err();
    let late = sendgrid_receiver(NOW + 1000).with_replays(store);
    late.receive(&parts, body.clone()).await.unwrap_err();
    receiver.receive(&parts, body).await.unwrap().confirm().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_remembered_for_as_long_as_it_could_be_repeated() {
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    let receiver = sendgrid_receiver(NOW)
        .with_replays(Arc::new(MemoryReplays::new(10)))
        .with_replay_memory(Duration::from_secs(1))
        .with_tolerance(Duration::from_secs(300));
    receiver.receive(&parts, body.clone()).await.unwrap().confirm().await.unwrap();
    tokio::time::advance(Duration::from_secs(599)).await;
    assert_eq!(receiver.receive(&parts, body.clone()).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    tokio::time::advance(Duration::from_secs(2)).await;
    receiver.receive(&parts, body).await.unwrap().confirm().await.unwrap();
}

#[tokio::test]
async fn header_fields_that_are_there_twice_prove_nothing() {
    let (parts, body) = request(&case("sendgrid", "made_ok"));
    for name in ["x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"] {
        let mut twice = parts.clone();
        let value = twice.headers[name].clone();
        twice.headers.append(name, value);
        let error = sendgrid_receiver(NOW).receive(&twice, body.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.context_value("header")), (ErrorKind::Unauthenticated, Some(name)));
        let mut padded = parts.clone();
        let value = format!("{}, x", padded.headers[name].to_str().unwrap());
        padded.headers.insert(name, HeaderValue::from_str(&value).unwrap());
        sendgrid_receiver(NOW).receive(&padded, body.clone()).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_an_error_and_shows_nothing() {
    let made = |secret: Secret| {
        let key = WebhookKey::hmac_sha256(secret);
        let scheme = HeaderScheme::new("x-signature", [SignedPart::Body], [key]).unwrap();
        WebhookReceiver::new(scheme, &context(NOW))
    };
    let (parts, body) = post(&[("x-signature", "Y2FuYXJ5LXNpZ25hdHVyZQ==")], "{}");
    for secret in [Secret::from_env("UNBOUND"), Secret::new("")] {
        let error = made(secret).receive(&parts, body.clone()).await.unwrap_err();
        assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::Configuration, 503));
    }
    let receiver = made(Secret::new("canary-secret"));
    let error = receiver.receive(&parts, body).await.unwrap_err();
    let shown = format!("{receiver:?} {error} {error:?} {}", error.report());
    assert!(!shown.contains("canary-secret") && !shown.contains("Y2FuYXJ5"), "{shown}");
}
