//! Where a case's services have their back end: behind the proxy, where nobody is, at another port, in another namespace.

use std::fmt;
use std::sync::Arc;

use external_core::{BuildContext, Provider, ProviderKind};
use external_simulator::{Proxy, Unanswered};

use super::Case;
use crate::harness::Place;
use crate::{Finding, Resilience, Subject};

/// A service whose back end is reached through a counting proxy.
pub struct Proxied<S: ?Sized> {
    /// The service.
    pub service: Arc<S>,
    /// What stands between it and its back end.
    pub proxy: Proxy,
}

impl<S: ?Sized> fmt::Debug for Proxied<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxied").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl<S: ?Sized + Provider + 'static> Case<S> {
    /// A fresh service like the one this case is about, without resilience, through a counting proxy.
    ///
    /// # Errors
    ///
    /// As [`behind`](Self::behind); not run if the target names no field for the proxy.
    pub async fn proxied(&self) -> Result<Proxied<S>, Finding> {
        self.proxied_in(Resilience::Off, |world| world).await
    }

    /// As [`proxied`](Self::proxied), with this resilience and in another world. What the proxy draws comes from the seed of
    /// this run.
    pub(crate) async fn proxied_in(
        &self,
        resilience: Resilience,
        world: impl FnOnce(BuildContext) -> BuildContext,
    ) -> Result<Proxied<S>, Finding> {
        let Some(target) = self.harness.target() else {
            return Err(Finding::not_run("no back end for the counting proxy to stand in front of"));
        };
        let table = self.configuration()?;
        let (upstream, _) = target.through(&table, 0).map_err(Finding::not_run)?;
        let proxy = Proxy::start_seeded(upstream, self.next_draws())
            .await
            .map_err(|error| Finding::not_run(format!("no port for the counting proxy: {error}")))?;
        let (_, table) = target.through(&table, proxy.address().port()).map_err(Finding::not_run)?;
        let bare = self.build_with(&table, world).map_err(Finding::cannot_build)?;
        Ok(Proxied { service: self.dressed(bare, resilience), proxy })
    }

    /// A fresh service like the one this case is about, without resilience, whose connections are never made.
    pub(crate) async fn unanswered(&self) -> Result<(Arc<S>, Unanswered), Finding> {
        let place = Unanswered::start()
            .await
            .map_err(|error| Finding::not_run(format!("no port that does not answer: {error}")))?;
        Ok((self.moved_to(place.address().port(), |world| world)?, place))
    }

    /// A fresh service like the one this case is about, without resilience, whose back end is this port of loopback.
    pub(crate) fn moved_to(
        &self,
        port: u16,
        world: impl FnOnce(BuildContext) -> BuildContext,
    ) -> Result<Arc<S>, Finding> {
        let Some(target) = self.harness.target() else {
            return Err(Finding::not_run("no back end elsewhere"));
        };
        let (_, table) = target.through(&self.configuration()?, port).map_err(Finding::not_run)?;
        let bare = self.build_with(&table, world).map_err(Finding::cannot_build)?;
        Ok(self.dressed(bare, Resilience::Off))
    }

    /// A fresh service like the one this case is about, without resilience, whose host has a name that does not resolve.
    pub(crate) fn nameless(&self) -> Result<Arc<S>, Finding> {
        let Some(target) = self.harness.target() else {
            return Err(Finding::not_run("no back end elsewhere"));
        };
        let table = target.nameless(&self.configuration()?).map_err(Finding::not_run)?;
        Ok(self.dressed(self.build(&table).map_err(Finding::cannot_build)?, Resilience::Off))
    }

    /// A fresh service like the one this case is about, without resilience, that points where nobody is.
    ///
    /// # Errors
    ///
    /// As [`bare`](Self::bare); not run if the target tells no such place.
    pub fn missing(&self) -> Result<Arc<S>, Finding> {
        let over = self.harness.target().and_then(|target| target.missing.as_ref());
        self.overlaid(over, "the target tells no place where nobody is (`missing`)")
    }

    /// A fresh service like the one this case is about, without resilience, with wrong credentials.
    ///
    /// # Errors
    ///
    /// As [`bare`](Self::bare); not run if the target tells none.
    pub fn denied(&self) -> Result<Arc<S>, Finding> {
        let over = self.harness.target().and_then(|target| target.denied.as_ref());
        self.overlaid(over, "the target tells no wrong credentials (`denied`)")
    }

    fn overlaid(&self, over: Option<&toml::Table>, else_: &str) -> Result<Arc<S>, Finding> {
        let (Some(target), Some(over)) = (self.harness.target(), over) else {
            return Err(Finding::not_run(else_));
        };
        let table = target.table(&self.place, Some(over)).map_err(Finding::not_run)?;
        Ok(self.dressed(self.build(&table).map_err(Finding::cannot_build)?, Resilience::Off))
    }

    /// A fresh bare provider on the same back end and in the same namespace, that shares nothing else with the
    /// first: another process, as it were. `None` where the back end lives inside the provider.
    ///
    /// # Errors
    ///
    /// As [`bare`](Self::bare).
    pub fn another(&self) -> Result<Option<Arc<S>>, Finding> {
        let persistent = self.harness.kind == ProviderKind::Remote || self.fact("persistent").is_some();
        if persistent { self.bare().map(Some) } else { Ok(None) }
    }

    /// A fresh bare provider on the same back end in another namespace, as far as the configuration knows
    /// namespaces.
    ///
    /// # Errors
    ///
    /// As [`bare`](Self::bare).
    pub fn elsewhere(&self) -> Result<Arc<S>, Finding> {
        let Some(target) = self.harness.target() else {
            return self.bare();
        };
        let place = Place { namespace: format!("{}-else", self.place.namespace), ..self.place.clone() };
        let table = target.table(&place, None).map_err(Finding::not_run)?;
        self.build(&table).map_err(Finding::cannot_build)
    }

    /// A fresh service like the one this case is about, without resilience, on its back end: for what is about load, where a
    /// policy's timeouts would measure the machine.
    pub(crate) fn unhurried(&self) -> Result<Arc<S>, Finding> {
        Ok(self.dressed(self.bare()?, Resilience::Off))
    }

    /// Puts a bare provider behind its client if this case is about the client.
    fn dressed(&self, bare: Arc<S>, resilience: Resilience) -> Arc<S> {
        match (self.subject, self.harness.client) {
            (Subject::Client, Some(client)) => client(bare, resilience),
            _ => bare,
        }
    }
}
