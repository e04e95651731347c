//! The vendor-shaped servers of this crate's providers, as long as they are needed. A `contract.toml` knows each by
//! `SIMULATOR_<PROVIDER>_URL`, and where its mails arrive by `SIMULATOR_<PROVIDER>_MAILBOX`.

use external_contract::{Behind, Harness};
use external_email::EmailService;

/// The servers, each with the folder that it delivers to.
pub(crate) struct Simulators {
    #[cfg(feature = "simulator")]
    running: Vec<(&'static str, external_simulator::StandingServer, tempfile::TempDir)>,
}

#[allow(clippy::expect_used, reason = "a test that cannot go on has failed")]
pub(crate) fn start() -> Simulators {
    #[cfg(feature = "simulator")]
    let running = external_email::providers::SIMULATORS.iter().map(|(id, start)| {
        let mailbox = tempfile::tempdir().expect("a folder");
        (*id, start(mailbox.path()).expect("a simulator"), mailbox)
    });
    Simulators {
        #[cfg(feature = "simulator")]
        running: running.collect(),
    }
}

impl Simulators {
    /// A harness for every target of every provider, with these servers behind them.
    pub(crate) fn harnesses(&self, behind: Behind<dyn EmailService>) -> Vec<Harness<dyn EmailService>> {
        let folder = env!("CARGO_MANIFEST_DIR");
        let harnesses = external_contract::harnesses(folder, external_email::registry().entries(), behind);
        harnesses.into_iter().map(|harness| self.known_to(harness)).collect()
    }

    #[cfg(feature = "simulator")]
    fn known_to(&self, harness: Harness<dyn EmailService>) -> Harness<dyn EmailService> {
        self.running.iter().fold(harness, |harness, (id, server, mailbox)| {
            let name = |what: &str| format!("SIMULATOR_{}_{what}", id.to_uppercase());
            harness
                .with_variable(name("URL"), server.url())
                .with_variable(name("MAILBOX"), mailbox.path().to_string_lossy())
        })
    }

    #[cfg(not(feature = "simulator"))]
    fn known_to(&self, harness: Harness<dyn EmailService>) -> Harness<dyn EmailService> {
        harness
    }
}
