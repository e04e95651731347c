//! What only this provider has: its clock, its keys, its inspection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use external_core::ErrorKind;

fn message(to: &str) -> Message {
    Message::new("s".parse().unwrap())
        .with_from("shop@example.org".parse::<EmailAddress>().unwrap())
        .with_to(to.parse::<EmailAddress>().unwrap())
        .with_text("hello")
}

fn clocked() -> (MemoryEmail, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(1_000));
    let clock = seconds.clone();
    let context = BuildContext::default()
        .with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
    (MemoryConfig::new().build(&context).unwrap(), seconds)
}

#[tokio::test]
async fn scheduled_mails_wait_for_the_clock() {
    let (email, seconds) = clocked();
    let cx = CallContext::default();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_060);
    let receipt = email.schedule(&cx, &ScheduleRequest::new(message("a@example.org"), at)).await.unwrap();
    let other = email.schedule(&cx, &ScheduleRequest::new(message("b@example.org"), at)).await.unwrap();
    assert!(email.cancel(&cx, &CancelRequest::new(other.id.clone())).await.unwrap().existed);
    seconds.store(1_059, Ordering::Relaxed);
    assert!(email.sent().is_empty());
    seconds.store(1_060, Ordering::Relaxed);
    assert_eq!(email.sent().len(), 1);
    assert_eq!(email.sent()[0].at, at);
    assert!(!email.cancel(&cx, &CancelRequest::new(receipt.id)).await.unwrap().existed);
    assert!(!email.cancel(&cx, &CancelRequest::new(other.id)).await.unwrap().existed);
}

#[tokio::test]
async fn a_key_is_one_mail_for_a_day() {
    let (email, seconds) = clocked();
    let cx = CallContext::default();
    let request = SendRequest::new(message("a@example.org")).with_idempotency_key("k");
    let first = email.send(&cx, &request).await.unwrap();
    let second = email.send(&cx, &request).await.unwrap();
    assert_eq!(second.clone().with_replayed(false), first);
    assert!(second.replayed);
    let other = SendRequest::new(message("b@example.org")).with_idempotency_key("k");
    assert_eq!(email.send(&cx, &other).await.unwrap_err().kind(), ErrorKind::Conflict);
    seconds.fetch_add(24 * 3600, Ordering::Relaxed);
    assert!(!email.send(&cx, &request).await.unwrap().replayed);
    assert_eq!(email.sent().len(), 2);
}

#[tokio::test]
async fn a_lost_reply_is_kept_and_unknown() {
    let rehearsal = Rehearsal::new().with_lose_reply("lost");
    let email = MemoryConfig::new().with_rehearsal(rehearsal).build(&BuildContext::default()).unwrap();
    let cx = CallContext::default();
    let error = email.send(&cx, &message("lost@example.org").into()).await.unwrap_err();
    assert_eq!(error.effect(), Effect::MaybeApplied);
    assert!(cx.was_sent());
    assert_eq!(email.sent_to(&"lost@example.org".parse().unwrap()).len(), 1);
}

#[tokio::test]
async fn old_mails_are_forgotten_first() {
    let email = MemoryConfig::new().with_keep(2).build(&BuildContext::default()).unwrap();
    for n in 0..3 {
        email.send(&CallContext::default(), &message(&format!("u{n}@example.org")).into()).await.unwrap();
    }
    let sent = email.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].to[0].as_str(), "u1@example.org");
    email.clear();
    assert!(email.sent().is_empty());
}
