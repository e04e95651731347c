//! A domain of the tests' own: the container knows no domain, so any will do. Its providers repeat what they hear.
#![allow(clippy::unwrap_used, reason = "a test ends where its ground gives way")]
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use external_core::{
    BuildContext, CallContext, CallOptions, Capabilities, Capability, Error, Operation, Provider,
    ProviderEntry, ProviderInfo, ProviderKind, Repeat, Result, Secret, Section, async_trait,
};
use external_resilience::{Domain, KnownProvider, Pipeline, Policy, Registry};
use serde::Deserialize;

#[async_trait]
pub trait EchoService: Provider {
    async fn echo(&self, cx: &CallContext, text: &str) -> Result<String>;
}

/// Repeats with a prefix; `far` is as slow as it is told to be.
#[derive(Debug)]
pub struct Echo {
    info: ProviderInfo,
    config: EchoConfig,
    next: Option<Arc<dyn EchoService>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EchoConfig {
    pub prefix: String,
    #[serde(default)]
    pub port: u16,
    pub password: Option<Secret>,
    pub url: Option<String>,
    #[serde(default)]
    pub pool: PoolConfig,
    #[serde(default, with = "external_core::config::duration::option")]
    pub slow: Option<Duration>,
    pub next: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    #[serde(default)]
    pub size: u32,
}

/// The order in which providers were closed.
pub static CLOSED: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[async_trait]
impl Provider for Echo {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        match (self.config.slow, self.config.port) {
            (Some(slow), _) => tokio::time::sleep(slow).await,
            (None, 1) => return Err(Error::unavailable("connection refused")),
            (None, 2) => return Err(Error::unsupported("probe")),
            _ => {}
        }
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        CLOSED.lock().unwrap().push(self.config.prefix.clone());
        if self.config.port == 3 {
            return Err(Error::unavailable("the last words were lost"));
        }
        Ok(())
    }
}

#[async_trait]
impl EchoService for Echo {
    async fn echo(&self, cx: &CallContext, text: &str) -> Result<String> {
        if let Some(slow) = self.config.slow {
            tokio::time::sleep(slow).await;
        }
        let text = match &self.next {
            Some(next) => next.echo(cx, text).await?,
            None => text.to_owned(),
        };
        Ok(format!("{}{text}", self.config.prefix))
    }
}

fn build(id: &'static str, section: &Section, context: &BuildContext) -> Result<Arc<dyn EchoService>> {
    let mut config: EchoConfig = section.parse()?;
    config.password = config.password.as_ref().map(|password| context.secret(password)).transpose()?;
    if config.prefix.is_empty() {
        return Err(section.invalid("prefix", "the prefix is empty"));
    }
    let next = config.next.as_ref().map(|next| context.resolve::<dyn EchoService>(next)).transpose()?;
    let capabilities = Capabilities::new().native("loud").emulated("late", "a timer in this process");
    let info = ProviderInfo::new(id, "echo", format!("{id}://{}", config.prefix), capabilities);
    Ok(Arc::new(Echo { info, config, next }))
}

fn build_memory(_: &Section, _: &BuildContext) -> Result<Arc<dyn EchoService>> {
    Ok(memory("memory "))
}

/// An embedded provider outside any container.
pub fn memory(prefix: &str) -> Arc<dyn EchoService> {
    let info = ProviderInfo::new("memory", "echo", "memory:", Capabilities::new());
    let config = EchoConfig { prefix: prefix.into(), ..EchoConfig::default() };
    Arc::new(Echo { info, config, next: None })
}

fn schema() -> String {
    r##"{
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "EchoConfig", "type": "object",
        "properties": { "prefix": { "type": "string" }, "pool": { "$ref": "#/$defs/Pool" } },
        "required": ["prefix"], "additionalProperties": false,
        "$defs": { "Pool": { "type": "object", "properties": { "size": { "type": "integer" } } } }
    }"##
    .into()
}

fn no_fields() -> String {
    r#"{ "type": "object", "additionalProperties": false }"#.into()
}

