//! The account service: what happens when somebody registers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use external_cache::CacheClient;
use external_container::Container;
use external_core::email::{ContentId, InlineImage, Mailbox, MediaType};
use external_core::storage::{ObjectKey, Precondition, PutRequest};
use external_core::{Effect, Error, Result};
use external_email::EmailClient;
use external_storage::StorageClient;
use serde::{Deserialize, Serialize};

use crate::input::Registration;

/// How long a link to a portrait opens.
const LINK: Duration = Duration::from_secs(3600);
/// How long a profile stays in the cache.
const CACHED: Duration = Duration::from_secs(3600);
/// How the HTML of the welcome mail names the portrait.
const PORTRAIT: &str = "portrait@accounts.example";
/// The pair of an object's metadata that names its account.
pub(crate) const ACCOUNT: &str = "account";

/// The account service: three clients, and a table of users that stands for its database.
#[derive(Clone)]
pub(crate) struct Accounts {
    pub(crate) storage: StorageClient,
    pub(crate) cache: CacheClient,
    email: EmailClient,
    table: Arc<Table>,
    /// The name of this run: what an earlier one left in a store or a cache is not this one's.
    run: Arc<str>,
}

#[derive(Default)]
struct Table {
    profiles: Mutex<HashMap<usize, Profile>>,
    reads: AtomicUsize,
}

/// What the service knows of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) locale: String,
    /// The key of the portrait.
    pub(crate) portrait: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Somebody who is registered, with everything that is to be checked.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) user: Registration,
    pub(crate) profile: Profile,
    pub(crate) key: ObjectKey,
    /// The presigned link to the portrait.
    pub(crate) link: String,
    /// The identity of the welcome mail, without angle brackets.
    pub(crate) message_id: String,
}

impl Accounts {
    /// The service over the default instances of the configuration.
    ///
    /// # Errors
    ///
    /// `Configuration` naming a table that is missing; `Unsupported` if the store makes no links.
    pub(crate) fn open(container: &Container, run: &str) -> Result<Self> {
        let storage: StorageClient = container.get_default()?;
        // Found out now, nobody is registered half.
        if !storage.supports("presign-get").is_supported() {
            return Err(Error::unsupported("presign-get").with_context("location", storage.info().location()));
        }
        Ok(Self {
            storage,
            cache: container.get_default()?,
            email: container.get_default()?,
            table: Arc::default(),
            run: run.into(),
        })
    }

    /// Registers a user: portrait, link, profile, mail. The mail goes last, since it cannot be taken back; what was
    /// done before it is undone unless it may have left.
    ///
    /// # Errors
    ///
    /// That of the call that failed.
    pub(crate) async fn register(&self, user: Registration) -> Result<Account> {
        let key = self.key(&user)?;
        let profile = profile(&user, &key);
        let portrait = &user.portrait;
        let put = PutRequest::new(key.clone(), portrait.bytes.clone())
            .with_content_type(portrait.format.content_type())
            .with_user_metadata(ACCOUNT, user.line.to_string())
            .with_precondition(Precondition::Absent);
        self.storage.put_with(put).await?;
        self.table.insert(profile.clone());
        let link = match self.set_up(&profile, &key).await {
            Ok(link) => link,
            Err(error) => {
                self.undo(&profile, &key).await;
                return Err(error);
            }
        };
        match self.welcome(&user).await {
            Ok(message_id) => Ok(Account { user, profile, key, link, message_id }),
            Err(error) => {
                // Whoever may have got the mail must find the account that it speaks of.
                if error.effect() != Effect::MaybeApplied {
                    self.undo(&profile, &key).await;
                }
                Err(error)
            }
        }
    }

    /// The link, and the profile in the cache.
    async fn set_up(&self, profile: &Profile, key: &ObjectKey) -> Result<String> {
        let link = self.storage.get_url(key, LINK).await?;
        if self.profile(profile.number).await? != *profile {
            return Err(Error::corrupt("the cache holds another profile under this number")
                .with_context("account", profile.number));
        }
        Ok(link)
    }

    /// A profile, from the cache or else from the table.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such account; else that of the cache.
    pub(crate) async fn profile(&self, number: usize) -> Result<Profile> {
        let table = self.table.clone();
        self.cache
            .get_or_load(self.cache_key(number), CACHED, move || async move { table.read(number) })
            .await
    }

    /// How often a profile was read from the table rather than from the cache.
    pub(crate) fn table_reads(&self) -> usize {
        self.table.reads.load(Ordering::Relaxed)
    }

    /// Sends the welcome mail with the portrait in it; answers its identity.
    async fn welcome(&self, user: &Registration) -> Result<String> {
        #[derive(Serialize)]
        struct Welcome<'a> {
            app: &'a str,
            name: &'a str,
            url: String,
            portrait: &'a str,
        }
        let data = Welcome {
            app: "Accounts",
            name: &user.name,
            url: format!("https://accounts.example/{}", user.line),
            portrait: PORTRAIT,
        };
        let image = InlineImage::new(
            ContentId::parse(PORTRAIT)?,
            MediaType::parse(user.portrait.format.content_type())?,
            user.portrait.bytes.clone(),
        );
        let to = Mailbox::new(user.email.clone()).with_name(user.name.parse()?);
        let message =
            self.email.message("welcome", Some(&user.locale), &data)?.with_to(to).with_inline(image);
        let receipt = self.email.send(message).await?.into_complete()?;
        match receipt.message_id {
            Some(id) => Ok(id.as_str().trim_matches(['<', '>']).to_owned()),
            None => Err(Error::unexpected("the receipt names no Message-ID")),
        }
    }

    /// Where the portraits of this run are.
    pub(crate) fn portraits(&self) -> String {
        format!("{}/portraits/", self.run)
    }

    /// The key holds the name, so that people find the file, and the number, so that two people may share a name.
    fn key(&self, user: &Registration) -> Result<ObjectKey> {
        let extension = user.portrait.format.extension();
        ObjectKey::parse(format!("{}{:03} {}.{extension}", self.portraits(), user.line, user.name))
    }

    fn cache_key(&self, number: usize) -> String {
        format!("{}:profile:{number}", self.run)
    }

    /// Takes back what can be taken back. What fails here is said by the error that led here, and by the call log.
    async fn undo(&self, profile: &Profile, key: &ObjectKey) {
        self.table.remove(profile.number);
        let (portrait, cached) =
            tokio::join!(self.storage.delete(key), self.cache.delete(self.cache_key(profile.number)));
        for error in [portrait.err(), cached.err()].into_iter().flatten() {
            eprintln!("could not be undone: {error}");
        }
    }
}

