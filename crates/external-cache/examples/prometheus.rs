//! A service that Prometheus can scrape. It makes some calls, one of them against a fault, scrapes itself as Prometheus
//! would, prints what it got and ends.
//!
//! `cargo run -p external-cache --example prometheus`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use external_cache::CacheClient;
use external_cache::providers::memory::MemoryCache;
use external_core::cache::CacheService;
use external_core::{Effect, ErrorKind};
use external_resilience::faults::{Fault, FaultPlan};
use external_resilience::metrics::{DURATION_BOUNDARIES, Metrics, PipelineGauges};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the calls below must have led to.
const EXPECTED: &[&str] = &[
    // One of the two attempts met the fault, and the caller saw nothing of it.
    r#"external_call_retries_total{external_domain="cache",external_provider="memory",external_instance="default",external_operation="get"} 1"#,
    r#"external_call_duration_seconds_count{external_domain="cache",external_provider="memory",external_instance="default",external_operation="get",external_outcome="ok"} 1"#,
    // Counting what is no counter was refused.
    r#"external_call_errors_total{external_domain="cache",external_provider="memory",external_instance="default",external_operation="increment",error_type="conflict",external_effect="not_applied"} 1"#,
    r#"external_breaker_status{external_domain="cache",external_provider="memory",external_instance="default",external_breaker_state="closed"} 1"#,
];

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    // First the recorder: what is made before it is never heard.
    let recorder = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(Matcher::Suffix("duration".into()), DURATION_BOUNDARIES)?
        .install_recorder()?;
    let faults = FaultPlan::new();
    let service: Arc<dyn CacheService> = faults.around(Arc::new(MemoryCache::new()));
    let cache = CacheClient::from(service).with_observer(Arc::new(Metrics::new()));
    let gauges = PipelineGauges::new(cache.pipeline());

    // On a port that is free. A real service has a fixed one, and an HTTP server already.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, recorder, gauges));

    cache.set("user:1", "Ada", Duration::from_secs(60)).await?;
    faults.script("get", [Fault::fail(ErrorKind::Unavailable, Effect::NotSent)]);
    println!("read: {:?}", cache.get::<String>("user:1").await?);
    if let Err(error) = cache.increment("user:1", 1, None).await {
        println!("refused: {error}");
    }

    let page = scrape(address).await?;
    println!("\nGET http://{address}/metrics");
    // The buckets are many.
    for line in page.lines().filter(|line| !line.is_empty() && !line.contains("_bucket{")) {
        println!("{line}");
    }
    for expected in EXPECTED {
        if !page.lines().any(|line| line == *expected) {
            return Err(format!("the page lacks {expected}").into());
        }
    }
    if !page.contains(r#"le="0.005""#) {
        return Err("durations have no buckets".into());
    }
    Ok(())
}

/// Answers every request with the page: the gauges are read now.
async fn serve(listener: TcpListener, recorder: PrometheusHandle, gauges: PipelineGauges) {
    while let Ok((mut connection, _)) = listener.accept().await {
        gauges.sample();
        recorder.run_upkeep();
        let page = recorder.render();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            page.len()
        );
        let answered = async {
            // Whatever is asked for, up to the empty line.
            let mut asked = BufReader::new(&mut connection).lines();
            while asked.next_line().await?.is_some_and(|line| !line.is_empty()) {}
            connection.write_all(head.as_bytes()).await?;
            connection.write_all(page.as_bytes()).await
        };
        if let Err(error) = answered.await {
            println!("a scrape went wrong: {error}");
        }
    }
}

/// As Prometheus does it.
async fn scrape(address: SocketAddr) -> Result<String, Box<dyn Error>> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let (head, page) = answer.split_once("\r\n\r\n").ok_or("no answer of HTTP's form")?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("answered {head}").into());
    }
    Ok(page.to_owned())
}
