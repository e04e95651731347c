//! Which servers a run needs: what the `contract.toml` of each provider, and of each test of a client, asks for, by the
//! variables that it names.

use std::collections::BTreeSet;
use std::fs;

use super::offer::contracts;
use crate::failure::{Context, Result};
use crate::servers::{ALL, Server};
use crate::workspace::Workspace;

/// What every variable begins with that tells a test where a server is.
const PREFIX: &str = "EXTERNAL_TEST_";

/// The servers that the providers of `domain`, or of all, named `provider`, or all, ask for.
pub fn servers(
    workspace: &Workspace,
    domain: Option<&str>,
    provider: Option<&str>,
) -> Result<Vec<&'static Server>> {
    let mut asked = BTreeSet::new();
    for package in &workspace.packages {
        if domain.is_some_and(|domain| package.name.strip_prefix("external-") != Some(domain)) {
            continue;
        }
        for place in ["src/providers", "tests"] {
            for (folder, path) in contracts(package, place)? {
                if place == "tests" || provider.is_none_or(|provider| folder == provider) {
                    let text = fs::read_to_string(&path)
                        .context(format!("cannot read {}", workspace.show(&path)))?;
                    asked.extend(variables(&text).map(str::to_owned));
                }
            }
        }
    }
    Ok(ALL.iter().filter(|server| is_asked_for(server, &asked)).collect())
}

/// Whether one of the variables is there that this server has and no other: several have the keys or the CA.
fn is_asked_for(server: &Server, asked: &BTreeSet<String>) -> bool {
    let is_shared =
        |variable: &&str| ALL.iter().filter(|other| other.variables.contains(variable)).count() > 1;
    server.variables.iter().filter(|variable| !is_shared(variable)).any(|variable| asked.contains(*variable))
}

/// The variables that stand in a text, comments aside.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Vec<&'static str> {
        let asked = variables(text).map(str::to_owned).collect();
        ALL.iter().filter(|server| is_asked_for(server, &asked)).map(|server| server.name).collect()
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
}
