//! Sends the spans of calls over OTLP, HTTP with protobuf, to a collector: here to one of a few lines in this process,
//! which prints what arrives.
//!
//! `cargo run -p external-cache --example otlp`
//!
//! With a real collector at `http://localhost:4318/v1/traces` the exporter's own HTTP client is the better one: the
//! feature `reqwest-blocking-client` of opentelemetry-otlp in place of [`Loopback`].
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use external_cache::CacheClient;
use external_cache::providers::memory::MemoryCache;
use external_core::cache::CacheService;
use external_core::{Effect, ErrorKind, async_trait};
use external_resilience::faults::{Fault, FaultPlan};
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prost::Message;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let endpoint = format!("http://{}/v1/traces", listener.local_addr()?);
    let (sender, arrived) = channel();
    std::thread::spawn(move || collect(&listener, &sender));

    let exporter =
        SpanExporter::builder().with_http().with_endpoint(endpoint).with_http_client(Loopback).build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("profiles").build())
        .build();
    let telemetry = tracing_opentelemetry::layer().with_tracer(provider.tracer("external"));
    let subscriber = tracing_subscriber::registry().with(telemetry);

    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(work().instrument(tracing::info_span!("show profile")))
    })?;
    // Sends what is left.
    provider.shutdown()?;

    let spans: Vec<Span> = arrived.try_iter().flatten().collect();
    for span in &spans {
        println!("{} ({} events, {})", span.name, span.events.len(), attributes(span).join(" "));
    }
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    if names != ["cache.set", "cache.get", "cache.increment", "show profile"] {
        return Err(format!("other spans than expected: {names:?}").into());
    }
    // Two attempts, and the caller's span is the parent.
    let [_, get, increment, root] = &spans[..] else { return Err("four spans".into()) };
    let failed = attributes(increment).contains(&"error.type=conflict".to_owned());
    if get.events.len() != 2 || get.parent_span_id != root.span_id || !failed {
        return Err("the spans do not tell what happened".into());
    }
    Ok(())
}

/// What the service does: calls, one of which meets a fault and is repeated, and one that is refused.
async fn work() -> Result<(), Box<dyn Error>> {
    let faults = FaultPlan::new();
    let service: Arc<dyn CacheService> = faults.around(Arc::new(MemoryCache::new()));
    let cache = CacheClient::from(service);
    cache.set("user:1", "Ada", Duration::from_secs(60)).await?;
    faults.script("get", [Fault::fail(ErrorKind::Unavailable, Effect::NotSent)]);
    println!("read: {:?}", cache.get::<String>("user:1").await?);
    if let Err(error) = cache.increment("user:1", 1, None).await {
        println!("refused: {error}");
    }
    Ok(())
}

/// The texts and numbers among a span's attributes that say what was called, and how it ended.
fn attributes(span: &Span) -> Vec<String> {
    let ours =
        span.attributes.iter().filter(|pair| pair.key.starts_with("external.") || pair.key == "error.type");
    let text = |value: &Value| match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        _ => None,
    };
    ours.filter_map(|pair| {
        let value = pair.value.as_ref()?.value.as_ref().and_then(text)?;
        Some(format!("{}={value}", pair.key))
    })
    .collect()
}

/// The exporter's HTTP client, as small as loopback allows. The exporter has a thread of its own, so it may block.
#[derive(Debug)]
struct Loopback;

#[async_trait]
impl HttpClient for Loopback {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let authority = request.uri().authority().ok_or("an address without a host")?.as_str();
        let mut connection = TcpStream::connect(authority)?;
        let path = request.uri().path();
        write!(connection, "POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n")?;
        write!(connection, "content-type: application/x-protobuf\r\n")?;
        write!(connection, "content-length: {}\r\n\r\n", request.body().len())?;
        connection.write_all(request.body())?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let status: u16 = answer.split(' ').nth(1).ok_or("no status")?.parse()?;
        Ok(Response::builder().status(status).body(Bytes::new())?)
    }
}

/// The collector: takes requests one by one, and hands on the spans in them.
fn collect(listener: &TcpListener, spans: &Sender<Vec<Span>>) {
    for connection in listener.incoming() {
        if let Err(error) = connection.and_then(|connection| receive(connection, spans)) {
            println!("the collector could not read a request: {error}");
        }
    }
}

fn receive(connection: TcpStream, spans: &Sender<Vec<Span>>) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = ExportTraceServiceRequest::decode(&body[..]).map_err(io::Error::other)?;
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    // Before the answer: whoever has it finds the spans here.
    spans.send(scopes.flat_map(|scope| scope.spans).collect()).map_err(io::Error::other)?;
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}
