//! A client before the vault, over the real pipeline: it tells of every call. It can be made to tell something else.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;
use std::time::Duration;

use external_contract::Resilience;
use external_core::{CallContext, Error, Operation, Provider, ProviderInfo, Repeat, Result, async_trait};
use external_resilience::metrics::Metrics;
use external_resilience::{Pipeline, Policy};

use super::vault::Vault;

/// What is wrong with what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    TellsNothing,
    TellsTwice,
    OutlivesItsCaller,
    RenamesErrors,
    CountsByContent,
    CountsTwice,
    WritesOutsideOfItsSpan,
    KeepsPlaces,
}

/// Puts a vault behind its client, as a harness asks for it.
pub(crate) fn behind(vault: Arc<dyn Vault>, resilience: Resilience, flaw: Flaw) -> Arc<dyn Vault> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => Policy::default(),
    };
    let metrics = Arc::new(Metrics::new());
    let mut pipeline = Pipeline::new("default", vault.info(), policy).with_observer(metrics.clone());
    if flaw == Flaw::CountsTwice {
        pipeline = pipeline.with_observer(metrics);
    }
    let places = Arc::new(tokio::sync::Semaphore::new(100));
    Arc::new(Client { vault, pipeline, places, flaw })
}

#[derive(Debug, Clone)]
struct Client {
    vault: Arc<dyn Vault>,
    pipeline: Pipeline,
    places: Arc<tokio::sync::Semaphore>,
    flaw: Flaw,
}

impl Client {
    async fn called(&self, cx: &CallContext, content: &str) -> Result<()> {
        let keep = Operation::new("vault", "keep", Repeat::Idempotent);
        self.pipeline.run(keep, cx, |cx, _| self.vault.keep(cx, content)).await
    }
}

#[async_trait]
impl Provider for Client {
    fn info(&self) -> &ProviderInfo {
        self.vault.info()
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.pipeline.probe(&*self.vault, cx).await
    }

    async fn close(&self) -> Result<()> {
        self.pipeline.close(&*self.vault, Duration::from_secs(5)).await.error.map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Vault for Client {
    async fn keep(&self, cx: &CallContext, content: &str) -> Result<()> {
        match self.flaw {
            Flaw::TellsNothing => self.vault.keep(cx, content).await,
            Flaw::TellsTwice => {
                self.called(cx, content).await?;
                self.called(cx, content).await
            }
            Flaw::OutlivesItsCaller => {
                let (client, cx, content) = (self.clone(), CallContext::default(), content.to_owned());
                tokio::spawn(async move { client.called(&cx, &content).await }).await.unwrap()
            }
            Flaw::RenamesErrors => {
                self.called(cx, content).await.map_err(|error| Error::corrupt(error.message().to_owned()))
            }
            Flaw::CountsByContent => {
                let first = content.split(' ').next().unwrap_or_default().to_owned();
                metrics::counter!("kept", "content" => first).increment(1);
                self.called(cx, content).await
            }
            Flaw::WritesOutsideOfItsSpan => {
                tracing::info!("about to keep something");
                self.called(cx, content).await
            }
            Flaw::KeepsPlaces => {
                let place = self.places.acquire().await.unwrap();
                // Only whoever comes to this line gives the place back.
                place.forget();
                let kept = self.called(cx, content).await;
                self.places.add_permits(1);
                kept
            }
            Flaw::None | Flaw::CountsTwice => self.called(cx, content).await,
        }
    }
}
