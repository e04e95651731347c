//! Recorded cases: what a vendor's SDK accepts and rejects, and some that were made after the vendor's documentation.

use std::path::Path;
use std::sync::Arc;

use external_http::webhook::{
    Delivery, HeaderScheme, SnsMessage, SnsScheme, WebhookKey, WebhookReceiver, answer_status, sendgrid,
    standard_webhooks,
};
use external_http::{ErrorKind, MemoryAnswer, MemoryHttp, Method, Result};
use http::request::Parts;
use serde_json::Value;

use super::{NOW, context, post};

/// The topic of every case of SNS.
pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:golden";

/// All cases of a vendor.
pub(crate) fn cases(vendor: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhook").join(vendor);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect()
}

pub(crate) fn case(vendor: &str, operation: &str) -> Value {
    let found = cases(vendor).into_iter().find(|case| case["operation"] == operation);
    found.unwrap_or_else(|| panic!("no case {operation} of {vendor}"))
}

/// The request of a case.
pub(crate) fn request(case: &Value) -> (Parts, bytes::Bytes) {
    let fields = case["headers"].as_object().unwrap();
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    post(&fields, case["payload_utf8"].as_str().unwrap().to_owned())
}

/// SNS as it would answer, by the case's certificate.
pub(crate) fn origin(case: &Value) -> Arc<MemoryHttp> {
    let url = case["keys"]["signing_cert_url"].as_str().unwrap();
    let path = url.rsplit_once('/').unwrap().1;
    let pem = case["keys"]["signing_cert_pem"].as_str().unwrap().to_owned();
    let answer = move |_: &_| MemoryAnswer::new(200).with_body(pem.clone());
    Arc::new(MemoryHttp::new().with_route(Method::GET, &format!("/{path}"), answer))
}

fn check(case: &Value, is_accepted: bool, outcome: &Result<Delivery>) {
    let name = &case["operation"];
    match outcome {
        Ok(verified) => {
            assert!(is_accepted, "{name} was accepted: {}", case["why"]);
            assert_eq!(
                verified.body(),
                case["payload_utf8"].as_str().unwrap(),
                "{name}: the body as it came"
            );
            assert!(verified.sent_at().is_some(), "{name}");
            verified.json::<Value>().unwrap();
        }
        Err(error) => {
            assert!(!is_accepted, "{name} was rejected: {error}");
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{name}: {error}");
            assert_eq!(answer_status(error), 401, "{name}");
        }
    }
}

/// Whether each case of a vendor gets its verdict, by a scheme that is made of the case's keys.
async fn every_case_of(vendor: &str, least: usize, scheme: impl Fn(&Value) -> Result<HeaderScheme>) {
    let cases = cases(vendor);
    assert!(cases.len() >= least, "cases of {vendor} are missing");
    for case in cases {
        let now = case["inputs"]["now"].as_u64().unwrap_or(NOW);
        let receiver = WebhookReceiver::new(scheme(&case["keys"]).unwrap(), &context(now));
        let (parts, body) = request(&case);
        check(&case, case["expected"] == "accept", &receiver.receive(&parts, body).await);
    }
}

#[tokio::test]
async fn every_case_of_sendgrid_has_its_verdict() {
    let key = |keys: &Value| WebhookKey::ecdsa_p256(keys["public_key_base64_der"].as_str().unwrap());
    every_case_of("sendgrid", 12, |keys| sendgrid([key(keys)?])).await;
}

#[tokio::test]
async fn every_case_of_openai_has_its_verdict_by_standard_webhooks() {
    let key = |keys: &Value| WebhookKey::hmac_sha256_base64(keys["webhook_secret"].as_str().unwrap().into());
    every_case_of("openai", 5, |keys| standard_webhooks([key(keys)])).await;
}

#[tokio::test]
async fn every_case_of_sns_has_its_verdict_and_version_1_where_it_is_allowed() {
    let cases = cases("aws_sns");
    assert!(cases.len() >= 21);
    for case in cases {
        let (parts, body) = request(&case);
        let message: Value = serde_json::from_slice(&body).unwrap();
        let now = case["inputs"]["now"].as_u64().unwrap_or(NOW);
        for takes_version_1 in [false, true] {
            let origin = origin(&case);
            let mut scheme = SnsScheme::new(origin.clone(), [TOPIC], &context(now)).unwrap();
            if takes_version_1 {
                scheme = scheme.insecure_with_version_1();
            }
            let receiver = WebhookReceiver::new(scheme, &context(now));
            let outcome = receiver.receive(&parts, body.clone()).await;
            let is_version_1 = message["SignatureVersion"] == "1";
            let is_accepted = case["expected"] == "accept" && (takes_version_1 || !is_version_1);
            check(&case, is_accepted, &outcome);
            let name = &case["operation"];
            if case["keys"]["fetched"] == false || (is_version_1 && !takes_version_1) {
                assert!(origin.received().is_empty(), "{name}: refused before anything is fetched");
            }
            let Ok(verified) = outcome else { continue };
            let read = SnsMessage::of(&verified).unwrap();
            assert_eq!(
                (read.topic_arn.as_str(), Some(read.message.as_str())),
                (TOPIC, message["Message"].as_str())
            );
            assert_eq!(read.subject.as_deref(), message["Subject"].as_str(), "{name}");
            assert_eq!(
                read.token.map(|token| token.expose().unwrap().to_string()).as_deref(),
                message["Token"].as_str()
            );
            let url = read.subscribe_url.map(|url| url.expose());
            assert_eq!(url.as_deref(), message["SubscribeURL"].as_str(), "{name}");
            assert_eq!(verified.sent_at(), Some(read.sent_at));
        }
    }
}
