//! Whatever comes: nobody falls, and nobody is believed.

use std::sync::Arc;

use bytes::Bytes;
use external_http::webhook::{
    HeaderScheme, SignatureEncoding, SignedPart, SnsScheme, WebhookKey, WebhookReceiver, sendgrid,
};
use external_http::{ErrorKind, MemoryAnswer, MemoryHttp};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::Value;

use super::cases::{TOPIC, case, request};
use super::{NOW, context};

/// Values of header fields: any bytes that HTTP lets through, and such as nearly fit.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let nearly = prop::sample::select(vec![
        "1704164645",
        "-1704164645",
        "1704164645.0",
        "99999999999999999999",
        "v1,",
        "v1,AAAA v1,AAAA",
        "sha256=",
        "sha256=00",
        "AAAA",
        "====",
        ",,,,",
        "t=1,v1=2",
        "MEYCIQCYG9pF",
        " ",
        "",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| {
            bytes.into_iter().filter(|byte| *byte == b'\t' || (*byte >= 32 && *byte != 127)).collect()
        }),
        nearly.prop_map(|text| text.as_bytes().to_vec()),
        "(v1,[A-Za-z0-9+/]{0,44}={0,2} ?){0,20}".prop_map(String::into_bytes),
    ]
}

fn fields() -> impl Strategy<Value = HeaderMap> {
    let names = prop::sample::select(vec![
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-twilio-email-event-webhook-signature",
        "x-twilio-email-event-webhook-timestamp",
    ]);
    prop::collection::vec((names, value()), 0..8).prop_map(|fields| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(&value).unwrap());
        }
        headers
    })
}

fn receivers() -> Vec<WebhookReceiver> {
    let made = case("sendgrid", "made_ok");
    let keys = || [WebhookKey::hmac_sha256("k".into())];
    let content = || {
        [
            SignedPart::Id("webhook-id".into()),
            SignedPart::Timestamp("webhook-timestamp".into()),
            SignedPart::Body,
        ]
    };
    let scheme = || HeaderScheme::new("webhook-signature", content(), keys()).unwrap();
    let key = WebhookKey::ecdsa_p256(made["keys"]["public_key_base64_der"].as_str().unwrap()).unwrap();
    [
        scheme().with_prefix("v1,").with_separator(' '),
        scheme().with_prefix("sha256=").with_encoding(SignatureEncoding::Hex),
        scheme(),
        sendgrid([key]).unwrap(),
    ]
    .into_iter()
    .map(|scheme| WebhookReceiver::new(scheme, &context(NOW)))
    .collect()
}

/// Who answers every question for a certificate, and counts.
fn sns() -> (WebhookReceiver, Arc<MemoryHttp>) {
    let pem = case("aws_sns", "notification_v2_ok")["keys"]["signing_cert_pem"].as_str().unwrap().to_owned();
    let origin =
        Arc::new(MemoryHttp::new().with_fallback(move |_| MemoryAnswer::new(200).with_body(pem.clone())));
    let scheme = SnsScheme::new(origin.clone(), [TOPIC], &context(NOW)).unwrap().insecure_with_version_1();
    (WebhookReceiver::new(scheme, &context(NOW)), origin)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn no_header_field_and_no_body_gets_past_a_signature(headers in fields(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        parts.headers = headers;
        for receiver in receivers() {
            let error = run(receiver.receive(&parts, Bytes::from(body.clone()))).unwrap_err();
            prop_assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            prop_assert!(error.context_value("header").is_some(), "{}", error);
        }
    }

    #[test]
    fn no_body_is_a_message_of_sns_but_one_of_sns(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let (receiver, origin) = sns();
        let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        let error = run(receiver.receive(&parts, Bytes::from(body))).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        prop_assert!(origin.received().is_empty());
    }

    #[test]
    fn a_message_of_sns_with_another_value_is_none_and_nothing_is_fetched_from_elsewhere(
        field in prop::sample::select(vec!["Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp",
            "SignatureVersion", "Signature", "SigningCertURL"]),
        text in "\\PC{0,80}",
        kind in 0..4,
    ) {
        let (receiver, origin) = sns();
        let (parts, body) = request(&case("aws_sns", "notification_v2_ok"));
        let mut message: Value = serde_json::from_slice(&body).unwrap();
        let other = match kind {
            0 => Value::Null,
            1 => Value::from(text.len()),
            2 => serde_json::json!([text.clone()]),
            _ => Value::from(text.clone()),
        };
        prop_assume!(message[field] != other);
        message[field] = other;
        let error = run(receiver.receive(&parts, Bytes::from(message.to_string()))).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{}", error);
        for asked in origin.received() {
            prop_assert_eq!(asked.url.host(), Some("sns.us-east-1.amazonaws.com".to_owned()));
        }
    }
}
