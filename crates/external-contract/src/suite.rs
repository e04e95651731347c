//! A suite: every clause of one contract, and what the common block has to know about the contract.

use std::fmt;

use external_core::{Capability, Provider, Result};
use futures_util::future::BoxFuture;

use crate::{Case, Clause, Verdict, common_block};

/// One operation of a contract as the common block calls it: it cannot know what a `put` is.
pub struct ProviderCall<S: ?Sized + 'static> {
    /// The operation's name.
    pub name: &'static str,
    /// Makes one call. The marker stands in the request so that the counting proxy finds it.
    pub run: for<'a> fn(&'a Case<S>, &'a S, &'a str) -> BoxFuture<'a, Result<()>>,
    /// What of it the proxy sees.
    pub traffic: Traffic,
}

/// What of a call crosses the wire to a back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// A request with the marker in it, once.
    Marked,
    /// A request without the marker, or with the marker in it several times.
    Unmarked,
    /// Nothing: it is answered where it is called.
    None,
}

impl<S: ?Sized + 'static> fmt::Debug for ProviderCall<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderCall").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether a provider can do something: the contract's own `supports`.
pub type Supports<S> = fn(&S, &str) -> Capability;

/// Looks at or tidies up a back end after a clause.
pub type Afterwards<S> = for<'a> fn(&'a Case<S>, &'a S) -> BoxFuture<'a, Verdict>;

/// Every clause of one contract.
pub struct Suite<S: ?Sized + 'static> {
    pub(crate) domain: &'static str,
    pub(crate) of_client: bool,
    pub(crate) clauses: Vec<Clause<S>>,
    pub(crate) calls: Vec<ProviderCall<S>>,
    pub(crate) optional: Vec<(&'static str, ProviderCall<S>)>,
    pub(crate) capabilities: &'static [(&'static str, &'static str)],
    pub(crate) supports: Option<Supports<S>>,
    pub(crate) natives: &'static [(&'static str, &'static [&'static str])],
    pub(crate) leftovers: Option<Afterwards<S>>,
    pub(crate) cleanup: Option<Afterwards<S>>,
}

impl<S: ?Sized + Provider + 'static> Suite<S> {
    /// A suite without clauses but for those that hold in every domain. Capabilities are pairs of id and meaning.
    #[must_use]
    pub fn of_contract(
        domain: &'static str,
        capabilities: &'static [(&'static str, &'static str)],
        supports: Supports<S>,
        calls: Vec<ProviderCall<S>>,
    ) -> Self {
        Self {
            clauses: common_block::clauses(),
            calls,
            capabilities,
            supports: Some(supports),
            of_client: false,
            ..Self::of_client(domain)
        }
    }

    /// A suite without clauses, for what only a client has.
    #[must_use]
    pub fn of_client(domain: &'static str) -> Self {
        Self {
            domain,
            of_client: true,
            clauses: Vec::new(),
            calls: Vec::new(),
            optional: Vec::new(),
            capabilities: &[],
            supports: None,
            natives: &[],
            leftovers: None,
            cleanup: None,
        }
    }

    /// Adds a clause.
    #[must_use]
    pub fn with(mut self, clause: Clause<S>) -> Self {
        self.clauses.push(clause);
        self
    }

    /// Adds clauses.
    #[must_use]
    pub fn with_all(mut self, clauses: impl IntoIterator<Item = Clause<S>>) -> Self {
        self.clauses.extend(clauses);
        self
    }

    /// Adds calls for whoever declares a capability.
    #[must_use]
    pub fn with_calls(mut self, capability: &'static str, calls: Vec<ProviderCall<S>>) -> Self {
        self.optional.extend(calls.into_iter().map(|call| (capability, call)));
        self
    }

    /// States which capabilities named providers must have natively, in one row a provider or several.
    #[must_use]
    pub fn with_natives(mut self, natives: &'static [(&'static str, &'static [&'static str])]) -> Self {
        self.natives = natives;
        self
    }

    /// States how to see that abandoned calls left nothing behind.
    #[must_use]
    pub fn with_leftovers(mut self, leftovers: Afterwards<S>) -> Self {
        self.leftovers = Some(leftovers);
        self
    }

    /// States how to remove what a case made. It is run after every clause, whatever came of it.
    #[must_use]
    pub fn with_cleanup(mut self, cleanup: Afterwards<S>) -> Self {
        self.cleanup = Some(cleanup);
        self
    }

    /// Keeps only the clauses with these ids.
    #[must_use]
    pub fn only(mut self, ids: &[&str]) -> Self {
        self.clauses.retain(|clause| ids.contains(&clause.id));
        self
    }

    /// The clauses, in order.
    #[must_use]
    pub fn clauses(&self) -> &[Clause<S>] {
        &self.clauses
    }
}

impl<S: ?Sized + 'static> fmt::Debug for Suite<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("domain", &self.domain)
            .field("clauses", &self.clauses)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<S: ?Sized + Provider>(suite: &Suite<S>) -> Vec<&'static str> {
        let optional = suite.optional.iter().map(|(_, call)| call.name);
        let mut names: Vec<_> = suite.calls.iter().map(|call| call.name).chain(optional).collect();
        names.sort_unstable();
        names
    }

    fn sorted(operations: &[&'static str]) -> Vec<&'static str> {
        let mut operations = operations.to_vec();
        operations.sort_unstable();
        operations
    }

    #[test]
    fn the_common_block_calls_every_operation_of_every_contract() {
        assert_eq!(names(&crate::storage::suite()), sorted(external_core::storage::OPERATIONS));
        assert_eq!(names(&crate::cache::suite()), sorted(external_core::cache::OPERATIONS));
        assert_eq!(names(&crate::email::suite()), sorted(external_core::email::OPERATIONS));
    }
}
