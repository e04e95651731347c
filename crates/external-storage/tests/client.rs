//! What only the storage client has, as clauses over every provider of this crate inside one that fails on demand.

#[path = "client/downloads.rs"]
mod downloads;
#[path = "client/faulty.rs"]
mod faulty;
#[path = "client/objects.rs"]
mod objects;
#[path = "client/uploads.rs"]
mod uploads;

use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use external_contract::{Case, Finding, Resilience, Suite};
use external_core::Result;
use external_storage::{Domain, ObjectKey, Policy, StorageClient, StorageService, StorageSettings};

use faulty::Faulty;

type S = dyn StorageService;

/// The size of a part in these tests: small, so that many parts are few bytes.
const PART: u64 = 4096;

fn main() -> ExitCode {
    let suite = Suite::of_client("storage")
        .with_all(objects::clauses())
        .with_all(uploads::clauses())
        .with_all(downloads::clauses());
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

fn settings() -> StorageSettings {
    StorageSettings::new().with_part_bytes(PART)
}

/// A client of the case's provider that fails as `faulty` says.
fn client(faulty: &Arc<Faulty>) -> Result<StorageClient> {
    StorageClient::from(faulty.clone() as Arc<S>).with_settings(settings())
}

fn key(case: &Case<S>, name: &str) -> Result<ObjectKey, Finding> {
    Ok(ObjectKey::parse(case.name(name))?)
}

/// Bytes that look random but are not.
fn pattern(length: usize) -> Bytes {
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 24) as u8)
    };
    (0..length).scan(7, |state, _| next(state)).collect::<Vec<u8>>().into()
}
