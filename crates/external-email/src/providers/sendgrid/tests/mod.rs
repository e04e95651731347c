//! The provider beside the vendor's SDK: what it sends for the same inputs, and what it makes of the recorded answers. A
//! transport in memory gives the answers.

mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use external_core::email::{
    BatchEmail, BatchRecipient, BatchRequest, CancelRequest, EmailService, HeaderName, HeaderText, Mailbox,
    Message, MetadataKey, ScheduleEmail, ScheduleRequest, SendReceipt, SendRequest, VendorTemplate,
    VendorTemplateEmail, VendorTemplateRequest,
};
use external_core::{BuildContext, CallContext, Effect, Error, ErrorKind, Provider, Result, Retry};
use external_http::{HttpClient, MemoryAnswer, MemoryHttp, MemoryRequest};
use serde_json::{Value, json};

use super::{SendgridConfig, SendgridEmail, UnsubscribeGroup};

/// The clock of the recorded cases: 2024-01-02T03:04:05Z.
const NOW: u64 = 1_704_164_645;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn world() -> BuildContext {
    BuildContext::default().with_clock(|| at(NOW))
}

fn over(
    config: SendgridConfig,
    answer: impl Fn(&MemoryRequest) -> MemoryAnswer + Send + Sync + 'static,
) -> (SendgridEmail, Arc<MemoryHttp>) {
    let http = Arc::new(MemoryHttp::new().with_fallback(answer));
    (config.build_over(http.clone(), &world()).unwrap(), http)
}

fn config() -> SendgridConfig {
    SendgridConfig::new("SG.golden-fake-key")
}

fn answering(status: u16, body: &'static str) -> SendgridEmail {
    over(config(), move |_| MemoryAnswer::json(status, body)).0
}

fn mail() -> Message {
    Message::new("s".parse().unwrap())
        .with_from("from@example.com".parse::<Mailbox>().unwrap())
        .with_to("to@example.com".parse::<Mailbox>().unwrap())
        .with_text("x")
}

async fn send(email: &SendgridEmail, message: Message) -> Result<SendReceipt> {
    email.send(&CallContext::default(), &SendRequest::new(message)).await
}

/// What was sent last, as JSON.
fn sent(http: &MemoryHttp) -> Value {
    serde_json::from_slice(&http.received().last().unwrap().body).unwrap()
}

/// A recorded case.
struct Case(Value);

impl Case {
    fn answer(&self) -> MemoryAnswer {
        let response = &self.0["response"];
        let answer = MemoryAnswer::new(u16::try_from(response["status"].as_u64().unwrap()).unwrap())
            .with_body(response["body_utf8"].as_str().unwrap().to_owned());
        let fields = response["headers"].as_object().unwrap();
        fields.iter().fold(answer, |answer, (name, value)| answer.with_header(name, value.as_str().unwrap()))
    }

    fn answered(&self, config: SendgridConfig) -> (SendgridEmail, Arc<MemoryHttp>) {
        let answer = self.answer();
        over(config, move |_| answer.clone())
    }

    /// That the request means what the SDK's does.
    fn is_what_was_sent(&self, http: &MemoryHttp) {
        let received = http.received();
        let [request] = received.as_slice() else { panic!("{} requests", received.len()) };
        let expected = &self.0["request"];
        assert_eq!(request.method.as_str(), expected["method"]);
        assert_eq!(request.url.host().as_deref(), expected["host"].as_str());
        assert_eq!(request.url.target(), expected["path"]);
        for (name, value) in expected["headers"].as_object().unwrap() {
            if name != "host" {
                assert_eq!(request.header(name), value.as_str(), "{name}");
            }
        }
        let expected: Value = serde_json::from_str(expected["body_utf8"].as_str().unwrap()).unwrap();
        assert_eq!(meaning(sent(http)), meaning(expected));
    }
}

/// Without the Message-ID, which the SDK leaves to SendGrid, and with lists that say no order in one.
fn meaning(mut body: Value) -> Value {
    let mut parts = vec![&mut body];
    while let Some(part) = parts.pop() {
        let Some(fields) = part.as_object_mut() else { continue };
        if let Some(headers) = fields.get_mut("headers").and_then(Value::as_object_mut) {
            headers.remove("Message-ID");
        }
        if fields.get("headers") == Some(&json!({})) {
            fields.remove("headers");
        }
        for name in ["personalizations", "categories"] {
            if let Some(list) = fields.get_mut(name).and_then(Value::as_array_mut) {
                list.sort_by_key(ToString::to_string);
            }
        }
        parts.extend(fields.get_mut("personalizations").and_then(Value::as_array_mut).into_iter().flatten());
    }
    body
}

