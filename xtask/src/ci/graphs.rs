//! What may be in a dependency graph: core stays small, the embedded demo needs neither an SDK nor TLS.

use std::collections::BTreeSet;

use super::{Ci, Log};
use crate::failure::{Failure, Result};

/// How many crates external-core may pull in, itself not counted.
const CORE_LIMIT: usize = 25;

/// Crates, or beginnings of their names, that the embedded demo must not contain: TLS stacks, SDKs, clients of servers.
const NO_DEMO: &[&str] = &[
    "rustls",
    "native-tls",
    "openssl",
    "aws-",
    "ring",
    "reqwest",
    "redis",
    "security-framework",
    "schannel",
];

/// Both checks.
pub fn check(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let core = graph(ci, "external-core")?;
    let core: Vec<&String> = core.iter().filter(|name| *name != "external-core").collect();
    log.say(&format!("external-core: {} crates: {core:?}\n", core.len()))?;
    if core.len() > CORE_LIMIT {
        let message = format!("external-core pulls in {} crates, more than {CORE_LIMIT}", core.len());
        log.say(&message)?;
        return Err(Failure::new(message));
    }
    let demo = graph(ci, "external-demo")?;
    log.say(&format!("external-demo: {} crates\n", demo.len()))?;
    let unwanted = unwanted(&demo);
    if !unwanted.is_empty() {
        let message = format!(
            "the embedded demo pulls in {}: `cargo tree -p external-demo -i {}`",
            unwanted.join(", "),
            unwanted[0]
        );
        log.say(&message)?;
        return Err(Failure::new(message));
    }
    Ok(Some(format!("core {} crates, demo {}", core.len(), demo.len())))
}

fn unwanted(names: &BTreeSet<String>) -> Vec<&str> {
    let is_unwanted = |name: &&String| NO_DEMO.iter().any(|unwanted| name.starts_with(unwanted));
    names.iter().filter(is_unwanted).map(String::as_str).collect()
}

/// The names in a package's normal graph, with its default features.
fn graph(ci: &Ci<'_>, package: &str) -> Result<BTreeSet<String>> {
    let mut command = ci.workspace().cargo();
    command.args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let out = ci.tool.groups().check("cargo tree", &mut command)?;
    let text = String::from_utf8_lossy(&out);
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_what_the_demo_must_not_have() {
        let names = ["serde", "rustls-pki-types", "aws-lc-rs", "string_cache"].map(str::to_owned).into();
        assert_eq!(super::unwanted(&names), ["aws-lc-rs", "rustls-pki-types"]);
    }
}