impl Table {
    fn insert(&self, profile: Profile) {
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner).insert(profile.number, profile);
    }

    fn remove(&self, number: usize) {
        self.profiles.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    fn read(&self, number: usize) -> Result<Profile> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let found = self.profiles.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        found.ok_or_else(|| Error::not_found("no such account").with_context("account", number))
    }
}

fn profile(user: &Registration, key: &ObjectKey) -> Profile {
    let (width, height) = user.portrait.size;
    Profile {
        number: user.line,
        name: user.name.clone(),
        email: user.email.to_string(),
        locale: user.locale.clone(),
        portrait: key.as_str().to_owned(),
        width,
        height,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::mailbox;

    /// The service over embedded providers in a folder, and a user who is about to register.
    fn service(folder: &Path) -> (Accounts, Registration) {
        let config = format!(
            "[storage.default]\nprovider = 'local'\nroot = '{0}/objects'\nserve.bind = '127.0.0.1:0'\n\
             [cache.default]\nprovider = 'memory'\n\
             [email.default]\nprovider = 'file'\npath = '{0}/mails'\nclient.from = 'a@accounts.example'\n\
             rehearse = {{ refuse = ['refused@example.com'], lose_reply = ['lost@example.com'] }}",
            folder.display(),
        );
        let container = Container::builder()
            .domain(external_storage::registry())
            .domain(external_cache::registry())
            .domain(external_email::registry())
            .from_str("test.toml", &config)
            .unwrap();
        let users = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/users.jsonl");
        let user = crate::input::read(&users).unwrap().remove(0);
        (Accounts::open(&container, "test").unwrap(), user)
    }

    #[tokio::test]
    async fn what_was_done_is_undone_if_the_mail_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, mut user) = service(folder.path());
        user.email = "refused@example.com".parse().unwrap();
        accounts.register(user.clone()).await.unwrap_err();
        assert!(!accounts.storage.exists(&accounts.key(&user).unwrap()).await.unwrap());
        assert!(!accounts.cache.exists(accounts.cache_key(user.line)).await.unwrap());
        assert!(accounts.profile(user.line).await.is_err());
        // Nothing is in the way of another try.
        user.email = "accepted@example.com".parse().unwrap();
        accounts.register(user).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_may_have_got_the_mail_keeps_the_account() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, mut user) = service(folder.path());
        user.email = "lost@example.com".parse().unwrap();
        let error = accounts.register(user.clone()).await.unwrap_err();
        assert_eq!(error.effect(), Effect::MaybeApplied);
        assert_eq!(
            accounts.storage.download(&accounts.key(&user).unwrap()).await.unwrap(),
            user.portrait.bytes
        );
        assert_eq!(accounts.profile(user.line).await.unwrap().name, user.name);
    }

    #[tokio::test]
    async fn an_object_of_somebody_else_is_neither_replaced_nor_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, user) = service(folder.path());
        let key = accounts.key(&user).unwrap();
        accounts.storage.put(&key, "somebody else's").await.unwrap();
        accounts.register(user).await.unwrap_err();
        assert_eq!(accounts.storage.download(&key).await.unwrap(), "somebody else's");
    }

    #[tokio::test]
    async fn a_mail_that_is_not_as_it_was_meant_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, user) = service(folder.path());
        let account = accounts.register(user).await.unwrap();
        let mails = folder.path().join("mails");
        let check = || mailbox::Mailbox::read(&mails).unwrap().check(&account);
        check().unwrap();

        let file = std::fs::read_dir(&mails).unwrap().map(|entry| entry.unwrap().path());
        let file = file
            .into_iter()
            .find(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .unwrap();
        let mail = std::fs::read_to_string(&file).unwrap();
        // The first line of the portrait in base64: the same for every JPEG.
        for (from, to, complaint) in [
            ("/9j/", "/9k/", "not the portrait, byte for byte"),
            ("cid:portrait", "cid:other", "which is no part of the mail"),
            ("Content-Type: image/jpeg", "Content-Type: image/png", "type of the inline image"),
            ("To: ", "Cc: ", "no recipient"),
            ("ada@example.com", "bob@example.com", "recipient's address"),
            ("Ada Lovelace!", "Somebody!", "does not"),
            ("Message-ID: <", "Message-ID: <x", "there is no mail"),
        ] {
            let changed = mail.replace(from, to);
            assert_ne!(changed, mail, "{from} is not in the mail");
            std::fs::write(&file, changed).unwrap();
            let found = check().expect_err(from);
            assert!(found.contains(complaint), "{from}: {found}");
        }
        std::fs::write(&file, &mail).unwrap();
        std::fs::write(file.with_extension("again.eml"), &mail).unwrap();
        assert!(check().unwrap_err().contains("arrived 2 times"));
    }
}
