//! The breaker follows its model, for random sequences of outcomes, callers who give up, panics and pauses.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};

use external_core::{CallContext, Error, Result};
use external_resilience::{BoxFuture, Pipeline, Policy};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::time::{Instant, advance};

use super::back_end::{READ, ms, pipeline};
use super::model::{How, Model, Phase, policy};
use super::paused;

/// What happens next. Many calls are out at a time.
#[derive(Debug, Clone, Copy)]
enum Event {
    Begin,
    /// One of those that are out ends; which one, modulo how many there are.
    End(usize, How),
    /// Time passes. A call that was out for a second is slow, however it ends.
    Pause(u64),
    /// The circuit is opened for good, and closed again, by hand.
    Isolate,
    Reset,
}

fn event() -> impl Strategy<Value = Event> {
    let how = prop_oneof![
        4 => Just(How::Success),
        4 => Just(How::Failure),
        1 => Just(How::NotFound),
        1 => Just(How::GivenUp),
        1 => Just(How::Panic),
    ];
    prop_oneof![
        40 => Just(Event::Begin),
        40 => (any::<usize>(), how).prop_map(|(which, how)| Event::End(which, how)),
        10 => (1_u64..600).prop_map(Event::Pause),
        5 => (1_u64..8000).prop_map(Event::Pause),
        1 => Just(Event::Isolate),
        3 => Just(Event::Reset),
    ]
}

/// Of thousands of panics nobody reads one.
fn silence_panics_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(ON_PURPOSE) {
                report(info);
            }
        }));
    });
}

const ON_PURPOSE: &str = "on purpose";

/// A call that was let through and is out.
struct Flight {
    call: BoxFuture<'static, Result<()>>,
    end: oneshot::Sender<How>,
    /// The model's word for the phase in which it began.
    phase: u32,
    began: Instant,
}

impl Flight {
    /// Begins a call; it is out if it was let through.
    fn begin(pipeline: &Pipeline, phase: u32) -> Option<Self> {
        let pipeline = pipeline.clone();
        let (end, how) = oneshot::channel();
        let how = Mutex::new(Some(how));
        let mut call: BoxFuture<'static, _> = Box::pin(async move {
            let cx = CallContext::default();
            let attempt = pipeline.run(READ, &cx, |_, _| {
                let how = how.lock().unwrap().take().unwrap();
                Box::pin(async move {
                    match how.await.unwrap() {
                        How::Failure => Err(Error::unavailable("down")),
                        How::NotFound => Err(Error::not_found("gone")),
                        How::Panic => panic!("{ON_PURPOSE}"),
                        How::Success | How::GivenUp => Ok(()),
                    }
                })
            });
            attempt.await
        });
        match (&mut call).now_or_never() {
            None => Some(Self { call, end, phase, began: Instant::now() }),
            Some(refused) => {
                assert!(refused.is_err(), "nobody has told it to end");
                None
            }
        }
    }

    fn end(mut self, how: How) {
        if how != How::GivenUp {
            self.end.send(how).unwrap();
            let ended = catch_unwind(AssertUnwindSafe(|| (&mut self.call).now_or_never()));
            assert_eq!(ended.is_err(), how == How::Panic);
            assert!(ended.is_err() || ended.is_ok_and(|ended| ended.is_some()), "it has all it waits for");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_breaker_follows_its_model(
        by_time in any::<bool>(),
        timeout in prop::option::of((1_u64..40_000).prop_map(ms)),
        events in prop::collection::vec(event(), 1..200),
    ) {
        paused(async {
            silence_panics_on_purpose();
            let mut limits = Policy::off();
            limits.attempt_timeout = timeout;
            let pipeline = pipeline(limits.with_breaker(policy(by_time)));
            let mut model = Model::new(policy(by_time), timeout);
            let mut out: Vec<Flight> = Vec::new();
            for (at, event) in events.iter().enumerate() {
                match *event {
                    // Nobody looks: what comes next must find what somebody would have seen.
                    Event::Pause(millis) => {
                        advance(ms(millis)).await;
                        continue;
                    }
                    Event::Begin => {
                        let expected = model.admits(Instant::now());
                        let begun = Flight::begin(&pipeline, expected.unwrap_or_default());
                        prop_assert_eq!(begun.is_some(), expected.is_some(), "event {}: {:?}", at, event);
                        out.extend(begun);
                    }
                    Event::Isolate => {
                        pipeline.isolate();
                        model.enter(Phase::Isolated);
                    }
                    Event::Reset => {
                        pipeline.reset_breaker();
                        model.enter(Phase::Closed);
                    }
                    Event::End(_, _) if out.is_empty() => {}
                    Event::End(which, how) => {
                        let ends = out.swap_remove(which % out.len());
                        let (phase, began) = (ends.phase, ends.began);
                        ends.end(how);
                        model.ended(phase, how, began, Instant::now());
                    }
                }
                model.let_time_pass(Instant::now());
                prop_assert_eq!(pipeline.breaker_state(), Some(model.state()), "after event {}: {:?}", at, event);
                prop_assert_eq!(pipeline.running(), out.len() as u64);
                // Lets go of the task's budget, which so many polls in a row would use up.
                tokio::task::yield_now().await;
            }
            Ok(())
        })?;
    }
}