macro_rules! case {
    ($name:literal) => {
        Case(serde_json::from_str(include_str!(concat!("../fixtures/", $name, ".json"))).unwrap())
    };
}

#[tokio::test]
async fn a_mail_is_what_the_sdk_sends() {
    let case = case!("mail_send_basic");
    let (email, http) = case.answered(config());
    let message = Message::new("主题 \"q\" & <b>".parse().unwrap())
        .with_from("黄金 Sender <from@example.com>".parse::<Mailbox>().unwrap())
        .with_to("Ada <to1@example.com>".parse::<Mailbox>().unwrap())
        .with_to("to2@example.com".parse::<Mailbox>().unwrap())
        .with_text("hello 你好")
        .with_html("<p>你好</p>");
    let receipt = send(&email, message).await.unwrap();
    case.is_what_was_sent(&http);
    assert_eq!(receipt.vendor_id.as_deref(), Some("golden-msg-id-0001"));
    assert!(receipt.is_complete() && receipt.recipients.len() == 2);
    let id = receipt.message_id.unwrap();
    assert_eq!(sent(&http)["headers"]["Message-ID"], format!("<{id}>"));
}

#[tokio::test]
async fn names_with_commas_and_semicolons_are_what_the_sdk_sends() {
    let case = case!("mail_send_names");
    let (email, http) = case.answered(config());
    let named = |address: &str, name: &str| {
        let mailbox = address.parse::<Mailbox>().unwrap();
        mailbox.with_name(HeaderText::parse(name).unwrap())
    };
    let mut message = Message::new("names".parse().unwrap())
        .with_from(named("from@example.com", "Acme, Inc.; Sales"))
        .with_to(named("to@example.com", "Doe, John"))
        .with_text("hello");
    message.cc = vec![named("cc@example.com", "Roe; \"Jane\"")];
    message.reply_to = vec![named("answers@example.com", "Answers, all")];
    send(&email, message).await.unwrap();
    case.is_what_was_sent(&http);
}

#[tokio::test]
async fn a_subuser_is_named() {
    let case = case!("mail_send_on_behalf_of");
    let (email, http) = case.answered(config().with_on_behalf_of("sub1"));
    send(&email, mail()).await.unwrap();
    case.is_what_was_sent(&http);
}

#[tokio::test]
async fn a_template_with_all_settings_is_what_the_sdk_sends() {
    let case = case!("mail_send_dynamic_template");
    let config = config()
        .with_sandbox(true)
        .with_category("c1")
        .with_ip_pool("pool1")
        .with_unsubscribe_group(UnsubscribeGroup::new(12).with_display(vec![12, 13]))
        .with_click_tracking(false)
        .with_open_tracking(true);
    let (email, http) = case.answered(config);
    let mut message = mail()
        .with_tag("c2".parse().unwrap())
        .with_tag("c1".parse().unwrap())
        .with_metadata(MetadataKey::parse("order").unwrap(), HeaderText::parse("GOLD-1").unwrap())
        .with_header(HeaderName::parse("X-Golden").unwrap(), "1".parse().unwrap());
    message.subject = HeaderText::parse("").unwrap();
    message.text = None;
    let data = r#"{"name": "张三", "items": [1, 2], "ok": true}"#;
    let request = VendorTemplateRequest::new(message, "d-goldenfaketemplate000000000000000", data);
    let receipt = email.send_template(&CallContext::default(), &request).await.unwrap();
    assert_eq!(receipt.vendor_id.as_deref(), Some("golden-msg-id-0002"));
    // A template is sent at once; when is told by the next test.
    let mut expected = case;
    let body = expected.0["request"]["body_utf8"].as_str().unwrap().replace("\"send_at\": 1704168245, ", "");
    expected.0["request"]["body_utf8"] = body.into();
    expected.is_what_was_sent(&http);
}

