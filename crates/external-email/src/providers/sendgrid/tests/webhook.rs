//! Events as SendGrid's documentation shows them, signed by a key of the test.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_contract::external_simulator;
use external_core::email::{EmailAddress, EmailEvent, EmailEventKind as Kind, MessageId};
use external_core::{BuildContext, ErrorKind};
use external_http::webhook::{MemoryReplays, WebhookKey, answer_status};
use http::request::Parts;
use serde_json::{Value, json};

use super::super::SendgridEvents;

const NOW: u64 = 1_513_299_569;

struct Signer(external_simulator::Signer);

impl Signer {
    fn new() -> Self {
        Self(external_simulator::Signer::ecdsa_p256().unwrap())
    }

    fn key(&self) -> WebhookKey {
        WebhookKey::ecdsa_p256(&self.0.public_key().unwrap().unwrap()).unwrap()
    }

    fn events(&self) -> SendgridEvents {
        let world = BuildContext::default().with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
        SendgridEvents::new([self.key()], &world).unwrap()
    }

    fn signed(&self, body: &str) -> Parts {
        let signature = self.0.sign(format!("{NOW}{body}").as_bytes()).unwrap();
        let request = http::Request::post("/events")
            .header("x-twilio-email-event-webhook-signature", STANDARD.encode(signature))
            .header("x-twilio-email-event-webhook-timestamp", NOW.to_string());
        request.body(()).unwrap().into_parts().0
    }

    async fn received(&self, body: &Value) -> Vec<EmailEvent> {
        self.received_as(&body.to_string()).await
    }

    async fn received_as(&self, body: &str) -> Vec<EmailEvent> {
        self.events().receive(&self.signed(body), body.to_owned().into()).await.unwrap().to_vec()
    }
}

#[tokio::test]
async fn each_event_has_its_kind() {
    let told = [
        (json!({"event": "processed"}), Kind::Other("processed".to_owned())),
        (json!({"event": "deferred"}), Kind::Deferred),
        (json!({"event": "delivered"}), Kind::Delivered),
        (json!({"event": "open"}), Kind::Opened),
        (json!({"event": "click"}), Kind::Clicked),
        (json!({"event": "bounce", "type": "bounce"}), Kind::Bounced { is_permanent: true }),
        (json!({"event": "bounce"}), Kind::Bounced { is_permanent: true }),
        (json!({"event": "bounce", "type": "blocked"}), Kind::Bounced { is_permanent: false }),
        (json!({"event": "dropped"}), Kind::Rejected),
        (json!({"event": "spamreport"}), Kind::Complained),
        (json!({"event": "unsubscribe", "asm_group_id": 10}), Kind::Unsubscribed { group: None }),
        (
            json!({"event": "group_unsubscribe", "asm_group_id": 10}),
            Kind::Unsubscribed { group: Some("10".to_owned()) },
        ),
        (json!({"event": "group_resubscribe"}), Kind::Other("group_resubscribe".to_owned())),
        (json!({"event": "account_status_change"}), Kind::Other("account_status_change".to_owned())),
        // What the vendor may send one day.
        (json!({"event": 7}), Kind::Other(String::new())),
        (json!({}), Kind::Other(String::new())),
        (json!("delivered"), Kind::Other(String::new())),
    ];
    let body = Value::Array(told.iter().map(|(event, _)| event.clone()).collect());
    let events = Signer::new().received(&body).await;
    assert_eq!(events.len(), told.len());
    for (event, (told, kind)) in events.iter().zip(&told) {
        assert_eq!(event.kind, *kind, "{told}");
        assert_eq!(serde_json::from_str::<Value>(&event.raw).unwrap(), *told);
    }
}

