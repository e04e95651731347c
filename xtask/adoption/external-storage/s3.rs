//! A service whose object store is down: it starts all the same, and its calls say that nothing was sent.
//!
//! features: s3
//! beside: tokio
//!
//! ```text
//! started with s3
//! put: Unavailable, NotSent
//! a token without keys: Configuration
//! ```

use std::time::Duration;

use external_storage::{BuildContext, Policy, Result, S3Config, StorageClient};

#[tokio::main]
async fn main() -> Result<()> {
    let world = BuildContext::default();
    let config = S3Config::new("avatars")
        .with_region("eu-central-1")
        .with_endpoint("http://127.0.0.1:1")
        .with_keys("access", "s3cret");
    let storage = StorageClient::over(config.build(&world)?).with_policy(Policy::off());
    println!("started with {}", storage.info().id());

    let error = storage.put("notes/a.txt", "hello").await.expect_err("nobody listens there");
    println!("put: {:?}, {:?}", error.kind(), error.effect());
    storage.close(Duration::from_secs(1)).await;

    let half = S3Config::new("avatars").with_session_token("token").build(&world);
    println!("a token without keys: {:?}", half.map(|_| ()).expect_err("keys are missing").kind());
    Ok(())
}
