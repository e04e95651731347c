//! `contract.toml`: how a provider is built for the suite, as data beside the provider.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use external_core::{BuildContext, Section};
use serde::Deserialize;
use toml::{Table, Value};

use super::{Lane, nobody};

/// Which fields of a configuration hold the address that the counting proxy replaces.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum ProxyField {
    /// One field with a URL or `host:port`.
    Address(String),
    /// A field for the host and one for the port.
    HostAndPort([String; 2]),
}

/// One way to build a provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) name: String,
    #[serde(deserialize_with = "lane")]
    pub(crate) lane: Lane,
    #[serde(default)]
    needs: Vec<String>,
    /// The feature that this configuration needs beside the provider's own.
    pub(crate) feature: Option<String>,
    #[serde(default)]
    config: Table,
    pub(crate) missing: Option<Table>,
    pub(crate) denied: Option<Table>,
    pub(crate) backend: Option<String>,
    pub(crate) proxy: Option<ProxyField>,
    /// Modules of vendor crates that show secrets at TRACE.
    #[serde(default)]
    pub(crate) leaks: Vec<String>,
    /// Fields that are asked for as secrets and yet are none: names that each request bears for all to read.
    #[serde(default)]
    pub(crate) identifiers: Vec<String>,
    /// Whether TLS is spoken, so that the proxy sees nothing but ciphertext.
    #[serde(default)]
    pub(crate) opaque: bool,
    /// That HTTP is spoken, and what is answered rightly while a clause answers everything else.
    pub(crate) http: Option<Http>,
    ca: Option<String>,
    /// What the test target itself knows, before the environment is asked.
    #[serde(skip)]
    pub(crate) variables: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) facts: BTreeMap<String, String>,
}

/// How a target speaks HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// Exchanges that stand before the call itself: a login.
    #[serde(default)]
    pub(crate) before: Vec<Route>,
    /// Calls whose answer is a status and no more: whatever comes with it, they succeed.
    #[serde(default)]
    pub(crate) silent: Vec<String>,
}

/// A request, by its path, and what it is answered with status 200.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    target: Vec<Target>,
}

/// What a configuration's variables stand for in one case.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) scratch: PathBuf,
    /// A text that must not show anywhere.
    pub(crate) canary: String,
    /// Variables that are not set stand for a text all the same.
    pub(crate) pretends: bool,
}

impl Place {
    pub(crate) fn new(namespace: String, scratch: PathBuf) -> Self {
        // With what base64 and percent-encoding change, so that each form is a text of its own.
        let canary = format!("canary/{}+end", BuildContext::default().random_id());
        Self { namespace, scratch, canary, pretends: false }
    }

    /// For a provider that is built and asked who it is, but never called.
    pub(crate) fn nowhere() -> Self {
        Self { pretends: true, ..Self::new("nowhere".to_owned(), PathBuf::from("/nonexistent")) }
    }
}

/// A runner is configured by its environment; all reads of it go through here.
pub(crate) fn variable(name: &str) -> Option<String> {
    BuildContext::default().env(name).filter(|value| !value.is_empty())
}

pub(crate) fn parse(text: &str) -> Result<Vec<Target>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    Ok(file.target)
}

fn lane<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Lane, D::Error> {
    let text = String::deserialize(deserializer)?;
    [Lane::Embedded, Lane::Simulator, Lane::Server, Lane::Live]
        .into_iter()
        .find(|lane| lane.as_str() == text)
        .ok_or_else(|| serde::de::Error::custom(format!("unknown lane `{text}`")))
}

impl Target {
    /// What the provider asked for as a secret, but for what this target calls an identifier.
    pub(crate) fn secret_paths(&self, section: &Section) -> BTreeSet<String> {
        section.secret_paths().into_iter().filter(|path| !self.identifiers.contains(path)).collect()
    }

