//! A service that keeps its objects in memory: what tests of a service do.
//!
//! beside: tokio
//!
//! ```text
//! stored at memory://memory/notes/a.txt
//! read back hello
//! a second creation: AlreadyExists, NotApplied
//! compiled in: memory
//! ```

use external_storage::{MemoryStorage, ObjectKey, Precondition, PutRequest, Result, StorageClient};

#[tokio::main]
async fn main() -> Result<()> {
    let storage = StorageClient::over(MemoryStorage::default());
    let location = storage.upload(&b"hello"[..], "notes/a.txt", "text/plain").await?;
    println!("stored at {location}");
    println!("read back {}", String::from_utf8_lossy(&storage.download("notes/a.txt").await?));

    let create =
        PutRequest::new(ObjectKey::parse("notes/a.txt")?, "x").with_precondition(Precondition::Absent);
    let error = storage.put_with(create).await.expect_err("it is there");
    println!("a second creation: {:?}, {:?}", error.kind(), error.effect());
    let registry = external_storage::registry();
    let ids: Vec<&str> = registry.entries().iter().map(|entry| entry.id).collect();
    println!("compiled in: {}", ids.join(", "));
    Ok(())
}
