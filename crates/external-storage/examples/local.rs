//! A folder of plain files, with links that any HTTP client opens.
//!
//! Run it with `cargo run -p external-storage --features serve --example local`.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use external_storage::{BuildContext, LocalConfig, Result, ServeConfig, StorageClient, UploadRequest};

#[tokio::main]
async fn main() -> Result<()> {
    let root = std::env::temp_dir().join("external-storage-example");
    let config = LocalConfig::new(&root).with_serve(ServeConfig::new("127.0.0.1:0"));
    let storage = StorageClient::over(config.build(&BuildContext::default())?);

    // Any reader of any length; this one is larger than a part, so it goes in several.
    let source = tokio::io::AsyncReadExt::take(tokio::io::repeat(b'.'), 20 << 20);
    let request = UploadRequest::new("large/dots.txt".parse()?).with_content_type("text/plain");
    let receipt = storage.upload_with(source, request).await?;
    println!("{} bytes in {} parts at {}", receipt.size, receipt.parts, receipt.location);
    println!("look at {}", root.join("large/dots.txt").display());

    storage.put("hello.txt", "Hello from a plain file.\n").await?;
    println!("open within a minute: {}", storage.get_url("hello.txt", Duration::from_secs(60)).await?);
    tokio::time::sleep(Duration::from_secs(60)).await;

    storage.close(Duration::from_secs(5)).await;
    Ok(())
}
