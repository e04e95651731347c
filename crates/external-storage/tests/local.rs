//! What only the folder of objects promises: plain files, other tools beside it, one commit point, no way out of the
//! root, links over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "local/crash.rs"]
mod crash;
#[path = "local/disk.rs"]
mod disk;
#[path = "local/full.rs"]
mod full;
#[path = "local/links.rs"]
mod links;
#[path = "local/races.rs"]
mod races;
#[path = "local/sweep.rs"]
mod sweep;

use std::path::Path;

use external_storage::{BuildContext, LocalConfig, LocalStorage, StorageClient};

fn store(root: &Path) -> LocalStorage {
    store_of(LocalConfig::new(root).without_durability())
}

fn store_of(config: LocalConfig) -> LocalStorage {
    config.build(&BuildContext::default()).unwrap()
}

fn client(root: &Path) -> StorageClient {
    StorageClient::over(store(root))
}
