//! Without a feature there is the client that all others stand on.
//!
//! beside: tokio
//!
//! ```text
//! 200: pong
//! ```

use external_api::external_http::{MemoryAnswer, MemoryHttp};
use external_api::{HttpClient, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let http = HttpClient::over(MemoryHttp::new().with_fallback(|_| MemoryAnswer::new(200).with_body("pong")));
    let answer = http.get("https://api.example.org/ping").await?;
    println!("{}: {}", answer.status.as_u16(), answer.text().await?);
    Ok(())
}
