//! What `bench` measures: one program a domain, the servers it needs, and the report that they add up to.

mod outcome;
mod python;
mod report;
pub mod targets;

use std::path::PathBuf;
use std::process::Command;

pub use outcome::{notes, table};
pub use python::Package;
pub use report::Report;

use crate::failure::{Context, Failure, Result};
use crate::servers::{self, Server};
use crate::tool::Tool;

/// The benchmark of one domain.
pub struct Suite {
    /// As `--domain` names it; the feature of the program.
    pub domain: &'static str,
    /// Without these nothing is measured.
    pub servers: &'static [&'static Server],
    /// Without these some rows are missing.
    pub also: &'static [&'static Server],
    /// Without these some rows are missing, too.
    pub packages: &'static [Package],
}

/// Every benchmark. A new one is a line here, and a program `bench-<domain>` behind the feature `<domain>`.
pub const SUITES: &[Suite] = &[
    Suite { domain: "cache", servers: &[&servers::REDIS], also: &[], packages: &[] },
    // The server that answers at once is in the program: none but a native one keeps up.
    Suite { domain: "email", servers: &[], also: &[&servers::MAILPIT], packages: &[AIOSMTPLIB] },
    // So is the server of this one.
    Suite { domain: "http", servers: &[], also: &[], packages: &[ZEEP] },
    Suite { domain: "pipeline", servers: &[], also: &[], packages: &[] },
    Suite { domain: "storage", servers: &[&servers::MINIO], also: &[&servers::MINIO_TLS], packages: &[] },
];

const AIOSMTPLIB: Package = Package { name: "aiosmtplib", requirements: &["aiosmtplib==5.1.3"] };

const ZEEP: Package = Package {
    name: "zeep",
    requirements: &[
        "zeep==4.3.3",
        "attrs==26.1.0",
        "certifi==2026.10.19.post1",
        "charset-normalizer==3.5.3",
        "idna==3.20",
        "isodate==0.7.2",
        "lxml==6.1.3",
        "platformdirs==4.14.9",
        "requests==2.34.2",
        "requests-file==3.0.1",
        "requests-toolbelt==1.0.0",
        "urllib3==2.8.0",
    ],
};

/// The suites that were asked for.
pub fn select(domain: Option<&str>) -> Result<Vec<&'static Suite>> {
    let chosen: Vec<_> = SUITES.iter().filter(|suite| domain.is_none_or(|d| d == suite.domain)).collect();
    if chosen.is_empty() {
        let known: Vec<_> = SUITES.iter().map(|suite| suite.domain).collect();
        return Err(Failure::new(format!("no benchmark of that domain; there are: {}", known.join(", "))));
    }
    Ok(chosen)
}

impl Suite {
    /// Builds the program and those that it starts itself, with their dependencies in a folder of their own: the graph is
    /// not that of the workspace.
    pub fn build(&self, tool: &Tool) -> Result<PathBuf> {
        let workspace = tool.workspace();
        let (target, program) = (workspace.target.join("bench"), format!("bench-{}", self.domain));
        let mut command = workspace.cargo();
        command.args(["build", "--release", "--locked", "--features", self.domain, "--bins"]);
        command.arg("--manifest-path").arg(workspace.root.join("crates/external-bench/Cargo.toml"));
        command.arg("--target-dir").arg(&target);
        let status = tool.groups().status("cargo", &mut command)?;
        if !status.success() {
            return Err(Failure::new(format!("the build of {program} failed ({status})")));
        }
        Ok(target.join("release").join(program))
    }

    /// Runs the program and returns what it measured.
    pub fn run(&self, tool: &Tool, command: &mut Command) -> Result<Report> {
        let file = tool.folder().join(format!("bench-{}.json", self.domain));
        let name = format!("bench-{}", self.domain);
        for package in self.packages {
            if let Err(failure) = package.hand_to(tool, command) {
                eprintln!("rows without figures, since a package cannot be had: {}: {failure}", package.name);
            }
        }
        let status = tool.groups().status(&name, command.arg("--report").arg(&file))?;
        if !status.success() {
            return Err(Failure::new(format!("{name} ended with {status}")));
        }
        Report::read(&file).context(name)
    }
}

#[cfg(test)]
mod tests {
    use super::{SUITES, select};

    #[test]
    fn a_domain_is_chosen_by_its_name() {
        assert_eq!(select(Some("email")).unwrap().len(), 1);
        assert_eq!(select(None).unwrap().len(), SUITES.len());
        assert!(
            select(Some("mail")).err().unwrap().to_string().contains("cache, email, http, pipeline, storage")
        );
    }
}
