//! The examples that show telemetry check themselves what arrives: here they are run.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../examples/otlp.rs"]
mod otlp;
#[path = "../examples/prometheus.rs"]
mod prometheus;

/// One after the other: who listens to spans is decided once for a process, and the examples want different things.
#[test]
fn what_the_examples_show_arrives() {
    prometheus::main().unwrap();
    otlp::main().unwrap();
}
