//! A recorder of metrics, as a service has it that Prometheus scrapes.

use external_resilience::metrics::DURATION_BOUNDARIES;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What ours is called with it.
pub(crate) const CONTESTANT: &str = "ours with metrics into a Prometheus recorder";

/// Installs it for this process. What it was told has to be put into buckets by its handle's upkeep from time to time.
pub(crate) fn install() -> PrometheusHandle {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("duration".into()), DURATION_BOUNDARIES)
        .expect("there are buckets");
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).expect("the first");
    handle
}
