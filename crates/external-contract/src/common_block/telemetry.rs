//! Point 8: what an operator sees of calls. The client is the subject: spans, attempts and metrics are its own.

use external_core::{Effect, ErrorKind, Provider};

use super::breakage::LONG;
use super::marker;
use crate::watch::{CallSpan, Fields, Telemetry, attended};
use crate::{Case, Clause, Finding, Verdict, abandon, clause, ensure, ensure_eq, eventually, watch, within};

/// The span's fields, as OpenTelemetry names what it has a name for.
const FIELDS: &[&str] = &[
    "otel.name",
    "otel.kind",
    "otel.status_code",
    "error.type",
    "external.domain",
    "external.operation",
    "external.provider",
    "external.instance",
    "external.managed",
    "external.attempts",
    "external.outcome",
    "external.effect",
    "external.request_id",
    "external.duration",
];

/// Labels whose values are from a set that is always the same.
const CLOSED: &[(&str, &[&str])] = &[
    ("external.outcome", &["ok", "error", "dropped"]),
    ("external.refused_by", &["breaker", "bulkhead", "gate", "rate_limit", "deadline"]),
    ("external.managed", &["true", "false"]),
    ("external.breaker.state", &["closed", "open", "half_open", "isolated"]),
    ("otel.kind", &["client"]),
    ("otel.status_code", &["ERROR"]),
];
const EFFECTS: [Effect; 3] = [Effect::NotSent, Effect::NotApplied, Effect::MaybeApplied];

