//! A mail there and its events back: client, simulator, its webhook, receiver.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_core::BuildContext;
use external_core::email::{
    EmailEvent, EmailEventKind as Kind, EmailService, Message, MetadataKey, ScheduleEmail, ScheduleRequest,
    SendRequest,
};
use external_core::http::HttpUrl;
use external_core::{CallContext, Result};
use external_http::webhook::{MemoryReplays, WebhookKey, answer_status};
use external_http::{HttpClient, HttpRequest, Method, ReqwestConfig};
use external_simulator::{Clock, HttpAnswer, HttpQuestion, HttpServer, WebhookFault};
use futures_util::FutureExt;
use serde_json::{Value, json};

use super::super::{KEY, SendgridSimulator};
use crate::providers::sendgrid::{SendgridConfig, SendgridEmail, SendgridEvents};

/// All of it on one clock.
struct World {
    clock: Clock,
    vendor: SendgridSimulator,
    email: SendgridEmail,
    heard: Arc<Mutex<Vec<EmailEvent>>>,
    _service: HttpServer,
    _folder: tempfile::TempDir,
}

impl World {
    /// A service that cannot deal with the requests of these numbers.
    async fn new(fails: &'static [usize]) -> Self {
        let (clock, folder) = (Clock::default(), tempfile::tempdir().unwrap());
        let vendor = SendgridSimulator::start(folder.path(), &clock).unwrap();
        let time = clock.clone();
        let context = BuildContext::default().with_clock(move || time.now());
        let email = SendgridConfig::new(KEY)
            .with_base_url(vendor.server().url())
            .with_insecure_http()
            .build(&context)
            .unwrap();

        let key = WebhookKey::ecdsa_p256(&vendor.webhooks().public_key().unwrap().unwrap()).unwrap();
        let events = SendgridEvents::new([key], &context)
            .unwrap()
            .with_receiver(|receiver| receiver.with_replays(Arc::new(MemoryReplays::new(100))));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (ears, taken) = (heard.clone(), Mutex::new(0));
        let service = HttpServer::start(move |question| {
            let outcome = received(&events, question, |told| {
                let mut number = taken.lock().unwrap();
                *number += 1;
                if fails.contains(&(*number - 1)) {
                    return Err(external_core::Error::unavailable("the database is down"));
                }
                ears.lock().unwrap().extend_from_slice(told);
                Ok(())
            });
            HttpAnswer::new(outcome.map_or_else(|error| answer_status(&error).as_u16(), |()| 204))
        })
        .await
        .unwrap();

        let world = Self { clock, vendor, email, heard, _service: service, _folder: folder };
        let url = format!("http://{}/events", world._service.address());
        let mut settings = json!({ "enabled": true, "url": url, "processed": false });
        for event in [
            "bounce",
            "click",
            "deferred",
            "delivered",
            "dropped",
            "group_unsubscribe",
            "open",
            "spam_report",
            "unsubscribe",
        ] {
            settings[event] = json!(true);
        }
        let made = world.ask(Method::POST, "/v3/user/webhooks/event/settings", &settings).await;
        let signed = format!("/v3/user/webhooks/event/settings/signed/{}", made["id"].as_str().unwrap());
        let told = world.ask(Method::PATCH, &signed, &json!({ "enabled": true })).await;
        assert_eq!(told["public_key"].as_str(), world.vendor.webhooks().public_key().unwrap().as_deref());
        world
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default()).unwrap());
        let url = HttpUrl::parse(&format!("{}{path}", self.vendor.server().url())).unwrap();
        let request = HttpRequest::new(method, url)
            .with_header("authorization", &format!("Bearer {KEY}"))
            .unwrap()
            .with_body(body.to_string());
        let text = http.send(&request).await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn send(&self, to: &str) -> String {
        let request = SendRequest::new(message(to));
        let receipt = self.email.send(&CallContext::default(), &request).await.unwrap();
        receipt.vendor_id.unwrap()
    }

    async fn heard(&self) -> Vec<EmailEvent> {
        self.vendor.webhooks().settled().await;
        self.heard.lock().unwrap().clone()
    }

    /// What each message was answered, attempt by attempt.
    fn answers(&self) -> Vec<Vec<Option<u16>>> {
        let mut answers: Vec<Vec<_>> = Vec::new();
        for attempt in self.vendor.webhooks().attempts() {
            let at = usize::try_from(attempt.number).unwrap();
            answers.resize_with(answers.len().max(at), Vec::new);
            answers[at - 1].push(attempt.status);
        }
        answers
    }
}

fn message(to: &str) -> Message {
    Message::new("Hello".parse().unwrap())
        .with_from("shop@example.com".parse::<external_core::email::Mailbox>().unwrap())
        .with_to(to.parse::<external_core::email::Mailbox>().unwrap())
        .with_text("It is on its way.")
        .with_tag("order".parse().unwrap())
        .with_metadata(MetadataKey::parse("number").unwrap(), "7".parse().unwrap())
}