const FAR: ProviderEntry<dyn EchoService> = ProviderEntry {
    id: "far",
    feature: "far",
    kind: ProviderKind::Remote,
    build: |section, context| build("far", section, context),
    schema,
};

const MEMORY: ProviderEntry<dyn EchoService> = ProviderEntry {
    id: "memory",
    feature: "",
    kind: ProviderKind::Embedded,
    build: build_memory,
    schema: no_fields,
};

/// A provider from outside.
pub const OUTSIDER: ProviderEntry<dyn EchoService> = ProviderEntry {
    id: "outsider",
    feature: "",
    kind: ProviderKind::Remote,
    build: |section, context| build("outsider", section, context),
    schema,
};

const KNOWN: &[KnownProvider] = &[
    KnownProvider { id: "memory", feature: "" },
    KnownProvider { id: "far", feature: "far" },
    KnownProvider { id: "carrier_pigeon", feature: "carrier_pigeon" },
];

pub fn registry() -> Registry<EchoClient> {
    Registry::new("external-echo", vec![MEMORY, FAR], KNOWN)
}

#[derive(Debug, Clone)]
pub struct EchoClient {
    service: Arc<dyn EchoService>,
    pipeline: Pipeline,
    pub settings: EchoSettings,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EchoSettings {
    pub suffix: Option<String>,
    pub mood: Option<String>,
}

impl EchoClient {
    pub async fn echo(&self, text: &str) -> Result<String> {
        let cx = CallContext::new(&CallOptions::new());
        let call = Operation::new("echo", "echo", Repeat::Safe);
        let heard = self.pipeline.run(call, &cx, |cx, _| self.service.echo(cx, text)).await?;
        Ok(format!("{heard}{}", self.settings.suffix.as_deref().unwrap_or_default()))
    }

    pub fn policy(&self) -> &Policy {
        self.pipeline.policy()
    }
}

impl From<Arc<dyn EchoService>> for EchoClient {
    fn from(service: Arc<dyn EchoService>) -> Self {
        let pipeline = Pipeline::new("default", service.info(), Policy::default());
        Self { service, pipeline, settings: EchoSettings::default() }
    }
}

#[async_trait]
impl Provider for EchoClient {
    fn info(&self) -> &ProviderInfo {
        self.service.info()
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.service.probe(cx).await
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(self.service.as_ref())
    }
}

#[async_trait]
impl EchoService for EchoClient {
    async fn echo(&self, cx: &CallContext, text: &str) -> Result<String> {
        let call = Operation::new("echo", "echo", Repeat::Safe);
        self.pipeline.run(call, cx, |cx, _| self.service.echo(cx, text)).await
    }
}

impl Domain for EchoClient {
    type Service = dyn EchoService;
    type Settings = EchoSettings;
    const NAME: &'static str = "echo";
    const DEVELOPMENT: &'static str = "memory";
    const DEVELOPMENT_SETTINGS: &'static [(&'static str, &'static str)] = &[("mood", "playful")];

    fn policy() -> Policy {
        Policy::default()
    }

    fn new(
        service: Arc<dyn EchoService>,
        pipeline: Pipeline,
        settings: EchoSettings,
        _: &BuildContext,
    ) -> Result<Self> {
        Ok(Self { service, pipeline, settings })
    }

    fn service(&self) -> Arc<dyn EchoService> {
        Arc::new(self.clone())
    }

    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn provider(service: &dyn EchoService) -> &dyn Provider {
        service
    }

    fn supports(service: &dyn EchoService, capability: &str) -> Capability {
        service.info().capabilities().grade(capability)
    }

    fn capabilities() -> &'static [(&'static str, &'static str)] {
        &[("loud", "in capitals"), ("late", "after a while"), ("twice", "two times")]
    }

    fn operations() -> &'static [&'static str] {
        &["echo", "put", "get", "say"]
    }

    fn settings_schema() -> String {
        r#"{ "type": "object", "properties": { "suffix": { "type": "string" } }, "additionalProperties": false }"#.into()
    }
}
