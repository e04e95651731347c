//! The span of a call and the events of its attempts: names of fields, and what they say; and what is warned of.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use back_end::Nothing;
use external_core::{
    BuildContext, CallContext, Capabilities, Capability, Effect, Error, Operation, Provider, ProviderInfo,
    Repeat, Result,
};
use external_resilience::{Domain, OperationPolicy, Pipeline, Policy};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What was written, in the order of the fields' names; durations left out.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "external.duration" {
            self.0.insert(field.name(), format!("{value:?}"));
        }
    }
}

impl Fields {
    fn text(&self) -> String {
        let fields: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        fields.join(" ")
    }
}

/// One call at a time: its span, its events, and how often the span is entered and not left.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<(Fields, Vec<String>)>>, Arc<AtomicI32>);

impl Subscriber for Written {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "external"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.0.lock().unwrap().0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.0.lock().unwrap().0);
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().1.push(fields.text());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }

    fn exit(&self, _: &Id) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The span and the events of one call that answers so.
fn written(answer: impl Fn(u32) -> Result<()> + Send + Sync) -> (String, Vec<String>) {
    let written = Written::default();
    let answer = &answer;
    tracing::subscriber::with_default(written.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
            let policy = Policy::default();
            let get = Operation::new("cache", "get", Repeat::Safe);
            let attempt = move |cx: &CallContext| {
                let answer = answer(cx.attempt());
                async move { answer }
            };
            let pipeline = Pipeline::new("sessions", &info, policy);
            let _ = pipeline.run(get, &CallContext::default(), |cx, _| Box::pin(attempt(cx))).await;
        });
    });
    let (span, events) = &*written.0.lock().unwrap();
    (span.text(), events.clone())
}

#[test]
fn a_call_that_succeeds_has_no_error() {
    let (span, events) = written(|_| Ok(()));
    assert_eq!(
        span,
        "external.attempts=1 external.domain=cache external.instance=sessions external.managed=false \
         external.operation=get external.outcome=ok external.provider=memory otel.kind=client \
         otel.name=cache.get"
    );
    assert_eq!(events, ["external.attempt=1 external.outcome=ok message=attempt"]);
}

#[test]
fn a_call_that_fails_has_the_conventions_names() {
    let (span, events) = written(|_| {
        let error = Error::conflict("someone was first").with_effect(Effect::NotApplied);
        Err(error.with_request_id("4711"))
    });
    assert_eq!(
        span,
        "error.type=conflict external.attempts=1 external.domain=cache external.effect=not_applied \
         external.instance=sessions external.managed=false external.operation=get external.outcome=error \
         external.provider=memory external.request_id=4711 otel.kind=client otel.name=cache.get \
         otel.status_code=ERROR"
    );
    assert_eq!(events.len(), 1);
    let event = "error.type=conflict external.attempt=1 external.effect=not_applied external.outcome=error";
    assert!(events[0].contains(event), "{events:?}");
    assert!(events[0].contains("someone was first"), "{events:?}");
}

#[test]
fn every_attempt_is_an_event() {
    let (span, events) =
        written(|attempt| if attempt < 3 { Err(Error::unavailable("down")) } else { Ok(()) });
    assert!(span.contains("external.attempts=3") && span.contains("external.outcome=ok"), "{span}");
    assert!(!span.contains("error.type"), "{span}");
    assert_eq!(events.len(), 3);
}

#[test]
fn only_the_provider_works_inside_the_span_of_its_call() {
    let written = Written::default();
    let entered = || written.1.load(Ordering::SeqCst);
    tracing::subscriber::with_default(written.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let cx = CallContext::default();
            let entered = &entered;
            let pipeline = back_end::pipeline(Policy::default());
            let call = pipeline.run(back_end::READ, &cx, |_, _| {
                Box::pin(async move {
                    assert_eq!(entered(), 1);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    assert_eq!(entered(), 1);
                    Ok(())
                })
            });
            let (ended, ()) = tokio::join!(call, async { assert_eq!(entered(), 0, "while it waits") });
            ended.unwrap();
        });
    });
    assert_eq!(entered(), 0);
}

#[test]
fn a_call_that_is_dropped_says_so() {
    let written = Written::default();
    tracing::subscriber::with_default(written.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let (cx, pipeline) = (CallContext::default(), back_end::pipeline(Policy::default()));
            let hangs =
                pipeline.run(back_end::READ, &cx, |_, _| Box::pin(std::future::pending::<Result<()>>()));
            assert!(tokio::time::timeout(Duration::from_secs(1), hangs).await.is_err());
        });
    });
    let (span, events) = &*written.0.lock().unwrap();
    assert!(span.text().contains("external.attempts=1") && span.text().contains("external.outcome=dropped"));
    assert_eq!(*events, ["external.attempt=1 external.outcome=dropped message=attempt"]);
}

/// A domain with two operations, and a provider of nothing.
#[derive(Debug, Clone)]
struct Client {
    service: Arc<Nothing>,
    pipeline: Pipeline,
}

impl Domain for Client {
    type Service = Nothing;
    type Settings = ();
    const NAME: &'static str = "cache";
    const DEVELOPMENT: &'static str = "memory";

    fn policy() -> Policy {
        Policy::default()
    }

    fn new(service: Arc<Nothing>, pipeline: Pipeline, (): (), _: &BuildContext) -> Result<Self> {
        Ok(Self { service, pipeline })
    }

    fn service(&self) -> Arc<Nothing> {
        self.service.clone()
    }

    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn provider(service: &Nothing) -> &dyn Provider {
        service
    }

    fn supports(service: &Nothing, capability: &str) -> Capability {
        service.info().capabilities().grade(capability)
    }

    fn capabilities() -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn operations() -> &'static [&'static str] {
        &["get", "set"]
    }

    fn settings_schema() -> String {
        "{}".into()
    }
}

#[test]
fn a_policy_that_makes_no_sense_is_warned_of_when_it_is_taken() {
    let once = OperationPolicy::new().with_max_attempts(1);
    for (policy, warnings) in [
        (Policy::default().with_operation("get", once), vec![]),
        (
            Policy::default().with_operation("gett", once),
            vec![
                "domain=cache instance=sessions key=operations.gett message=a policy makes no sense \
                 reason=no operation `gett`; there are: get, set, probe",
            ],
        ),
        (
            Policy::default().with_total_deadline(Duration::ZERO),
            vec![
                "domain=cache instance=sessions key=total_deadline message=a policy makes no sense \
                 reason=0ns is out of range: 1ms to 86400s",
            ],
        ),
    ] {
        let written = Written::default();
        tracing::subscriber::with_default(written.clone(), || {
            let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
            let pipeline = Pipeline::new("sessions", &info, Client::policy());
            drop(pipeline.with_policy(policy.clone(), Client::operations()));
        });
        assert_eq!(written.0.lock().unwrap().1, warnings);
    }
}
