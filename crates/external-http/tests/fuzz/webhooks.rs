//! Webhooks: header fields, keys as their vendors write them, messages of SNS and the certificates that they name.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use external_contract::fuzz::Fuzz;
use external_http::webhook::{
    HeaderScheme, SignatureEncoding, SignedPart, SnsMessage, SnsScheme, WebhookKey, WebhookReceiver,
    WebhookScheme, sendgrid, standard_webhooks,
};
use external_http::{BuildContext, ErrorKind, MemoryAnswer, MemoryHttp};
use http::request::Parts;
use serde_json::Value;

use super::{CANARY, fields, run};

const FIELDS: &[&str] = &[
    "webhook-signature",
    "webhook-id",
    "webhook-timestamp",
    "x-twilio-email-event-webhook-signature",
    "x-twilio-email-event-webhook-timestamp",
];

fn recorded(path: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhook");
    serde_json::from_slice(&std::fs::read(folder.join(path)).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A recorded request as an input: header fields, an empty line, the body.
fn written(case: &Value) -> String {
    let fields = case["headers"].as_object().unwrap();
    let fields: String = fields.iter().map(|(name, value)| format!("{name}:{}\n", text(value))).collect();
    format!("{fields}\n{}", text(&case["payload_utf8"]))
}

fn read(input: &[u8]) -> (Parts, Bytes) {
    let end = input.windows(2).position(|two| two == b"\n\n").unwrap_or(input.len());
    let body = input.get(end + 2..).unwrap_or_default();
    let (mut parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
    parts.headers = fields(&input[..end], FIELDS);
    (parts, Bytes::copy_from_slice(body))
}

fn receiver(scheme: impl WebhookScheme + 'static, now: u64) -> WebhookReceiver {
    let now = UNIX_EPOCH + Duration::from_secs(now);
    WebhookReceiver::new(scheme, &BuildContext::default().with_clock(move || now))
}

/// Whoever is believed has sent what was recorded: the pieces that are signed, in a row.
fn believes_only_what_was_recorded(name: &'static str, case: &Value, signed: &[&str], scheme: &HeaderScheme) {
    let content = |parts: &Parts, body: &[u8]| {
        let mut all: Vec<u8> =
            signed.iter().flat_map(|name| parts.headers.get(*name).unwrap().as_bytes()).copied().collect();
        all.extend_from_slice(body);
        all
    };
    let example = written(case);
    let (parts, body) = read(example.as_bytes());
    let recorded = content(&parts, &body);
    let receiver = receiver(scheme.clone(), case["inputs"]["now"].as_u64().unwrap_or(1_704_164_645));
    drop(run(receiver.receive(&parts, body)).unwrap());
    let words =
        ["\n", "\n\n", "v1,", "v2,", "AAAA", "====", ",", ".", " ", "1704164645", "-1", "é", "{}", CANARY];
    let names: Vec<String> = FIELDS.iter().map(|name| format!("{name}:")).collect();
    Fuzz::of(name).with_words(&words).with_words(&names).with_example(example).run(|input| {
        let (parts, body) = read(input);
        match run(receiver.receive(&parts, body)) {
            Ok(verified) => assert_eq!(content(&parts, verified.body()), recorded),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
                assert!(!error.report().contains(CANARY));
            }
        }
    });
}

#[test]
fn header_fields_of_sendgrid() {
    let case = recorded("sendgrid/made_ok.json");
    let key = WebhookKey::ecdsa_p256(text(&case["keys"]["public_key_base64_der"])).unwrap();
    let signed = ["x-twilio-email-event-webhook-timestamp"];
    believes_only_what_was_recorded("SendGrid's header fields", &case, &signed, &sendgrid([key]).unwrap());
}

#[test]
fn header_fields_of_standard_webhooks() {
    let case = recorded("openai/webhook_ok.json");
    let key = WebhookKey::hmac_sha256_base64(text(&case["keys"]["webhook_secret"]).into());
    let scheme = standard_webhooks([key]).unwrap();
    let signed = ["webhook-id", "webhook-timestamp"];
    believes_only_what_was_recorded("header fields of Standard Webhooks", &case, &signed, &scheme);
}

#[test]
fn header_fields_in_hex() {
    let keys = [WebhookKey::hmac_sha256(CANARY.into())];
    let scheme = HeaderScheme::new("webhook-signature", [SignedPart::Body], keys).unwrap();
    let receiver =
        receiver(scheme.with_encoding(SignatureEncoding::Hex).with_prefix("sha256=").with_separator(','), 0);
    let zeros = "0".repeat(64);
    Fuzz::of("a signature in hex")
        .with_words(&["webhook-signature:", "sha256=", "00", "ff", "FF", "0", ",", "\n\n", " ", &zeros])
        .with_example(format!("webhook-signature:sha256={zeros},sha256={zeros}\n\n{{}}"))
        .run(|input| {
            let (parts, body) = read(input);
            let error = run(receiver.receive(&parts, body)).unwrap_err();
            assert_eq!(
                (error.kind(), error.context_value("header")),
                (ErrorKind::Unauthenticated, Some("webhook-signature"))
            );
        });
}

#[test]
fn keys_as_vendors_write_them() {
    let made = recorded("keys/signed.json");
    let words = [
        "-----BEGIN PUBLIC KEY-----\n",
        "-----END PUBLIC KEY-----\n",
        "-----BEGIN RSA PUBLIC KEY-----\n",
        "-----BEGIN",
        "PRIVATE KEY",
        "-----",
        "\n",
        "\r\n",
        " ",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
        "MCowBQYDK2VwAyEA",
        "AAAA",
        "=",
        "00",
        "ff",
        ":",
        CANARY,
    ];
    let fuzz = Fuzz::of("keys").with_words(&words).with_example(text(&made["ed25519"]["pem"]));
    let fuzz = fuzz.with_example(text(&made["ed25519"]["raw_base64"])).with_example("f".repeat(64));
    fuzz.with_example(text(&made["ecdsa_p256"]["spki"])).with_example(text(&made["ecdsa_p256"]["pem"])).run(
        |input| {
            let Ok(key) = std::str::from_utf8(input) else { return };
            for read in [
                WebhookKey::ed25519(key),
                WebhookKey::ecdsa_p256(key),
                WebhookKey::rsa_sha256(key),
                WebhookKey::insecure_rsa_sha1(key),
            ] {
                if let Err(error) = read {
                    assert_eq!(error.kind(), ErrorKind::Configuration);
                    assert!(!error.report().contains(CANARY));
                }
            }
        },
    );
}

/// A receiver of SNS before who answers every question for a certificate.
fn sns(case: &Value, certificate: String) -> (WebhookReceiver, Arc<MemoryHttp>) {
    let (now, topic) = (1_704_164_645, "arn:aws:sns:us-east-1:123456789012:golden");
    let origin = Arc::new(
        MemoryHttp::new().with_fallback(move |_| MemoryAnswer::new(200).with_body(certificate.clone())),
    );
    assert!(text(&case["payload_utf8"]).contains(topic));
    let clock = BuildContext::default().with_clock(move || UNIX_EPOCH + Duration::from_secs(now));
    let scheme = SnsScheme::new(origin.clone(), [topic], &clock).unwrap().insecure_with_version_1();
    (receiver(scheme, now), origin)
}

#[test]
fn messages_of_sns() {
    let case = recorded("aws_sns/notification_v2_ok.json");
    let example = text(&case["payload_utf8"]).to_owned();
    let recorded: Value = serde_json::from_str(&example).unwrap();
    let pem = text(&case["keys"]["signing_cert_pem"]);
    let words = [
        "{",
        "}",
        "\"",
        ",",
        ":",
        "\\u0000",
        "\\n",
        "null",
        "[",
        "\"Type\"",
        "\"Notification\"",
        "\"SubscriptionConfirmation\"",
        "\"SignatureVersion\"",
        "\"1\"",
        "\"SigningCertURL\"",
        "https://sns.us-east-1.amazonaws.com",
        ".evil.example",
        "@",
        "/",
        "%2e",
        ".pem",
        "\"Message\"",
        "\"Subject\"",
        CANARY,
    ];
    Fuzz::of("messages of SNS").with_words(&words).with_example(example).run(|input| {
        let (receiver, origin) = sns(&case, pem.to_owned());
        let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        match run(receiver.receive(&parts, Bytes::copy_from_slice(input))) {
            Ok(verified) => {
                let message = SnsMessage::of(&verified).unwrap();
                assert_eq!(message.message, text(&recorded["Message"]));
                assert_eq!(message.subject.as_deref(), recorded["Subject"].as_str());
                assert_eq!(message.topic_arn, text(&recorded["TopicArn"]));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
                assert!(!error.report().contains(CANARY));
            }
        }
        for asked in origin.received() {
            assert_eq!(asked.url.host().as_deref(), Some("sns.us-east-1.amazonaws.com"));
        }
    });
}

#[test]
fn certificates_of_sns() {
    let case = recorded("aws_sns/notification_v2_ok.json");
    let pem = text(&case["keys"]["signing_cert_pem"]);
    let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let believed = |certificate: String| {
        let (receiver, _) = sns(&case, certificate);
        let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        let body = Bytes::copy_from_slice(text(&case["payload_utf8"]).as_bytes());
        run(receiver.receive(&parts, body)).map_err(|error| error.kind())
    };
    assert!(believed(pem.to_owned()).is_ok());
    // The key in it signed the message: who put another one there is not believed, whatever else the certificate says.
    let fuzz = Fuzz::of("certificates").with_example(STANDARD.decode(der).unwrap()).with_cases(2_000);
    fuzz.with_words(&[
        &b"\x30\x82"[..],
        b"\x02\x01",
        b"\x06\x03\x55\x04\x03",
        b"\x03\x82",
        b"\xff\xff\xff\xff",
        b"\x30\x80",
    ])
    .run(|input| {
        let certificate =
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(input));
        assert!(matches!(believed(certificate), Ok(_) | Err(ErrorKind::Unauthenticated)));
    });
}
