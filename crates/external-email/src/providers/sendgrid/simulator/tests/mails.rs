//! What becomes of mails as the vendor's SDKs make them and our provider does not.

use std::path::Path;
use std::time::Duration;

use external_core::BuildContext;
use external_core::http::HttpUrl;
use external_http::{HttpClient, HttpRequest, Method, ReqwestConfig};
use external_simulator::Clock;
use serde_json::{Value, json};

use super::super::{KEY, SendgridSimulator};

async fn send(vendor: &SendgridSimulator, body: &Value) {
    let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default()).unwrap());
    let url = HttpUrl::parse(&format!("{}/v3/mail/send", vendor.server().url())).unwrap();
    let request = HttpRequest::new(Method::POST, url)
        .with_header("authorization", &format!("Bearer {KEY}"))
        .unwrap()
        .with_body(body.to_string());
    assert_eq!(http.send(&request).await.unwrap().status, 202);
}

/// The mails in the folder, once there are so many.
async fn mails(folder: &Path, count: usize) -> Vec<String> {
    loop {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).collect();
        if files.len() >= count {
            files.sort();
            return files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn to(address: &str) -> Value {
    json!([{"email": address}])
}

#[tokio::test]
async fn each_personalization_leaves_at_its_own_time() {
    let (clock, folder) = (Clock::default(), tempfile::tempdir().unwrap());
    let vendor = SendgridSimulator::start(folder.path(), &clock).unwrap();
    let hour = clock.seconds() + 3600;
    let body = json!({
        "from": {"email": "from@example.com"},
        "subject": "s",
        "personalizations": [
            {"to": to("later@example.com"), "send_at": hour},
            {"to": to("now@example.com")},
        ],
        "content": [{"type": "text/plain", "value": "x"}],
    });
    send(&vendor, &body).await;
    let at_once = mails(folder.path(), 1).await;
    assert_eq!(at_once.len(), 1);
    assert!(at_once[0].contains("now@example.com"), "{}", at_once[0]);
    clock.advance(Duration::from_secs(3601));
    let all = mails(folder.path(), 2).await;
    assert!(all[0].contains("later@example.com") && all[1].contains("now@example.com"), "{all:?}");
}

#[tokio::test]
async fn what_is_neither_text_nor_html_is_no_text() {
    let (clock, folder) = (Clock::default(), tempfile::tempdir().unwrap());
    let vendor = SendgridSimulator::start(folder.path(), &clock).unwrap();
    let body = json!({
        "from": {"email": "from@example.com"},
        "subject": "s",
        "personalizations": [{"to": to("to@example.com")}],
        "content": [
            {"type": "text/plain", "value": "the words"},
            {"type": "text/html", "value": "<p>the words</p>"},
            {"type": "text/x-amp-html", "value": "<html amp4email>"},
            {"type": "text/calendar", "value": "BEGIN:VCALENDAR"},
        ],
    });
    send(&vendor, &body).await;
    let mails = mails(folder.path(), 1).await;
    assert!(mails[0].contains("\r\nthe words"), "{}", mails[0]);
    assert!(!mails[0].contains("VCALENDAR") && !mails[0].contains("amp4email"), "{}", mails[0]);
}

#[tokio::test]
async fn a_legacy_template_takes_content_and_substitutions() {
    let (clock, folder) = (Clock::default(), tempfile::tempdir().unwrap());
    let vendor = SendgridSimulator::start(folder.path(), &clock).unwrap();
    let body = json!({
        "from": {"email": "from@example.com"},
        "template_id": "13b8f94f-bcae-4ec6-b752-70d6cb59f932",
        "personalizations": [{"to": to("to@example.com"), "substitutions": {"-name-": "Ada"}}],
        "content": [{"type": "text/plain", "value": "Hello -name-"}],
    });
    send(&vendor, &body).await;
    let mails = mails(folder.path(), 1).await;
    assert!(mails[0].contains("Hello Ada"), "{}", mails[0]);
}
