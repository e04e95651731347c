//! What holds for one operation and for a managed call, what speaks against a service, what a close waits for, and what the
//! end of a runtime and an observer that panics leave.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use back_end::{
    BackEnd, Nothing, READ, call, call_with, ended_by, info, ms, opens_after_two, pipeline, throttled,
};
use external_core::{CallContext, Error, ErrorKind, Operation, Repeat, Result, Retry};
use external_resilience::{BreakerState, BulkheadPolicy, CallObserver, CallRecord, OperationPolicy, Policy};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};

const OTHER: Operation = Operation::new("cache", "exists", Repeat::Safe);
const NOW: Duration = Duration::ZERO;

#[tokio::test(start_paused = true)]
async fn four_kinds_of_errors_speak_against_a_service() {
    for kind in ErrorKind::ALL {
        let policy = Policy::off().with_breaker(opens_after_two());
        let (pipeline, back_end) = (pipeline(policy), BackEnd::always(&Error::new(*kind, "no")));
        for _ in 0..2 {
            call(&pipeline, READ, &back_end).await.unwrap_err();
        }
        let state = match kind {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Corrupt | ErrorKind::Unexpected => {
                BreakerState::Open
            }
            _ => BreakerState::Closed,
        };
        assert_eq!(pipeline.breaker_state(), Some(state), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_has_a_deadline_and_a_hedge_of_its_own() {
    let differs = OperationPolicy::new().with_total_deadline(ms(2000)).with_hedge_after(ms(50));
    let policy = Policy::off().with_max_attempts(2).with_total_deadline(ms(5000));
    let pipeline = pipeline(policy.with_operation(READ.name, differs));
    for (operation, ends, attempts) in [(READ, ms(2000), 2), (OTHER, ms(5000), 1)] {
        let back_end = BackEnd::new((0..2).map(|_| (Duration::from_secs(3600), Ok(()))));
        let start = Instant::now();
        let error = call(&pipeline, operation, &back_end).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Timeout, ends));
        assert_eq!(back_end.calls(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_managed_call_has_no_total_deadline_of_its_own() {
    let (outer, inner) = (pipeline(Policy::off()), pipeline(Policy::off().with_total_deadline(ms(1000))));
    let slow = || BackEnd::new([(ms(3000), Ok(()))]);
    let (start, back_end, cx) = (Instant::now(), slow(), CallContext::default());
    outer.run(READ, &cx, |cx, _| Box::pin(call_with(&inner, READ, &back_end, cx))).await.unwrap();
    assert_eq!(start.elapsed(), ms(3000));
    assert_eq!(call(&inner, READ, &slow()).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(start.elapsed(), ms(4000));
}

#[tokio::test(start_paused = true)]
async fn a_close_waits_for_calls_that_wait() {
    let hint = Duration::from_secs(2);
    let nothing = Nothing(info());
    // For its retry, and at the gate.
    for error in [Error::unavailable("down").with_retry(Retry::After(hint)), throttled(hint)] {
        for within in [hint * 2, hint / 2] {
            let (pipeline, start) = (pipeline(Policy::default()), Instant::now());
            let back_end = BackEnd::new([(NOW, Err(error.clone()))]);
            let (ended, ()) = tokio::join!(call(&pipeline, READ, &back_end), async {
                sleep(ms(10)).await;
                let report = pipeline.close(&nothing, within).await;
                assert_eq!(
                    (report.is_clean(), report.calls_left),
                    if within > hint { (true, 0) } else { (false, 1) }
                );
                let refused = call(&pipeline, READ, &back_end).await.unwrap_err();
                assert_eq!((refused.kind(), ended_by(&refused)), (ErrorKind::Closed, "closed"));
            });
            ended.unwrap();
            assert!(start.elapsed() >= hint);
            assert_eq!(back_end.calls(), 2);
        }
    }
}

#[test]
fn a_runtime_that_shuts_down_under_a_call_leaves_nothing_behind() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let pipeline = pipeline(Policy::default().with_bulkhead(BulkheadPolicy::new(1)));
    let (runs, running) = std::sync::mpsc::channel();
    let call = std::thread::spawn({
        let (pipeline, handle) = (pipeline.clone(), runtime.handle().clone());
        move || {
            let cx = CallContext::default();
            let call = pipeline.run(READ, &cx, |_, _| {
                runs.send(()).unwrap();
                Box::pin(std::future::pending::<Result<()>>())
            });
            handle.block_on(call)
        }
    });
    running.recv().unwrap();
    runtime.shutdown_background();
    assert!(call.join().is_err(), "one panic: a second would end the process");
    assert_eq!((pipeline.running(), pipeline.pressure().bulkhead_running), (0, 0));
}

/// An observer that panics when a call is over.
struct Panics;

impl CallObserver for Panics {
    fn on_call(&self, _: &CallRecord<'_>) {
        // Quietly.
        resume_unwind(Box::new("on purpose"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_keeps_no_place() {
    let policy = Policy::default().with_bulkhead(BulkheadPolicy::new(1));
    let pipeline = pipeline(policy).with_observer(Arc::new(Panics));
    for answers in [true, false] {
        let back_end = BackEnd::new([(if answers { NOW } else { ms(1000) }, Ok(()))]);
        let mut under_way = Box::pin(call(&pipeline, READ, &back_end));
        let ended = catch_unwind(AssertUnwindSafe(|| {
            assert!(under_way.as_mut().now_or_never().is_none(), "one that answers panics");
            assert_eq!(pipeline.pressure().bulkhead_running, 1);
            drop(under_way);
        }));
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"on purpose"), "answers: {answers}");
        assert_eq!((pipeline.running(), pipeline.pressure().bulkhead_running), (0, 0), "answers: {answers}");
    }
}
