//! Whether everything can be reached: all instances probed side by side.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use external_core::{CallContext, CallOptions, Error, ErrorKind};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::assembly::Instance;

/// How all instances were found, in the order in which they were built.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// One entry an instance.
    pub instances: Vec<InstanceHealth>,
}

/// How one instance was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InstanceHealth {
    /// `storage`.
    pub domain: &'static str,
    /// `avatars`.
    pub instance: String,
    /// The provider's id.
    pub provider: &'static str,
    /// Where it points, without credentials.
    pub location: String,
    /// How it was found.
    pub status: HealthStatus,
    /// How long the probe took.
    pub elapsed: Duration,
}

/// How an instance was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HealthStatus {
    /// The probe went through: reachable, credentials accepted.
    Up,
    /// The provider has no harmless call to probe with: nothing is known.
    Unknown,
    /// The probe failed, or did not answer in time.
    Down(Error),
}

impl Health {
    /// Whether nothing is known to be down.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.instances.iter().all(|instance| !matches!(instance.status, HealthStatus::Down(_)))
    }

    pub(crate) async fn probe(instances: &[Arc<Instance>], within: Duration) -> Self {
        let deadline = Instant::now().checked_add(within);
        let probes = instances.iter().map(|instance| probe(instance, within, deadline));
        Self { instances: join_all(probes).await }
    }
}

async fn probe(instance: &Instance, within: Duration, deadline: Option<Instant>) -> InstanceHealth {
    let started = Instant::now();
    let provider = instance.client.provider();
    let cx = CallContext::new(&CallOptions::new().with_timeout(within));
    let probe = instance.client.pipeline().probe(provider, &cx);
    let result = match deadline {
        // A provider that does not watch its own deadline must not hold the others up.
        Some(deadline) => match timeout_at(deadline, probe).await {
            Ok(result) => result,
            Err(_) => {
                Err(Error::timeout("the probe did not answer in time").with_provider(provider.info().id()))
            }
        },
        None => probe.await,
    };
    InstanceHealth {
        domain: instance.domain,
        instance: instance.name.clone(),
        provider: provider.info().id(),
        location: provider.info().location().to_owned(),
        status: match result {
            Ok(()) => HealthStatus::Up,
            Err(error) if error.kind() == ErrorKind::Unsupported => HealthStatus::Unknown,
            Err(error) => HealthStatus::Down(error),
        },
        elapsed: started.elapsed(),
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Unknown => f.write_str("unknown: the provider has no harmless call"),
            Self::Down(error) => write!(f, "down: {error}"),
        }
    }
}

/// One line an instance.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for InstanceHealth { domain, instance, provider, location, status, elapsed } in &self.instances {
            writeln!(
                f,
                "{domain}.{instance} ({provider}, {location}): {status} [{} ms]",
                elapsed.as_millis()
            )?;
        }
        Ok(())
    }
}
