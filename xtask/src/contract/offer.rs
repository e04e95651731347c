//! What there is to run, as far as that is known before anything is built: domains, their providers, the lanes of their
//! targets. So a slip of the pen is told at once, and not after minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use crate::failure::{Context, Failure, Result};
use crate::graph::SUITES;
use crate::workspace::{Package, Workspace};

/// The domains that have suites, each with its providers and their lanes.
pub struct Offer(BTreeMap<String, Providers>);

/// The lanes of each provider.
type Providers = BTreeMap<String, BTreeSet<String>>;

/// A `contract.toml`, as far as it is looked at here.
#[derive(Deserialize)]
struct Targets {
    #[serde(default)]
    target: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    lane: String,
}

impl Offer {
    /// Reads it from the providers' folders.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let mut domains = BTreeMap::new();
        for package in &workspace.packages {
            let domain = package.name.strip_prefix("external-");
            let has_suites = package.targets_of("test").any(|name| SUITES.contains(&name));
            if let (Some(domain), true) = (domain, has_suites) {
                domains.insert(domain.to_owned(), providers(workspace, package)?);
            }
        }
        Ok(Self(domains))
    }

    /// Refuses what these filters leave nothing of.
    pub fn check(&self, domain: Option<&str>, provider: Option<&str>, lanes: &[&str]) -> Result<()> {
        let Self(domains) = self;
        if let Some(domain) = domain.filter(|domain| !domains.contains_key(*domain)) {
            let known = joined(domains.keys());
            return Err(Failure::new(format!("no suite for `{domain}`; the domains are: {known}")));
        }
        // A suite without providers of its own is run over those of others.
        let own = domain.and_then(|domain| domains.get(domain)).filter(|own| !own.is_empty());
        let all: Vec<&Providers> = own.map_or_else(|| domains.values().collect(), |own| vec![own]);
        let known: BTreeSet<&String> = all.iter().flat_map(|providers| providers.keys()).collect();
        if let Some(provider) = provider.filter(|provider| !known.iter().any(|known| known == provider)) {
            let place = domain.map_or_else(String::new, |domain| format!(" of {domain}"));
            let known = joined(known);
            return Err(Failure::new(format!("no provider `{provider}`{place}; there are: {known}")));
        }
        let chosen = all.iter().flat_map(|providers| providers.iter());
        let chosen = chosen.filter(|(id, _)| provider.is_none_or(|provider| *id == provider));
        let there: BTreeSet<&String> = chosen.flat_map(|(_, lanes)| lanes).collect();
        if lanes.is_empty() || lanes.iter().any(|lane| there.iter().any(|known| known == lane)) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "no target in the lane {}; the lanes here are: {}. A provider gets one by a [[target]] with that `lane` in its \
             contract.toml",
            lanes.join(", "),
            joined(there)
        )))
    }
}

fn providers(workspace: &Workspace, package: &Package) -> Result<Providers> {
    let mut providers = Providers::new();
    for (id, path) in contracts(package, "src/providers")? {
        let text = fs::read_to_string(&path).context(format!("cannot read {}", workspace.show(&path)))?;
        let targets: Targets = toml::from_str(&text).context(workspace.show(&path))?;
        providers.insert(id, targets.target.into_iter().map(|target| target.lane).collect());
    }
    Ok(providers)
}

/// Each `contract.toml` in a folder below this one of the package, with the name of its folder.
pub fn contracts(package: &Package, place: &str) -> Result<Vec<(String, PathBuf)>> {
    // Most crates have no providers.
    let Ok(folders) = fs::read_dir(package.folder().join(place)) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for folder in folders {
        let folder = folder?;
        let path = folder.path().join("contract.toml");
        if path.is_file() {
            found.push((folder.file_name().to_string_lossy().into_owned(), path));
        }
    }
    Ok(found)
}

fn joined<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(domain: Option<&str>, provider: Option<&str>, lanes: &[&str]) -> Option<String> {
        let offer = Offer::read(&Workspace::load().unwrap()).unwrap();
        offer.check(domain, provider, lanes).err().map(|failure| failure.to_string())
    }

    #[test]
    fn what_is_there_may_be_chosen() {
        assert_eq!(refusal(None, None, &[]), None);
        assert_eq!(refusal(Some("cache"), Some("redis"), &["server", "live"]), None);
        assert_eq!(refusal(None, Some("sendgrid"), &["simulator"]), None);
        assert_eq!(refusal(Some("api"), Some("reqwest"), &[]), None);
    }

    #[test]
    fn a_slip_of_the_pen_is_told_with_what_there_is() {
        let domain = refusal(Some("cash"), None, &[]).unwrap();
        assert!(domain.contains("`cash`") && domain.contains("cache, email, http, storage"), "{domain}");
        let provider = refusal(Some("cache"), Some("s3"), &[]).unwrap();
        assert_eq!(provider, "no provider `s3` of cache; there are: memory, redis");
        let provider = refusal(None, Some("s4"), &[]).unwrap();
        assert!(provider.contains("local, memory, redis, reqwest, s3, sendgrid, smtp"), "{provider}");
        let lane = refusal(Some("cache"), Some("redis"), &["embedded"]).unwrap();
        assert!(lane.contains("the lanes here are: server"), "{lane}");
        assert!(refusal(None, None, &["live"]).unwrap().contains("lane live"));
    }
}
