//! The table of what the domains change about the general policy, in the documentation of `Policy`, against the domains.

use std::time::Duration;

use external_cache::CacheClient;
use external_email::EmailClient;
use external_http::HttpClient;
use external_resilience::{Domain, OperationPolicy, Policy};
use external_storage::StorageClient;

const DOCUMENTATION: &str = include_str!("../../external-resilience/src/policy/mod.rs");

#[test]
fn the_table_says_what_the_domains_change() {
    let rows = DOCUMENTATION
        .lines()
        .skip_while(|line| !line.contains("| domain | value | why |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("/// | "))
        .filter_map(|row| Some((row.split(" | ").next()?, row.split(" | ").nth(1)?)));
    let (documented, expected): (Vec<_>, Vec<_>) = (
        rows.map(|(domain, value)| format!("{domain}: {value}")).collect(),
        [
            changes::<CacheClient>(),
            changes::<StorageClient>(),
            changes::<EmailClient>(),
            changes::<HttpClient>(),
            vec![slow()],
        ]
        .concat(),
    );
    assert_eq!(documented, expected);
}

/// The rows of a domain, and a look whether they are all there is.
fn changes<D: Domain>() -> Vec<String> {
    let (policy, general) = (D::policy(), Policy::default());
    let mut described = general.clone();
    let mut values = Vec::new();
    if policy.total_deadline != general.total_deadline {
        described = described.with_total_deadline(policy.total_deadline);
        values.extend(policy.total_deadline.map(|all| format!("{} in all", text(all))));
    }
    if policy.attempt_timeout != general.attempt_timeout {
        described = described.with_attempt_timeout(policy.attempt_timeout);
        values.extend(policy.attempt_timeout.map(|one| format!("{} an attempt", text(one))));
    }
    let (base, cap) = (policy.retry.base, policy.retry.cap);
    if (base, cap) != (general.retry.base, general.retry.cap) {
        described = described.with_backoff(base, cap);
        values.push(format!("waits of {} to {}", text(base), text(cap)));
    }
    let mut rows = Vec::new();
    if !values.is_empty() {
        rows.push(format!("{}: {}", D::NAME, values.join(", ")));
    }
    let mut operations = policy.operations.iter().peekable();
    while let Some((name, differs)) = operations.next() {
        described = described.with_operation(name, times(differs));
        let mut names = format!("`{name}`");
        while let Some((name, _)) = operations.next_if(|(_, next)| next == differs) {
            described = described.with_operation(name, times(differs));
            names = format!("{names}, `{name}`");
        }
        let all = differs.total_deadline.map(|all| format!("{} in all", text(all)));
        let one = differs.attempt_timeout.map(|one| format!("{} an attempt", text(one)));
        let values: Vec<String> = all.into_iter().chain(one).collect();
        rows.push(format!("{}: {} for {names}", D::NAME, values.join(", ")));
    }
    assert_eq!(described, policy, "{} changes more than the table has words for", D::NAME);
    assert!(policy.checked::<D>().is_ok(), "{}", D::NAME);
    rows
}

/// What the table says of an operation.
fn times(differs: &OperationPolicy) -> OperationPolicy {
    let mut times = OperationPolicy::new();
    (times.total_deadline, times.attempt_timeout) = (differs.total_deadline, differs.attempt_timeout);
    times
}

fn slow() -> String {
    let half = |timeout: Option<Duration>| timeout.map_or_else(String::new, |timeout| text(timeout / 2));
    let storage = StorageClient::policy();
    let assembling = storage.operations.iter().find_map(|(_, differs)| differs.attempt_timeout);
    format!(
        "each: slow from half of what an attempt may take on: a cache from {}, storage from {} and {} where it puts together, \
         email from {}",
        half(CacheClient::policy().attempt_timeout),
        half(storage.attempt_timeout),
        half(assembling),
        half(EmailClient::policy().attempt_timeout),
    )
}

fn text(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
        millis => format!("{millis} ms"),
    }
}