    /// What the test target says this variable is, or the environment.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned().or_else(|| variable(name))
    }

    /// Why this target cannot be had here, if so.
    pub(crate) fn obstacle(&self) -> Option<String> {
        let unset: Vec<_> =
            self.needs.iter().filter(|name| self.variable(name).is_none()).map(String::as_str).collect();
        (!unset.is_empty()).then(|| format!("{} not set", unset.join(", ")))
    }

    /// The configuration in this place, with another table laid over it.
    pub(crate) fn table(&self, place: &Place, over: Option<&Table>) -> Result<Table, String> {
        let mut table = self.config.clone();
        for (key, value) in over.into_iter().flatten() {
            table.insert(key.clone(), value.clone());
        }
        self.expand_table(&table, place)
    }

    /// What the provider is built with beside its configuration.
    pub(crate) fn context(&self, place: &Place) -> Result<BuildContext, String> {
        let context = BuildContext::default();
        let Some(ca) = &self.ca else { return Ok(context) };
        let path = self.expand(ca, place)?;
        Ok(trusting(context, Path::new(&path)))
    }

    pub(crate) fn fact(&self, name: &str, place: &Place) -> Option<Result<String, String>> {
        self.facts.get(name).map(|value| self.expand(value, place))
    }

    /// Where the back end is, as `host:port`, and the table with the proxy's port in its place.
    pub(crate) fn through(&self, table: &Table, port: u16) -> Result<(String, Table), String> {
        self.moved(table, |host| (near(host).to_owned(), Some(port)))
    }

    /// The table with a host that no resolver finds.
    pub(crate) fn nameless(&self, table: &Table) -> Result<Table, String> {
        // A label of more than 63 octets is refused without asking anybody (RFC 1035, 2.3.4): no name server has to be
        // reached, and none can be slow.
        let nobody = format!("{}.invalid", "nobody".repeat(11));
        self.moved(table, |_| (nobody, None)).map(|(_, table)| table)
    }

    /// Where the back end is, and the table with another place instead. Without a port the old one stays.
    fn moved(
        &self,
        table: &Table,
        place: impl FnOnce(&str) -> (String, Option<u16>),
    ) -> Result<(String, Table), String> {
        let mut moved = table.clone();
        let upstream = match &self.proxy {
            None => return Err("the target names no field for the proxy".to_owned()),
            Some(ProxyField::Address(field)) => {
                let mut value = text_field(table, field)?;
                let span = authority(&value)
                    .ok_or_else(|| format!("`{field}` holds no host and port to replace"))?;
                let upstream = value.get(span.clone()).unwrap_or_default().to_owned();
                let (host, old) = upstream.rsplit_once(':').unwrap_or_default();
                let (host, port) = place(host);
                value.replace_range(
                    span,
                    &port.map_or_else(|| format!("{host}:{old}"), |port| format!("{host}:{port}")),
                );
                moved.insert(field.clone(), Value::String(value));
                upstream
            }
            Some(ProxyField::HostAndPort([host_field, port_field])) => {
                let old_host = text_field(table, host_field)?;
                let old = table
                    .get(port_field)
                    .and_then(Value::as_integer)
                    .ok_or_else(|| format!("`{port_field}` is no port"))?;
                let (host, port) = place(&old_host);
                moved.insert(host_field.clone(), Value::String(host));
                moved.insert(port_field.clone(), Value::Integer(port.map_or(old, i64::from)));
                format!("{old_host}:{old}")
            }
        };
        Ok((upstream, moved))
    }

    fn expand_table(&self, table: &Table, place: &Place) -> Result<Table, String> {
        table.iter().map(|(key, value)| Ok((key.clone(), self.expand_value(value, place)?))).collect()
    }

    fn expand_value(&self, value: &Value, place: &Place) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.expand(text, place)?),
            Value::Array(values) => Value::Array(
                values.iter().map(|value| self.expand_value(value, place)).collect::<Result<_, _>>()?,
            ),
            Value::Table(table) => Value::Table(self.expand_table(table, place)?),
            other => other.clone(),
        })
    }

    /// Replaces `${NAME}`.
    fn expand(&self, text: &str, place: &Place) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("`{text}`: `${{` without `}}`"))?;
            expanded.push_str(before);
            match name {
                "NAMESPACE" => expanded.push_str(&place.namespace),
                "CANARY" => expanded.push_str(&place.canary),
                "NOBODY" => expanded.push_str(&nobody::port()?.to_string()),
                "TEMP" => expanded.push_str(&place.scratch.to_string_lossy()),
                name => {
                    let value = self.variable(name).or_else(|| place.pretends.then(|| "nowhere".to_owned()));
                    expanded.push_str(&value.ok_or_else(|| format!("the variable {name} is not set"))?);
                }
            }
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Loopback by its own name, since certificates are made for it; anything else becomes loopback.
fn near(host: &str) -> &str {
    if host == "localhost" { host } else { "127.0.0.1" }
}

