//! What recorded calls give a recorder of the `metrics` façade: names, and label values from closed sets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod recorder;

use std::sync::Arc;
use std::time::Duration;

use external_core::{
    CallContext, Capabilities, Effect, Error, ErrorKind, Operation, ProviderInfo, Repeat, Result,
};
use external_resilience::metrics::{Metrics, PipelineGauges};
use external_resilience::{BreakerState, BulkheadPolicy, Pipeline, Policy};

use self::recorder::Taken;

const GET: Operation = Operation::new("cache", "get", Repeat::Safe);
const INCREMENT: Operation = Operation::new("cache", "increment", Repeat::Once);

/// A series of `get` with these labels besides the common ones, as the recorder writes it.
fn series(name: &str, labels: &[&str]) -> String {
    written(name, &["external.operation=get"], labels)
}

fn written(name: &str, operation: &[&str], labels: &[&str]) -> String {
    let common = ["external.domain=cache", "external.instance=sessions", "external.provider=memory"];
    let mut all = [&common, operation, labels].concat();
    all.sort_unstable();
    format!("{name}{{{}}}", all.join(","))
}

fn pipeline(policy: Policy) -> Pipeline {
    let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
    Pipeline::new("sessions", &info, policy)
}

/// Runs what `make` returns on a paused clock, and returns what the recorder was told by it.
fn record<F: Future<Output = ()>>(make: impl FnOnce() -> F) -> Taken {
    let taken = Taken::default();
    metrics::with_local_recorder(&taken, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(make());
    });
    taken
}

fn observed(policy: Policy) -> Pipeline {
    pipeline(policy).with_observer(Arc::new(Metrics::new()))
}

async fn run(
    pipeline: &Pipeline,
    operation: Operation,
    answer: impl Fn(u32) -> Result<()> + Send + Sync,
) -> Result<()> {
    let answer = &answer;
    pipeline
        .run(operation, &CallContext::default(), move |cx, _| {
            let answer = answer(cx.attempt());
            Box::pin(async move { answer })
        })
        .await
}

#[test]
fn a_call_that_succeeds_is_counted_with_its_duration() {
    let taken = record(|| async {
        let (pipeline, cx) = (observed(Policy::default()), CallContext::default());
        let call = pipeline.run(GET, &cx, |_, _| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(250)).await;
                Ok(())
            })
        });
        call.await.unwrap();
    });
    let attempts = ["external.managed=false", "external.outcome=ok"];
    let expected = [
        (series("external.attempt.duration", &attempts), (1.0, 0.25)),
        (series("external.call.duration", &["external.outcome=ok"]), (1.0, 0.25)),
        (series("external.call.retries", &[]), (0.0, 0.0)),
    ];
    assert_eq!(taken.values(), expected.into());
}

#[test]
fn a_call_that_fails_tells_kind_effect_and_retries() {
    let taken = record(|| async {
        let pipeline = observed(Policy::default());
        let down = |_| Err(Error::unavailable("down").with_effect(Effect::NotApplied));
        run(&pipeline, GET, down).await.unwrap_err();
        // Retried once, then it succeeds.
        let once = |attempt| if attempt == 1 { down(attempt) } else { Ok(()) };
        run(&pipeline, GET, once).await.unwrap();
    });
    let counted = |name, labels: &[&str]| taken.values()[&series(name, labels)].0;
    let failed = ["error.type=unavailable", "external.outcome=error"];
    assert_eq!(counted("external.call.duration", &failed), 1.0);
    assert_eq!(counted("external.call.duration", &["external.outcome=ok"]), 1.0);
    let failed = ["error.type=unavailable", "external.outcome=error", "external.managed=false"];
    assert_eq!(counted("external.attempt.duration", &failed), 4.0);
    let effect = ["error.type=unavailable", "external.effect=not_applied"];
    assert_eq!(counted("external.call.errors", &effect), 1.0);
    assert_eq!(counted("external.call.retries", &[]), 3.0);
}

#[test]
fn a_call_that_is_dropped_is_counted() {
    let taken = record(|| async {
        let (pipeline, cx) = (observed(Policy::default()), CallContext::default());
        let never = pipeline.run(GET, &cx, |_, _| Box::pin(std::future::pending::<Result<()>>()));
        tokio::time::timeout(Duration::from_millis(500), never).await.unwrap_err();
    });
    let attempts = ["external.managed=false", "external.outcome=dropped"];
    let expected = [
        (series("external.attempt.duration", &attempts), (1.0, 0.5)),
        (series("external.call.duration", &["external.outcome=dropped"]), (1.0, 0.5)),
        (series("external.call.retries", &[]), (0.0, 0.0)),
    ];
    assert_eq!(taken.values(), expected.into());
}

#[test]
fn a_managed_call_counts_no_call_and_its_attempts_apart() {
    let taken = record(|| async {
        let inner = observed(Policy::default());
        let outer = pipeline(Policy::default());
        let inner = &inner;
        outer
            .run(GET, &CallContext::default(), move |cx, _| {
                Box::pin(async move { inner.run(GET, cx, |_, _| Box::pin(async { Ok(()) })).await })
            })
            .await
            .unwrap();
    });
    let attempts = ["external.managed=true", "external.outcome=ok"];
    let expected = [(series("external.attempt.duration", &attempts), (1.0, 0.0))];
    assert_eq!(taken.values(), expected.into());
}

