//! A store in this process: what tests of a service use in place of a bucket.
//!
//! Run it with `cargo run -p external-storage --example memory`.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use external_storage::{ListRequest, MemoryStorage, Precondition, PutRequest, Result, StorageClient};
use futures_util::TryStreamExt;

#[tokio::main]
async fn main() -> Result<()> {
    let storage = StorageClient::over(MemoryStorage::default());

    // The short forms.
    let location = storage.upload(&b"a small picture"[..], "portraits/ada.png", "image/png").await?;
    println!("stored at {location}");
    println!("read back {} bytes", storage.download("portraits/ada.png").await?.len());

    // With options: only the first of two writers creates the object.
    let key = external_storage::ObjectKey::parse("locks/nightly")?;
    let first = PutRequest::new(key.clone(), "worker 1").with_precondition(Precondition::Absent);
    storage.put_with(first).await?;
    let second = PutRequest::new(key, "worker 2").with_precondition(Precondition::Absent);
    if let Err(error) = storage.put_with(second).await {
        println!("refused: {error}");
    }

    // A listing as folders show it.
    let entries: Vec<_> = storage.list_with(ListRequest::new("").with_delimiter("/")).try_collect().await?;
    for entry in entries {
        println!("- {}", entry.text());
    }
    Ok(())
}