/// How many calls of one kind are made: a label that differs for each is seen.
const MANY: usize = 20;

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.8.1",
            "A call is one span, with an event for each attempt; it says what was called, where, and how it ended.",
            |case: S| {
                heard(case)?;
                let service = case.fresh()?;
                for call in case.calls() {
                    case.watch().record();
                    (call.run)(case, &service, &marker(case, call.name)).await?;
                    let told = only(call.name, &case.watch().recorded())?;
                    let name = format!("{}.{}", case.suite.domain, call.name);
                    for (field, expected) in [
                        ("otel.name", name.as_str()),
                        ("otel.kind", "client"),
                        ("external.domain", case.suite.domain),
                        ("external.operation", call.name),
                        ("external.provider", service.info().id()),
                        ("external.managed", "false"),
                    ] {
                        says(&format!("the span of a {}", call.name), &told.fields, field, Some(expected))?;
                    }
                    answered(&format!("the span of a {}", call.name), &told.fields)?;
                    let instance = told.fields.get("external.instance");
                    ensure(instance.is_some(), "a span that names the instance", "it names none")?;
                    in_order(call.name, &told.fields, &told.attempts)?;
                }
            }
        )
        .of_client(),
        clause!(
            "common.8.2",
            "A call that fails says with which kind of error and which effect: in its span, its attempt and the metrics.",
            |case: S| {
                heard(case)?;
                let closed = case.fresh()?;
                closed.close().await?;
                // Whoever points nowhere fails at every call; where nobody can, at least a closed client does.
                let failing = [Ok(closed), case.missing(), case.denied()];
                for service in failing.into_iter().flatten() {
                    for call in case.calls() {
                        case.watch().record();
                        let result = (call.run)(case, &service, &marker(case, call.name)).await;
                        let Err(error) = result.inspect_err(watch::saw_error) else { continue };
                        let telemetry = case.watch().recorded();
                        let told = only(call.name, &telemetry)?;
                        let is_one_of_many = error.elapsed().is_none();
                        let outcome = told.fields.get("external.outcome").map(String::as_str);
                        if is_one_of_many && outcome == Some("ok") {
                            // The call itself has answered, for each of its items.
                            continue;
                        }
                        let kind = error.kind().as_str();
                        let what = format!("the span of a {} that failed ({kind})", call.name);
                        says(&what, &told.fields, "external.outcome", Some("error"))?;
                        says(&what, &told.fields, "otel.status_code", Some("ERROR"))?;
                        says(&what, &told.fields, "error.type", Some(kind))?;
                        says(&what, &told.fields, "external.effect", Some(error.effect().as_str()))?;
                        in_order(call.name, &told.fields, &told.attempts)?;
                        let labels = [("error.type", kind), ("external.effect", error.effect().as_str())];
                        let counted = telemetry.count_of("external.call.errors", &labels);
                        let is_counted = telemetry.series.is_empty() || counted == 1;
                        ensure(is_counted, format!("one error of kind {kind} counted"), counted)?;
                    }
                }
            }
        )
        .of_client(),
        clause!(
            "common.8.3",
            "A call that is dropped is told as well, as dropped: so is its attempt.",
            |case: S| {
                heard(case)?;
                for call in case.calls() {
                    // Closed before the next operation's turn, of which what is cleaned up may be.
                    let service = case.fresh()?;
                    for polls in 1..=4 {
                        case.watch().record();
                        let marker = marker(case, &format!("drop-{}-{polls}", call.name));
                        let done = abandon((call.run)(case, &service, &marker), polls).await;
                        let told = || {
                            let mut told = case.watch().recorded();
                            // A client may be cleaning up behind the call that was dropped before.
                            told.calls.retain(|span| is_of(span, call.name));
                            only(call.name, &told)
                        };
                        // What a vendor's library still does for it is within the span, which ends after that.
                        eventually(LONG, async || told().map(drop)).await?;
                        let told = told()?;
                        let what = format!("the span of a {} that was polled {polls} times", call.name);
                        match done {
                            None => says(&what, &told.fields, "external.outcome", Some("dropped"))?,
                            Some(Ok(())) => answered(&what, &told.fields)?,
                            Some(Err(_)) => says(&what, &told.fields, "external.outcome", Some("error"))?,
                        }
                        in_order(call.name, &told.fields, &told.attempts)?;
                    }
                    within("close", LONG, service.close()).await??;
                }
            }
        )
        .of_client(),
        clause!(
            "common.8.4",
            "Values of labels are from closed sets: nothing that a caller or a server sends becomes one.",
            |case: S| {
                heard(case)?;
                let service = case.fresh()?;
                case.watch().record();
                for call in case.calls() {
                    (call.run)(case, &service, &marker(case, &format!("first-{}", call.name))).await?;
                }
                let first = case.watch().recorded();
                for call in case.calls() {
                    for n in 0..MANY {
                        (call.run)(case, &service, &marker(case, &format!("{}-{n}", call.name))).await?;
                    }
                }
                let all = case.watch().recorded();
                let new = all.series.keys().find(|series| !first.series.contains_key(*series));
                ensure(new.is_none(), "no series that the first calls had not written", format!("{new:?}"))?;
                let spans = all.calls.iter().flat_map(|call| {
                    [&call.fields].into_iter().chain(&call.attempts)
                });
                for labels in spans.chain(all.series.keys().map(|(_, labels)| labels)) {
                    closed(labels)?;
                }
                for call in &all.calls {
                    let unknown = call.fields.keys().find(|field| !FIELDS.contains(&field.as_str()));
                    ensure(unknown.is_none(), format!("a span with none but {FIELDS:?}"), format!("{unknown:?}"))?;
                }
            }
        )
        .of_client(),
        clause!(
            "common.8.5",
            "Metrics count every call and every attempt once.",
            |case: S| {
                heard(case)?;
                let service = case.fresh()?;
                for call in case.calls() {
                    case.watch().record();
                    for n in 0..MANY {
                        (call.run)(case, &service, &marker(case, &format!("{}-{n}", call.name))).await?;
                    }
                    let told = case.watch().recorded();
                    if told.series.is_empty() {
                        return Err(Finding::not_run("the client that the harness makes writes no metrics"));
                    }
                    let calls = told.count_of("external.call.duration", &[("external.operation", call.name)]);
                    ensure_eq(&format!("the number of {} counted", call.name), &calls, &(MANY as u64))?;
                    let attempts: usize = told.calls.iter().map(|call| call.attempts.len()).sum();
                    let counted = told.count_of("external.attempt.duration", &[("external.operation", call.name)]);
                    let what = format!("the number of attempts of {} counted", call.name);
                    ensure_eq(&what, &counted, &(attempts as u64))?;
                }
            }
        )
        .of_client(),
        clause!(
            "common.8.6",
            "What is written while a call is made stands within its span.",
            |case: S| {
                heard(case)?;
                let service = case.fresh()?;
                for call in case.calls() {
                    case.watch().record();
                    attended((call.run)(case, &service, &marker(case, call.name))).await?;
                    let outside = case.watch().recorded().outside;
                    let what = format!("no event of a {} outside of its span", call.name);
                    ensure(outside.is_empty(), what, format!("{outside:?}"))?;
                }
            }
        )
        .of_client(),
    ]
}

