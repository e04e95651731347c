//! Calls as metrics, through the `metrics` façade: whatever recorder the service installs gets them.
//!
//! [`Metrics`] is an observer: give it to the pipelines, or once to the container. What no call tells, the state of
//! the layers between calls, is read by [`PipelineGauges`].
//!
//! | name | kind | unit | labels besides the common ones |
//! |---|---|---|---|
//! | `external.call.duration` | histogram | s | `external.outcome`, `error.type` |
//! | `external.call.errors` | counter | error | `error.type`, `external.effect` |
//! | `external.call.refusals` | counter | call | `external.refused_by` |
//! | `external.call.retries` | counter | attempt | |
//! | `external.attempt.duration` | histogram | s | `external.outcome`, `error.type`, `external.managed` |
//! | `external.call.active` | gauge | call | |
//! | `external.bulkhead.active` | gauge | call | |
//! | `external.bulkhead.pending` | gauge | call | |
//! | `external.retry_budget.available` | gauge | attempt | |
//! | `external.gate.remaining` | gauge | s | |
//! | `external.breaker.status` | gauge | 1 for the present state, else 0 | `external.breaker.state` |
//!
//! The gauges are those of [`PipelineGauges`]; a layer that the policy leaves out has none. Retries are all attempts
//! beyond a call's first, hedges included. A refusal is an error too, and says which layer the call ended at: one of this
//! pipeline's, then no attempt was made, or one further in, which an attempt met.
//!
//! | label | values |
//! |---|---|
//! | `external.domain`, `external.operation` | the contract and its method: `storage`, `put` (not on gauges) |
//! | `url.template` | the template of an HTTP request's path, where the program told one: `/users/{id}` (not on gauges) |
//! | `external.provider` | the provider's id: `s3` |
//! | `external.instance` | the instance's name in the configuration: `avatars` |
//! | `external.outcome` | `ok`, `error`, `dropped`: [`Outcome`] |
//! | `error.type` | [`ErrorKind::as_str`]; absent where nothing failed |
//! | `external.effect` | `not_sent`, `not_applied`, `maybe_applied`: [`Effect`](external_core::Effect) |
//! | `external.refused_by` | `breaker`, `bulkhead`, `gate`, `rate_limit`, `deadline` |
//! | `external.managed` | `true` where an outer pipeline owns the call's retries, else `false` |
//! | `external.breaker.state` | `closed`, `open`, `half_open`, `isolated` |
//!
//! The domain, operation, template, provider and instance are the common ones. Every set is closed: nothing that a caller or
//! a vendor sends becomes a label, and a template is a literal of the program.
//!
//! Names, units and [`DURATION_BOUNDARIES`] follow OpenTelemetry's semantic conventions. These have an attribute for
//! the kind of an error (`error.type`) and none for what all kinds of systems have in common; so the rest is under
//! a namespace of our own. That also keeps the instance apart from the label `instance` that Prometheus gives every
//! target.
//!
//! A call in a call (a failover over two clients) is counted once: calls count where nobody else owns them. Attempts
//! count in every pipeline that they pass, so that each member of a composite shows how it does; add up those that
//! are not managed.
//!
//! A counted call costs a look-up by address and a few writes of the recorder's; nothing is allocated but by the first
//! of its kind.

mod gauges;
mod names;
mod series;

pub use gauges::PipelineGauges;
pub use names::DURATION_BOUNDARIES;

#[cfg(doc)]
use external_core::ErrorKind;

use self::series::Table;
#[cfg(doc)]
use crate::Outcome;
use crate::{AttemptRecord, CallObserver, CallRecord};

/// Counts and times calls and attempts; one serves any number of instances. See the [module](self) for the names.
///
/// ```
/// use std::sync::Arc;
/// use external_core::{CallContext, Capabilities, Error, Operation, ProviderInfo, Repeat};
/// use external_resilience::metrics::Metrics;
/// use external_resilience::{Pipeline, Policy};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// // After the recorder is installed.
/// let metrics = Arc::new(Metrics::new());
/// let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
/// let pipeline = Pipeline::new("default", &info, Policy::default()).with_observer(metrics);
/// let get = Operation::new("cache", "get", Repeat::Safe);
/// pipeline.run(get, &CallContext::default(), |_, _| Box::pin(async { Ok(()) })).await?;
/// # Ok::<(), Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Metrics {
    table: Table,
}

impl Metrics {
    /// Counts into the recorder that is installed now, and describes the metrics to it.
    ///
    /// Install the recorder first. Each series asks for the recorder once, at its first call, and keeps what it
    /// got: one that began before there was a recorder is never heard, also not by a recorder that comes later.
    #[must_use]
    pub fn new() -> Self {
        names::describe();
        Self { table: Table::new() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl CallObserver for Metrics {
    fn on_attempt(&self, record: &AttemptRecord<'_>) {
        let series = self.table.series(record.operation, record.provider, record.instance);
        series.attempt(record);
    }

    fn on_call(&self, record: &CallRecord<'_>) {
        if !record.managed {
            let series = self.table.series(record.operation, record.provider, record.instance);
            series.call(record);
        }
    }
}
