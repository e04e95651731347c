//! A provider that knows secrets: it keeps contents in memory, for whoever has the password. It can be made to tell.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_contract::{ProviderCall, Traffic};
use external_core::{
    BuildContext, CallContext, Capabilities, Error, Provider, ProviderEntry, ProviderInfo, ProviderKind,
    Result, Secret, Section, async_trait,
};
use serde::Deserialize;

/// What it tells, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Flaw {
    None,
    PasswordInDebug,
    PasswordInUsedDebug,
    RecoveryInConfiguration,
    LoginInEvent,
    PasswordInVendorTrace,
    PasswordInVendorDebug,
    PasswordInLog,
    ContentInThread,
    ContentInSpan,
    ContentInLateField,
    ContentInMetric,
    ContentInPanic,
    ContentInPanicOfThread,
    PasswordInPanic,
    PasswordInLocation,
    UrlInError,
    ContentInErrorContext,
    ContentInErrorSource,
    FieldInConfigurationError,
    IsDown,
    IsNotWritten,
    ClaimsShelf,
}

/// The contract.
#[async_trait]
pub(crate) trait Vault: Provider {
    async fn keep(&self, cx: &CallContext, content: &str) -> Result<()>;
}

pub(crate) fn calls() -> Vec<ProviderCall<dyn Vault>> {
    vec![ProviderCall {
        name: "keep",
        traffic: Traffic::Marked,
        run: |case, service, marker| {
            Box::pin(async move { service.keep(&case.cx(), &format!("{marker} {}", case.canary())).await })
        },
    }]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    url: Secret,
    password: Secret,
    /// Nobody configures it.
    recovery: Option<Secret>,
    flaw: Flaw,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tells = self.flaw == Flaw::RecoveryInConfiguration;
        let recovery = self.recovery.as_ref().filter(|_| tells);
        let recovery = recovery.map(|recovery| recovery.expose().unwrap().to_string());
        f.debug_struct("Config").field("url", &self.url).field("recovery", &recovery).finish_non_exhaustive()
    }
}

pub(crate) const ENTRY: ProviderEntry<dyn Vault> = ProviderEntry {
    id: "vault",
    feature: "",
    kind: ProviderKind::Embedded,
    build,
    schema: || {
        r##"{"properties":{"url":{},"password":{},"recovery":{"$ref":"#/$defs/Secret"},"flaw":{}}}"##
            .to_owned()
    },
};

fn build(section: &Section, _: &BuildContext) -> Result<Arc<dyn Vault>> {
    let config = section.parse::<Config>().map_err(|error| {
        let given = section.value().at("password").and_then(|value| value.as_str());
        match (format!("{:?}", section.value().at("flaw")).contains("FieldInConfigurationError"), given) {
            (true, Some(given)) => error.with_context("given", given),
            _ => error,
        }
    })?;
    if !config.url.expose()?.starts_with("vault://") {
        return Err(Error::configuration("not a URL of a vault").with_context("field", "url"));
    }
    let capabilities = match config.flaw {
        Flaw::ClaimsShelf => Capabilities::new().native("shelf"),
        _ => Capabilities::new().unsupported("shelf"),
    };
    let location = match config.flaw {
        Flaw::PasswordInLocation => format!("vault://localhost?key={}", config.password.expose()?.as_str()),
        _ => "vault://localhost".to_owned(),
    };
    let info = ProviderInfo::new("vault", "vault", location, capabilities);
    Ok(Arc::new(Keeper { info, config, is_used: false.into() }))
}

struct Keeper {
    info: ProviderInfo,
    config: Config,
    is_used: std::sync::atomic::AtomicBool,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_used = self.is_used.load(std::sync::atomic::Ordering::SeqCst);
        let tells = match self.config.flaw {
            Flaw::PasswordInDebug => true,
            Flaw::PasswordInUsedDebug => is_used,
            _ => false,
        };
        let token = if tells { self.password().into_bytes() } else { Vec::new() };
        f.debug_struct("Keeper").field("config", &self.config).field("token", &token).finish()
    }
}

impl Keeper {
    fn password(&self) -> String {
        self.config.password.expose().unwrap().to_string()
    }

    fn url(&self) -> String {
        self.config.url.expose().unwrap().to_string()
    }
}

#[async_trait]
impl Provider for Keeper {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Vault for Keeper {
    async fn keep(&self, _: &CallContext, content: &str) -> Result<()> {
        self.is_used.store(true, std::sync::atomic::Ordering::SeqCst);
        // A caller may go away here.
        tokio::task::yield_now().await;
        let password = self.password();
        match self.config.flaw {
            Flaw::IsDown => return Err(Error::unavailable("nobody is there")),
            Flaw::IsNotWritten => {
                return Err(Error::configuration("not written yet: write `keep` in vault.rs: lock the door"));
            }
            Flaw::LoginInEvent => {
                let login = STANDARD.encode(format!("app:{password}"));
                tracing::info!(authorization = %format_args!("Basic {login}"), "logging in");
            }
            Flaw::PasswordInVendorTrace => tracing::trace!(target: "vendor::wire", "> AUTH {password}"),
            Flaw::PasswordInVendorDebug => tracing::debug!(target: "vendor::wire", "> AUTH {password}"),
            Flaw::PasswordInLog => {
                let hex: String = password.bytes().map(|byte| format!("{byte:02x}")).collect();
                log::debug!("key {hex}");
            }
            Flaw::ContentInThread => {
                let content = content.to_owned();
                let told = std::thread::spawn(move || tracing::warn!("keeping {content}"));
                told.join().unwrap();
            }
            Flaw::ContentInSpan => drop(tracing::debug_span!("keep", content)),
            Flaw::ContentInLateField => {
                let span = tracing::debug_span!("keep", content = tracing::field::Empty);
                span.record("content", content);
            }
            Flaw::ContentInMetric => metrics::counter!("kept", "content" => content.to_owned()).increment(1),
            Flaw::ContentInPanic => panic!("cannot keep {content}"),
            Flaw::ContentInPanicOfThread => {
                let content = content.to_owned();
                let kept = std::thread::spawn(move || assert!(content.is_empty(), "cannot keep {content}"));
                kept.join().unwrap_err();
            }
            Flaw::PasswordInPanic => panic!("cannot keep with {password}"),
            Flaw::UrlInError => return Err(Error::unavailable(format!("{} does not answer", self.url()))),
            Flaw::ContentInErrorContext => {
                return Err(Error::invalid_argument("cannot be kept").with_context("content", content));
            }
            Flaw::ContentInErrorSource => {
                let source = std::io::Error::other(format!("cannot write {content:?}"));
                return Err(Error::unavailable("cannot be kept").with_source(source));
            }
            _ => {}
        }
        Ok(())
    }
}
