//! `new-provider`: the folder and the registration of a provider that is yet to be written.

use std::process::ExitCode;

use clap::Args;

use crate::failure::{Context, Failure, Result};
use crate::runs::write_whole;
use crate::scaffold::{Written, plan};
use crate::workspace::Workspace;

/// Writes a provider that compiles, is registered, and fails its contract with messages that say what to do next.
#[derive(Debug, Args)]
#[command(after_help = "Example: cargo xtask new-provider storage gcs\n\nThe texts are in xtask/templates/.")]
pub struct NewProvider {
    /// What kind of system: storage, cache, email
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
             cargo xtask contract-test --domain {domain} --provider {id} --lane embedded    each failure names a step\n  \
             dependencies of the vendor's own: `{id} = [\"dep:…\"]` in crates/{package}/Cargo.toml\n\n\
             When it is written: an example in crates/{package}/examples/, a row in the tables of its README.md and \
             src/lib.rs,\na line in its CHANGELOG.md, a small service that takes it alone in \
             xtask/adoption/{package}/{id}.rs,\nand cargo xtask support-matrix"
        );
        Ok(ExitCode::SUCCESS)
    }
}