#[tokio::test]
async fn a_batch_is_a_personalization_each_with_words_of_its_own() {
    let case = case!("mail_send_multiple_personalizations");
    let (email, http) = case.answered(config());
    let shared = Message::new("{{ what }}".parse().unwrap())
        .with_from("from@example.com".parse::<Mailbox>().unwrap())
        .with_text("Hi {{ name }}, {{name}}")
        .with_html("<p>{{ name }}</p>");
    let recipient = |address: &str, what: &str, name: &str| {
        BatchRecipient::new(address.parse::<Mailbox>().unwrap())
            .with_value("what", what)
            .with_value("name", name)
    };
    let recipients =
        vec![recipient("a@example.com", "for A", "A & {{name}}"), recipient("b@example.com", "multi", "B")];
    let receipt =
        email.send_batch(&CallContext::default(), &BatchRequest::new(shared, recipients)).await.unwrap();
    assert!(receipt.is_complete() && receipt.mails.len() == 2);

    let body = sent(&http);
    let all = body["personalizations"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    for (one, who, subject, text, html) in [
        (&all[0], "a@example.com", "for A", "Hi A & {{name}}, A & {{name}}", "<p>A &amp; {{name}}</p>"),
        (&all[1], "b@example.com", "multi", "Hi B, B", "<p>B</p>"),
    ] {
        assert_eq!(one["to"], json!([{ "email": who }]));
        assert_eq!(one["subject"], subject);
        let words: BTreeMap<String, String> = serde_json::from_value(one["substitutions"].clone()).unwrap();
        let filled = |at: usize| {
            let content = body["content"][at]["value"].as_str().unwrap().to_owned();
            words.iter().fold(content, |content, (tag, value)| content.replace(tag, value))
        };
        assert_eq!((filled(0).as_str(), filled(1).as_str()), (text, html));
    }
    let ids: Vec<_> = receipt
        .mails
        .iter()
        .map(|mail| format!("<{}>", mail.as_ref().unwrap().message_id.clone().unwrap()))
        .collect();
    assert_eq!(json!(ids), json!([all[0]["headers"]["Message-ID"], all[1]["headers"]["Message-ID"]]));
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn recorded_refusals_are_typed_errors() {
    for (case, kind, effect, retry) in [
        (case!("error_401"), ErrorKind::Unauthenticated, Effect::NotApplied, Retry::Never),
        (case!("error_413"), ErrorKind::PayloadTooLarge, Effect::NotApplied, Retry::Never),
        (case!("error_503"), ErrorKind::Unavailable, Effect::MaybeApplied, Retry::Backoff),
    ] {
        let (email, http) = case.answered(config());
        let error = send(&email, mail()).await.unwrap_err();
        case.is_what_was_sent(&http);
        assert_eq!(
            (error.kind(), error.effect(), error.retry()),
            (kind, effect, retry),
            "{}",
            error.report()
        );
        assert_eq!(error.http_status().map(u64::from), case.0["response"]["status"].as_u64());
    }
}

async fn refused(status: u16, body: &'static str) -> Error {
    send(&answering(status, body), mail()).await.unwrap_err()
}

#[tokio::test]
async fn what_sendgrid_says_beside_the_status_counts() {
    let credits =
        refused(401, r#"{"errors":[{"message":"Maximum credits exceeded","field":null,"help":null}]}"#).await;
    assert_eq!(credits.kind(), ErrorKind::QuotaExhausted);
    let template = refused(400, r#"{"errors":[{"message":"no","field":"template_id"}]}"#).await;
    assert_eq!((template.kind(), template.effect()), (ErrorKind::NotFound, Effect::NotApplied));
    let twice = r#"{"errors":[{"message":"found [to@example.com] twice","field":"personalizations.0.to"}]}"#;
    let told = refused(400, twice).await;
    assert_eq!(told.kind(), ErrorKind::InvalidArgument);
    assert_eq!(told.context_value("field"), Some("personalizations.0.to"));
    assert_eq!(told.context_value("reply"), Some("found <address> twice"));
    // What SendGrid never answers is not taken for its yes.
    for status in [200, 204, 302] {
        let strange = refused(status, "<html>").await;
        assert_eq!(
            (strange.kind(), strange.effect()),
            (ErrorKind::Corrupt, Effect::MaybeApplied),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_rate_limit_says_when_it_ends() {
    for (header, value, retry) in [
        ("x-ratelimit-reset", (NOW + 9).to_string(), Retry::After(Duration::from_secs(9))),
        ("retry-after", "3".to_owned(), Retry::After(Duration::from_secs(3))),
        ("x-ratelimit-reset", (NOW - 9).to_string(), Retry::Backoff),
        ("x-ratelimit-reset", u64::MAX.to_string(), Retry::Backoff),
    ] {
        let (email, _) = over(config(), move |_| MemoryAnswer::new(429).with_header(header, &value));
        let error = send(&email, mail()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, retry));
    }
}

#[tokio::test]
async fn a_schedule_asks_for_a_batch_and_is_taken_back_by_it() {
    let (email, http) = over(config(), |request| match (request.method.as_str(), request.url.path()) {
        ("POST", "/v3/mail/batch") => MemoryAnswer::json(201, r#"{"batch_id":"b1"}"#),
        ("POST", "/v3/mail/send") => MemoryAnswer::new(202).with_header("x-message-id", "m1"),
        ("POST", _) => MemoryAnswer::json(201, r#"{"batch_id":"b1","status":"cancel"}"#),
        _ => MemoryAnswer::new(500),
    });
    let cx = CallContext::default();
    let later = at(NOW + 3600) + Duration::from_millis(1);
    let receipt = email.schedule(&cx, &ScheduleRequest::new(mail(), later)).await.unwrap();
    assert_eq!(receipt.at, at(NOW + 3601), "not before its time");
    let body = sent(&http);
    assert_eq!((&body["send_at"], &body["batch_id"]), (&json!(NOW + 3601), &json!("b1")));
    assert!(email.cancel(&cx, &CancelRequest::new(receipt.id)).await.unwrap().existed);
    assert_eq!(sent(&http), json!({"batch_id": "b1", "status": "cancel"}));

    let past = email.schedule(&cx, &ScheduleRequest::new(mail(), at(NOW - 1))).await.unwrap();
    assert_eq!(sent(&http).get("send_at"), None);
    let requests = http.received().len();
    assert!(!email.cancel(&cx, &CancelRequest::new(past.id)).await.unwrap().existed);
    assert_eq!(http.received().len(), requests, "what has left need not be asked for");

    let far = ScheduleRequest::new(mail(), at(NOW + 72 * 3600 + 1));
    let error = email.schedule(&cx, &far).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotSent));
}

#[tokio::test]
async fn a_template_waits_as_any_mail_does() {
    let (email, http) = over(config(), |request| match request.url.path() {
        "/v3/mail/send" => MemoryAnswer::new(202).with_header("x-message-id", "m1"),
        _ => MemoryAnswer::json(201, r#"{"batch_id":"b1"}"#),
    });
    let cx = CallContext::default();
    let mut message = mail();
    message.text = None;
    let template = VendorTemplate::new("d-1", r#"{"name":"Ada"}"#);
    let request = ScheduleRequest::new(message, at(NOW + 60)).with_template(template);
    let receipt = email.schedule(&cx, &request).await.unwrap();
    assert_eq!(receipt.vendor_id.as_deref(), Some("m1"));
    let body = sent(&http);
    assert_eq!(
        (&body["template_id"], &body["send_at"], &body["batch_id"]),
        (&json!("d-1"), &json!(NOW + 60), &json!("b1"))
    );
    assert_eq!(body["personalizations"][0]["dynamic_template_data"], json!({"name": "Ada"}));
    assert_eq!(body.get("content"), None);

    let mut request = request;
    request.message.text = Some("of its own".to_owned());
    let error = email.schedule(&cx, &request).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotSent));
}

#[tokio::test]
async fn what_left_at_once_is_not_taken_back_within_the_same_second() {
    let http = MemoryHttp::new().with_fallback(|request| match request.url.path() {
        "/v3/mail/send" => MemoryAnswer::new(202),
        _ => MemoryAnswer::json(201, r#"{"batch_id":"b1"}"#),
    });
    let world = BuildContext::default().with_clock(|| at(NOW) + Duration::from_millis(500));
    let email = config().build_over(Arc::new(http), &world).unwrap();
    let cx = CallContext::default();
    let receipt = email.schedule(&cx, &ScheduleRequest::new(mail(), at(NOW - 1))).await.unwrap();
    assert!(!email.cancel(&cx, &CancelRequest::new(receipt.id)).await.unwrap().existed);
}

#[tokio::test]
async fn a_mail_that_no_batch_was_had_for_is_not_sent() {
    let email = answering(503, "");
    let cx = CallContext::default();
    let error = email.schedule(&cx, &ScheduleRequest::new(mail(), at(NOW + 60))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
    assert!(!cx.was_sent());
}

#[tokio::test]
async fn a_refused_cancellation_says_whether_the_mail_still_leaves() {
    let full: Vec<_> =
        (0..10).map(|n| json!({"batch_id": format!("other-{n}"), "status": "cancel"})).collect();
    let ours = json!([{"batch_id": "b1", "status": "cancel"}]);
    for (cancelled, expected) in [(ours, Some(false)), (json!([]), Some(false)), (json!(full), None)] {
        let (email, _) = over(config(), move |request| match request.method.as_str() {
            "POST" => MemoryAnswer::json(400, r#"{"errors":[{"message":"no","field":"batch_id"}]}"#),
            _ => MemoryAnswer::json(200, cancelled.to_string()),
        });
        let id = format!("b1@{}", NOW + 60);
        let cancelled = email.cancel(&CallContext::default(), &CancelRequest::new(id)).await;
        assert_eq!(cancelled.ok().map(|cancelled| cancelled.existed), expected);
    }
}

#[tokio::test]
async fn what_sendgrid_does_not_take_is_refused_before_anything_is_sent() {
    let (email, http) = over(config(), |_| MemoryAnswer::new(202));
    let long = "x".repeat(256);
    let tags =
        |count: usize| (0..count).fold(mail(), |mail, n| mail.with_tag(format!("t{n}").parse().unwrap()));
    let header = |name: &str| mail().with_header(HeaderName::parse(name).unwrap(), "1".parse().unwrap());
    let mut copies = mail();
    copies.cc = std::mem::take(&mut copies.to);
    let mut nameless = mail();
    nameless.subject = "".parse().unwrap();
    let metadata = (0..4).fold(mail(), |mail, n| {
        mail.with_metadata(MetadataKey::parse(&format!("k{n}")).unwrap(), "v".repeat(3000).parse().unwrap())
    });
    for message in [
        tags(11),
        mail().with_tag(long.parse().unwrap()),
        header("X-SG-EID"),
        header("X-A").with_header(HeaderName::parse("x-a").unwrap(), "2".parse().unwrap()),
        copies,
        nameless,
        metadata,
    ] {
        let error = send(&email, message).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotSent));
    }
    assert!(http.received().is_empty());
    send(&email, tags(10)).await.unwrap();
}

#[tokio::test]
async fn hidden_recipients_get_a_mail_of_their_own_where_nobody_is_in_sight() {
    let (email, http) = over(config(), |_| MemoryAnswer::new(202));
    let mut message = mail();
    message.bcc =
        ["a@example.com", "\"B, c\" <b@example.com>", "a@example.com"].map(|one| one.parse().unwrap()).into();
    message.to.clear();
    send(&email, message).await.unwrap();
    let to: Vec<_> =
        sent(&http)["personalizations"].as_array().unwrap().iter().map(|one| one["to"].clone()).collect();
    assert_eq!(
        json!(to),
        json!([[{"email": "a@example.com"}], [{"email": "b@example.com", "name": "B, c"}]])
    );
}

#[tokio::test]
async fn each_recipient_of_a_template_has_its_data() {
    let (email, http) = over(config(), |_| MemoryAnswer::new(202));
    let mut message = mail();
    message.text = None;
    message.bcc = ["a@example.com", "b@example.com"].map(|one| one.parse().unwrap()).into();
    message.to.clear();
    let request = VendorTemplateRequest::new(message, "d-1", r#"{"name":"Ada"}"#);
    email.send_template(&CallContext::default(), &request).await.unwrap();
    let body = sent(&http);
    let data: Vec<_> = body["personalizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["dynamic_template_data"])
        .collect();
    assert_eq!(data, [&json!({"name": "Ada"}), &json!({"name": "Ada"})]);
}

#[tokio::test]
async fn closing_it_leaves_a_transport_that_it_was_lent() {
    let http = HttpClient::over(MemoryHttp::new().with_fallback(|_| MemoryAnswer::new(202)));
    let made = |http: &HttpClient| config().build_over(http.clone().into(), &world()).unwrap();
    let (one, other) = (made(&http), made(&http));
    one.close().await.unwrap();
    send(&other, mail()).await.unwrap();
}

#[test]
fn a_configuration_that_cannot_work_names_its_field() {
    for (config, field) in [
        (config().with_base_url("http://api.sendgrid.com"), "base_url"),
        (config().with_base_url("/v3"), "base_url"),
        (config().with_on_behalf_of("a\nb"), "on_behalf_of"),
        (config().with_category("x".repeat(256)), "categories"),
        (config().with_ip_pool("x"), "ip_pool"),
        (
            config().with_unsubscribe_group(UnsubscribeGroup::new(1).with_display(vec![1; 26])),
            "unsubscribe_group.display",
        ),
    ] {
        let error = config.build(&world()).unwrap_err();
        assert_eq!(error.context_value("field"), Some(field));
    }
    let built = config().with_base_url(SendgridConfig::EU_BASE_URL).build(&world()).unwrap();
    assert_eq!(built.info().location().trim_end_matches('/'), SendgridConfig::EU_BASE_URL);
}
