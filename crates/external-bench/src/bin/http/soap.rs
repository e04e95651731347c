//! SOAP: an operation called by its description, beside zeep in a Python process.

use std::time::Duration;

use external_api::soap::{SoapService, Wsdl};
use external_bench::{Contestant, PYTHON, PythonPeer, Rounds};
use hyper::Request;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::calls::{Call, load};
use crate::rest::ours;
use crate::server::Server;

const ZEEP_SERVICE: &str = include_str!("zeep_service.py");

/// An order of three lines, as it was taken.
pub(crate) const ANSWER: &str = include_str!("order_taken.xml");

#[derive(Debug, Serialize)]
struct Order {
    customer: &'static str,
    note: &'static str,
    line: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    sku: &'static str,
    count: u32,
    price: &'static str,
}

#[derive(Debug, Deserialize)]
struct Taken {
    id: u64,
    #[expect(dead_code, reason = "decoding it is the work")]
    state: String,
    line: Vec<TakenLine>,
}

#[derive(Debug, Deserialize)]
struct TakenLine {
    #[expect(dead_code, reason = "decoding it is the work")]
    sku: String,
    #[expect(dead_code, reason = "decoding it is the work")]
    count: u32,
}

/// The description, which says that the service is where it was asked.
pub(crate) fn description(request: &Request<Incoming>) -> String {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    include_str!("orders.wsdl").replace("{{host}}", host)
}

pub(crate) fn measure(
    rounds: &mut Rounds,
    slice: Duration,
    runtime: &Runtime,
    server: &Server,
) -> Result<(), String> {
    let url = server.url("/soap?wsdl");
    let told = |error: external_core::Error| error.report().to_string();
    let http = ours()?;
    let wsdl = runtime.block_on(Wsdl::load(&http, &url)).map_err(told)?;
    let orders = SoapService::over(http, &wsdl).map_err(told)?;
    for callers in [1, 8] {
        let name = format!("SOAP by its description, {callers} callers");
        if !rounds.wants(&name) {
            continue;
        }
        let mut contestants = vec![load("ours", runtime, callers, slice, Orders(orders.clone()))];
        match PythonPeer::start(ZEEP_SERVICE, &[&url])? {
            Some(mut zeep) => {
                contestants.push(Contestant::new("zeep in a Python process", move || {
                    zeep.per_second(callers, slice)
                }));
            }
            None => eprintln!("http: left out: zeep: {PYTHON} names no Python that has it"),
        }
        rounds.case("http", &name, "calls/s", contestants);
    }
    Ok(())
}

#[derive(Clone)]
struct Orders(SoapService);

impl Call for Orders {
    async fn made(&self) -> u64 {
        let taken: Taken = self.0.call("place", order()).await.expect("an answer");
        assert_eq!(taken.line.len(), 3);
        taken.id
    }
}

fn order() -> Order {
    let line = |sku, count, price| Line { sku, count, price };
    Order {
        customer: "Ada Lovelace",
        note: "Please ring twice, the bell is weak.",
        line: vec![line("KT-2", 2, "34.99"), line("CP-7", 6, "4.50"), line("SP-1", 1, "12.00")],
    }
}
