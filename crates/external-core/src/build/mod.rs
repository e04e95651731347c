//! What a provider may ask of the world while it is built, and afterwards.

mod platform;
mod real;
mod tls;

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub use tls::TlsSettings;

use crate::{Error, Result, Secret};

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// When it was last written, if the file system tells.
    pub modified: Option<SystemTime>,
    /// Its length in bytes.
    pub length: u64,
    /// The file's identity where the platform has one: a replaced file differs even at the same length and time.
    pub identity: u64,
}

/// How secrets in files are read.
pub trait SecretFiles: Send + Sync {
    /// The state of a file.
    ///
    /// # Errors
    ///
    /// If it is not there or not accessible.
    fn stamp(&self, path: &Path) -> io::Result<FileStamp>;

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// How a provider reaches other instances of the same container: composites are made of them.
pub trait Instances: Send + Sync {
    /// The instance as `Arc<S>` in a box, where `contract` is the type id of `S`.
    ///
    /// # Errors
    ///
    /// `Configuration` if there is no such instance, or if instances need each other in a ring.
    fn resolve(&self, contract: TypeId, contract_name: &'static str, instance: &str) -> Result<Box<dyn Any>>;
}

type Clock = dyn Fn() -> SystemTime + Send + Sync;
type Random = dyn Fn(&mut [u8]) + Send + Sync;
type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;
type Variables = dyn Fn(&str) -> BTreeMap<String, String> + Send + Sync;

/// A provider's only door to the outside world: wall clock, randomness, environment, secrets, TLS settings,
/// other instances. The default is the real world; tests replace what they need.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use external_core::BuildContext;
///
/// let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(12 * 3600);
/// let context = BuildContext::default().with_clock(move || noon).with_env([("REGION", "eu")]);
/// assert_eq!(context.now(), noon);
/// assert_eq!(context.env("REGION").as_deref(), Some("eu"));
/// ```
#[derive(Clone)]
pub struct BuildContext {
    clock: Arc<Clock>,
    random: Arc<Random>,
    env: Arc<Environment>,
    variables: Arc<Variables>,
    files: Arc<dyn SecretFiles>,
    tls: TlsSettings,
    upload_budget: u64,
    instances: Option<Arc<dyn Instances>>,
    shared: Arc<Mutex<BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>>>,
}

impl Default for BuildContext {
    fn default() -> Self {
        Self {
            clock: Arc::new(real::now),
            random: Arc::new(real::random),
            env: Arc::new(real::env),
            variables: Arc::new(real::variables),
            files: Arc::new(real::Files),
            tls: TlsSettings::default(),
            upload_budget: Self::DEFAULT_UPLOAD_BUDGET,
            instances: None,
            shared: Arc::default(),
        }
    }
}

impl BuildContext {
    /// How many bytes all uploads built from one context may hold in memory at a time unless said otherwise.
    pub const DEFAULT_UPLOAD_BUDGET: u64 = 256 << 20;

