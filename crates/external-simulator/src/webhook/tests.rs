//! What a service sees of a vendor that posts to it.

use std::time::SystemTime;

use super::*;
use crate::{HttpAnswer, HttpServer};

/// A vendor whose clock shows 1000, and a service that takes what `takes` says, by the number of what came.
async fn setting(takes: fn(usize) -> bool) -> (WebhookSender, HttpServer, String) {
    let came = std::sync::atomic::AtomicUsize::new(0);
    let service = HttpServer::start(move |_| {
        let number = came.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        HttpAnswer::new(if takes(number) { 204 } else { 503 })
    })
    .await
    .unwrap();
    let clock = Clock::standing(SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
    let vendor = WebhookSender::new(Signer::hmac_sha256("key"), &clock, |signer, message| {
        let signature = signer.sign(&message.body)?;
        Ok(vec![
            ("x-time".to_owned(), message.seconds.to_string()),
            ("x-signature".to_owned(), format!("{:02x}", signature[0])),
        ])
    })
    .unwrap();
    let url = format!("http://{}/hooks?a=b", service.address());
    (vendor, service, url)
}

/// Target, body, time and signature of each request.
fn seen(service: &HttpServer) -> Vec<(String, String, String, String)> {
    let field = |question: &crate::HttpQuestion, name| question.header(name).unwrap().to_owned();
    let one = |question: crate::HttpQuestion| {
        let body = String::from_utf8(question.body.to_vec()).unwrap();
        let (time, signature) = (field(&question, "x-time"), field(&question, "x-signature"));
        (question.target, body, time, signature)
    };
    service.asked().into_iter().map(one).collect()
}

fn bodies(service: &HttpServer) -> Vec<String> {
    seen(service).into_iter().map(|(_, body, ..)| body).collect()
}

#[tokio::test]
async fn a_message_is_posted_until_it_is_taken_and_stays_the_same() {
    let (vendor, service, url) = setting(|number| number >= 2).await;
    vendor.send(&url, "one");
    vendor.send(&url, "two");
    vendor.settled().await;
    assert_eq!(bodies(&service), ["one", "one", "one", "two"]);
    let seen = seen(&service);
    assert_eq!((seen[0].0.as_str(), seen[0].2.as_str()), ("/hooks?a=b", "1000"));
    assert!(seen[0] == seen[1] && seen[1] == seen[2]);
    let statuses: Vec<_> = vendor.attempts().iter().map(|one| (one.number, one.status)).collect();
    assert_eq!(statuses, [(1, Some(503)), (1, Some(503)), (1, Some(204)), (2, Some(204))]);
}

#[tokio::test]
async fn a_message_that_nobody_takes_is_given_up() {
    let (vendor, service, url) = setting(|_| false).await;
    vendor.send(&url, "one");
    vendor.send("http://127.0.0.1:1/", "two");
    vendor.send("https://127.0.0.1/", "three");
    vendor.settled().await;
    assert_eq!(bodies(&service).len(), 5);
    assert_eq!(vendor.attempts().len(), 15);
    assert!(vendor.attempts()[5..].iter().all(|one| one.status.is_none()));
}

#[tokio::test]
async fn what_goes_wrong_goes_wrong_once() {
    let (vendor, service, url) = setting(|number| ![0, 2].contains(&number)).await;
    vendor.inject(WebhookFault::WrongSignature);
    vendor.inject(WebhookFault::Old(Duration::from_secs(600)));
    vendor.inject(WebhookFault::Repeat);
    vendor.inject(WebhookFault::OutOfOrder);
    for body in ["forged", "old", "twice", "late", "last"] {
        vendor.send(&url, body);
    }
    vendor.settled().await;
    assert_eq!(bodies(&service), ["forged", "forged", "old", "old", "twice", "twice", "last", "late"]);
    let seen = seen(&service);
    assert_ne!(seen[0].3, seen[1].3);
    assert_eq!((seen[2].2.as_str(), seen[3].2.as_str()), ("400", "1000"));
    assert!(seen[4] == seen[5]);
}

#[tokio::test]
async fn who_hangs_up_posts_again() {
    let (vendor, service, url) = setting(|_| true).await;
    vendor.inject(WebhookFault::HangUp);
    vendor.send(&url, "one");
    vendor.settled().await;
    assert_eq!(vendor.attempts().iter().map(|one| one.status).collect::<Vec<_>>(), [None, Some(204)]);
    assert!(!bodies(&service).is_empty());
}

#[test]
fn each_kind_of_key_signs() {
    let hmac = Signer::hmac_sha256("key");
    assert_eq!(hmac.sign(b"x").unwrap().len(), 32);
    assert_ne!(hmac.sign(b"x").unwrap(), hmac.another().unwrap().sign(b"x").unwrap());
    assert_eq!(hmac.public_key().unwrap(), None);
    for signer in [Signer::ecdsa_p256().unwrap(), Signer::ed25519().unwrap()] {
        assert!(signer.sign(b"x").unwrap().len() >= 64);
        assert_ne!(signer.public_key().unwrap(), signer.another().unwrap().public_key().unwrap());
    }
}
