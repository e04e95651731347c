//! Which servers a run needs: what the targets in the `contract.toml` of each provider, and of each test of a client, ask
//! for, by the variables that they name.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;

use super::offer::contracts;
use super::suites::Selected;
use crate::failure::{Context, Result};
use crate::servers::{ALL, Server};
use crate::workspace::Workspace;

/// What every variable begins with that tells a test where a server is.
const PREFIX: &str = "EXTERNAL_TEST_";

/// Where in a package the providers have their folders.
const PROVIDERS: &str = "src/providers";

/// Where in a package the tests of clients have theirs, if they try them against servers.
const CLIENTS: &str = "tests";

/// A `contract.toml`, as far as it is looked at here.
#[derive(Deserialize)]
struct Contract {
    #[serde(default)]
    target: Vec<toml::Table>,
}

/// One target, and what it asks for.
struct Target {
    /// In whose `contract.toml` it stands.
    package: String,
    /// In whose folder; none for a client's test, which tries the client over a provider of another package.
    provider: Option<String>,
    name: String,
    variables: BTreeSet<String>,
}

impl Target {
    /// Whether a test is about it, by the test's full name: `provider::target::subject::clause`.
    fn is_tried_by(&self, test: &str) -> bool {
        let mut parts = test.split("::");
        let (provider, target) = (parts.next(), parts.next());
        let is_ours = self.provider.is_none() || provider == self.provider.as_deref();
        is_ours && target == Some(self.name.as_str())
    }
}

/// The servers that the providers of `domain`, or of all, named `provider`, or all, ask for. Over which provider a client is
/// tried its suite alone knows: where a provider is named, clients count only if their domain is named too.
pub fn servers(
    workspace: &Workspace,
    domain: Option<&str>,
    provider: Option<&str>,
) -> Result<Vec<&'static Server>> {
    asked_for(workspace, |target| {
        domain.is_none_or(|domain| target.package.strip_prefix("external-") == Some(domain))
            && match target.provider.as_deref() {
                Some(own) => provider.is_none_or(|provider| own == provider),
                None => provider.is_none() || domain.is_some(),
            }
    })
}

/// The servers that these clauses of these suites ask for.
pub fn of_suites(workspace: &Workspace, suites: &[Selected]) -> Result<Vec<&'static Server>> {
    asked_for(workspace, |target| {
        suites
            .iter()
            .filter(|suite| suite.built.package == target.package)
            .any(|suite| suite.names.iter().any(|name| target.is_tried_by(name)))
    })
}

/// The variables that this server has and no other: several have the keys or the CA.
pub fn own(server: &'static Server) -> impl Iterator<Item = &'static str> {
    server.variables.iter().copied().filter(|variable| !is_shared(variable))
}

fn is_shared(variable: &str) -> bool {
    let has = |server: &&Server| server.variables.contains(&variable);
    ALL.iter().filter(has).count() > 1
}

fn asked_for(workspace: &Workspace, takes: impl Fn(&Target) -> bool) -> Result<Vec<&'static Server>> {
    let mut targets = targets(workspace)?;
    targets.retain(takes);
    let asked: BTreeSet<String> = targets.into_iter().flat_map(|target| target.variables).collect();
    Ok(ALL.iter().filter(|server| is_asked_for(server, &asked)).collect())
}

fn targets(workspace: &Workspace) -> Result<Vec<Target>> {
    let mut all = Vec::new();
    for package in &workspace.packages {
        for place in [PROVIDERS, CLIENTS] {
            for (folder, path) in contracts(package, place)? {
                let text =
                    fs::read_to_string(&path).context(format!("cannot read {}", workspace.show(&path)))?;
                let provider = (place == PROVIDERS).then_some(folder);
                for (name, variables) in read(&text).context(workspace.show(&path))? {
                    let (package, provider) = (package.name.clone(), provider.clone());
                    all.push(Target { package, provider, name, variables });
                }
            }
        }
    }
    Ok(all)
}

