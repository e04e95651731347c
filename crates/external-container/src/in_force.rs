//! How calls of an instance are treated where its table says nothing: the values of the domain's policy that people ask for.

use std::time::Duration;

use external_core::config::Value;
use external_resilience::Policy;

/// Keys of the table `resilience` and their values in the form of TOML; those that the table says are left out.
pub(crate) fn unsaid(policy: &Policy, said: &Value) -> Vec<(String, String)> {
    let of_call = [
        ("total_deadline", policy.total_deadline.map(duration)),
        ("attempt_timeout", policy.attempt_timeout.map(duration)),
        ("max_attempts", Some(policy.retry.max_attempts.to_string())),
        ("backoff_base", Some(duration(policy.retry.base))),
        ("backoff_cap", Some(duration(policy.retry.cap))),
        ("hedge_after", policy.hedge_after.map(duration)),
    ];
    let of_operations = policy.operations.iter().flat_map(|(name, differs)| {
        let differs = [
            ("total_deadline", differs.total_deadline.map(duration)),
            ("attempt_timeout", differs.attempt_timeout.map(duration)),
            ("max_attempts", differs.max_attempts.map(|attempts| attempts.to_string())),
            ("hedge_after", differs.hedge_after.flatten().map(duration)),
        ];
        differs.map(|(key, value)| (format!("operations.{name}.{key}"), value))
    });
    let all = of_call.map(|(key, value)| (key.to_owned(), value)).into_iter().chain(of_operations);
    all.filter_map(|(key, value)| Some((key, value?))).filter(|(key, _)| said.at(key).is_none()).collect()
}

/// In the unit that leaves a whole number.
fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis % 1000 == 0 => format!("\"{}s\"", millis / 1000),
        millis => format!("\"{millis}ms\""),
    }
}
