//! Points 1 to 3 where nothing or one simple thing goes wrong: who is not there, what was sent, and that nothing is sent
//! twice. Counted by the proxy.

use std::time::Duration;

use external_core::{Effect, ErrorKind, Provider};
use external_simulator::{End, Fault};

use super::breakage::break_each_call;
use super::{any_call, marker};
use crate::clause::{Clause, Need};
use crate::{Finding, Proxied, clause, ensure, ensure_eq, ensure_error, eventually, watch, within};

const LONG: Duration = Duration::from_secs(10);

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.1.1",
            "Where nobody listens a call is `Unavailable` with effect `NotSent`.",
            |case: S| {
                let nobody = case.missing()?;
                for call in case.sent_calls() {
                    let what = format!("{} where nobody listens", call.name);
                    let result =
                        within(&what, LONG, (call.run)(case, &nobody, &marker(case, call.name))).await?;
                    let error = ensure_error(&what, result, ErrorKind::Unavailable)?;
                    ensure_eq(
                        &format!("the effect of {what}"),
                        &error.effect(),
                        &Effect::NotSent,
                    )?;
                }
            }
        )
        .needs_missing()
        .requiring(Need::Remote),
        clause!(
            "common.1.2",
            "Wrong credentials are `Unauthenticated`, and nothing is applied.",
            |case: S| {
                let denied = case.denied()?;
                for call in case.sent_calls() {
                    let what = format!("{} with wrong credentials", call.name);
                    let result =
                        within(&what, LONG, (call.run)(case, &denied, &marker(case, call.name))).await?;
                    let error = ensure_error(&what, result, ErrorKind::Unauthenticated)?;
                    let seen = error.effect();
                    ensure(
                        seen != Effect::MaybeApplied,
                        format!("{what} applies nothing"),
                        format!("{seen:?}"),
                    )?;
                }
            }
        )
        .needs_denied(),
        clause!(
            "common.1.3",
            "A probe succeeds where the back end works, unless the vendor has nothing harmless to ask.",
            |case: S| {
                match within("a probe", LONG, case.service().probe(&case.cx())).await? {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::Unsupported => {}
                    Err(error) => return Err(error.into()),
                }
            }
        ),
        clause!("common.1.4", "A probe fails where nobody listens.", |case: S| {
            let nobody = case.missing()?;
            let result = within("a probe where nobody listens", LONG, nobody.probe(&case.cx())).await?;
            ensure(
                result.inspect_err(watch::saw_error).is_err(),
                "a probe where nobody listens fails",
                "it succeeded",
            )?;
        })
        .needs_missing()
        .requiring(Need::Remote),
        clause!(
            "common.1.5",
            "While its back end is stopped an instance answers `Unavailable`; once it is started again calls work, without being rebuilt.",
            |case: S| {
                let control = case.control()?;
                let service = case.fresh()?;
                let call = any_call(case)?;
                (call.run)(case, &service, &marker(case, "before")).await?;
                control.stop().await?;
                let stopped = within("a call while stopped", LONG, (call.run)(case, &service, &marker(case, "stopped"))).await;
                // Whatever was seen, others need their back end.
                control.start().await?;
                ensure_error("a call while stopped", stopped?, ErrorKind::Unavailable)?;
                eventually(LONG * 2, async || {
                    let after = marker(case, "after");
                    (call.run)(case, &service, &after).await.map_err(Finding::from)
                })
                .await?;
            }
        )
        .stops_the_backend(),
        clause!(
            "common.2.1",
            "A call whose answer was lost is an error that does not claim to be `NotSent`.",
            |case: S| {
                for broken in break_each_call(case, Fault::LoseAnswer(End::Close)).await? {
                    let (what, error) = broken.failed()?;
                    let seen = error.effect();
                    ensure(
                        seen != Effect::NotSent,
                        format!("the effect of {what} admits that it was sent"),
                        format!("{seen:?}"),
                    )?;
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.3.1",
            "Without resilience N calls make N requests.",
            |case: S| {
                let Proxied { service, proxy } = case.proxied().await?;
                for call in case.marked_calls() {
                    let markers: Vec<_> = (0..5)
                        .map(|n| marker(case, &format!("{}-{n}", call.name)))
                        .collect();
                    for marker in &markers {
                        (call.run)(case, &service, marker).await?;
                    }
                    for marker in &markers {
                        let what = format!("the number of requests that one {} makes", call.name);
                        ensure_eq(&what, &proxy.count(marker), &1)?;
                    }
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.3.2",
            "Without resilience a call whose answer was lost is not repeated.",
            |case: S| {
                for broken in break_each_call(case, Fault::LoseAnswer(End::Close)).await? {
                    broken.failed()?;
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.3.3",
            "Without resilience a call whose connection broke is not repeated.",
            |case: S| {
                for broken in break_each_call(case, Fault::LoseRequest(End::Close)).await? {
                    broken.failed()?;
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.3.4",
            "After its connections were cut an instance works again by itself.",
            |case: S| {
                let Proxied { service, proxy } = case.proxied().await?;
                let call = any_call(case)?;
                (call.run)(case, &service, &marker(case, "before")).await?;
                for round in 0..3 {
                    proxy.sever();
                    eventually(LONG, async || {
                        let after = marker(case, &format!("after-{round}"));
                        (call.run)(case, &service, &after).await.map_err(Finding::from)
                    })
                    .await?;
                }
            }
        )
        .needs_proxy(),
    ]
}
