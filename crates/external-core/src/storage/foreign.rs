//! Checksums of kinds that only some vendors have.

use std::fmt;
use std::sync::Arc;

/// A sum over bytes that pass by, which knows what it has to come to.
pub trait Verifier: Send {
    /// Takes the next bytes in.
    fn update(&mut self, bytes: &[u8]);

    /// Whether all bytes taken in are those that the sum is of.
    fn matches(self: Box<Self>) -> bool;
}

type Start = dyn Fn() -> Box<dyn Verifier> + Send + Sync;

/// The checksum of a whole object in a kind that the contract has no name for. What computes it comes with it, so that
/// whoever puts an object together, out of ranges or over several connections, can verify what came out.
///
/// ```
/// use external_core::storage::{ForeignChecksum, Verifier};
///
/// struct Parity(u8);
///
/// impl Verifier for Parity {
///     fn update(&mut self, bytes: &[u8]) {
///         self.0 = bytes.iter().fold(self.0, |all, byte| all ^ byte);
///     }
///
///     fn matches(self: Box<Self>) -> bool {
///         self.0 == 0
///     }
/// }
///
/// let checksum = ForeignChecksum::new("parity:00", || Box::new(Parity(0)));
/// let mut verifier = checksum.verifier();
/// verifier.update(b"ab");
/// verifier.update(b"ba");
/// assert!(verifier.matches());
/// ```
#[derive(Clone)]
pub struct ForeignChecksum {
    text: String,
    start: Arc<Start>,
}

impl ForeignChecksum {
    /// The checksum that reads as `text`, kind and value; `start` begins a sum over the object's bytes.
    pub fn new(
        text: impl Into<String>,
        start: impl Fn() -> Box<dyn Verifier> + Send + Sync + 'static,
    ) -> Self {
        Self { text: text.into(), start: Arc::new(start) }
    }

    /// Begins a sum over the object's bytes.
    #[must_use]
    pub fn verifier(&self) -> Box<dyn Verifier> {
        (self.start)()
    }
}

/// Kind and value, as the vendor writes them.
impl fmt::Display for ForeignChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ForeignChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignChecksum({self})")
    }
}
