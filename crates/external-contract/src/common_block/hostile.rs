//! Point 11: a server that answers nonsense. What the fault proxy sends comes from the seed of the run.

use external_core::{Effect, ErrorKind, Provider};
use external_simulator::{Damage, Fault, Garbage, Length, Rule};

use super::breakage::{LONG, UNREADABLE, break_each_call, says};
use super::{any_call, marker};
use crate::{Case, Clause, Finding, Proxied, Verdict, clause, ensure, eventually, watch, within};

/// How much of an answer without an end is offered, and how much of it may be taken: what the provider reads, and the 36 MiB
/// that Linux keeps in its buffers for one connection if nobody reads.
const OFFERED: usize = 128 << 20;
const TAKEN: usize = 96 << 20;

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.11.1",
            "Bytes without a meaning, text of another language and bottomless nesting in place of an answer are `Corrupt` or \
             `Unavailable`, and `MaybeApplied`; trying again is of use.",
            |case: S| {
                for garbage in Garbage::ALL {
                    says(case, Fault::Garbage(garbage), &UNREADABLE, &[Effect::MaybeApplied]).await?;
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.11.2",
            "An answer with other bytes, numbers or kinds in it ends the call, whatever it then says, and the next one works.",
            |case: S| {
                for damage in Damage::ALL {
                    for _ in 0..4 {
                        for broken in break_each_call(case, Fault::Damage(damage)).await? {
                            if let Err(error) = broken.result
                                // A status with another digit in it is one that a server may give.
                                && error.http_status().is_none()
                            {
                                ensure(
                                    !OURS.contains(&error.kind()),
                                    format!("{} is the server's fault", broken.what),
                                    error.report(),
                                )?;
                            }
                        }
                    }
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.11.3",
            "Of an answer without an end no more than 96 MiB are taken, buffers on the way included, and the call ends.",
            |case: S| {
                let flood = Fault::Flood { after: Length::Drawn, bytes: OFFERED };
                for call in case.marked_calls() {
                    let Proxied { service, proxy } = case.proxied().await?;
                    let marker = marker(case, call.name);
                    proxy.inject(Rule::on_marker(&marker, flood));
                    let what = format!("a {} whose answer has no end", call.name);
                    let result = within(&what, LONG, (call.run)(case, &service, &marker)).await?;
                    let result = result.inspect_err(watch::saw_error);
                    let taken = proxy.answered_bytes();
                    ensure(taken <= TAKEN, format!("{what} takes {TAKEN} bytes at most"), format!("{taken}: {result:?}"))?;
                    if let Err(error) = result {
                        ensure(error.effect() != Effect::NotSent, format!("{what} was sent"), error.report())?;
                    }
                }
            }
        )
        .needs_plain_proxy(),
        clause!(
            "common.11.4",
            "After nonsense an instance works again by itself.",
            |case: S| {
                let Proxied { service, proxy } = case.proxied().await?;
                let call = any_call(case)?;
                for garbage in Garbage::ALL {
                    works(case, call, &service).await?;
                    let bad = marker(case, &format!("{garbage:?}"));
                    proxy.inject(Rule::on_marker(&bad, Fault::Garbage(garbage)));
                    let answered = within("a call that meets nonsense", LONG, (call.run)(case, &service, &bad)).await?;
                    let answered = answered.inspect_err(watch::saw_error);
                    ensure(answered.is_err(), "a call that meets nonsense fails", "it succeeded")?;
                }
                works(case, call, &service).await?;
            }
        )
        .needs_plain_proxy(),
    ]
}

/// Kinds that blame the caller or the configuration, or say that nothing was tried.
const OURS: [ErrorKind; 3] = [ErrorKind::Configuration, ErrorKind::Closed, ErrorKind::Unsupported];

async fn works<S: ?Sized + Provider + 'static>(
    case: &Case<S>,
    call: &crate::ProviderCall<S>,
    service: &S,
) -> Verdict {
    eventually(LONG, async || {
        let good = marker(case, "good");
        (call.run)(case, service, &good).await.map_err(Finding::from)
    })
    .await
}