#[test]
fn a_refusal_tells_the_layer() {
    let taken = record(|| async {
        let pipeline = observed(Policy::default());
        pipeline.isolate();
        run(&pipeline, GET, |_| Ok(())).await.unwrap_err();
    });
    let refused = series("external.call.refusals", &["external.refused_by=breaker"]);
    assert_eq!(taken.values()[&refused].0, 1.0);
}

#[test]
fn a_refusal_further_in_tells_the_layer_too() {
    let taken = record(|| async {
        let (outer, inner) = (observed(Policy::default()), pipeline(Policy::default()));
        inner.isolate();
        let inner = &inner;
        let error = outer
            .run(GET, &CallContext::default(), move |cx, _| {
                Box::pin(async move { inner.run(GET, cx, |_, _| Box::pin(async { Ok(()) })).await })
            })
            .await
            .unwrap_err();
        assert_eq!(error.attempts(), 1);
    });
    let refused = series("external.call.refusals", &["external.refused_by=breaker"]);
    assert_eq!(taken.values()[&refused].0, 1.0);
}

#[test]
fn label_values_come_from_closed_sets() {
    let taken = record(|| async {
        let pipeline = observed(Policy::default());
        for kind in ErrorKind::ALL {
            for effect in [Effect::NotSent, Effect::NotApplied, Effect::MaybeApplied] {
                let answer = |_| {
                    let error = Error::new(*kind, "alice@example.com: no").with_effect(effect);
                    Err(error.with_request_id("4711").with_context("refused_by", "someone"))
                };
                run(&pipeline, INCREMENT, answer).await.unwrap_err();
            }
        }
        PipelineGauges::new(&pipeline).sample();
    });
    let kinds: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut labels = taken.labels();
    for (key, values) in &mut labels {
        let closed: &[&str] = match key.as_str() {
            "external.domain" => &["cache"],
            "external.operation" => &["increment"],
            "external.provider" => &["memory"],
            "external.instance" => &["sessions"],
            "external.outcome" => &["error"],
            "external.effect" => &["maybe_applied", "not_applied", "not_sent"],
            "external.managed" => &["false"],
            "external.breaker.state" => &["closed", "half_open", "isolated", "open"],
            "error.type" => &kinds,
            other => panic!("{other} is no label of ours"),
        };
        let mut closed = closed.to_vec();
        closed.sort_unstable();
        assert_eq!(values.iter().map(String::as_str).collect::<Vec<_>>(), closed, "{key}");
    }
    assert_eq!(labels.len(), 9, "{labels:?}");
}

#[test]
fn a_template_tells_calls_of_one_name_apart() {
    let taken = record(|| async {
        let pipeline = observed(Policy::default());
        for (template, times) in [(None, 1), (Some("/users/{id}"), 2), (Some("/orders/{id}"), 3)] {
            for _ in 0..times {
                run(&pipeline, GET.with_template(template), |_| Ok(())).await.unwrap();
            }
        }
    });
    for (template, times) in [(None, 1), (Some("/users/{id}"), 2), (Some("/orders/{id}"), 3)] {
        let label = template.map(|template| format!("url.template={template}"));
        let labels: Vec<&str> = ["external.outcome=ok"].into_iter().chain(label.as_deref()).collect();
        let (count, _) = taken.values()[&series("external.call.duration", &labels)];
        assert_eq!(count, f64::from(times), "{template:?}");
    }
}

#[test]
fn gauges_tell_the_state_of_the_layers() {
    let taken = record(|| async {
        let policy =
            Policy::default().with_bulkhead(BulkheadPolicy::new(1).with_queue(1, Duration::from_secs(1)));
        let pipeline = pipeline(policy);
        let gauges = PipelineGauges::new(&pipeline);
        let cx = CallContext::default();
        let never = || pipeline.run(GET, &cx, |_, _| Box::pin(std::future::pending::<Result<()>>()));
        let both = async { tokio::join!(never(), never()) };
        let sampled = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            gauges.sample();
        };
        tokio::select! {
            _ = both => {}
            () = sampled => {}
        }
        assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
    });
    let gauge = |name, labels: &[&str]| taken.values()[&written(name, &[], labels)].1;
    assert_eq!(gauge("external.call.active", &[]), 2.0);
    assert_eq!(gauge("external.bulkhead.active", &[]), 1.0);
    assert_eq!(gauge("external.bulkhead.pending", &[]), 1.0);
    assert_eq!(gauge("external.gate.remaining", &[]), 0.0);
    assert!(gauge("external.retry_budget.available", &[]) > 0.0);
    for (state, value) in [("closed", 1.0), ("open", 0.0), ("half_open", 0.0), ("isolated", 0.0)] {
        let state = format!("external.breaker.state={state}");
        assert_eq!(gauge("external.breaker.status", &[&state]), value, "{state}");
    }
}

#[test]
fn the_recorder_is_told_units_and_meanings() {
    let taken = record(|| async {
        let _gauges = PipelineGauges::new(&observed(Policy::default()));
    });
    let described = taken.described();
    assert_eq!(described.len(), 11, "{described:?}");
    for (name, (unit, meaning)) in described {
        let is_time = name.ends_with("duration") || name.ends_with("remaining");
        assert_eq!(unit == Some(metrics::Unit::Seconds), is_time, "{name}");
        assert!(meaning.ends_with('.'), "{name}: {meaning}");
    }
}
