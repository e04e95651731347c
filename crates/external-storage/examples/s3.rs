//! A bucket: `S3_BUCKET=… cargo run -p external-storage --features s3 --example s3`
//!
//! Credentials and region are found as by AWS's own tools. For a store that is not Amazon's set `S3_ENDPOINT` as well; to
//! try it, `cargo xtask servers run s3` starts one and says what to set.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use external_storage::{BuildContext, Error, Precondition, PutRequest, Result, S3Config, StorageClient};

#[tokio::main]
async fn main() -> Result<()> {
    let context = BuildContext::default();
    let bucket = context.env("S3_BUCKET").ok_or_else(|| Error::configuration("S3_BUCKET is not set"))?;
    let mut config = S3Config::new(bucket);
    if let Some(endpoint) = context.env("S3_ENDPOINT") {
        config = config.with_endpoint(endpoint);
    }
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