    /// The real world.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the wall clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Replaces the source of randomness, which also makes nonces and ids.
    #[must_use]
    pub fn with_random(mut self, random: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Replaces the environment: nothing of the process's own is seen any more.
    #[must_use]
    pub fn with_env<K: Into<String>, V: Into<String>>(
        mut self,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let env: Arc<BTreeMap<String, String>> =
            Arc::new(env.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        let all = env.clone();
        self.env = Arc::new(move |name| env.get(name).cloned());
        self.variables = Arc::new(move |prefix| {
            let of_prefix = all.iter().filter(|(name, _)| name.starts_with(prefix));
            of_prefix.map(|(name, value)| (name.clone(), value.clone())).collect()
        });
        self
    }

    /// Replaces how secret files are read.
    #[must_use]
    pub fn with_secret_files(mut self, files: Arc<dyn SecretFiles>) -> Self {
        self.files = files;
        self
    }

    /// Replaces the TLS settings that providers use unless their own say otherwise.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// Replaces the limit for the upload buffers of all that is built from this context, in bytes. At least one byte. What
    /// is built from the context it was made from has the other limit, and shares nothing with it.
    #[must_use]
    pub fn with_upload_budget(mut self, bytes: u64) -> Self {
        self.upload_budget = bytes.max(1);
        self.shared = Arc::default();
        self
    }

    /// Lets providers reach other instances: the container sets it.
    #[must_use]
    pub fn with_instances(mut self, instances: Arc<dyn Instances>) -> Self {
        self.instances = Some(instances);
        self
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// Fills a buffer with unpredictable bytes.
    pub fn random(&self, buffer: &mut [u8]) {
        (self.random)(buffer);
    }

    /// An unpredictable id of 32 hexadecimal digits (128 bits).
    #[must_use]
    pub fn random_id(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.random(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// An environment variable.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    /// All environment variables whose name starts with `prefix`: the container lays them over its file.
    #[must_use]
    pub fn variables(&self, prefix: &str) -> BTreeMap<String, String> {
        (self.variables)(prefix)
    }

    /// The TLS settings for providers that have none of their own.
    #[must_use]
    pub fn tls(&self) -> &TlsSettings {
        &self.tls
    }

    /// How many bytes all uploads built from this context may hold in memory at a time.
    #[must_use]
    pub fn upload_budget(&self) -> u64 {
        self.upload_budget
    }

    /// The secret bound to this world: a variable is looked up now, a file is read at use.
    ///
    /// # Errors
    ///
    /// `Configuration` if the variable is not set, or the secret empty.
    pub fn secret(&self, secret: &Secret) -> Result<Secret> {
        secret.bind(self.env.as_ref(), &self.files)
    }

    /// Another instance of the same container, behind its contract: its retries, limits and records apply.
    ///
    /// ```
    /// use external_core::{BuildContext, cache::CacheService};
    ///
    /// let error = BuildContext::default().resolve::<dyn CacheService>("sessions").err().unwrap();
    /// assert!(error.to_string().contains("sessions"));
    /// ```
    ///
    /// # Errors
    ///
    /// `Configuration` if there is no container, no such instance, or if instances need each other in a ring.
    pub fn resolve<S: ?Sized + 'static>(&self, instance: &str) -> Result<Arc<S>> {
        let contract = std::any::type_name::<S>();
        let missing = |reason: &'static str| {
            Error::configuration(reason).with_context("instance", instance).with_context("contract", contract)
        };
        let instances =
            self.instances.as_ref().ok_or_else(|| missing("no container to find another instance in"))?;
        let found = instances.resolve(TypeId::of::<S>(), contract, instance)?;
        match found.downcast::<Arc<S>>() {
            Ok(service) => Ok(*service),
            Err(_) => Err(missing("the instance is of another contract")),
        }
    }

    /// Something that everything built from this context shares, made on first use: one per type.
    pub fn shared<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let found = shared.get(&TypeId::of::<T>()).cloned().and_then(|any| any.downcast::<T>().ok());
        found.unwrap_or_else(|| {
            let made = Arc::new(make());
            shared.insert(TypeId::of::<T>(), made.clone());
            made
        })
    }
}

impl fmt::Debug for BuildContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildContext")
            .field("tls", &self.tls)
            .field("upload_budget", &self.upload_budget)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Changing(Mutex<(u64, &'static str)>);

    impl SecretFiles for Changing {
        fn stamp(&self, _: &Path) -> io::Result<FileStamp> {
            let (identity, text) = *self.0.lock().unwrap();
            Ok(FileStamp { modified: None, length: text.len() as u64, identity })
        }

        fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
            Ok(self.0.lock().unwrap().1.as_bytes().to_vec())
        }
    }

    #[test]
    fn a_secret_file_is_read_again_when_it_changes_or_is_doubted() {
        let files = Arc::new(Changing(Mutex::new((1, "old\n"))));
        let context = BuildContext::default().with_secret_files(files.clone());
        let secret = context.secret(&Secret::from_file("/run/secret")).unwrap();
        assert_eq!(secret.expose().unwrap().as_str(), "old");
        *files.0.lock().unwrap() = (2, "new\n");
        assert_eq!(secret.expose().unwrap().as_str(), "new");
        // Same stamp, other content: only doubt makes it look.
        files.0.lock().unwrap().1 = "odd\n";
        assert_eq!(secret.expose().unwrap().as_str(), "new");
        secret.invalidate();
        assert_eq!(secret.expose().unwrap().as_str(), "odd");
    }

    #[test]
    fn an_unset_variable_is_named() {
        let context = BuildContext::default().with_env([("A", "1")]);
        assert_eq!(context.secret(&Secret::from_env("A")).unwrap().expose().unwrap().as_str(), "1");
        let error = context.secret(&Secret::from_env("B_PASSWORD")).unwrap_err();
        assert!(error.to_string().contains("B_PASSWORD"));
    }

    #[test]
    fn shared_things_are_one_per_context() {
        let context = BuildContext::default();
        let one = context.shared(|| 1_u32);
        assert!(Arc::ptr_eq(&one, &context.clone().shared(|| 2_u32)));
        assert_eq!(*BuildContext::default().shared(|| 3_u32), 3);
        assert_eq!(*context.with_upload_budget(1).shared(|| 4_u32), 4, "another budget");
    }
}
