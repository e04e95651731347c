//! What vendors' own verifiers accept and refuse, against ours.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use external_contract::truth::{Kind, Recorded, Recording, Vendor, run, skipped};
use external_contract::{Finding, Verdict, ensure, ensure_eq};
use external_http::webhook::{SnsMessage, SnsScheme, WebhookReceiver};
use external_http::{BuildContext, ErrorKind, MemoryAnswer, MemoryHttp, Method};
use futures_util::future::BoxFuture;
use serde_json::Value;

/// The clock of recordings that name none: 2024-01-02T03:04:05Z.
const NOW: u64 = 1_704_164_645;

fn main() -> ExitCode {
    let sns = Vendor { name: "aws_sns", fixtures: "tests/fixtures/webhook/aws_sns", replay: sns };
    run(env!("CARGO_MANIFEST_DIR"), &[sns])
}

/// Amazon's validator takes both versions of signatures, and messages of any topic and age.
fn sns(recording: &Recording) -> BoxFuture<'_, Verdict> {
    Box::pin(async move {
        if recording.kind != Kind::Verify {
            return Err(skipped("of SNS there is the receiver of messages alone"));
        }
        let text = recording.payload_utf8.clone().unwrap_or_default();
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        // A receiver has its topics pinned; a recording that names none is about the signature alone.
        let pinned = recording.inputs.get("topic").unwrap_or_else(|| &message["TopicArn"]);
        let topic = pinned.as_str().unwrap_or("arn:aws:sns:us-east-1:123456789012:none");
        let now = recording.inputs.get("now").and_then(Value::as_u64);
        let context = BuildContext::default().with_clock(move || at(now.unwrap_or(NOW)));

        let origin = origin(recording)?;
        let scheme = SnsScheme::new(origin.clone(), [topic], &context)?.insecure_with_version_1();
        let mut receiver = WebhookReceiver::new(scheme, &context);
        if now.is_none() {
            receiver = receiver.with_tolerance(Duration::MAX);
        }
        let mut request = http::Request::post("/hooks");
        for (name, value) in &recording.headers {
            request = request.header(name, value);
        }
        let request = request.body(bytes::Bytes::from(text.clone()));
        let (parts, body) =
            request.map_err(|error| Finding::failed("a request", error.to_string()))?.into_parts();

        match (receiver.receive(&parts, body).await, recording.expected) {
            (Ok(verified), Some(Recorded::Accept)) => {
                ensure_eq("the body", &verified.body()[..], text.as_bytes())?;
                let read = SnsMessage::of(&verified)?;
                ensure_eq("the message", &Some(read.message.as_str()), &message["Message"].as_str())?;
                ensure_eq("the subject", &read.subject.as_deref(), &message["Subject"].as_str())
            }
            (Err(error), Some(Recorded::Reject)) => {
                ensure(error.kind() == ErrorKind::Unauthenticated, "Unauthenticated", error.report())?;
                let is_fetched = recording.keys.get("fetched").and_then(Value::as_bool);
                let asked = origin.received().len();
                ensure(
                    is_fetched != Some(false) || asked == 0,
                    "nothing is fetched",
                    format!("{asked} requests"),
                )
            }
            (Ok(_), expected) => Err(Finding::failed(format!("{expected:?}"), "it was accepted")),
            (Err(error), expected) => Err(Finding::failed(format!("{expected:?}"), error.report())),
        }
    })
}

/// SNS as it would answer, by the recording's certificate.
fn origin(recording: &Recording) -> Result<Arc<MemoryHttp>, Finding> {
    let path = recording.key("signing_cert_url")?.rsplit_once('/').map_or("", |(_, path)| path);
    let pem = recording.key("signing_cert_pem")?.to_owned();
    let answer = move |_: &_| MemoryAnswer::new(200).with_body(pem.clone());
    Ok(Arc::new(MemoryHttp::new().with_route(Method::GET, &format!("/{path}"), answer)))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