#[tokio::test]
async fn an_event_tells_whom_and_what_it_is_about() {
    let events = Signer::new()
        .received(&json!([
            {
                "email": "ada@example.org", "timestamp": NOW, "event": "bounce", "type": "bounce",
                "smtp-id": "<1@example.org>", "sg_event_id": "e1", "sg_message_id": "m1.recvd-5f54.0",
                "reason": "500 unknown recipient", "status": "5.0.0", "category": ["a", "b"], "tls": 1,
                "marketing_campaign_name": "x", "order": "7", "url": "https://example.org/no",
            },
            {
                "email": "not an address", "timestamp": NOW.to_string(), "event": "deferred", "smtp-id": "",
                "response": "400 try again later", "attempt": "5", "category": "a",
            },
            {"event": "click", "url": "https://example.org/", "timestamp": "soon", "sg_message_id": ""},
        ]))
        .await;
    let [bounced, deferred, clicked] = events.as_slice() else { panic!("{events:?}") };
    let at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
    assert_eq!(bounced.recipient, EmailAddress::parse("ada@example.org").ok());
    assert_eq!((bounced.id.as_deref(), bounced.at), (Some("e1"), at));
    assert_eq!(bounced.message_id, MessageId::parse("1@example.org").ok());
    assert_eq!(bounced.vendor_id.as_deref(), Some("m1"));
    assert_eq!((bounced.reason.as_deref(), bounced.url.as_deref()), (Some("500 unknown recipient"), None));
    assert_eq!(bounced.tags, ["a", "b"]);
    assert_eq!(bounced.metadata, [("order".to_owned(), "7".to_owned())].into());

    assert_eq!((&deferred.recipient, &deferred.message_id, &deferred.id), (&None, &None, &None));
    assert_eq!((deferred.at, deferred.reason.as_deref()), (at, Some("400 try again later")));
    assert_eq!(deferred.tags, ["a"]);
    assert!(deferred.metadata.is_empty() && deferred.raw.contains("not an address"));

    assert_eq!((clicked.url.as_deref(), clicked.at), (Some("https://example.org/"), None));
    assert_eq!(clicked.vendor_id, None);
}

#[tokio::test]
async fn nothing_is_read_that_is_not_signed() {
    let (signer, other) = (Signer::new(), Signer::new());
    let body = r#"[{"event": "delivered"}]"#;
    let unsigned = http::Request::post("/events").body(()).unwrap().into_parts().0;
    for (parts, body) in [
        (other.signed(body), body),
        (signer.signed(body), r#"[{"event": "bounce"}]"#),
        (unsigned, body),
        // Were it read first, it would be no JSON.
        (other.signed("no JSON"), "no JSON"),
    ] {
        let error = signer.events().receive(&parts, body.into()).await.unwrap_err();
        assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::Unauthenticated, 401));
    }
    let no_key = SendgridEvents::new([], &BuildContext::default()).unwrap_err();
    assert_eq!(no_key.kind(), ErrorKind::Configuration);
}

/// Whatever is refused comes back for a day.
#[tokio::test]
async fn what_cannot_be_read_is_told_and_costs_no_neighbour() {
    let unreadable = Kind::Other(String::new());
    let signer = Signer::new();
    for body in ["no JSON", "{}", "7", "", "[", r#"[{"event": "delivered"}"#] {
        let events = signer.received_as(body).await;
        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((&event.kind, event.raw.as_str()), (&unreadable, body));
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for broken in [r#"{"event": "open", "timestamp": 1e999}"#, r#"{"email": "\ud800"}"#, "null", &deep] {
        let body = format!(r#"[{{"event": "delivered"}}, {broken}, {{"event": "click"}}]"#);
        let events = signer.received_as(&body).await;
        let kinds: Vec<_> = events.iter().map(|event| event.kind.clone()).collect();
        assert_eq!(kinds, [Kind::Delivered, unreadable.clone(), Kind::Clicked], "{broken}");
        assert_eq!(events[1].raw, *broken);
    }
    assert!(signer.received_as(" [ ] ").await.is_empty());
}

#[tokio::test]
async fn events_that_could_not_be_dealt_with_come_again() {
    let signer = Signer::new();
    let events =
        signer.events().with_receiver(|receiver| receiver.with_replays(Arc::new(MemoryReplays::new(10))));
    let body = r#"[{"event": "delivered"}]"#;
    let parts = signer.signed(body);
    let receive = async || events.receive(&parts, body.into()).await;
    let delivery = receive().await.unwrap();
    let beside = receive().await.unwrap_err();
    assert_eq!((beside.kind(), answer_status(&beside).as_u16()), (ErrorKind::Conflict, 503));
    delivery.release().await.unwrap();
    let delivery = receive().await.unwrap();
    assert_eq!(delivery[0].kind, Kind::Delivered);
    delivery.confirm().await.unwrap();
    let again = receive().await.unwrap_err();
    assert_eq!((again.kind(), answer_status(&again).as_u16()), (ErrorKind::AlreadyExists, 200));
}

#[tokio::test]
async fn how_requests_are_received_can_be_changed() {
    let signer = Signer::new();
    let body = r#"[{"event": "delivered"}]"#;
    assert_eq!(signer.events().body_limit(), 1 << 20);
    let events = signer.events().with_receiver(|receiver| receiver.with_body_limit(body.len() - 1));
    assert_eq!(events.body_limit(), body.len() - 1);
    let error = events.receive(&signer.signed(body), body.into()).await.unwrap_err();
    assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::PayloadTooLarge, 413));
}
