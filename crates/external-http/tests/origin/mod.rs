//! The providers of this crate before the suite's origin: over the network, and as functions.
#![allow(dead_code, reason = "not every test target needs all of this")]

use std::sync::Arc;

use external_contract::external_simulator::{Authority, HttpQuestion, StandingServer};
use external_contract::http::answer;
use external_contract::{Behind, Harness};
use external_http::external_core::{ProviderEntry, ProviderKind};
use external_http::{HttpTransport, MemoryAnswer, MemoryConfig, MemoryRequest};

/// The origins, as long as they are needed.
pub(crate) struct Origins {
    plain: StandingServer,
    tls: StandingServer,
    /// What vouches for the second one.
    authority: tempfile::NamedTempFile,
}

#[allow(clippy::expect_used, reason = "a test that cannot go on has failed")]
pub(crate) fn start() -> Origins {
    let made = Authority::new().expect("an authority");
    let identity = made.identity(&["localhost", "127.0.0.1"]).expect("a certificate");
    let authority = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(authority.path(), made.pem()).expect("a written file");
    let plain = StandingServer::start(answer).expect("an origin");
    let tls = StandingServer::start_tls(identity, answer).expect("an origin");
    Origins { plain, tls, authority }
}

impl Origins {
    /// A harness for every target, with these origins behind it.
    pub(crate) fn harnesses(&self, behind: Behind<dyn HttpTransport>) -> Vec<Harness<dyn HttpTransport>> {
        let entries: Vec<_> = external_http::registry()
            .entries()
            .iter()
            .map(|entry| if entry.id == "memory" { MEMORY } else { *entry })
            .collect();
        let harnesses = external_contract::harnesses(env!("CARGO_MANIFEST_DIR"), &entries, behind);
        harnesses
            .into_iter()
            .map(|harness| {
                harness
                    .with_variable("ORIGIN", self.plain.url())
                    .with_variable("ORIGIN_TLS", format!("https://localhost:{}", self.tls.address().port()))
                    .with_variable("ORIGIN_CA", self.authority.path().to_string_lossy())
            })
            .collect()
    }
}

/// The memory provider with the origin as its function.
const MEMORY: ProviderEntry<dyn HttpTransport> = ProviderEntry {
    id: "memory",
    feature: "",
    kind: ProviderKind::Embedded,
    build: |section, context| {
        let memory = section.parse::<MemoryConfig>()?.build(context)?;
        Ok(Arc::new(memory.with_fallback(asked)))
    },
    schema: || registry_row("memory").map_or_else(String::new, |row| (row.schema)()),
};

fn registry_row(id: &str) -> Option<ProviderEntry<dyn HttpTransport>> {
    external_http::registry().entries().iter().find(|entry| entry.id == id).copied()
}

pub(crate) fn asked(request: &MemoryRequest) -> MemoryAnswer {
    let question = HttpQuestion::new(
        request.method.clone(),
        request.url.target(),
        request.headers.clone(),
        request.body.clone(),
    );
    let said = answer(&question);
    let fields = said.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    fields
        .fold(MemoryAnswer::new(said.status.as_u16()), |answer, (name, value)| {
            answer.with_header(name, value)
        })
        .with_body(said.body)
}