/// The targets in a `contract.toml`: each one's name and variables.
fn read(text: &str) -> Result<Vec<(String, BTreeSet<String>)>> {
    let contract: Contract = toml::from_str(text)?;
    let one = |target: &toml::Table| -> Result<(String, BTreeSet<String>)> {
        let name = target.get("name").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let text = toml::to_string(target)?;
        Ok((name, variables(&text)))
    };
    contract.target.iter().map(one).collect()
}

fn is_asked_for(server: &'static Server, asked: &BTreeSet<String>) -> bool {
    own(server).any(|variable| asked.contains(variable))
}

/// The variables that stand in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(PREFIX)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::graph::Built;

    fn asked(target: &str) -> Vec<&'static str> {
        let text = format!("[[target]]\nname = \"plain\"\n{target}");
        let [(name, asked)]: [_; 1] = read(&text).unwrap().try_into().unwrap();
        assert_eq!(name, "plain");
        ALL.iter().filter(|server| is_asked_for(server, &asked)).map(|server| server.name).collect()
    }

    /// The servers that these tests of a package ask for.
    fn of(package: &str, names: &[&str]) -> Vec<&'static str> {
        let package = package.to_owned();
        let built =
            Built { package, folder: PathBuf::new(), target: "contract".to_owned(), file: PathBuf::new() };
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let servers = of_suites(&Workspace::load().unwrap(), &[Selected { built, names }]).unwrap();
        servers.iter().map(|server| server.name).collect()
    }

    #[test]
    fn a_variable_of_its_own_asks_for_a_server() {
        assert_eq!(asked(r#"needs = ["EXTERNAL_TEST_REDIS_URL"]"#), ["redis"]);
        assert_eq!(asked(r#"config = { url = "${EXTERNAL_TEST_SMTPS_URL}" }"#), ["smtp"]);
        assert_eq!(asked("# EXTERNAL_TEST_REDIS_URL"), [""; 0]);
    }

    #[test]
    fn a_shared_variable_asks_for_none() {
        assert_eq!(asked(r#"needs = ["EXTERNAL_TEST_CA"]"#), [""; 0]);
        assert_eq!(asked(r#"needs = ["EXTERNAL_TEST_REDIS_TLS_URL", "EXTERNAL_TEST_CA"]"#), ["redis-tls"]);
    }

    #[test]
    fn every_server_has_a_variable_of_its_own_and_gives_it_first() {
        for server in ALL {
            let asked = BTreeSet::from([server.variables[0].to_owned()]);
            let names: Vec<&str> =
                ALL.iter().filter(|other| is_asked_for(other, &asked)).map(|other| other.name).collect();
            assert_eq!(names, [server.name]);
        }
    }

    #[test]
    fn a_provider_alone_needs_no_server_of_a_client() {
        let workspace = Workspace::load().unwrap();
        let names = |domain: Option<&str>, provider: Option<&str>| -> Vec<&str> {
            let servers = servers(&workspace, domain, provider).unwrap();
            servers.iter().map(|server| server.name).collect()
        };
        assert_eq!(names(None, Some("redis")), ["redis", "redis-tls"]);
        assert_eq!(names(Some("api"), None), ["rest", "graphql", "soap"]);
        assert_eq!(names(Some("api"), Some("reqwest")), ["rest", "graphql", "soap"]);
        assert!(names(None, Some("memory")).is_empty());
        assert!(names(None, None).contains(&"rest"));
    }

    #[test]
    fn clauses_need_the_servers_of_their_targets_and_no_other() {
        assert_eq!(of("external-cache", &["redis::plain::provider::cache.get.1"]), ["redis"]);
        let both = ["redis::plain::provider::cache.get.1", "redis::tls::client::cache.get.1"];
        assert_eq!(of("external-cache", &both), ["redis", "redis-tls"]);
        assert!(of("external-cache", &["memory::plain::provider::cache.get.1"]).is_empty());
        assert_eq!(of("external-api", &["reqwest::kinto::client::rest.1.1"]), ["rest"]);
        assert!(of("external-api", &[]).is_empty());
    }
}