/// As a service does it; a store in memory and keys at hand let nobody wait.
fn received(
    events: &SendgridEvents,
    question: &HttpQuestion,
    deal_with: impl FnOnce(&[EmailEvent]) -> Result<()>,
) -> Result<()> {
    let mut request = http::Request::post(&question.target);
    *request.headers_mut().unwrap() = question.headers.clone();
    let (parts, body) = request.body(question.body.clone()).unwrap().into_parts();
    let delivery = events.receive(&parts, body).now_or_never().unwrap()?;
    deal_with(&delivery)?;
    delivery.confirm().now_or_never().unwrap()
}

#[tokio::test]
async fn what_becomes_of_a_mail_is_told_in_the_words_of_all_vendors() {
    let world = World::new(&[]).await;
    for (local, kinds) in [
        ("ada", vec![Kind::Delivered]),
        ("bounce", vec![Kind::Bounced { is_permanent: true }]),
        ("blocked+1", vec![Kind::Bounced { is_permanent: false }]),
        ("deferred", vec![Kind::Deferred, Kind::Delivered]),
        ("dropped", vec![Kind::Rejected]),
        ("open", vec![Kind::Delivered, Kind::Opened]),
        ("click", vec![Kind::Delivered, Kind::Clicked]),
        ("spamreport", vec![Kind::Delivered, Kind::Complained]),
        ("unsubscribe", vec![Kind::Delivered, Kind::Unsubscribed { group: None }]),
        ("group_unsubscribe", vec![Kind::Delivered, Kind::Unsubscribed { group: Some("10".to_owned()) }]),
    ] {
        let before = world.heard().await.len();
        let to = format!("{local}@example.org");
        let vendor_id = world.send(&to).await;
        let events = world.heard().await.split_off(before);
        assert_eq!(events.iter().map(|event| event.kind.clone()).collect::<Vec<_>>(), kinds, "{local}");
        for event in events {
            assert_eq!(event.recipient.map(|address| address.to_string()), Some(to.clone()));
            assert_eq!(event.vendor_id.as_deref(), Some(vendor_id.as_str()));
            assert!(event.message_id.is_some() && event.id.is_some() && event.at.is_some());
            assert_eq!(
                (event.tags, event.metadata.get("number").map(String::as_str)),
                (vec!["order".to_owned()], Some("7"))
            );
            assert_eq!(event.url.is_some(), event.kind == Kind::Clicked);
        }
    }
    assert!(world.answers().iter().all(|answers| *answers == [Some(204)]));
}

#[tokio::test]
async fn whatever_goes_wrong_each_event_is_dealt_with_once() {
    // The first time the service cannot deal with it.
    let world = World::new(&[0]).await;
    let faults = [
        WebhookFault::WrongSignature,
        WebhookFault::Old(Duration::from_secs(3600)),
        WebhookFault::Repeat,
        WebhookFault::HangUp,
        WebhookFault::OutOfOrder,
    ];
    world.send("first@example.org").await;
    for (at, fault) in faults.into_iter().enumerate() {
        world.vendor.webhooks().inject(fault);
        world.send(&format!("{at}@example.org")).await;
    }
    world.send("last@example.org").await;
    let heard = world.heard().await;
    let recipients: Vec<_> =
        heard.iter().map(|event| event.recipient.as_ref().unwrap().local().to_owned()).collect();
    assert_eq!(recipients, ["first", "0", "1", "2", "3", "last", "4"]);
    let mut answers = world.answers();
    // Whether one who hangs up was heard is anybody's guess; nobody hears it twice.
    assert!(matches!(answers.remove(4)[..], [None, Some(200 | 204)]));
    let expected: [&[Option<u16>]; 6] = [
        &[Some(503), Some(204)],
        &[Some(401), Some(204)],
        &[Some(401), Some(204)],
        &[Some(204), Some(200)],
        &[Some(204)],
        &[Some(204)],
    ];
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn a_mail_that_waits_leaves_when_the_clock_is_put_there() {
    let world = World::new(&[]).await;
    let hour = Duration::from_secs(3600);
    for (to, is_cancelled) in [("cancelled@example.org", true), ("ada@example.org", false)] {
        let request = ScheduleRequest::new(message(to), world.clock.now() + hour);
        let receipt = world.email.schedule(&CallContext::default(), &request).await.unwrap();
        if is_cancelled {
            let request = external_core::email::CancelRequest::new(receipt.id);
            assert!(world.email.cancel(&CallContext::default(), &request).await.unwrap().existed);
        }
    }
    world.clock.advance(hour - Duration::from_secs(60));
    assert!(world.heard().await.is_empty());
    world.clock.advance(Duration::from_secs(61));
    while world.heard().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let heard = world.heard().await;
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].recipient.as_ref().unwrap().local(), "ada");
}
