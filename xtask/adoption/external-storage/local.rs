//! A service that keeps its objects as plain files.
//!
//! features: local
//! beside: tokio
//!
//! ```text
//! 3000000 bytes in one object
//! the file holds them: true
//! left after delete: 0
//! ```

use std::time::Duration;

use external_storage::{BuildContext, LocalConfig, Result, StorageClient};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::current_dir().expect("a working directory").join("objects");
    let storage = StorageClient::over(LocalConfig::new(&folder).build(&BuildContext::default())?);
    let portrait = vec![7_u8; 3_000_000];
    storage.upload(&portrait[..], "users/ada.png", "image/png").await?;
    println!("{} bytes in one object", storage.head("users/ada.png").await?.size);
    println!(
        "the file holds them: {}",
        std::fs::read(folder.join("users/ada.png")).is_ok_and(|on_disk| on_disk == portrait)
    );

    storage.delete("users/ada.png").await?;
    println!("left after delete: {}", usize::from(folder.join("users/ada.png").exists()));
    storage.close(Duration::from_secs(5)).await;
    Ok(())
}
