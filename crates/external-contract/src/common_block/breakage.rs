//! Points 1 and 2 on a line that breaks: what a call says about it, and whether that is true. The fault proxy breaks it,
//! and knows what passed before.

use std::time::Duration;

use external_core::{Effect, Error, ErrorKind, Provider, Retry};
use external_simulator::{End, Fault, Garbage, Length, Pace, Rule};
use futures_util::future::join_all;

use super::marker;
use crate::{
    Case, Clause, Finding, Proxied, Verdict, clause, ensure, ensure_eq, ensure_error, eventually, watch,
    within,
};

pub(super) const LONG: Duration = Duration::from_secs(10);

/// An answer that is so late is late for any test of liveness, and in time for its caller.
const LATE: Duration = Duration::from_millis(1200);

/// More turns than any exchange has, its login included.
const MOST_TURNS: u64 = 20;

/// What can come between a request and its answer. None of it is an answer.
const FAULTS: [Fault; 6] = [
    Fault::LoseRequest(End::Close),
    Fault::LoseRequest(End::Reset),
    Fault::LoseAnswer(End::Reset),
    Fault::HalfClose,
    Fault::Truncate(Length::Drawn),
    Fault::Garbage(Garbage::Noise),
];

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.1.6",
            "Where the host's name does not resolve a call is `Unavailable` with effect `NotSent`, and trying again is of use.",
            |case: S| {
                let nameless = case.nameless()?;
                for call in case.sent_calls() {
                    let what = format!("a {} to a name that does not resolve", call.name);
                    let result =
                        within(&what, LONG, (call.run)(case, &nameless, &marker(case, call.name))).await?;
                    let error = ensure_error(&what, result, ErrorKind::Unavailable)?;
                    ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::NotSent)?;
                    is_worth_retrying(&what, &error)?;
                }
            }
        )
        .needs_proxy(),
        clause!(
            "common.1.7",
            "A connection that is reset before the request reached the server is `Unavailable`, and trying again is of use.",
            |case: S| {
                says(case, Fault::LoseRequest(End::Reset), &[ErrorKind::Unavailable], &UNANSWERED).await?;
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.1.8",
            "A connection that is reset after the request is `Unavailable` and `MaybeApplied`, and trying again is of use.",
            |case: S| {
                says(case, Fault::LoseAnswer(End::Reset), &[ErrorKind::Unavailable], &SENT).await?;
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.1.9",
            "A server that stops talking before its answer, on a connection that stays half open, is `Unavailable` and \
             `MaybeApplied`, and trying again is of use.",
            |case: S| {
                says(case, Fault::HalfClose, &[ErrorKind::Unavailable], &SENT).await?;
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.1.10",
            "An answer that breaks off is `Unavailable` and `MaybeApplied`, and trying again is of use: nothing came that could \
             be wrong. Only a status that refuses stands, whatever becomes of what is said beside it.",
            |case: S| {
                for _ in 0..3 {
                    says(case, Fault::Truncate(Length::Drawn), &[ErrorKind::Unavailable], &SENT).await?;
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.1.11",
            "An answer whose first byte is late is the answer: the call succeeds, and is not repeated meanwhile.",
            |case: S| {
                // Side by side, since each takes so long.
                let calls = case.marked_calls();
                let late = calls.into_iter().map(|call| async move {
                    let proxied = case.proxied().await?;
                    break_call(case, &proxied, call, Fault::Late(LATE)).await
                });
                for broken in join_all(late).await {
                    let Broken { what, result } = broken?;
                    result.map_err(|error| Finding::from(error).while_(what))?;
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.1.12",
            "On a line that is slow, unsteady and cuts everything into small pieces calls succeed.",
            |case: S| {
                let Proxied { service, proxy } = case.proxied().await?;
                let pace = Pace::new().with_latency(Duration::from_millis(5));
                proxy.set_pace(pace.with_jitter(Duration::from_millis(15)).with_piece(7));
                for call in case.sent_calls() {
                    for n in 0..3 {
                        let what = format!("a {} over a slow unsteady line", call.name);
                        let slow = marker(case, &format!("slow-{}-{n}", call.name));
                        within(&what, LONG, (call.run)(case, &service, &slow))
                            .await?
                            .map_err(|error| Finding::from(error).while_(&what))?;
                    }
                }
            }
        )
        .needs_proxy(),
        clause!(
            "common.2.2",
            "At whichever turn the line breaks, `NotSent` is said only where the server saw nothing of the request, and \
             `NotApplied` never, since no answer said so.",
            |case: S| {
                for call in case.marked_calls() {
                    for fault in FAULTS {
                        let mut turns = 0;
                        while turns < MOST_TURNS && is_told_truly_at(case, call, turns, fault).await? {
                            turns += 1;
                        }
                    }
                }
            }
        )
        .needs_plain_proxy(),
    ]
}

/// The effects of a call whose request may or may not have arrived.
const UNANSWERED: [Effect; 2] = [Effect::NotSent, Effect::MaybeApplied];

/// The effect of a call whose request arrived.
const SENT: [Effect; 1] = [Effect::MaybeApplied];

/// The kinds of an answer that is none. `Corrupt` is what came whole and cannot be understood; but who waits for the end of
/// a line, or for so many bytes, sees of the same nonsense only that the connection ends too early. For reads and writes
/// alike: what cannot be understood tells neither that nothing happened nor that something did.
pub(super) const UNREADABLE: [ErrorKind; 2] = [ErrorKind::Unavailable, ErrorKind::Corrupt];

/// What one operation came to when its exchange went wrong.
pub(super) struct Broken {
    pub(super) what: String,
    pub(super) result: external_core::Result<()>,
}

impl Broken {
    /// The error that it must have come to.
    pub(super) fn failed(self) -> Result<(String, Error), Finding> {
        match self.result {
            Ok(()) => Err(Finding::failed(format!("{} fails", self.what), "it succeeded")),
            Err(error) => Ok((self.what, error)),
        }
    }
}

/// Lets this happen under every operation once, on a connection in use. Whatever a call says about it, it was sent once, and
/// not at all only if the server saw nothing.
pub(super) async fn break_each_call<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    fault: Fault,
) -> Result<Vec<Broken>, Finding> {
    let proxied = case.proxied().await?;
    let mut all = Vec::new();
    for call in case.marked_calls() {
        all.push(break_call(case, &proxied, call, fault).await?);
    }
    Ok(all)
}

async fn break_call<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    Proxied { service, proxy }: &Proxied<S>,
    call: &crate::ProviderCall<S>,
    fault: Fault,
) -> Result<Broken, Finding> {
    // The connection is warm, so that only the call itself can break.
    eventually(LONG, async || {
        let warm = marker(case, &format!("warm-{}", call.name));
        (call.run)(case, service, &warm).await.map_err(Finding::from)
    })
    .await?;
    let marker = marker(case, &format!("broken-{}", call.name));
    let struck = proxy.faults();
    proxy.inject(Rule::on_marker(&marker, fault));
    let what = format!("a {} that meets {fault:?}", call.name);
    let result = within(&what, LONG, (call.run)(case, service, &marker)).await?.inspect_err(watch::saw_error);
    ensure_eq(&format!("the number of faults on {what}"), &(proxy.faults() - struck), &1)?;
    ensure_eq(&format!("the number of requests that {what} makes"), &proxy.count(&marker), &1)?;
    if let Err(error) = &result {
        is_true(&what, error, proxy.passed(&marker))?;
    }
    Ok(Broken { what, result })
}

/// Checks what every operation says when this happens to it.
pub(super) async fn says<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    fault: Fault,
    kinds: &[ErrorKind],
    effects: &[Effect],
) -> Verdict {
    for broken in break_each_call(case, fault).await? {
        let (what, error) = broken.failed()?;
        if matches!(fault, Fault::Truncate(_)) && is_refusal(&error) {
            continue;
        }
        ensure(
            kinds.contains(&error.kind()),
            format!("the kind of {what} is one of {kinds:?}"),
            format!("{:?}: {}", error.kind(), error.report()),
        )?;
        ensure(
            effects.contains(&error.effect()),
            format!("the effect of {what} is one of {effects:?}"),
            format!("{:?}: {}", error.effect(), error.report()),
        )?;
        is_worth_retrying(&what, &error)?;
    }
    Ok(())
}

/// Whether a status came that refuses, before the line broke: that is an answer, whatever becomes of what is said beside it.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.effect() == Effect::NotApplied && error.http_status().is_some_and(|status| status >= 400)
}

fn is_worth_retrying(what: &str, error: &Error) -> Verdict {
    ensure(error.retry() != Retry::Never, format!("trying again after {what} is of use"), error.report())
}

/// Who says that nothing was sent is believed only by a proxy that passed nothing on.
fn is_true(what: &str, error: &Error, passed: usize) -> Verdict {
    ensure(
        error.effect() != Effect::NotSent || passed == 0,
        format!("{what} is not `NotSent`: the request reached the server"),
        error.report(),
    )
}

/// Breaks the line of a fresh instance at this turn, 0 being the connection itself; `false` if there is no such turn.
async fn is_told_truly_at<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    call: &crate::ProviderCall<S>,
    turn: u64,
    fault: Fault,
) -> Result<bool, Finding> {
    let Proxied { service, proxy } = case.proxied().await?;
    proxy.inject(if turn == 0 { Rule::on_connect(fault) } else { Rule::on_turn(turn, fault) });
    let marker = marker(case, &format!("turn-{}-{turn}", call.name));
    let what = format!("a {} that meets {fault:?} at turn {turn}", call.name);
    let result =
        within(&what, LONG, (call.run)(case, &service, &marker)).await?.inspect_err(watch::saw_error);
    if let Err(error) = &result {
        is_true(&what, error, proxy.passed(&marker))?;
        ensure(
            error.effect() != Effect::NotApplied || is_refusal(error),
            format!("{what} is not `NotApplied`: no answer said so"),
            error.report(),
        )?;
    }
    let is_struck = proxy.faults() > 0;
    // Beside the connection itself there is the request.
    ensure(is_struck || turn > 1, format!("a {} that takes a turn", call.name), "it took none")
        .map_err(|finding| finding.with_said(result.as_ref().err()))?;
    Ok(is_struck)
}
