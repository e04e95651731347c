//! A row of a provider table: how a name in the configuration becomes a provider.

use std::fmt;
use std::sync::Arc;

use crate::{BuildContext, Result, Section};

/// Where a provider keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// In this process or on this machine: for development, tests and small installations.
    Embedded,
    /// In another system.
    Remote,
    /// In the instances that it is made of.
    Composite,
}

impl ProviderKind {
    /// The kind in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Remote => "remote",
            Self::Composite => "composite",
        }
    }
}

/// How a name in the configuration becomes a provider of the contract `S`.
pub struct ProviderEntry<S: ?Sized> {
    /// The name in the configuration: the product's.
    pub id: &'static str,
    /// The cargo feature that compiles it in; empty if it always is.
    pub feature: &'static str,
    /// Where it keeps its state.
    pub kind: ProviderKind,
    /// Makes the provider: checks everything, does no I/O.
    pub build: fn(&Section, &BuildContext) -> Result<Arc<S>>,
    /// The JSON Schema of its part of the configuration.
    pub schema: fn() -> String,
}

// Derives would ask for `S: Clone`, `S: Debug`.
impl<S: ?Sized> Clone for ProviderEntry<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: ?Sized> Copy for ProviderEntry<S> {}

impl<S: ?Sized> fmt::Debug for ProviderEntry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderEntry")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
