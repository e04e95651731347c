//! Addresses that are not to be mailed: bounced, complained, unsubscribed.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use external_core::Result;
use external_core::email::EmailAddress;

/// A list of addresses that are not to be mailed. A service implements it over whatever it keeps them in.
#[async_trait]
pub trait SuppressionList: Send + Sync {
    /// For each of the addresses the reason why it is not to be mailed, or `None`; in the same order.
    ///
    /// # Errors
    ///
    /// Whatever reading the list may meet. The mail is then not sent at all: nobody who unsubscribed is mailed because a
    /// database is down.
    async fn suppressed(&self, addresses: &[&EmailAddress]) -> Result<Vec<Option<String>>>;
}

/// A list in this process. Addresses are compared without regard to case, since a person who unsubscribes is not mailed
/// under another spelling.
#[derive(Debug, Default)]
pub struct MemorySuppressionList {
    reasons: RwLock<BTreeMap<String, String>>,
}

impl MemorySuppressionList {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an address with its reason (`bounced`, `complained`, `unsubscribed`).
    pub fn insert(&self, address: &EmailAddress, reason: impl Into<String>) {
        let mut reasons = self.reasons.write().unwrap_or_else(PoisonError::into_inner);
        reasons.insert(address.as_str().to_lowercase(), reason.into());
    }

    /// Takes an address off the list. Whether it was on it.
    pub fn remove(&self, address: &EmailAddress) -> bool {
        let mut reasons = self.reasons.write().unwrap_or_else(PoisonError::into_inner);
        reasons.remove(&address.as_str().to_lowercase()).is_some()
    }
}

#[async_trait]
impl SuppressionList for MemorySuppressionList {
    async fn suppressed(&self, addresses: &[&EmailAddress]) -> Result<Vec<Option<String>>> {
        let reasons = self.reasons.read().unwrap_or_else(PoisonError::into_inner);
        Ok(addresses.iter().map(|address| reasons.get(&address.as_str().to_lowercase()).cloned()).collect())
    }
}
