//! The examples that show telemetry check themselves what arrives: here they are run.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../examples/otlp.rs"]
mod otlp;
#[path = "../examples/prometheus.rs"]
mod prometheus;

#[test]
fn prometheus_gets_the_metrics() {
    prometheus::main().unwrap();
}

#[test]
fn a_collector_gets_the_spans() {
    otlp::main().unwrap();
}
