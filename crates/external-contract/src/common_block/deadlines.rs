//! Point 6, and what point 2 says of it: a client keeps the deadline of a call whatever the server does, and knows whether
//! the request had left.

use std::time::Duration;

use external_core::{Effect, Error, ErrorKind, Provider, Retry};
use external_simulator::{Fault, Length, Rule};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::breakage::{LONG, is_refusal};
use super::marker;
use crate::{
    Case, Clause, Finding, ProviderCall, Proxied, Resilience, Verdict, clause, ensure, ensure_eq,
    ensure_error, eventually, watch, within,
};

/// How long calls have here.
const DEADLINE: Duration = Duration::from_millis(500);

/// How much later they may end: what a machine that is busy with other things may add.
const TOLERANCE: Duration = Duration::from_secs(2);

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.2.3",
            "A deadline that strikes before the request has left, while the connection is made, is `Timeout` with effect \
             `NotSent`.",
            |case: S| {
                let (service, _nobody) = case.unanswered().await?;
                let service = &*service;
                side_by_side(case, |call| async move {
                    let marker = marker(case, call.name);
                    let what = format!("a {} whose connection is never made", call.name);
                    let result = in_time(&what, (call.run)(case, service, &marker)).await?;
                    let error = is_timeout(&what, result)?;
                    ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::NotSent)
                })
                .await?;
            }
        )
        .needs_proxy()
        .of_client(),
        clause!(
            "common.2.4",
            "A deadline that strikes after the request has left is `Timeout` with effect `MaybeApplied`.",
            |case: S| {
                for call in case.marked_calls() {
                    let Proxied { service, proxy } = case.proxied().await?;
                    let marker = marker(case, call.name);
                    proxy.inject(Rule::on_marker(&marker, Fault::Stall(Length::Bytes(0))));
                    let what = format!("a {} without an answer", call.name);
                    let error = late(case, &what, (call.run)(case, &service, &marker)).await?;
                    ensure_eq(&format!("the number of requests of {what}"), &proxy.passed(&marker), &1)?;
                    ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::MaybeApplied)?;
                }
            }
        )
        .needs_plain_proxy()
        .of_client(),
        clause!(
            "common.2.5",
            "Where a connection is made and nothing passes on it, a call is `Timeout` at its deadline, and `NotSent` exactly if \
             its request was not said.",
            |case: S| {
                for call in case.marked_calls() {
                    let Proxied { service, proxy } = case.proxied().await?;
                    proxy.inject(Rule::on_connect(Fault::Blackhole).always());
                    let marker = marker(case, call.name);
                    let what = format!("a {} on a line that swallows everything", call.name);
                    let error = late(case, &what, (call.run)(case, &service, &marker)).await?;
                    // Under TLS there is nobody to say it to.
                    let was_said = proxy.count(&marker) > 0;
                    let expected = if was_said { Effect::MaybeApplied } else { Effect::NotSent };
                    ensure_eq(&format!("the effect of {what}"), &error.effect(), &expected)?;
                }
            }
        )
        .needs_proxy()
        .of_client(),
        clause!(
            "common.6.1",
            "Where a server stops answering a call ends at its deadline with `Timeout`; once the server answers again calls \
             work.",
            |case: S| {
                let Proxied { service, proxy } = case.proxied().await?;
                for call in case.sent_calls() {
                    let run = async |what: &str| (call.run)(case, &service, &marker(case, what)).await;
                    eventually(LONG, async || run("warm").await.map_err(Finding::from)).await?;
                    proxy.stall(true);
                    let what = format!("a {} to a server that stopped answering", call.name);
                    late(case, &what, run("stalled")).await?;
                    proxy.stall(false);
                    eventually(LONG, async || run("after").await.map_err(Finding::from)).await?;
                }
            }
        )
        .needs_proxy()
        .of_client(),
        clause!(
            "common.6.2",
            "An answer that begins and does not go on is `Timeout` at the deadline, and `MaybeApplied`; trying again is of use. \
             Only a status that refuses stands, whatever becomes of what is said beside it.",
            |case: S| {
                is_late_with(case, Fault::Stall(Length::Drawn)).await?;
            }
        )
        .needs_plain_proxy()
        .of_client(),
        clause!(
            "common.6.3",
            "An answer that comes byte by byte, and not in time, is `Timeout` at the deadline, and `MaybeApplied`: bytes are no \
             reason to wait longer.",
            |case: S| {
                is_late_with(case, Fault::Drip(DEADLINE - Duration::from_millis(100))).await?;
            }
        )
        .needs_plain_proxy()
        .of_client(),
        clause!(
            "common.6.4",
            "With default resilience all attempts and waits of a call together end by its deadline.",
            |case: S| {
                let end = Fault::LoseRequest(external_simulator::End::Reset);
                for (fault, how) in [(Fault::Blackhole, "swallows everything"), (end, "resets every connection")] {
                    let Proxied { service, proxy } = case.proxied_in(Resilience::On, |world| world).await?;
                    proxy.inject(Rule::on_connect(fault).always());
                    let service = &*service;
                    side_by_side(case, |call| async move {
                        let what = format!("a {} on a line that {how}", call.name);
                        let marker = marker(case, call.name);
                        let (result, took) = in_time(&what, (call.run)(case, service, &marker)).await?;
                        ensure(result.is_err(), format!("{what} fails"), format!("it succeeded after {took:?}"))
                    })
                    .await?;
                }
            }
        )
        .needs_proxy()
        .of_client(),
    ]
}

