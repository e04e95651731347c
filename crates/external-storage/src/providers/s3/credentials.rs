//! Where the credentials come from: given, or found as by AWS's own tools; and a role on top.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use external_core::{BuildContext, Result, Secret};

/// The source of the credentials.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Keys from the configuration.
    Given(Keys),
    /// AWS's default chain, with a profile's name.
    Found(Option<String>),
}

/// A role to assume with the credentials.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
    pub(super) duration: Duration,
    pub(super) endpoint: Option<String>,
}

/// Keys that are read whenever a request is signed: nothing keeps a copy, and a changed file is taken up.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) id: Secret,
    pub(super) secret: Secret,
    pub(super) session: Option<Secret>,
}

impl Keys {
    fn read(&self) -> Result<Credentials> {
        let session = self.session.as_ref().map(Secret::expose).transpose()?;
        Ok(Credentials::new(
            self.id.expose()?.as_str(),
            self.secret.expose()?.as_str(),
            session.map(|token| token.as_str().to_owned()),
            None,
            "external-storage",
        ))
    }

    /// Has files read again, whether they look changed or not.
    pub(super) fn invalidate(&self) {
        self.id.invalidate();
        self.secret.invalidate();
        if let Some(token) = &self.session {
            token.invalidate();
        }
    }
}

/// How long the credentials that were last found live.
#[derive(Debug, Clone, Default)]
pub(super) struct Life(Arc<Mutex<Found>>);

#[derive(Debug, Clone, Copy, Default)]
struct Found {
    span: Option<(SystemTime, SystemTime)>,
    is_temporary: bool,
}

impl Life {
    /// When they were found, and when they end; none if they do not, or do not tell.
    pub(super) fn get(&self) -> Option<(SystemTime, SystemTime)> {
        self.found().span
    }

    /// Whether they end at some time, told or not.
    pub(super) fn is_temporary(&self) -> bool {
        self.found().is_temporary
    }

    fn found(&self) -> Found {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, found: Found) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// Credentials of another source, whose life is written down.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) source: SharedCredentialsProvider,
    pub(super) life: Life,
    pub(super) clock: BuildContext,
}

impl ProvideCredentials for Watched {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let found = self.source.provide_credentials().await?;
            let span = found.expiry().map(|end| (self.clock.now(), end));
            self.life.set(Found { span, is_temporary: found.session_token().is_some() });
            Ok(found)
        })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.source.fallback_on_interrupt()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        // The error is our own, so that whoever sees the failure finds it again in the chain of sources.
        let read: provider::Result = self.read().map_err(CredentialsError::provider_error);
        future::ProvideCredentials::ready(read)
    }
}
