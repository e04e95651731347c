//! Point 5: a caller may go away at any moment.

use std::time::Duration;

use external_core::Provider;

use super::marker;
use crate::{Clause, Finding, Proxied, abandon, clause, ensure, eventually, within};

const LONG: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(4);
/// Enough to pass every await of a call on loopback; a call that is done earlier ends the search.
const MOST_POLLS: usize = 40;
/// More than any pool or queue of ours holds.
const DROPS: usize = 400;

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.5.1",
            "After a call was dropped at any of its awaits the next one works.",
            |case: S| {
                let service = case.fresh()?;
                for call in case.calls() {
                    for polls in 1..=MOST_POLLS {
                        let dropped = marker(case, &format!("drop-{}-{polls}", call.name));
                        let done = abandon((call.run)(case, &service, &dropped), polls).await;
                        let next = marker(case, &format!("next-{}-{polls}", call.name));
                        let what = format!("the call after a {} dropped at poll {polls}", call.name);
                        within(&what, LONG, (call.run)(case, &service, &next))
                            .await?
                            .map_err(|error| Finding::from(error).while_(&what))?;
                        if done.is_some() {
                            break;
                        }
                    }
                }
            }
        ),
        clause!(
            "common.5.2",
            "Dropped calls give back what they held: hundreds of them do not use anything up.",
            |case: S| {
                let service = case.fresh()?;
                let calls = case.calls();
                let began = tokio::time::Instant::now();
                for (n, call) in calls.iter().cycle().take(DROPS).enumerate() {
                    // Who is stuck already need not be dropped more often.
                    if began.elapsed() > LONG {
                        break;
                    }
                    // Mostly at the first await, where a place in a queue is held.
                    let round = n / calls.len();
                    let polls = if round % 8 == 0 { 2 + round % 3 } else { 1 };
                    let dropped = marker(case, &format!("drop-{n}"));
                    abandon((call.run)(case, &service, &dropped), polls).await;
                }
                for call in calls {
                    let what = format!("a {} after {DROPS} dropped calls", call.name);
                    within(
                        &what,
                        LONG,
                        (call.run)(case, &service, &marker(case, &format!("next-{}", call.name))),
                    )
                    .await??;
                }
            }
        ),
        clause!(
            "common.5.3",
            "After dropped calls `close` ends, and nothing of them is left behind.",
            |case: S| {
                let service = case.fresh()?;
                for call in case.calls() {
                    for polls in 1..=MOST_POLLS {
                        let dropped = marker(case, &format!("drop-{}-{polls}", call.name));
                        if abandon((call.run)(case, &service, &dropped), polls).await.is_some() {
                            break;
                        }
                    }
                }
                // A client waits for calls that it believes to be running.
                within("close, with nothing to wait for", SOON, service.close()).await??;
                if let Some(leftovers) = case.suite.leftovers {
                    // Embedded state ends with its instance; elsewhere another instance sees what is left.
                    if let Some(another) = case.another()? {
                        (leftovers)(case, &another).await?;
                    }
                }
            }
        ),
        clause!(
            "common.5.4",
            "An answer that comes after its caller has gone is given to nobody else.",
            |case: S| {
                let Proxied { service, proxy } = case.proxied().await?;
                for call in case.calls() {
                    (call.run)(case, &service, &marker(case, &format!("warm-{}", call.name))).await?;
                    proxy.stall(true);
                    let dropped = marker(case, &format!("drop-{}", call.name));
                    let gone = (call.run)(case, &service, &dropped);
                    let _ = tokio::time::timeout(Duration::from_millis(100), gone).await;
                    proxy.stall(false);
                    for n in 0..3 {
                        let next = marker(case, &format!("next-{}-{n}", call.name));
                        let what = format!("the call after a {} dropped before its answer", call.name);
                        within(&what, LONG, (call.run)(case, &service, &next))
                            .await?
                            .map_err(|error| Finding::from(error).while_(&what))?;
                    }
                }
            }
        )
        .needs_proxy(),
        clause!("common.5.5", "After dropped calls and `close` no connection is left open.", |case: S| {
            let Proxied { service, proxy } = case.proxied().await?;
            for call in case.calls() {
                for polls in 1..=6 {
                    let dropped = marker(case, &format!("drop-{}-{polls}", call.name));
                    abandon((call.run)(case, &service, &dropped), polls).await;
                }
                // With an answer under way: that is when a connection is hard to give back.
                proxy.stall(true);
                let dropped = marker(case, &format!("stalled-{}", call.name));
                let gone = (call.run)(case, &service, &dropped);
                let _ = tokio::time::timeout(Duration::from_millis(50), gone).await;
                proxy.stall(false);
            }
            within("close", LONG, service.close()).await??;
            eventually(Duration::from_secs(3), async || {
                let open = proxy.open_connections();
                ensure(open == 0, "no connection after `close`", format!("{open} open"))
            })
            .await?;
        })
        .needs_proxy(),
    ]
}
