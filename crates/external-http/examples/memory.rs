//! A double in the place of a server: routes, failures on purpose, what was asked.
//!
//! `cargo run -p external-http --example memory`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::atomic::{AtomicBool, Ordering};

use external_http::{HttpClient, MemoryAnswer, MemoryHttp, Method, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let was_busy = AtomicBool::new(false);
    let http = HttpClient::over(
        MemoryHttp::new()
            .with_route(Method::GET, "/users/{id}", |request| {
                MemoryAnswer::json(200, format!("{{\"id\": {}}}", request.parameter("id")))
            })
            .with_route(Method::GET, "/busy", move |_| match was_busy.swap(true, Ordering::Relaxed) {
                false => MemoryAnswer::new(503).with_header("retry-after-ms", "20"),
                true => MemoryAnswer::new(200).with_body("at last"),
            }),
    );
    println!("{}", http.get("/users/7").await?.text().await?);
    println!("{}", http.get("/busy").await?.text().await?);
    if let Err(error) = http.get("/nowhere").await {
        println!("{error}");
    }
    let asked = http.provider::<MemoryHttp>().map_or(0, |double| double.received().len());
    println!("{asked} requests");
    Ok(())
}
