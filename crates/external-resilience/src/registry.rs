//! The providers of a domain: an explicit, open table. Nothing runs before main.

use std::fmt;

use external_core::{Error, ProviderEntry, Result};

use crate::Domain;

/// A provider that exists, whether it is compiled in or not: so that an error can name the feature to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownProvider {
    /// The provider's id.
    pub id: &'static str,
    /// The cargo feature that compiles it in.
    pub feature: &'static str,
}

/// The provider table of a domain.
pub struct Registry<D: Domain> {
    entries: Vec<ProviderEntry<D::Service>>,
    known: &'static [KnownProvider],
    krate: &'static str,
}

impl<D: Domain> Registry<D> {
    /// A table with the rows that are compiled in. `krate` is the crate whose features `known` names.
    #[must_use]
    pub fn new(
        krate: &'static str,
        entries: Vec<ProviderEntry<D::Service>>,
        known: &'static [KnownProvider],
    ) -> Self {
        Self { entries, known, krate }
    }

    /// Adds a row: a provider from outside. A second row with the same id is an error when the table is used.
    #[must_use]
    pub fn with(mut self, entry: ProviderEntry<D::Service>) -> Self {
        self.entries.push(entry);
        self
    }

    /// The rows.
    #[must_use]
    pub fn entries(&self) -> &[ProviderEntry<D::Service>] {
        &self.entries
    }

    /// Every provider that exists in this crate, compiled in or not.
    #[must_use]
    pub fn known(&self) -> &'static [KnownProvider] {
        self.known
    }

    /// Checks that no id stands twice.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the id.
    pub fn check(&self) -> Result<()> {
        for (at, entry) in self.entries.iter().enumerate() {
            if self.entries[..at].iter().any(|earlier| earlier.id == entry.id) {
                return Err(Error::configuration("two providers are registered under one id")
                    .with_context("domain", D::NAME)
                    .with_context("provider", entry.id));
            }
        }
        Ok(())
    }

    /// The row of a provider.
    ///
    /// # Errors
    ///
    /// `Configuration` listing what is compiled in and, where it is known, the feature that would add it.
    pub fn find(&self, id: &str) -> Result<&ProviderEntry<D::Service>> {
        self.check()?;
        if let Some(entry) = self.entries.iter().find(|entry| entry.id == id) {
            return Ok(entry);
        }
        let compiled: Vec<&str> = self.entries.iter().map(|entry| entry.id).collect();
        let (domain, compiled) = (D::NAME, compiled.join(", "));
        Err(Error::configuration(match self.known.iter().find(|known| known.id == id) {
            Some(known) => format!(
                "no {domain} provider `{id}`; compiled in: {compiled}; add the feature `{}` of {} to have it",
                known.feature, self.krate
            ),
            // What nobody knows is not repeated: it may have been meant for another field, a secret's.
            None => format!("no {domain} provider has this id; compiled in: {compiled}"),
        }))
    }
}

impl<D: Domain> Clone for Registry<D> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), known: self.known, krate: self.krate }
    }
}

impl<D: Domain> fmt::Debug for Registry<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("domain", &D::NAME)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}
