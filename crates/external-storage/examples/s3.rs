//! A bucket: `S3_BUCKET=… cargo run -p external-storage --features s3 --example s3`
//!
//! Credentials and region are found as by AWS's own tools. For a store that is not Amazon's set `S3_ENDPOINT` as well.
//!
//! To try it, let `cargo xtask servers up s3` start a store and say where it is; the example takes what it prints:
//!
//! ```sh
//! eval "$(cargo xtask servers up s3)"
//! cargo run -p external-storage --features s3 --example s3
//! eval "$(cargo xtask servers down)"
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use external_storage::{BuildContext, Error, Precondition, PutRequest, Result, S3Config, StorageClient};

#[tokio::main]
async fn main() -> Result<()> {
    let context = BuildContext::default();
    let config = match context.env("S3_BUCKET") {
        Some(bucket) => match context.env("S3_ENDPOINT") {
            Some(endpoint) => S3Config::new(bucket).with_endpoint(endpoint),
            None => S3Config::new(bucket),
        },
        None => test_server(&context)?,
    };
    let storage = StorageClient::over(config.build(&context)?);

    // Only if the key is free: of many who try at once, one succeeds.
    let claim = PutRequest::new("example/claim".parse()?, "mine").with_precondition(Precondition::Absent);
    match storage.put_with(claim).await {
        Ok(receipt) => println!("claimed: {}", receipt.token),
        Err(error) => println!("not claimed: {error}"),
    }

    // Of any length: it goes up in parts, side by side, with a checksum of the whole.
    let source = tokio::io::AsyncReadExt::take(tokio::io::repeat(b'.'), 20 << 20);
    println!("stored at {}", storage.upload(source, "example/dots.txt", "text/plain").await?);
    println!("open within a minute: {}", storage.get_url("example/dots.txt", Duration::from_secs(60)).await?);

    storage.delete("example/dots.txt").await?;
    storage.delete("example/claim").await?;
    storage.close(Duration::from_secs(5)).await;
    Ok(())
}

/// The server of `cargo xtask servers`, by the variables that it prints.
fn test_server(context: &BuildContext) -> Result<S3Config> {
    let read = |name: &'static str| {
        let missing = "set S3_BUCKET, or what `cargo xtask servers up s3` prints";
        context.env(name).ok_or_else(|| Error::configuration(missing).with_context("missing", name))
    };
    Ok(S3Config::new(read("EXTERNAL_TEST_S3_BUCKET")?)
        .with_endpoint(read("EXTERNAL_TEST_S3_ENDPOINT")?)
        .with_keys(read("EXTERNAL_TEST_S3_ACCESS_KEY")?, read("EXTERNAL_TEST_S3_SECRET_KEY")?))
}
