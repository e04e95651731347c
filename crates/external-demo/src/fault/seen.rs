//! Was the service seen to recover? Without that, a run in which the faults missed it would pass as well.

use crate::systems::System;
use crate::verify::Check;

/// What every system that went down must have shown, and what must have become of mails whose answer was lost.
pub(crate) fn check(systems: &[System], down: &[&'static str]) -> Check {
    let mut failures = Vec::new();
    for domain in down {
        let Some(system) = systems.iter().find(|system| system.domain == *domain) else {
            failures.push(format!("{domain}: was never called"));
            continue;
        };
        for (what, count) in [
            ("retry", system.retries),
            ("opening of its breaker", system.openings.into()),
            ("recovery of its breaker", system.recoveries.into()),
        ] {
            if count == 0 {
                failures.push(format!("{domain}: went down, but no {what} was seen"));
            }
        }
    }
    for system in systems {
        let System { domain, unknown, reconciled, throttled, impatient, held, .. } = system;
        if *impatient > 0 {
            failures.push(format!("{domain}: {impatient} attempts began though everybody was asked to wait"));
        }
        if *throttled > 0 && *held == 0 {
            failures.push(format!("{domain}: everybody was asked to wait, but nobody came who did"));
        }
        if reconciled != unknown {
            failures
                .push(format!("{domain}: {unknown} outcomes were unknown, {reconciled} of them reconciled"));
        }
        if *domain == "email" && *unknown == 0 {
            failures.push(
                "email: no mail's outcome was ever unknown, though an answer was lost on purpose".into(),
            );
        }
    }
    if systems.iter().all(|system| system.throttled == 0) {
        failures.push("no system ever asked to wait, though one does on purpose".into());
    }
    Check { what: "systems went down, and the service recovered", looked_at: down.len(), failures }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email() -> System {
        System {
            domain: "email",
            provider: "smtp",
            calls: 40,
            attempts: 52,
            retries: 12,
            openings: 1,
            recoveries: 1,
            throttled: 1,
            impatient: 0,
            held: 3,
            unknown: 2,
            reconciled: 2,
        }
    }

    #[test]
    fn names_what_is_missing() {
        assert!(check(&[email()], &["email"]).failures.is_empty());
        for (system, missing) in [
            (System { retries: 0, ..email() }, "no retry"),
            (System { openings: 0, ..email() }, "no opening"),
            (System { recoveries: 0, ..email() }, "no recovery"),
            (System { unknown: 0, reconciled: 0, ..email() }, "no mail's outcome"),
            (System { throttled: 0, ..email() }, "ever asked to wait"),
            (System { impatient: 2, ..email() }, "2 attempts began"),
            (System { held: 0, ..email() }, "nobody came who did"),
            (System { reconciled: 1, ..email() }, "2 outcomes were unknown, 1 of them"),
            (System { domain: "cache", ..email() }, "email: was never called"),
        ] {
            let failures = check(&[system], &["email"]).failures;
            assert!(failures.iter().any(|failure| failure.contains(missing)), "{missing}: {failures:?}");
        }
    }
}
