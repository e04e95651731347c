//! The account service: three clients from the container, and what it keeps of a user.
//!
//! Registering somebody is in [`signup`], the mail in [`welcome`], and what became of calls whose answer was lost in
//! [`journal`].

pub(crate) mod journal;
pub(crate) mod signup;
#[cfg(test)]
mod tests;
mod welcome;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_cache::CacheClient;
use external_container::Container;
use external_core::storage::ObjectKey;
use external_core::{BuildContext, Error, ErrorKind, Result};
use external_email::EmailClient;
use external_storage::StorageClient;
use serde::{Deserialize, Serialize};

use crate::input::Registration;
use crate::settings::Settings;

pub(crate) use journal::Journal;
pub(crate) use signup::Signup;

/// How long a link to a portrait opens.
const LINK: Duration = Duration::from_secs(3600);
/// How long a profile stays in the cache: no longer than the link in it opens.
const CACHED: Duration = Duration::from_secs(3000);

/// The account service.
#[derive(Clone)]
pub(crate) struct Accounts {
    pub(crate) storage: StorageClient,
    pub(crate) cache: CacheClient,
    pub(crate) email: EmailClient,
    /// What became of calls whose answer was lost.
    pub(crate) journal: Arc<Journal>,
    context: BuildContext,
    /// The folder in which the mails arrive.
    mailbox: PathBuf,
    /// How long a mail that was taken may be on its way there.
    delivery: Duration,
    /// The name of this run: what an earlier one left in a store or a cache is not this one's.
    run: Arc<str>,
    profiles_made: Arc<AtomicUsize>,
}

/// What the service keeps of a user, for good and only once: it is written if there is none under the address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) locale: String,
    /// The key of the portrait.
    pub(crate) portrait: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The Message-ID of the welcome mail, without angle brackets. It is chosen before the first try and tells this
    /// registration from any other.
    pub(crate) message_id: String,
}

/// What other users see of a user: made of the record and of a link, and cached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) locale: String,
    /// The presigned link to the portrait.
    pub(crate) portrait: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Somebody who is registered, with everything that is to be checked.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) user: Registration,
    pub(crate) record: Record,
    pub(crate) profile: Profile,
    pub(crate) key: ObjectKey,
}

impl Accounts {
    /// The service over the default instances of the configuration.
    ///
    /// # Errors
    ///
    /// `Configuration` naming a table that is missing; `Unsupported` naming the store if it makes no links.
    pub(crate) fn open(container: &Container, settings: &Settings, run: &str) -> Result<Self> {
        let storage: StorageClient = container.get_default()?;
        // Found out now, nobody is registered half.
        if !storage.supports("presign-get").is_supported() {
            return Err(signs_nothing(&storage));
        }
        Ok(Self {
            storage,
            cache: container.get_default()?,
            email: container.get_default()?,
            journal: Arc::default(),
            context: BuildContext::default(),
            mailbox: settings.mailbox.clone(),
            delivery: settings.delivery,
            run: run.into(),
            profiles_made: Arc::default(),
        })
    }

    /// The same service, keeping this journal.
    pub(crate) fn with_journal(self, journal: Arc<Journal>) -> Self {
        Self { journal, ..self }
    }

    /// The record under an address, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the cache.
    pub(crate) async fn record(&self, email: &str) -> Result<Option<Record>> {
        self.cache.get(self.record_key(email)).await
    }

    /// A profile, from the cache or else made of the record.
    ///
    /// # Errors
    ///
    /// `NotFound` if nobody has this address; else that of the cache or the store.
    pub(crate) async fn profile(&self, email: &str) -> Result<Profile> {
        let (service, address) = (self.clone(), email.to_owned());
        self.cache
            .get_or_load(
                self.profile_key(email),
                CACHED,
                || async move { service.make_profile(&address).await },
            )
            .await
    }

    async fn make_profile(&self, email: &str) -> Result<Profile> {
        self.profiles_made.fetch_add(1, Ordering::Relaxed);
        let record = self.record(email).await?.ok_or_else(|| Error::not_found("nobody has this address"))?;
        let portrait = self.storage.get_url(&record.portrait, LINK).await?;
        let Record { name, locale, width, height, .. } = record;
        Ok(Profile { name, locale, portrait, width, height })
    }

    /// How often a profile was made rather than read from the cache.
    pub(crate) fn profiles_made(&self) -> usize {
        self.profiles_made.load(Ordering::Relaxed)
    }

    /// Where the portraits of this run are.
    pub(crate) fn portraits(&self) -> String {
        format!("{}/portraits/", self.run)
    }

    /// The key holds the name, so that people find the file, and the number, so that two people may share a name.
    fn portrait_key(&self, user: &Registration) -> Result<ObjectKey> {
        let extension = user.portrait.format.extension();
        ObjectKey::parse(format!("{}{:03} {}.{extension}", self.portraits(), user.line, user.name))
    }

    fn record_key(&self, email: &str) -> String {
        format!("{}:account:{email}", self.run)
    }

    fn profile_key(&self, email: &str) -> String {
        format!("{}:profile:{email}", self.run)
    }
}

/// Names the store that signs no links, and what to put in its place.
fn signs_nothing(storage: &StorageClient) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this store signs no links, and everybody's profile holds one to the portrait: take the provider `s3`, or \
         `local` with `serve.bind = \"127.0.0.1:0\"` in its table",
    )
    .with_provider(storage.info().id())
    .with_context("instance", "storage.default")
    .with_context("location", storage.info().location())
}
