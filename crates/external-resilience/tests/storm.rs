//! A storm: a thousand callers, some of whom give up, and a back end that fails half its calls, then all, then throttles, then
//! recovers. It fails in every way: with a 503, with an answer that is lost after the work was done, and by hanging. Seeded,
//! so that a run can be repeated; counted at the back end. Beside it the same storm with three attempts a call and nothing
//! else. Where one layer does the work of another, a storm without that one shows what the other is worth.
//!
//! `cargo test -p external-resilience --test storm -- --nocapture` shows the table.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "storm/callers.rs"]
mod callers;
#[path = "storm/weather.rs"]
mod weather;

use std::fmt::Write as _;
use std::time::Duration;

use external_resilience::{BreakerPolicy, BudgetPolicy, BulkheadPolicy, Policy};

use callers::{ATTEMPT, Storm, run};
use weather::{FORECAST, Weather};

/// More calls at a time than in fair weather, and fewer than there are when some of them hang.
const AT_A_TIME: u32 = 25;

/// What a service says that calls this back end, which answers within 25 ms.
fn policy() -> Policy {
    Policy::default().with_attempt_timeout(ATTEMPT)
}

/// Callers have no pipeline.
const THREE_ATTEMPTS: Option<Policy> = None;

/// What the retries of a storm cost, and what the budget had for them: a full bucket, and a share of each success.
fn cost_and_budget(storm: &Storm) -> (f64, f64) {
    let (seen, budget) = (&storm.seen, BudgetPolicy::default());
    let cost = seen.after_faults as f64 + seen.after_throttles as f64 * budget.throttle_cost;
    (cost, f64::from(budget.burst) + seen.successes as f64 * budget.share)
}

fn position(weather: Weather) -> usize {
    FORECAST.iter().position(|(known, _)| *known == weather).unwrap()
}

fn table(seed: u64, ours: &Storm, plain: &Storm) -> String {
    let mut text = format!("storm, seed {seed}: attempts at the back end\n");
    for (at, (weather, _)) in FORECAST.iter().enumerate() {
        let (ours, plain) = (ours.seen.attempts[at], plain.seen.attempts[at]);
        let weather = format!("{weather:?}");
        let share = ours as f64 / plain as f64;
        let _ = writeln!(
            text,
            "  {weather:<10} with the pipeline {ours:>7}, with three attempts {plain:>7}: {share:.4} of it"
        );
    }
    for (name, storm) in [("the pipeline", ours), ("three attempts", plain)] {
        let (seen, calls) = (&storm.seen, storm.calls);
        let _ = writeln!(
            text,
            "  with {name}: {calls} calls; at the back end {} answers lost, {} attempts hung, {} were told 503, {} were \
             abandoned, {} at a time at most; {} repeated although they may have happened, {} times done again; {} begun \
             although the service had asked to wait",
            seen.lost,
            seen.hung,
            seen.unavailable,
            seen.abandoned,
            seen.most_at_a_time,
            seen.repeated_wrongly,
            seen.done_again,
            seen.heedless,
        );
    }
    let _ = writeln!(text, "  opened after {:?}, closed after {:?}", ours.opened, ours.closed);
    text
}

#[test]
fn a_storm_is_weathered() {
    for seed in [1, 2] {
        let ours = run(
            seed,
            Some(policy().with_bulkhead(
                BulkheadPolicy::new(AT_A_TIME).with_queue(AT_A_TIME, Duration::from_millis(500)),
            )),
        );
        let plain = run(seed, THREE_ATTEMPTS);
        println!("{}", table(seed, &ours, &plain));
        for Storm { seen, .. } in [&ours, &plain] {
            assert!(
                seen.lost > 0 && seen.hung > 0 && seen.unavailable > 0,
                "it fails in every way: {seen:?}"
            );
            assert!(seen.abandoned > seen.hung, "and some callers give up: {seen:?}");
        }

        assert_eq!((ours.seen.repeated_wrongly, ours.seen.done_again), (0, 0));
        let wrong = (plain.seen.repeated_wrongly, plain.seen.done_again);
        assert!(
            wrong.0 > 0 && wrong.1 > 0,
            "who looks at no error repeats what may have happened: {wrong:?}"
        );
        assert_eq!(ours.seen.heedless, 0, "what the service asks of one, all heed");
        assert!(plain.seen.heedless > 0);
        assert_eq!(ours.seen.most_at_a_time, u64::from(AT_A_TIME), "as many as may, and never more");
        assert!(plain.seen.most_at_a_time > u64::from(AT_A_TIME), "{}", plain.seen.most_at_a_time);
        assert_eq!(ours.left, (0, 0), "nobody who gave up has kept a place");
        let (cost, budget) = cost_and_budget(&ours);
        assert!(cost <= budget, "retries for {cost} of {budget}");
        let down = [&ours, &plain].map(|storm| storm.seen.attempts[position(Weather::AllFails)]);
        assert!(down[0] * 100 < down[1], "a service that is down is left alone: {down:?}");
        let fair = [&ours, &plain].map(|storm| storm.seen.attempts[position(Weather::FairAgain)] as f64);
        assert!((0.9..=1.1).contains(&(fair[0] / fair[1])), "all calls pass again: {fair:?}");
        assert_opens_and_closes(&ours);
    }
}

/// It opens when half the calls fail, from second 5 on, or within a second of when all do. At second 25, when calls succeed
/// again, a probe may have been out that hangs until its timeout, upon which the circuit is open for once more.
fn assert_opens_and_closes(storm: &Storm) {
    let second = Duration::from_secs(1);
    let opened = storm.opened.unwrap();
    assert!((second * 5..=second * 11).contains(&opened), "opened after {opened:?}");
    let closed = storm.closed.unwrap();
    let latest = second * 25 + ATTEMPT + BreakerPolicy::default().open_for + second;
    assert!((second * 25..=latest).contains(&closed), "closed after {closed:?}");
}

/// With a breaker few calls get as far as to fail. Without one, what they retry is what the budget pays for, and all of it.
#[test]
fn without_a_breaker_the_budget_bounds_the_storm() {
    let policy = policy().with_breaker(None);
    let storm = run(3, Some(policy.clone()));
    let (cost, budget) = cost_and_budget(&storm);
    assert!(cost <= budget, "retries for {cost} of {budget}");
    let unpaid = run(3, Some(policy.with_retry_budget(None)));
    let (cost, budget) = cost_and_budget(&unpaid);
    assert!(cost > budget * 2.0, "without a budget there is nothing to prove: {cost} of {budget}");
    let down = [&storm, &unpaid].map(|storm| storm.seen.attempts[position(Weather::AllFails)]);
    assert!(down[0] * 3 < down[1] * 2, "nothing succeeds, so nothing pays for retries: {down:?}");
}

#[test]
fn a_storm_can_be_repeated() {
    let [one, two] = [(); 2].map(|()| run(7, Some(policy())));
    assert_eq!((one.calls, one.opened, one.closed), (two.calls, two.opened, two.closed));
    assert_eq!(format!("{:?}", one.seen.attempts), format!("{:?}", two.seen.attempts));
}
