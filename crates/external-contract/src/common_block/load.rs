//! Point 9: a hundred calls side by side, none of which holds up another, a clean close, `Closed` afterwards.

use std::pin::pin;
use std::time::Duration;

use external_core::{Effect, ErrorKind, Provider};
use external_simulator::{Fault, Length, Proxy, Rule};
use futures_util::future::{Either, join_all, select};

use super::{any_call, marker};
use crate::{
    Case, Clause, Finding, ProviderCall, Proxied, Verdict, clause, ensure, ensure_eq, ensure_error,
    eventually, within,
};

const LONG: Duration = Duration::from_secs(10);

/// How long a hundred calls at a time may take together: what they cost is for a benchmark to say.
const PATIENT: Duration = Duration::from_secs(40);

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.9.1",
            "A hundred calls side by side all succeed, each with its own answer.",
            |case: S| {
                let service = case.unhurried()?;
                for call in case.calls() {
                    let markers: Vec<_> =
                        (0..100).map(|n| marker(case, &format!("{}-{n}", call.name))).collect();
                    let calls = markers.iter().map(|marker| (call.run)(case, &service, marker));
                    let what = format!("a hundred {} side by side", call.name);
                    let results = case.hurried(PATIENT, within(&what, PATIENT, join_all(calls))).await;
                    for result in results? {
                        result.map_err(|error| Finding::from(error).while_(&what))?;
                    }
                }
            }
        ),
        clause!(
            "common.9.2",
            "`close` during calls ends, and every call ends too: with its answer or an error.",
            |case: S| {
                let service = case.fresh()?;
                let call = any_call(case)?;
                let markers: Vec<_> = (0..50).map(|n| marker(case, &format!("c-{n}"))).collect();
                let calls = join_all(markers.iter().map(|marker| (call.run)(case, &service, marker)));
                let (_, closed) = within("close and the calls beside it", LONG, async {
                    tokio::join!(calls, async {
                        tokio::task::yield_now().await;
                        service.close().await
                    })
                })
                .await?;
                closed?;
            }
        ),
        clause!("common.9.3", "Closing twice is no error.", |case: S| {
            let service = case.fresh()?;
            (any_call(case)?.run)(case, &service, &marker(case, "before")).await?;
            within("the first close", LONG, service.close()).await??;
            within("the second close", LONG, service.close()).await??;
        }),
        clause!(
            "common.9.4",
            "After `close` every call of a client is `Closed` with effect `NotSent`.",
            |case: S| {
                let service = case.fresh()?;
                (any_call(case)?.run)(case, &service, &marker(case, "before")).await?;
                service.close().await?;
                for call in case.calls() {
                    let what = format!("a {} after close", call.name);
                    let result =
                        within(&what, LONG, (call.run)(case, &service, &marker(case, "after"))).await?;
                    let error = ensure_error(&what, result, ErrorKind::Closed)?;
                    ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::NotSent)?;
                }
            }
        )
        .of_client(),
        clause!(
            "common.9.5",
            "An instance that was never used closes, and opens no connection for it.",
            |case: S| {
                if case.has_proxy() {
                    let proxied = case.proxied().await?;
                    within("close", LONG, proxied.service.close()).await??;
                    let seen = proxied.proxy.connections();
                    ensure(seen == 0, "no connection", format!("{seen} connections"))?;
                } else {
                    within("close", LONG, case.fresh()?.close()).await??;
                }
            }
        ),
        clause!(
            "common.9.6",
            "A call that waits for its answer keeps no other one from the server.",
            |case: S| {
                for call in case.marked_calls() {
                    // Where calls share a connection, one that stalled is no good for the next of them.
                    let Proxied { service, proxy } = case.proxied().await?;
                    (call.run)(case, &service, &marker(case, &format!("warm-{}", call.name))).await?;
                    // Longer than anybody looks: that the first call gives up must not be what lets the other one through.
                    case.hurried(LONG * 3, overtakes(case, call, &service, &proxy)).await?;
                }
            }
        )
        .needs_plain_proxy(),
    ]
}

/// Checks that a call reaches the server while another one waits for its answer.
async fn overtakes<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    call: &ProviderCall<S>,
    service: &S,
    proxy: &Proxy,
) -> Verdict {
    let first = marker(case, &format!("first-{}", call.name));
    let second = marker(case, &format!("second-{}", call.name));
    let what = format!("a {} beside one that waits for its answer", call.name);
    proxy.inject(Rule::on_marker(&first, Fault::Stall(Length::Bytes(0))));
    let waiting = (call.run)(case, service, &first);
    let beside = pin!(async {
        reaches(proxy, &first, &format!("a {}", call.name)).await?;
        let other = (call.run)(case, service, &second);
        match select(pin!(reaches(proxy, &second, &what)), other).await {
            Either::Left((verdict, _)) => verdict,
            // What it answers is for others to judge.
            Either::Right((_, reaching)) => reaching.await,
        }
    });
    match select(waiting, beside).await {
        Either::Left((ended, _)) => {
            Err(Finding::failed(format!("a {} that waits for its answer", call.name), format!("{ended:?}")))
        }
        Either::Right((verdict, _)) => verdict,
    }
}

async fn reaches(proxy: &Proxy, marker: &str, what: &str) -> Verdict {
    eventually(LONG, async || {
        ensure(proxy.passed(marker) > 0, format!("{what} reaches the server"), "it did not")
    })
    .await
}
