//! The caller's trace travels with its requests: `traceparent` from OpenTelemetry, by way of `tracing`.
//!
//! `cargo run -p external-http --example traceparent`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use external_http::{HeaderMap, HttpClient, MemoryAnswer, MemoryHttp};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

/// Asked within the span of the call, once an attempt: what the server does becomes part of that call.
fn trace_context(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut HeaderInjector(headers));
}

fn main() -> Result<(), Box<dyn Error>> {
    // In a service: with an exporter, say that of opentelemetry-otlp.
    let provider = SdkTracerProvider::builder().build();
    let telemetry = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
    let subscriber = tracing_subscriber::registry().with(telemetry);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(show_order().instrument(info_span!("show order")))
    })
}

async fn show_order() -> Result<(), Box<dyn Error>> {
    let http = HttpClient::over(MemoryHttp::new().with_fallback(|request| {
        MemoryAnswer::new(200).with_body(request.header("traceparent").unwrap_or_default().to_owned())
    }))
    .with_trace_context(trace_context);
    let seen = http.get("/orders/7").await?.text().await?;
    println!("the server saw {seen}");
    let trace = Span::current().context().span().span_context().trace_id().to_string();
    match seen.split('-').nth(1) {
        Some(travelled) if travelled == trace => Ok(()),
        _ => Err(format!("it should have been of the trace {trace}").into()),
    }
}
