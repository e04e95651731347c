//! What every provider of every domain must pass, numbered by the points of the design.
//!
//! These clauses know no domain: they reach a contract through the [`ProviderCall`](crate::ProviderCall)s that its
//! suite names.

mod breakage;
mod cancellation;
mod capability;
mod certificates;
mod configuration;
mod deadlines;
mod hostile;
mod load;
mod secrecy;
mod statuses;
mod telemetry;
mod wire;

use external_core::Provider;

use crate::{Case, Clause, Finding, ProviderCall};

pub use capability::{Attempt, refuses};
pub(crate) use secrecy::broken_by;

pub(crate) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    [
        wire::clauses(),
        breakage::clauses(),
        certificates::clauses(),
        statuses::clauses(),
        capability::clauses(),
        cancellation::clauses(),
        deadlines::clauses(),
        secrecy::clauses(),
        telemetry::clauses(),
        load::clauses(),
        configuration::clauses(),
        hostile::clauses(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The operation that stands for all where one is enough.
fn any_call<S: ?Sized + Provider + 'static>(case: &Case<S>) -> Result<&ProviderCall<S>, Finding> {
    case.suite.calls.first().ok_or_else(|| Finding::not_run("the suite names no calls"))
}

/// A marker that nothing else sends: neither another case nor the same call when it is tried again.
fn marker<S: ?Sized + Provider + 'static>(case: &Case<S>, what: &str) -> String {
    format!("{}-{what}-{}-end", case.namespace(), case.next_number())
}
