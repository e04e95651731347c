//! The suites of the clients, each against a server that others wrote, which `cargo xtask contract-test` starts: their
//! clauses run over the transport `reqwest`, made from configuration, and go into the same report as all others.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use external_api::external_http::{self, Domain, HttpClient, HttpTransport, Policy};
use external_contract::{Case, Clause, Harness, Resilience, Suite};

/// What the clauses are about stands on this.
pub(crate) type S = dyn HttpTransport;

/// Runs the clauses against the servers that this `contract.toml` names.
pub(crate) fn run(clauses: Vec<Clause<S>>, targets: &str) -> ExitCode {
    let registry = external_http::registry();
    let transports = registry.entries().iter().filter(|entry| entry.id == "reqwest");
    let harnesses = transports.flat_map(|entry| Harness::from_toml(entry, targets));
    let harnesses = harnesses.map(|harness| harness.behind(behind)).collect();
    external_contract::run(Suite::of_client("api").with_all(clauses), harnesses)
}

fn behind(service: Arc<S>, resilience: Resilience) -> Arc<S> {
    match resilience {
        Resilience::Off => HttpClient::from(service).with_policy(Policy::off()).into(),
        Resilience::On => HttpClient::from(service).into(),
    }
}

/// The HTTP client of a case.
pub(crate) fn http(case: &Case<S>) -> HttpClient {
    over(case.shared_service())
}

/// An HTTP client whose attempts are close together.
pub(crate) fn over(service: Arc<S>) -> HttpClient {
    let policy = HttpClient::policy().with_backoff(Duration::from_millis(1), Duration::from_millis(5));
    HttpClient::from(service).with_policy(policy)
}