/// Nothing can be said of what nobody hears.
fn heard<S: ?Sized + Provider + 'static>(case: &Case<S>) -> Verdict {
    watch::install().map_err(Finding::not_run)?;
    ensure(case.watch().listens(), "a case whose spans are heard", "it is not heard")
}

/// The one span of a call. Those of calls within it are somebody else's.
fn only(call: &str, told: &Telemetry) -> Result<CallSpan, Finding> {
    let managed = |fields: &Fields| fields.get("external.managed").is_some_and(|managed| managed == "true");
    let mut own = told.calls.iter().filter(|span| !managed(&span.fields));
    match (own.next(), own.count()) {
        (Some(span), 0) => Ok(span.clone()),
        (None, _) => Err(Finding::failed(format!("one span `external.call` for a {call}"), "none")),
        (Some(_), more) => Err(Finding::failed(
            format!("one span `external.call` for a {call}"),
            format!("{} spans", more + 1),
        )),
    }
}

fn is_of(span: &CallSpan, operation: &str) -> bool {
    span.fields.get("external.operation").is_some_and(|is| is == operation)
}

fn says(what: &str, fields: &Fields, field: &str, expected: Option<&str>) -> Verdict {
    ensure_eq(&format!("`{field}` of {what}"), &fields.get(field).map(String::as_str), &expected)
}

/// That there is nothing is an answer too, and for some of the suite's calls the right one.
fn answered(what: &str, fields: &Fields) -> Verdict {
    let is_absence = fields.get("error.type").is_some_and(|kind| kind == ErrorKind::NotFound.as_str());
    says(what, fields, "external.outcome", Some(if is_absence { "error" } else { "ok" }))?;
    if is_absence { Ok(()) } else { says(what, fields, "error.type", None) }
}

/// Attempts are counted from 1, and the last one ended as the call did.
fn in_order(call: &str, fields: &Fields, attempts: &[Fields]) -> Verdict {
    says(&format!("the span of a {call}"), fields, "external.attempts", Some(&attempts.len().to_string()))?;
    for (n, attempt) in attempts.iter().enumerate() {
        says(&format!("attempt of a {call}"), attempt, "external.attempt", Some(&(n + 1).to_string()))?;
    }
    if let Some(last) = attempts.last() {
        for field in ["external.outcome", "error.type"] {
            says(
                &format!("the last attempt of a {call}"),
                last,
                field,
                fields.get(field).map(String::as_str),
            )?;
        }
    }
    let took = fields.get("external.duration").and_then(|took| took.parse::<f64>().ok());
    ensure(took.is_some_and(|took| took >= 0.0), "a duration in seconds", format!("{took:?}"))
}

fn closed(labels: &Fields) -> Verdict {
    for (label, value) in labels {
        let known = match label.as_str() {
            "error.type" => ErrorKind::ALL.iter().any(|kind| kind.as_str() == value),
            "external.effect" => EFFECTS.iter().any(|effect| effect.as_str() == value),
            label => CLOSED
                .iter()
                .find(|(known, _)| *known == label)
                .is_none_or(|(_, values)| values.contains(&value.as_str())),
        };
        ensure(known, format!("`{label}` with a value of its set"), format!("{value:?}"))?;
    }
    Ok(())
}