/// Every operation meets this on a warm connection, in short time.
async fn is_late_with<S: ?Sized + Provider + 'static>(case: &Case<S>, fault: Fault) -> Verdict {
    let Proxied { service, proxy } = case.proxied().await?;
    for call in case.marked_calls() {
        eventually(LONG, async || {
            let warm = marker(case, &format!("warm-{}", call.name));
            (call.run)(case, &service, &warm).await.map_err(Finding::from)
        })
        .await?;
        let marker = marker(case, &format!("late-{}", call.name));
        proxy.inject(Rule::on_marker(&marker, fault));
        let what = format!("a {} that meets {fault:?}", call.name);
        let call = in_time(&what, (call.run)(case, &service, &marker));
        let outcome = case.hurried(DEADLINE, call).await?;
        ensure_eq(&format!("the number of requests of {what}"), &proxy.count(&marker), &1)?;
        if outcome.0.as_ref().is_err_and(is_refusal) {
            continue;
        }
        let error = is_timeout(&what, outcome)?;
        ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::MaybeApplied)?;
    }
    Ok(())
}

/// Makes all calls at a time, each with that deadline: where nothing but the deadline is waited for, it is waited for once.
async fn side_by_side<'a, S: ?Sized + Provider + 'static, F: Future<Output = Verdict>>(
    case: &'a Case<S>,
    check: impl FnMut(&'a ProviderCall<S>) -> F,
) -> Verdict {
    let checks = join_all(case.sent_calls().into_iter().map(check));
    case.hurried(DEADLINE, checks).await.into_iter().collect()
}

/// A call that must be `Timeout` at its deadline, no sooner and hardly later.
async fn late<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    what: &str,
    call: impl Future<Output = external_core::Result<()>>,
) -> Result<Error, Finding> {
    is_timeout(what, case.hurried(DEADLINE, in_time(what, call)).await?)
}

fn is_timeout(what: &str, (result, took): (external_core::Result<()>, Duration)) -> Result<Error, Finding> {
    let error = ensure_error(what, result, ErrorKind::Timeout)?;
    ensure(took >= DEADLINE, format!("{what} has its {DEADLINE:?}"), format!("{took:?}"))?;
    ensure(error.retry() != Retry::Never, format!("trying again after {what} is of use"), error.report())?;
    Ok(error)
}

/// A call that must end by its deadline, with what it came to and how long it took.
async fn in_time(
    what: &str,
    call: impl Future<Output = external_core::Result<()>>,
) -> Result<(external_core::Result<()>, Duration), Finding> {
    let began = Instant::now();
    let result = within(what, LONG, call).await?.inspect_err(watch::saw_error);
    let took = began.elapsed();
    ensure(
        took <= DEADLINE + TOLERANCE,
        format!("{what} ends by its deadline of {DEADLINE:?}, {TOLERANCE:?} later at most"),
        format!("{took:?}"),
    )?;
    Ok((result, took))
}
