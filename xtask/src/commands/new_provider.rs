//! `new-provider`: the folder and the registration of a provider that is yet to be written.

use std::process::ExitCode;

use clap::Args;

use crate::failure::{Context, Failure, Result};
use crate::runs::write_whole;
use crate::scaffold::{Written, lane, plan};
use crate::workspace::Workspace;

/// Writes a provider that compiles, is registered, and fails its contract with messages that say what to do next.
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask new-provider storage gcs\n\nThe texts are in xtask/templates/.")]
pub struct NewProvider {
    /// What kind of system: storage, cache, email, http (a transport; a vendor that speaks HTTP belongs to what it offers)
    domain: String,
    /// The product's name, as it is to stand in configurations: gcs, memcached, sendgrid
    id: String,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl NewProvider {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> Result<ExitCode> {
        let (domain, id) = (&self.domain, &self.id);
        let written = plan(domain, id, |path| std::fs::read_to_string(workspace.root.join(path)).ok())?;
        for Written { path, text, what } in &written {
            println!("{path}: {what}");
            if !self.dry_run {
                let file = workspace.root.join(path);
                let folder = file.parent().unwrap_or(&workspace.root);
                std::fs::create_dir_all(folder).context(format!("cannot make {}", folder.display()))?;
                write_whole(&file, text.as_bytes())?;
            }
        }
        if self.dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        // Where a line belongs in a sorted list is rustfmt's to know.
        let package = format!("external-{domain}");
        let formatted = workspace.cargo().args(["fmt", "--package", &package]).status();
        if !formatted.context("cannot run cargo fmt")?.success() {
            return Err(Failure::new("cargo fmt failed; everything is written"));
        }
        println!(
            "\nNext:\n  \
             cargo check --package {package} --features {id}\n  \
             cargo xtask contract-test --domain {domain} --provider {id} --lane {}    each failure names a step\n  \
             dependencies of the vendor's own: `{id} = [\"dep:…\"]` in crates/{package}/Cargo.toml\n\n\
             When it is written: an example in crates/{package}/examples/, a row in the tables of its README.md and \
             src/lib.rs,\na line in its CHANGELOG.md, a small service that takes it alone in \
             xtask/adoption/{package}/{id}.rs,\nand cargo xtask support-matrix. cargo xtask tidy has nothing to say \
             yet, and holds the house rules as you go.\n\n{}",
            lane(domain),
            start(domain, id)
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// The methods of each domain in the order in which most clauses pass soonest: the first are those that nearly every
/// clause calls to prepare what it is about.
const ORDER: &[(&str, &[&str])] = &[
    ("cache", &["set", "get", "delete", "ttl", "probe"]),
    ("email", &["send", "probe"]),
    ("http", &["execute", "probe"]),
    ("storage", &["put", "get", "head", "delete", "list_page", "probe"]),
];

/// Where to begin among so many failures.
fn start(domain: &str, id: &str) -> String {
    let order = ORDER.iter().find(|(known, _)| *known == domain).map_or(&[][..], |(_, order)| order);
    let first = order.first().copied().unwrap_or("probe");
    let rest = match order.get(1..).unwrap_or_default() {
        [] => String::new(),
        rest => format!("then `{}`, ", rest.join("`, `")),
    };
    format!(
        "Start with `{first}` in crates/external-{domain}/src/providers/{id}/mod.rs: most clauses wait for it. {rest}then what \
         has a capability,\none at a time: declare it when it is written. The suite fails in many places until then, and \
         each failure names its method."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_names_every_method_that_is_to_be_written() {
        let workspace = Workspace::load().unwrap();
        for (domain, order) in ORDER {
            let written =
                plan(domain, "acme", |path| std::fs::read_to_string(workspace.root.join(path)).ok()).unwrap();
            let module = written.iter().find(|written| written.path.ends_with("acme/mod.rs")).unwrap();
            let mut methods: Vec<&str> = module
                .text
                .split("not_written(\"")
                .skip(1)
                .map(|rest| rest.split_once('"').unwrap().0)
                .collect();
            let mut told = order.to_vec();
            methods.sort_unstable();
            told.sort_unstable();
            assert_eq!(told, methods, "{domain}");
            let last = start(domain, "acme");
            assert!(
                last.starts_with(&format!("Start with `{}` in crates/external-{domain}/", order[0])),
                "{last}"
            );
        }
    }
}
