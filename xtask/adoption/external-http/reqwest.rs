//! A service whose API is down: it starts all the same, and its calls say that nothing was sent.
//!
//! features: reqwest
//! beside: tokio
//!
//! ```text
//! started with reqwest
//! post: Unavailable, NotSent, 3 attempts
//! ```

use std::time::Duration;

use external_http::{BuildContext, Domain, HttpClient, ReqwestConfig, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let config = ReqwestConfig::new().with_base_url("http://127.0.0.1:1/v1");
    let policy = HttpClient::policy().with_backoff(Duration::from_millis(1), Duration::from_millis(2));
    let http = HttpClient::over(config.build(&BuildContext::default())?).with_policy(policy);
    println!("started with {}", http.info().id());

    let error = http.post_json("/orders", r#"{"item": 1}"#).await.expect_err("nobody listens there");
    println!("post: {:?}, {:?}, {} attempts", error.kind(), error.effect(), error.attempts());
    http.close(Duration::from_secs(1)).await;
    Ok(())
}
