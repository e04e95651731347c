//! The state of a pipeline's layers as gauges.

use metrics::{Gauge, Key, Label};
use tokio::time::Instant;

use super::names;
use super::series::{METADATA, common};
use crate::{BreakerState, Pipeline};

const STATES: [(BreakerState, &str); 4] = [
    (BreakerState::Closed, "closed"),
    (BreakerState::Open, "open"),
    (BreakerState::HalfOpen, "half_open"),
    (BreakerState::Isolated, "isolated"),
];

/// What calls of one instance run into: breaker, bulkhead, gate, retry budget. See the [module](super) for the names.
///
/// Nothing is written but by [`sample`](Self::sample): call it before each scrape, or every few seconds.
///
/// ```
/// use external_core::{Capabilities, ProviderInfo};
/// use external_resilience::metrics::PipelineGauges;
/// use external_resilience::{Pipeline, Policy};
///
/// let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
/// let pipeline = Pipeline::new("default", &info, Policy::default());
/// // After the recorder is installed.
/// let gauges = PipelineGauges::new(&pipeline);
/// gauges.sample();
/// ```
#[derive(Debug)]
pub struct PipelineGauges {
    pipeline: Pipeline,
    active: Gauge,
    bulkhead: Option<[Gauge; 2]>,
    budget: Option<Gauge>,
    gate: Gauge,
    breaker: Option<[Gauge; STATES.len()]>,
}

impl PipelineGauges {
    /// Writes into the recorder that is installed now; as with [`Metrics::new`](super::Metrics::new), install it
    /// first.
    #[must_use]
    pub fn new(pipeline: &Pipeline) -> Self {
        names::describe_gauges();
        let gauge = |name, label: Option<Label>| {
            let mut labels = common(pipeline.domain(), pipeline.provider(), pipeline.instance());
            labels.extend(label);
            metrics::with_recorder(|recorder| {
                recorder.register_gauge(&Key::from_parts(name, labels), &METADATA)
            })
        };
        let policy = pipeline.policy();
        Self {
            active: gauge(names::CALL_ACTIVE, None),
            bulkhead: policy
                .bulkhead
                .map(|_| [gauge(names::BULKHEAD_ACTIVE, None), gauge(names::BULKHEAD_PENDING, None)]),
            budget: policy.retry.budget.map(|_| gauge(names::RETRY_BUDGET, None)),
            gate: gauge(names::GATE_REMAINING, None),
            breaker: policy.breaker.map(|_| {
                STATES.map(|(_, state)| {
                    gauge(names::BREAKER_STATUS, Some(Label::new(names::BREAKER_STATE, state)))
                })
            }),
            pipeline: pipeline.clone(),
        }
    }

    /// Reads the layers and writes the gauges.
    pub fn sample(&self) {
        let pressure = self.pipeline.pressure();
        self.active.set(pressure.running as f64);
        if let Some([active, pending]) = &self.bulkhead {
            active.set(f64::from(pressure.bulkhead_running));
            pending.set(f64::from(pressure.bulkhead_waiting));
        }
        if let (Some(gauge), Some(left)) = (&self.budget, pressure.retries_left) {
            gauge.set(left as f64);
        }
        let now = Instant::now();
        let remaining = pressure.gate_closed_until.map(|until| until.saturating_duration_since(now));
        self.gate.set(remaining.unwrap_or_default().as_secs_f64());
        if let (Some(gauges), Some(present)) = (&self.breaker, self.pipeline.breaker_state()) {
            for ((state, _), gauge) in STATES.iter().zip(gauges) {
                gauge.set(if *state == present { 1.0 } else { 0.0 });
            }
        }
    }
}
