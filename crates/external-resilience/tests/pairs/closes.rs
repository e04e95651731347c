//! What a close means to a call that is held up by another layer: it is let go on, waited for, and nobody else is let in.

use std::time::Duration;

use external_core::{CallContext, CallOptions, Error, ErrorKind, Result, Retry};
use external_resilience::{BulkheadPolicy, Pipeline, Policy};
use tokio::time::{Instant, sleep};

use super::back_end::{BackEnd, Nothing, READ, call, call_with, info, ms, opens_after_two, pipeline, seldom};

const NOW: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3600);

/// Closes while this call is under way: how it ended, and when the close did, from now on.
async fn closed_under(
    pipeline: &Pipeline,
    running: impl Future<Output = Result<()>>,
) -> (Result<()>, Duration) {
    let start = Instant::now();
    let (ended, closed) = tokio::join!(running, async {
        sleep(ms(10)).await;
        let report = pipeline.close(&Nothing(info()), HOUR).await;
        assert!(report.is_clean(), "{report:?}");
        let refused = call(pipeline, READ, &BackEnd::new([])).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed);
        start.elapsed()
    });
    (ended, closed)
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_the_bulkhead_is_waited_for() {
    let policy = Policy::default().with_bulkhead(BulkheadPolicy::new(1).with_queue(1, ms(5000)));
    let pipeline = pipeline(policy);
    let back_end = BackEnd::new([(ms(2000), Ok(())), (ms(1000), Ok(()))]);
    let both = async { tokio::try_join!(call(&pipeline, READ, &back_end), call(&pipeline, READ, &back_end)) };
    let (ended, closed) = closed_under(&pipeline, async { both.await.map(drop) }).await;
    assert_eq!((ended.is_ok(), closed, back_end.calls()), (true, ms(3000), 2));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_rate_limit_is_waited_for() {
    let limit = seldom(1).with_max_wait(Duration::from_secs(200));
    let pipeline = pipeline(Policy::default().with_rate_limit(limit).with_total_deadline(HOUR));
    let back_end = BackEnd::new([]);
    call(&pipeline, READ, &back_end).await.unwrap();
    let (ended, closed) = closed_under(&pipeline, call(&pipeline, READ, &back_end)).await;
    assert_eq!((ended.is_ok(), closed, back_end.calls()), (true, Duration::from_secs(100), 2));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_probe_is_waited_for() {
    let mut breaker = opens_after_two();
    breaker.half_open_calls = 1;
    let pipeline = pipeline(Policy::default().with_breaker(breaker).with_backoff(NOW, ms(5000)));
    let down = || (NOW, Err(Error::unavailable("down").with_retry(Retry::Never)));
    let back_end = BackEnd::new([down(), down(), (ms(2000), Ok(())), (ms(1000), Ok(()))]);
    for _ in 0..2 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    sleep(breaker.open_for).await;
    let both = async { tokio::try_join!(call(&pipeline, READ, &back_end), call(&pipeline, READ, &back_end)) };
    let (ended, closed) = closed_under(&pipeline, async { both.await.map(drop) }).await;
    assert_eq!((ended.is_ok(), closed, back_end.calls()), (true, ms(3000), 4));
}

#[tokio::test(start_paused = true)]
async fn a_call_may_still_be_hedged() {
    let pipeline = pipeline(Policy::default().with_hedge_after(ms(500)));
    let back_end = BackEnd::new([(ms(5000), Ok(())), (ms(1000), Ok(()))]);
    let (ended, closed) = closed_under(&pipeline, call(&pipeline, READ, &back_end)).await;
    assert_eq!((ended.is_ok(), closed, back_end.calls()), (true, ms(1500), 2));
}

#[tokio::test(start_paused = true)]
async fn what_hangs_is_waited_for_until_its_timeout_or_its_deadline() {
    let policy = Policy::default().with_max_attempts(1).with_attempt_timeout(ms(2000));
    let (timeout, deadline) = (CallOptions::new(), CallOptions::new().with_timeout(ms(1500)));
    for (options, ends) in [(timeout, ms(2000)), (deadline, ms(1500))] {
        let (pipeline, back_end) = (pipeline(policy.clone()), BackEnd::new([(HOUR, Ok(()))]));
        let cx = CallContext::new(&options);
        let (ended, closed) = closed_under(&pipeline, call_with(&pipeline, READ, &back_end, &cx)).await;
        assert_eq!((ended.unwrap_err().kind(), closed), (ErrorKind::Timeout, ends));
    }
}

#[tokio::test(start_paused = true)]
async fn work_of_many_calls_hears_of_a_close_at_once() {
    let pipeline = pipeline(Policy::default());
    let cx = CallContext::default();
    let held = pipeline.run_streaming(READ, &cx, |_, _| Box::pin(async { Ok(()) })).await.unwrap().1;
    let start = Instant::now();
    tokio::join!(
        async {
            pipeline.closing().await;
            assert_eq!(start.elapsed(), ms(10), "not before, and not when all calls are over");
            sleep(ms(100)).await;
            held.succeed();
        },
        async {
            sleep(ms(10)).await;
            assert!(pipeline.close(&Nothing(info()), HOUR).await.is_clean());
            assert_eq!(start.elapsed(), ms(110));
        }
    );
}
