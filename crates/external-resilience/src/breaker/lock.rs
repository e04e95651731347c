//! What a breaker's phase lies behind, probes included: a lock, or what a checker of interleavings puts in its place.

use std::ops::DerefMut;
use std::sync::{Mutex, PoisonError};

use super::Inner;

/// One at a time.
pub(crate) trait Lock {
    fn around(inner: Inner) -> Self;
    fn lock(&self) -> impl DerefMut<Target = Inner>;
}

impl Lock for Mutex<Inner> {
    fn around(inner: Inner) -> Self {
        Self::new(inner)
    }

    fn lock(&self) -> impl DerefMut<Target = Inner> {
        // Whoever panicked was not in the middle of a change: no code of others runs behind the lock.
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
