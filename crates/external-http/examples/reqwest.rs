//! The same client over the network: `cargo run -p external-http --example reqwest --features reqwest -- https://example.org/`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_http::{BuildContext, HttpClient, HttpRequest, HttpSettings, ReqwestConfig, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "https://example.org/".to_owned());
    let transport = ReqwestConfig::new().build(&BuildContext::default())?;
    let http = HttpClient::over(transport).with_settings(HttpSettings::new().with_max_redirects(5))?;

    let answer = http.send(&HttpRequest::get(&url)?.streamed()).await?;
    println!("{}", answer.status);
    let (mut body, mut bytes) = (answer.body, 0);
    while let Some(piece) = body.next_chunk().await? {
        bytes += piece.len();
    }
    println!("{bytes} bytes");
    Ok(())
}
