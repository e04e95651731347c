//! What a provider can do: graded, with limits, and true.

use std::collections::BTreeMap;
use std::fmt;

/// How well a provider can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// The vendor does it.
    Native,
    /// It is built from other calls; the text says what is lost by that.
    Emulated(&'static str),
    /// It cannot be had: asking for it is `Unsupported` before anything is sent.
    Unsupported,
}

impl Capability {
    /// Whether it can be used at all.
    #[must_use]
    pub fn is_supported(self) -> bool {
        self != Self::Unsupported
    }

    /// The grade in lower case, without the caveat.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Emulated(_) => "emulated",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emulated(caveat) => write!(f, "emulated ({caveat})"),
            other => f.write_str(other.as_str()),
        }
    }
}

/// The capabilities and limits of one provider instance. What is not named is unsupported.
///
/// ```
/// use external_core::{Capabilities, Capability};
///
/// let capabilities = Capabilities::new()
///     .native("range")
///     .emulated("copy", "two calls: not atomic")
///     .limit("object-bytes", 5 << 40);
/// assert_eq!(capabilities.grade("range"), Capability::Native);
/// assert_eq!(capabilities.grade("presign"), Capability::Unsupported);
/// assert_eq!(capabilities.get_limit("object-bytes"), Some(5 << 40));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    grades: BTreeMap<&'static str, Capability>,
    limits: BTreeMap<&'static str, u64>,
    needs: BTreeMap<&'static str, &'static str>,
}

impl Capabilities {
    /// No capability, no limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares something that the vendor does itself.
    #[must_use]
    pub fn native(self, id: &'static str) -> Self {
        self.with(id, Capability::Native)
    }

    /// Declares several things that the vendor does itself.
    #[must_use]
    pub fn all_native(self, ids: &[&'static str]) -> Self {
        ids.iter().fold(self, |capabilities, id| capabilities.native(id))
    }

    /// Declares something that is built from other calls, with what is lost by that.
    #[must_use]
    pub fn emulated(self, id: &'static str, caveat: &'static str) -> Self {
        self.with(id, Capability::Emulated(caveat))
    }

    /// Says aloud that something cannot be had.
    #[must_use]
    pub fn unsupported(self, id: &'static str) -> Self {
        self.with(id, Capability::Unsupported)
    }

    /// Declares a grade.
    #[must_use]
    pub fn with(mut self, id: &'static str, grade: Capability) -> Self {
        self.grades.insert(id, grade);
        self
    }

    /// Declares a limit. The id names the unit (`object-bytes`, `batch-items`, `ttl-granularity-ms`).
    #[must_use]
    pub fn limit(mut self, id: &'static str, value: u64) -> Self {
        self.limits.insert(id, value);
        self
    }

    /// Says what the configuration lacks for something that is unsupported only as it stands, for people who meet the
    /// refusal.
    #[must_use]
    pub fn need(mut self, id: &'static str, what: &'static str) -> Self {
        self.needs.insert(id, what);
        self
    }

    /// The grade of one capability.
    #[must_use]
    pub fn grade(&self, id: &str) -> Capability {
        self.grades.get(id).copied().unwrap_or(Capability::Unsupported)
    }

    /// One limit; `None` means that the provider knows none.
    #[must_use]
    pub fn get_limit(&self, id: &str) -> Option<u64> {
        self.limits.get(id).copied()
    }

    /// What the configuration lacks for something that is unsupported; `None` if nothing would help.
    #[must_use]
    pub fn get_need(&self, id: &str) -> Option<&'static str> {
        self.needs.get(id).copied()
    }

    /// Every declared capability, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Capability)> {
        self.grades.iter().map(|(id, grade)| (*id, *grade))
    }

    /// Every declared limit, by id.
    pub fn limits(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.limits.iter().map(|(id, limit)| (*id, *limit))
    }
}
