//! Faults on purpose: each system goes down in the middle of the work, and comes back once its breaker has opened.
//!
//! The service knows nothing of this. [`Script`] decides when, [`Lever`] does it (by killing a server through the control
//! port, or by an injected fault), [`seen`] checks that the service was seen to recover.

pub(crate) mod inject;
mod lever;
pub(crate) mod seen;

use std::time::Duration;

use external_cache::CacheClient;
use external_container::Container;
use external_core::cache::CacheService;
use external_core::email::EmailService;
use external_core::storage::StorageService;
use external_core::{BuildContext, Error, Result};
use external_email::EmailClient;
use external_resilience::faults::{FaultPlan, Faults};
use external_resilience::{BreakerState, Domain, Pipeline};
use external_storage::StorageClient;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::lever::Lever;
use crate::register::SIDE_BY_SIDE;

/// How long a system stays down at most, should its breaker not open.
const LONGEST: Duration = Duration::from_secs(20);
/// How long a system stays down after its breaker has opened.
const DOWN: Duration = Duration::from_millis(200);
/// How often a breaker is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// How many users there must be at least. `cargo xtask demo` asks for as many before it builds anything.
const FEWEST: usize = 10;
// While a system is down some mails may have to wait for it to be looked up; others have to go on calling.
const _: () = assert!(FEWEST == 2 * (SIDE_BY_SIDE + 1));

/// The table `[demo.fault]`: what stands behind the default instances. Each is `injected`, which needs the provider
/// `faulty`, or the name of a server at the control port. What is absent stays up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    cache: Option<String>,
    storage: Option<String>,
    email: Option<String>,
}

/// Refuses too few users for systems to go down in the middle.
///
/// # Errors
///
/// `Configuration` that says how many there must be.
pub(crate) fn enough(users: usize) -> Result<()> {
    if users < FEWEST {
        let message = format!("--fault needs at least {FEWEST} users, or no system goes down in the middle");
        return Err(Error::configuration(message).with_context("users", users));
    }
    Ok(())
}

/// The systems that go down, and when.
pub(crate) struct Script {
    outages: Vec<Outage>,
    running: JoinSet<Result<(), String>>,
}

/// One system that goes down once.
#[derive(Clone)]
struct Outage {
    domain: &'static str,
    /// Once so many registrations are done.
    after: usize,
    lever: Lever,
    pipeline: Pipeline,
}

impl Script {
    /// The script for so many users: the cache goes down after a sixth of them, the store after a third, the mail server
    /// after half.
    ///
    /// # Errors
    ///
    /// `Configuration` if there are too few users, or nothing that can be taken down.
    pub(crate) fn new(settings: &Settings, container: &Container, users: usize) -> Result<Self> {
        enough(users)?;
        let mut outages = Vec::new();
        if let Some(name) = &settings.cache {
            let client: CacheClient = container.get_default()?;
            let faulty = client.provider::<Faults<dyn CacheService>>();
            outages.push(outage(name, &client, users / 6, faulty.map(Faults::plan))?);
        }
        if let Some(name) = &settings.storage {
            let client: StorageClient = container.get_default()?;
            let faulty = client.provider::<Faults<dyn StorageService>>();
            outages.push(outage(name, &client, users / 3, faulty.map(Faults::plan))?);
        }
        if let Some(name) = &settings.email {
            let client: EmailClient = container.get_default()?;
            let faulty = client.provider::<Faults<dyn EmailService>>();
            outages.push(outage(name, &client, users / 2, faulty.map(Faults::plan))?);
        }
        if outages.is_empty() {
            return Err(Error::configuration("[demo.fault] names nothing that can be taken down"));
        }
        Ok(Self { outages, running: JoinSet::new() })
    }

    /// The domains whose systems go down.
    pub(crate) fn domains(&self) -> Vec<&'static str> {
        self.outages.iter().map(|outage| outage.domain).collect()
    }

    /// So many registrations are done. The others go on only once this is over: a server is frozen by then, so that
    /// calls certainly run into it before it is killed.
    ///
    /// # Errors
    ///
    /// What kept a system from being taken down.
    pub(crate) async fn reached(&mut self, done: usize) -> Result<(), String> {
        for outage in self.outages.iter().filter(|outage| outage.after == done).cloned() {
            outage.lever.freeze().await?;
            self.running.spawn(async move { outage.run().await });
        }
        Ok(())
    }

    /// Waits for the last outage to be over.
    ///
    /// # Errors
    ///
    /// What went wrong with the first outage that did not go as it should.
    pub(crate) async fn finish(mut self) -> Result<(), String> {
        while let Some(ended) = self.running.join_next().await {
            ended.map_err(|error| error.to_string())??;
        }
        Ok(())
    }
}

fn outage<D: Domain>(name: &str, client: &D, after: usize, injected: Option<&FaultPlan>) -> Result<Outage> {
    let lever = match (name, injected) {
        ("injected", Some(plan)) => Lever::Injected(plan.clone()),
        ("injected", None) => {
            return Err(Error::configuration("an injected fault needs the provider `faulty`")
                .with_context("key", format!("demo.fault.{}", D::NAME)));
        }
        (server, _) => {
            let address = BuildContext::default().env("EXTERNAL_CONTROL").ok_or_else(|| {
                Error::configuration(
                    "the control port of the servers is not known: EXTERNAL_CONTROL is not set",
                )
                .with_context("server", server)
            })?;
            Lever::Server { address, name: server.to_owned() }
        }
    };
    Ok(Outage { domain: D::NAME, after: after.max(1), lever, pipeline: client.pipeline().clone() })
}

impl Outage {
    /// Down, until the breaker has opened and a little longer; then up again.
    async fn run(self) -> Result<(), String> {
        let Self { domain, after, lever, pipeline } = self;
        let started = Instant::now();
        lever.down().await?;
        println!("          {domain}: {lever} is down, after {after} users");
        while pipeline.breaker_state() == Some(BreakerState::Closed) && started.elapsed() < LONGEST {
            sleep(LOOK).await;
        }
        sleep(DOWN).await;
        lever.up().await?;
        println!("          {domain}: {lever} is up again after {} ms", started.elapsed().as_millis());
        Ok(())
    }
}