fn trusting(context: BuildContext, ca: &Path) -> BuildContext {
    let tls = context.tls().clone().with_ca_file(ca);
    context.with_tls(tls)
}

fn text_field(table: &Table, field: &str) -> Result<String, String> {
    table.get(field).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| format!("`{field}` is no text"))
}

/// Where `host:port` stands in a URL or address.
fn authority(value: &str) -> Option<std::ops::Range<usize>> {
    let start = value.find("://").map_or(0, |at| at + 3);
    let rest = value.get(start..)?;
    let end = rest.find(['/', '?', '#']).map_or(value.len(), |at| start + at);
    let start = value.get(start..end)?.rfind('@').map_or(start, |at| start + at + 1);
    let (host, port) = value.get(start..end)?.rsplit_once(':')?;
    (!host.is_empty() && port.parse::<u16>().is_ok()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_host_and_port() {
        let found = |text: &'static str| authority(text).map(|span| &text[span]);
        assert_eq!(found("redis://app:p%40ss@127.0.0.1:6379/0"), Some("127.0.0.1:6379"));
        assert_eq!(found("rediss://localhost:6380"), Some("localhost:6380"));
        assert_eq!(found("127.0.0.1:25"), Some("127.0.0.1:25"));
        assert_eq!(found("redis://somewhere"), None);
    }

    #[test]
    fn expands_and_overlays() {
        let targets = parse(
            "[[target]]\nname = \"t\"\nlane = \"embedded\"\nproxy = \"url\"\n\
             config = { url = \"a://localhost:1/${NAMESPACE}\", root = \"${TEMP}/x\" }\n\
             missing = { url = \"a://127.0.0.1:${NOBODY}\" }\n",
        )
        .unwrap();
        let place = Place::new("n1".to_owned(), PathBuf::from("/s"));
        let table = targets[0].table(&place, None).unwrap();
        assert_eq!(table["url"].as_str(), Some("a://localhost:1/n1"));
        assert_eq!(table["root"].as_str(), Some("/s/x"));
        let (upstream, through) = targets[0].through(&table, 99).unwrap();
        assert_eq!(
            (upstream.as_str(), through["url"].as_str()),
            ("localhost:1", Some("a://localhost:99/n1"))
        );
        let nameless = targets[0].nameless(&table).unwrap();
        assert!(nameless["url"].as_str().unwrap().ends_with(".invalid:1/n1"), "{nameless:?}");
        let missing = targets[0].table(&place, targets[0].missing.as_ref()).unwrap();
        let nowhere = format!("a://127.0.0.1:{}", nobody::port().unwrap());
        assert_eq!(missing["url"].as_str(), Some(nowhere.as_str()));
        assert_eq!(missing["root"].as_str(), Some("/s/x"));
    }

    /// A provider can be asked what it is where its servers are not.
    #[test]
    fn pretends_only_nowhere() {
        let text =
            "[[target]]\nname = \"t\"\nlane = \"server\"\nconfig = { key = \"${EXTERNAL_TEST_NO_SUCH}\" }\n";
        let targets = parse(text).unwrap();
        assert_eq!(targets[0].table(&Place::nowhere(), None).unwrap()["key"].as_str(), Some("nowhere"));
        let place = Place::new("n1".to_owned(), PathBuf::from("/s"));
        assert!(targets[0].table(&place, None).unwrap_err().contains("EXTERNAL_TEST_NO_SUCH"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(parse("[[target]]\nname = \"t\"\nlane = \"space\"\n").is_err());
        assert!(parse("[[target]]\nname = \"t\"\nlane = \"live\"\nconfigg = {}\n").is_err());
    }
}
