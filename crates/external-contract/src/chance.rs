//! What differs from run to run: names that nobody else has, and the seed of whatever is drawn.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use external_core::BuildContext;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::harness::variable;

/// What decides whatever is drawn in this run: `EXTERNAL_CONTRACT_SEED`, or chance.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = variable("EXTERNAL_CONTRACT_SEED").and_then(|seed| seed.parse().ok());
        given.unwrap_or_else(|| {
            let mut drawn = [0; 8];
            BuildContext::default().random(&mut drawn);
            u64::from_le_bytes(drawn)
        })
    })
}

/// What draws by a seed.
pub(crate) fn drawing(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *to = from;
    }
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// What tells apart those who draw by the same seed, so that together they see more.
pub(crate) fn hashed(who: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    who.hash(&mut hasher);
    hasher.finish()
}

/// Unique across processes and machines that share a back end.
pub(crate) fn unique() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    static RUN: OnceLock<String> = OnceLock::new();
    let run = RUN.get_or_init(|| BuildContext::default().random_id().chars().take(16).collect());
    format!("ct-{run}-{}", COUNTER.fetch_add(1, Ordering::Relaxed))
}
