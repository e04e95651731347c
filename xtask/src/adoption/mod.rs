//! Adoption: each published crate, packaged, is taken alone by small services outside the workspace.
//!
//! What is shown is what somebody meets who adds one line to a manifest: that the package is whole, that it compiles without
//! the others' features, that the few lines of a first service work, and that nothing comes along that was not asked for.

mod belongings;
mod packages;
mod scratch;
mod service;

use std::time::Instant;

pub use service::{Service, read as services};

use crate::failure::{Failure, Result};
use crate::tool::Tool;
use crate::workspace::Workspace;

/// Features that no service needs to ask for alone.
const COLLECTIONS: &[&str] = &["default", crate::graph::FEATURE];

/// Checks packages, and the services whose title contains `filter`. Prints what it finds and says how much that is.
pub fn check(tool: &Tool, filter: &str) -> Result<usize> {
    let started = Instant::now();
    let workspace = tool.workspace();
    let services = service::read(workspace)?;
    let mut findings = missing(workspace, &services);
    let scratch = workspace.own().join("adoption");
    let packages = packages::make(tool, &scratch)?;
    findings.extend(packages::judge(&packages)?);
    let resolved = belongings::Resolved::load(tool)?;
    let scratch = scratch::Scratch::write(workspace, &scratch, &packages, &services, &resolved)?;
    findings.extend(packages::described(&packages, &scratch.metadata(tool)?)?);
    findings.iter().for_each(|finding| println!("{finding}"));
    println!("{} packages, {:.1} s", packages.len(), started.elapsed().as_secs_f64());

    let chosen: Vec<&Service> = services.iter().filter(|service| service.title().contains(filter)).collect();
    if chosen.is_empty() {
        return Err(Failure::new(format!("no service's name contains {filter}; see --list")));
    }
    for service in &chosen {
        let started = Instant::now();
        let said = one(tool, &scratch, service, &resolved);
        let word = if said.is_empty() { "ok" } else { "FAILED" };
        println!("{:<32} {word:<6} {:>6.1} s", service.title(), started.elapsed().as_secs_f64());
        said.iter().for_each(|finding| println!("  {}", finding.replace('\n', "\n  ")));
        findings.extend(said);
    }
    println!(
        "{} packages, {} services, {} findings, {:.0} s",
        packages.len(),
        chosen.len(),
        findings.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(findings.len())
}

/// Published crates without a service, and features that no service asks for alone.
fn missing(workspace: &Workspace, services: &[Service]) -> Vec<String> {
    let mut findings = Vec::new();
    for package in workspace.packages.iter().filter(|package| package.is_published()) {
        let of: Vec<&Service> = services.iter().filter(|service| service.package == package.name).collect();
        if !of.iter().any(|service| service.features.is_empty()) {
            findings.push(format!(
                "{0}: nobody takes it without features: add a small service, xtask/adoption/{0}/plain.rs",
                package.name
            ));
        }
        for feature in package.features.keys().filter(|name| !COLLECTIONS.contains(&name.as_str())) {
            if !of.iter().any(|service| service.features == [feature.as_str()]) {
                findings.push(format!(
                    "{0}: nobody takes its feature {feature} alone: add a small service, xtask/adoption/{0}/{feature}.rs",
                    package.name
                ));
            }
        }
    }
    for service in services {
        let published = |name: &str| workspace.packages.iter().any(|p| p.name == name && p.is_published());
        if !published(&service.package) {
            findings.push(format!("{}: {} is no published crate", service.title(), service.package));
        }
    }
    findings
}

/// Builds one service, runs it, and looks at its graph.
fn one(
    tool: &Tool,
    scratch: &scratch::Scratch,
    service: &Service,
    resolved: &belongings::Resolved,
) -> Vec<String> {
    let graph = scratch.graph(tool, service);
    let mut findings = match graph {
        Ok(graph) => resolved.judge(tool.workspace(), service, &graph),
        Err(failure) => return vec![failure.to_string()],
    };
    match scratch.build(tool, service).and_then(|program| service.run(tool, &program)) {
        Ok(found) => findings.extend(found),
        Err(failure) => findings.push(failure.to_string()),
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_crate_and_feature_has_a_service() {
        let workspace = Workspace::load().unwrap();
        let services = services(&workspace).unwrap();
        let found = missing(&workspace, &services);
        assert!(found.is_empty(), "{}", found.join("\n"));
        let less: Vec<Service> =
            services.into_iter().filter(|service| service.title() != "external-cache/redis").collect();
        assert_eq!(missing(&workspace, &less).len(), 1);
    }
}
