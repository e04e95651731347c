//! What only the storage client has, as clauses over every provider of this crate inside one that fails on demand.

#[path = "client/aborts.rs"]
mod aborts;
#[path = "client/copies.rs"]
mod copies;
#[path = "client/downloads.rs"]
mod downloads;
#[path = "client/faulty.rs"]
mod faulty;
#[path = "client/objects.rs"]
mod objects;
#[path = "client/ranges.rs"]
mod ranges;
#[path = "client/strays.rs"]
mod strays;
#[path = "client/uploads.rs"]
mod uploads;

use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use external_contract::{Case, Finding, Resilience, Suite, Verdict, ensure};
use external_core::Result;
use external_storage::{Domain, ObjectKey, Policy, StorageClient, StorageService, StorageSettings};

use faulty::Faulty;
use futures_util::TryStreamExt;

type S = dyn StorageService;

/// The size of a part where the store lets it be that small: many parts are few bytes.
const SMALL_PART: usize = 4096;

fn main() -> ExitCode {
    let suite = Suite::of_client("storage")
        .with_all(objects::clauses())
        .with_all(copies::clauses())
        .with_all(uploads::clauses())
        .with_all(aborts::clauses())
        .with_all(strays::clauses())
        .with_all(downloads::clauses())
        .with_all(ranges::clauses());
    let folder = env!("CARGO_MANIFEST_DIR");
    let entries = external_storage::registry();
    external_contract::run(suite, external_contract::harnesses(folder, entries.entries(), behind))
}

fn behind(service: Arc<S>, resilience: Resilience) -> Arc<S> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => StorageClient::policy(),
    };
    StorageClient::from(service).with_policy(policy).into()
}

/// The size of the first parts of an upload to this case's store.
fn part_length(case: &Case<S>) -> usize {
    let least = case.service().info().capabilities().get_limit("part-bytes-min").unwrap_or(0);
    usize::try_from(least).unwrap_or(usize::MAX).max(SMALL_PART)
}

/// Whether a part is so large that clauses do with few of them: what they send are real bytes to a real server.
fn parts_are_large(case: &Case<S>) -> bool {
    part_length(case) > 1 << 20
}

fn settings() -> StorageSettings {
    StorageSettings::new().with_part_bytes(SMALL_PART as u64)
}

/// A client of the case's provider that fails as `faulty` says.
fn client(faulty: &Arc<Faulty>) -> Result<StorageClient> {
    StorageClient::from(faulty.clone() as Arc<S>).with_settings(settings())
}

fn key(case: &Case<S>, name: &str) -> Result<ObjectKey, Finding> {
    Ok(ObjectKey::parse(case.name(name))?)
}

/// That no upload of this case's namespace is left, as somebody else sees it. All uploads are looked at: some servers
/// understand the prefix of this listing as a whole key.
async fn nothing_pending(case: &Case<S>, storage: &StorageClient) -> Verdict {
    let mine = case.name("");
    let pending: Vec<_> = storage.list_uploads("").try_collect().await?;
    let left: Vec<_> =
        pending.iter().filter(|pending| pending.upload.key.as_str().starts_with(&mine)).collect();
    ensure(left.is_empty(), "no unfinished upload", format!("{left:?}"))
}

/// Bytes of which no two blocks are alike.
fn pattern(length: usize) -> Bytes {
    const BLOCK: usize = 1024;
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 24) as u8)
    };
    let block: Vec<u8> = (0..BLOCK).scan(7, |state, _| next(state)).collect();
    let mut bytes = block.repeat(length.div_ceil(BLOCK));
    for (number, block) in bytes.chunks_mut(BLOCK).enumerate() {
        block[..8].copy_from_slice(&(number as u64).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}
