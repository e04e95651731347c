//! The ordered end: what was built last is closed first, so that nothing loses what it is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use external_resilience::CloseReport;
use tokio::time::Instant;

use crate::assembly::Instance;

/// What was left when the container was shut down, in the order of closing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// One entry an instance; empty if the container was shut down before.
    pub instances: Vec<InstanceShutdown>,
}

/// How one instance was closed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InstanceShutdown {
    /// `storage`.
    pub domain: &'static str,
    /// `avatars`.
    pub instance: String,
    /// The provider's id.
    pub provider: &'static str,
    /// Calls and clean-ups that were left, and what the provider said.
    pub report: CloseReport,
    /// How long it took.
    pub elapsed: Duration,
}

impl ShutdownReport {
    /// Whether no instance left anything and nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.instances.iter().all(|instance| instance.report.is_clean())
    }

    /// Closes all in reverse order, together within the deadline. One that is late leaves those after it no time to
    /// drain, but they are closed all the same.
    pub(crate) async fn close(built: Vec<Arc<Instance>>, within: Duration) -> Self {
        // No deadline is longer than a day, which also keeps the clock from overflowing.
        let end = Instant::now() + within.min(Duration::from_secs(24 * 3600));
        let mut instances = Vec::with_capacity(built.len());
        for instance in built.iter().rev() {
            let started = Instant::now();
            let provider = instance.client.provider();
            let left = end.saturating_duration_since(started);
            let report = instance.client.pipeline().close(provider, left).await;
            instances.push(InstanceShutdown {
                domain: instance.domain,
                instance: instance.name.clone(),
                provider: provider.info().id(),
                report,
                elapsed: started.elapsed(),
            });
        }
        Self { instances }
    }
}

/// One line an instance.
impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for InstanceShutdown { domain, instance, provider, report, elapsed } in &self.instances {
            write!(f, "{domain}.{instance} ({provider}): ")?;
            if report.is_clean() {
                write!(f, "closed")?;
            } else {
                write!(f, "{} calls and {} clean-ups left", report.calls_left, report.cleanups_left)?;
            }
            if let Some(error) = &report.error {
                write!(f, "; {error}")?;
            }
            writeln!(f, " [{} ms]", elapsed.as_millis())?;
        }
        Ok(())
    }
}
