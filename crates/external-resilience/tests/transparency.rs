//! When a call may go without the layers: only while nobody could tell. Under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::Arc;
use std::time::Duration;

use back_end::{BackEnd, Nothing, READ, call, info, ms, opens_after_two, pipeline, throttled};
use external_core::Error;
use external_resilience::{BulkheadPolicy, CallObserver, Policy, RateLimitPolicy};
use tokio::time::advance;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

struct Observer;

impl CallObserver for Observer {}

#[tokio::test(start_paused = true)]
async fn who_limits_or_hears_of_calls_can_tell() {
    let limit = RateLimitPolicy::new(1_000_000, ms(1)).with_burst(1_000_000);
    assert!(pipeline(Policy::default()).is_transparent());
    assert!(pipeline(Policy::off()).is_transparent());
    assert!(!pipeline(Policy::default().with_bulkhead(BulkheadPolicy::new(1_000_000))).is_transparent());
    assert!(!pipeline(Policy::default().with_rate_limit(limit)).is_transparent());
    assert!(!pipeline(Policy::default()).with_observer(Arc::new(Observer)).is_transparent());
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_not_closed_a_closed_gate_and_a_closed_client_can_be_told() {
    let breaker = opens_after_two();
    let (down, now) = (|| Err(Error::unavailable("down")), Duration::ZERO);
    let broken = pipeline(Policy::default().with_breaker(breaker).with_max_attempts(1));
    let back_end = BackEnd::new([(now, down()), (now, down())]);
    for _ in 0..2 {
        assert!(broken.is_transparent());
        call(&broken, READ, &back_end).await.unwrap_err();
    }
    assert!(!broken.is_transparent(), "open");
    advance(breaker.open_for).await;
    assert!(!broken.is_transparent(), "half open");
    for _ in 0..breaker.half_open_calls {
        call(&broken, READ, &back_end).await.unwrap();
    }
    assert!(broken.is_transparent(), "closed again");

    let gated = pipeline(Policy::default().with_max_attempts(1));
    call(&gated, READ, &BackEnd::new([(now, Err(throttled(ms(1000))))])).await.unwrap_err();
    assert!(!gated.is_transparent());
    gated.open_gate();
    assert!(gated.is_transparent());

    let closed = pipeline(Policy::default());
    closed.close(&Nothing(info()), ms(1)).await;
    assert!(!closed.is_transparent());
}

/// Hears what is at least so important: everything, or events alone.
struct Hears {
    level: Level,
    spans: bool,
}

impl Subscriber for Hears {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "external"
            && *metadata.level() <= self.level
            && (self.spans || metadata.is_event())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn event(&self, _: &Event<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn who_listens_to_spans_or_to_attempts_can_tell() {
    for (level, spans, tells) in [
        (Level::WARN, true, false),
        (Level::INFO, true, true),
        (Level::INFO, false, false),
        (Level::DEBUG, false, true),
    ] {
        let pipeline = pipeline(Policy::default());
        let seen = tracing::subscriber::with_default(Hears { level, spans }, || pipeline.is_transparent());
        assert_eq!(!seen, tells, "from {level}, spans: {spans}");
    }
}
