//! Point 7: no secret of a configuration and nothing that a call carries is ever shown.
//!
//! These clauses only make a provider speak: what is said is searched while they run, and so it is while any other
//! clause runs ([`broken_by`] is the verdict after each). The secrets are those of the target's configuration, and the
//! case's [canary](crate::Case::canary), which the suite's calls carry and wrong credentials are made of.

use std::time::Duration;

use external_core::Provider;
use external_simulator::{End, Fault, Rule};
use toml::Value;

use super::marker;
use crate::harness::{planted, secret_fields};
use crate::watch::{Channel, Leak, SHORTEST};
use crate::{Case, Clause, Finding, Proxied, Verdict, clause, ensure, within};

const LONG: Duration = Duration::from_secs(10);

/// What a leak breaks, whichever clause ran when it was seen.
const BROKEN: [(Channel, &str, &str); 3] = [
    (Channel::Written, "common.7.1", WRITTEN),
    (Channel::Error, "common.7.2", ERRORS),
    (Channel::Instance, "common.7.3", INSTANCES),
];
const WRITTEN: &str = "No span, event, log record, metric or panic shows a secret or what a call carries, vendor crates \
    included; what those show at TRACE is listed.";
const ERRORS: &str =
    "No error shows a secret or what a call carries: neither its Display nor its Debug nor its report.";
const INSTANCES: &str =
    "No instance shows a secret in its Debug, before or after it was used, and no configuration in its own.";

/// The clauses that these leaks break, with their sentences and what was seen.
pub(crate) fn broken_by(leaks: &[Leak]) -> Vec<(&'static str, &'static str, Finding)> {
    let broken = BROKEN.into_iter().filter_map(|(channel, id, sentence)| {
        let seen: Vec<_> = leaks.iter().filter(|leak| leak.channel == channel).map(Leak::to_string).collect();
        (!seen.is_empty())
            .then(|| (id, sentence, Finding::failed("no secret is shown", seen.join("\n          "))))
    });
    broken.collect()
}

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        Clause::new("common.7.1", WRITTEN, crate::check!(|case| {
            is_captured(case)?;
            let service = case.fresh()?;
            speak(case, &*service).await?;
            within("close", LONG, service.close()).await??;
            for other in [case.missing(), case.denied()].into_iter().flatten() {
                speak(case, &*other).await?;
            }
        })),
        Clause::new("common.7.2", ERRORS, crate::check!(|case| {
            for other in [case.missing(), case.denied()].into_iter().flatten() {
                speak(case, &*other).await?;
            }
            if case.has_proxy() {
                let Proxied { service, proxy } = case.proxied().await?;
                for fault in [Fault::LoseRequest(End::Close), Fault::LoseAnswer(End::Close)] {
                    for call in case.marked_calls() {
                        let marker = marker(case, &format!("{}-{}", call.name, case.next_number()));
                        proxy.inject(Rule::on_marker(&marker, fault));
                        told(within(call.name, LONG, (call.run)(case, &service, &marker)).await?);
                    }
                }
            }
            configured_wrongly(case)?;
        })),
        Clause::new("common.7.3", INSTANCES, crate::check!(|case| {
            let service = case.fresh()?;
            case.watch().saw_instance("an instance that was just built", &service);
            speak(case, &*service).await?;
            case.watch().saw_instance("an instance that was used", &service);
            within("close", LONG, service.close()).await??;
            case.watch().saw_instance("an instance that was closed", &service);
            planted_everywhere(case)?;
        })),
        clause!(
            "common.7.4",
            "What is listed as shown by vendor crates at TRACE is shown: a list that is too long hides leaks.",
            |case: S| {
                is_captured(case)?;
                if case.known_leaks().is_empty() {
                    return Ok(());
                }
                let service = case.bare()?;
                speak(case, &*service).await?;
                let met = case.watch().met();
                for known in case.known_leaks() {
                    ensure(met.contains(known), format!("`{known}` shows a secret at TRACE"), "it shows none: take it off the list")?;
                }
            }
        )
        .of_provider(),
    ]
}

/// Makes every call, and probes. How they end does not matter here.
async fn speak<S: ?Sized + Provider + 'static>(case: &Case<S>, service: &S) -> Verdict {
    for call in case.calls() {
        told(within(call.name, LONG, (call.run)(case, service, &marker(case, call.name))).await?);
    }
    told(within("a probe", LONG, service.probe(&case.cx())).await?);
    Ok(())
}

/// An error is searched when it becomes a finding.
fn told<T>(result: external_core::Result<T>) {
    let _ = result.map_err(Finding::from);
}

/// Whoever refuses a configuration tells what is wrong with it, but not what it says.
fn configured_wrongly<S: ?Sized + Provider + 'static>(case: &Case<S>) -> Verdict {
    let Ok(table) = case.configuration() else {
        return Ok(());
    };
    for (field, value) in &table {
        let Some(text) = value.as_str() else { continue };
        for wrong in [
            Value::Array(vec![value.clone()]),
            Value::String(format!("wrong {text}")),
            Value::String(format!("{text} wrong\n")),
            // An address that is none any more.
            Value::String(text.replace("://", ":/")),
            Value::String(text.replace("127.0.0.1:", "127.0.0.1:x")),
        ] {
            let mut table = table.clone();
            table.insert(field.clone(), wrong);
            // Errors of building are searched by the case.
            let _ = case.build(&table);
        }
    }
    Ok(())
}

/// A configuration is searched whenever one is read: here with the canary in each field that may hold a secret, although
/// with most of them no provider can be built.
fn planted_everywhere<S: ?Sized + Provider + 'static>(case: &Case<S>) -> Verdict {
    let Ok(table) = case.configuration() else {
        return Ok(());
    };
    // A schema that is none fails a clause of its own.
    let schema: serde_json::Value = serde_json::from_str(&case.schema()?).unwrap_or_default();
    for field in secret_fields(&schema) {
        let built = case.build(&planted(&table, &field, case.canary()));
        if let Ok(instance) = built {
            case.watch().saw_instance("an instance with other secrets", &instance);
        }
    }
    Ok(())
}

/// What cannot be searched was not searched.
fn is_captured<S: ?Sized + Provider + 'static>(case: &Case<S>) -> Verdict {
    if let Err(why) = crate::watch::install() {
        return Err(Finding::not_run(why));
    }
    for (name, secret) in case.secrets()? {
        let long = secret.len() >= SHORTEST;
        ensure(
            long,
            format!("{name} has {SHORTEST} characters or more, so that it is no ordinary word"),
            secret.len(),
        )?;
    }
    Ok(())
}
