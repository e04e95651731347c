//! The SDK's client: made on first use, since finding region and credentials may take requests of its own.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, IdentityCache, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use external_core::{BuildContext, Effect, Error, Result};
use tokio::sync::Mutex;

use super::credentials::{Life, Role, Source, Watched};
use super::transport::Transport;

/// What the client is made of.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) path_style: bool,
    pub(super) source: Source,
    pub(super) role: Option<Role>,
    pub(super) clock: BuildContext,
    pub(super) transport: Transport,
    pub(super) life: Life,
}

/// The client, made when it is first asked for and again after [`Sdk::forget`].
#[derive(Debug)]
pub(super) struct Sdk {
    setup: Setup,
    made: RwLock<Option<Arc<Client>>>,
    making: Mutex<()>,
}

impl Sdk {
    pub(super) fn new(setup: Setup) -> Self {
        Self { setup, made: RwLock::new(None), making: Mutex::new(()) }
    }

    /// # Errors
    ///
    /// `Unavailable` with effect `NotSent` if no region can be found, now at least: whom it would be asked of may answer
    /// later.
    pub(super) async fn client(&self) -> Result<Arc<Client>> {
        if let Some(client) = self.made() {
            return Ok(client);
        }
        let _making = self.making.lock().await;
        if let Some(client) = self.made() {
            return Ok(client);
        }
        let config = self.setup.config().await.build();
        if config.region().is_none() {
            return Err(Error::unavailable("no region is set, and none can be found")
                .with_effect(Effect::NotSent)
                .with_context("field", "region"));
        }
        let client = Arc::new(Client::from_conf(config));
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }

    fn made(&self) -> Option<Arc<Client>> {
        self.made.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has given keys read again, after `client` was refused; where they have `expired`, others are looked for anew.
    pub(super) fn forget(&self, client: &Arc<Client>, expired: bool) {
        if let Source::Given(keys) = &self.setup.source {
            keys.invalidate();
        }
        if !expired {
            return;
        }
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        if made.as_ref().is_some_and(|current| Arc::ptr_eq(current, client)) {
            *made = None;
        }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.setup.clock.now()
    }

    /// When the credentials in use were found, and when they end; none if they do not, or do not tell.
    pub(super) fn life(&self) -> Option<(SystemTime, SystemTime)> {
        self.setup.life.get()
    }

    /// Whether the keys in use can end, so that others may be found: only those with a session token can.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_use-resources.html>
    pub(super) fn has_temporary_keys(&self) -> bool {
        match &self.setup.source {
            Source::Given(keys) if self.setup.role.is_none() => keys.session.is_some(),
            _ => self.setup.life.is_temporary(),
        }
    }

    pub(super) fn close(&self) {
        self.setup.transport.close();
    }
}

impl Setup {
    async fn config(&self) -> Builder {
        let found = self.loader().load().await;
        let mut config = Builder::from(&found).force_path_style(self.path_style);
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        if let Some(role) = &self.role {
            config = config.credentials_provider(self.watched(self.assume(role, &found).await));
        } else if let Source::Given(_) = self.source {
            // Keys are read anew for each request; a cache would keep what a file no longer says.
            config = config.identity_cache(IdentityCache::no_cache());
        } else if let Some(source) = found.credentials_provider() {
            config = config.credentials_provider(self.watched(source));
        }
        config
            // Checksums are the client's and this provider's: the SDK adds none by itself.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
    }

    /// Region, credentials and the rest as AWS's own tools would find them, unless they are given. Retries, timeouts
    /// and the guard against stalled streams are off: they are the pipeline's and the client's.
    fn loader(&self) -> ConfigLoader {
        let transport = SharedHttpConnector::new(self.transport.clone());
        let http: SharedHttpClient = http_client_fn(move |_, _| transport.clone());
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .time_source(Clock(self.clock.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let region = self.region.clone().or_else(|| self.endpoint.as_ref().map(|_| "us-east-1".to_owned()));
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        match &self.source {
            Source::Given(keys) => loader.credentials_provider(keys.clone()),
            Source::Found(Some(profile)) => loader.profile_name(profile),
            Source::Found(None) => loader,
        }
    }

    fn watched(&self, source: impl ProvideCredentials + 'static) -> Watched {
        let source = SharedCredentialsProvider::new(source);
        Watched { source, life: self.life.clone(), clock: self.clock.clone() }
    }

    async fn assume(&self, role: &Role, found: &SdkConfig) -> AssumeRoleProvider {
        let mut config = found.to_builder();
        config.set_endpoint_url(role.endpoint.clone());
        let mut assume = AssumeRoleProvider::builder(&role.arn)
            .session_name(&role.session_name)
            .session_length(role.duration)
            .configure(&config.build());
        if let Some(id) = &role.external_id {
            assume = assume.external_id(id);
        }
        match found.credentials_provider() {
            Some(base) => assume.build_from_provider(base).await,
            None => assume.build().await,
        }
    }
}

/// The wall clock of the build context, which tests set.
#[derive(Debug)]
struct Clock(BuildContext);

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
