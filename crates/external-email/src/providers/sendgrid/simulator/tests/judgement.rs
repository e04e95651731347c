//! The simulator beside the vendor: it takes what the SDK sent, and refuses what SendGrid refuses.

use serde_json::{Value, json};

use super::super::judgement::judge;

const NOW: u64 = 1_704_164_645;

fn judged(body: &Value) -> Result<(), Option<String>> {
    judge(body, 1000, NOW).map(drop).map_err(|refused| refused.field)
}

#[test]
fn what_the_sdk_sends_is_taken() {
    for case in [
        include_str!("../../fixtures/mail_send_basic.json"),
        include_str!("../../fixtures/mail_send_dynamic_template.json"),
        include_str!("../../fixtures/mail_send_multiple_personalizations.json"),
        include_str!("../../fixtures/mail_send_on_behalf_of.json"),
    ] {
        let case: Value = serde_json::from_str(case).unwrap();
        let body: Value = serde_json::from_str(case["request"]["body_utf8"].as_str().unwrap()).unwrap();
        assert_eq!(judged(&body), Ok(()), "{}", case["operation"]);
    }
}

#[test]
fn templates_of_both_generations_are_known_by_their_ids() {
    for id in ["d-f43daeeaef504760851f727007e0b5d0", "13b8f94f-bcae-4ec6-b752-70d6cb59f932"] {
        let body = json!({
            "from": {"email": "from@example.com"},
            "personalizations": [{"to": [{"email": "to@example.com"}]}],
            "template_id": id,
        });
        assert_eq!(judged(&body), Ok(()), "{id}");
    }
}

#[test]
fn what_the_vendor_refuses_is_refused_and_its_field_named() {
    let right = json!({
        "from": {"email": "from@example.com"},
        "subject": "s",
        "personalizations": [{"to": [{"email": "to@example.com", "name": "Doe, John; Dr."}]}],
        "content": [{"type": "text/plain", "value": "x"}],
    });
    assert_eq!(judged(&right), Ok(()));
    let crowd: Vec<_> = (0..1001).map(|n| json!({"to": [{"email": format!("{n}@example.com")}]})).collect();
    let together: Vec<_> = (0..1001).map(|n| json!({"email": format!("{n}@example.com")})).collect();
    let text = |value: &str| json!([{"type": "text/plain", "value": value}]);
    let file = |content: &str, kind: &str| json!([{"content": content, "type": kind, "filename": "a"}]);
    for (field, value, named) in [
        ("from", json!({}), "from"),
        ("subject", json!(""), "subject"),
        ("personalizations", json!([]), "personalizations"),
        ("personalizations", json!(crowd), "personalizations"),
        ("personalizations", json!([{"to": together}]), "personalizations"),
        ("personalizations", json!([{"cc": [{"email": "to@example.com"}]}]), "personalizations.0.to"),
        (
            "personalizations",
            json!([{"to": [{"email": "to@example.com"}], "bcc": [{"email": "TO@example.com"}]}]),
            "personalizations.0.bcc",
        ),
        ("content", json!([]), "content"),
        ("content", text(""), "content.0.value"),
        (
            "content",
            json!([{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]),
            "content",
        ),
        ("attachments", file("", "text/plain"), "attachments.0.content"),
        ("attachments", file("?", "text/plain"), "attachments.0.content"),
        ("attachments", file("eA==", "text/plain; charset=utf-8"), "attachments.0.type"),
        ("headers", json!({"X-SG-EID": "1"}), "headers"),
        ("headers", json!({"X-A": "é"}), "headers"),
        ("categories", json!(["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]), "categories"),
        ("categories", json!(["1", "1"]), "categories"),
        ("custom_args", json!({"a": 1}), "custom_args"),
        ("custom_args", json!({"a": "x".repeat(10_000)}), "custom_args"),
        ("send_at", json!(NOW + 72 * 3600 + 1), "send_at"),
        ("template_id", json!("nothing"), "template_id"),
        ("template_id", json!("13b8f94f-bcae-4ec6-b752-70d6cb59f93"), "template_id"),
        ("template_id", json!("13b8f94f-bcae-4ec6-b752-70d6cb59f93g"), "template_id"),
    ] {
        let mut wrong = right.clone();
        wrong[field] = value;
        assert_eq!(judged(&wrong), Err(Some(named.to_owned())), "{}", wrong[field]);
    }
    assert_eq!(judge(&right, 31 << 20, NOW).map(drop).map_err(|refused| refused.status), Err(413));
}
