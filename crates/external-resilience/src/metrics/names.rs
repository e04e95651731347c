//! The names of metrics and labels, each once, and what recorders are told about them.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Upper bounds in seconds for histograms of durations: those that the semantic conventions name for database and for
/// HTTP clients, together. The façade cannot hand them to a recorder: give them to the exporter yourself.
pub const DURATION_BOUNDARIES: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

pub(super) const CALL_DURATION: &str = "external.call.duration";
pub(super) const CALL_ERRORS: &str = "external.call.errors";
pub(super) const CALL_REFUSALS: &str = "external.call.refusals";
pub(super) const CALL_RETRIES: &str = "external.call.retries";
pub(super) const ATTEMPT_DURATION: &str = "external.attempt.duration";
pub(super) const CALL_ACTIVE: &str = "external.call.active";
pub(super) const BULKHEAD_ACTIVE: &str = "external.bulkhead.active";
pub(super) const BULKHEAD_PENDING: &str = "external.bulkhead.pending";
pub(super) const RETRY_BUDGET: &str = "external.retry_budget.available";
pub(super) const GATE_REMAINING: &str = "external.gate.remaining";
pub(super) const BREAKER_STATUS: &str = "external.breaker.status";

pub(super) const DOMAIN: &str = "external.domain";
pub(super) const OPERATION: &str = "external.operation";
pub(super) const TEMPLATE: &str = "url.template";
pub(super) const PROVIDER: &str = "external.provider";
pub(super) const INSTANCE: &str = "external.instance";
pub(super) const OUTCOME: &str = "external.outcome";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const EFFECT: &str = "external.effect";
pub(super) const REFUSED_BY: &str = "external.refused_by";
pub(super) const MANAGED: &str = "external.managed";
pub(super) const BREAKER_STATE: &str = "external.breaker.state";

/// Tells the recorder units and meanings of what calls are counted by.
pub(super) fn describe() {
    describe_histogram!(CALL_DURATION, Unit::Seconds, "Calls by how long they took, waits included.");
    describe_counter!(CALL_ERRORS, Unit::Count, "Calls that ended with an error, by its effect.");
    describe_counter!(CALL_REFUSALS, Unit::Count, "Calls that a layer of the pipeline refused.");
    describe_counter!(CALL_RETRIES, Unit::Count, "Attempts beyond the first of a call, hedges included.");
    describe_histogram!(
        ATTEMPT_DURATION,
        Unit::Seconds,
        "Exchanges with the provider by how long they took."
    );
}

/// The same of the gauges.
pub(super) fn describe_gauges() {
    describe_gauge!(CALL_ACTIVE, Unit::Count, "Calls that are running, streamed bodies included.");
    describe_gauge!(BULKHEAD_ACTIVE, Unit::Count, "Calls that have a place in the bulkhead.");
    describe_gauge!(BULKHEAD_PENDING, Unit::Count, "Calls that wait for a place in the bulkhead.");
    describe_gauge!(RETRY_BUDGET, Unit::Count, "Retries that the budget would pay for.");
    describe_gauge!(GATE_REMAINING, Unit::Seconds, "How long the service has still asked everybody to wait.");
    describe_gauge!(BREAKER_STATUS, Unit::Count, "1 for the state that the circuit breaker is in, else 0.");
}
