//! `demo`: the main job, from build to result.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::Args;

use crate::failure::{Context, Failure, Result};
use crate::graph;
use crate::servers::{self, Ended, Fleet, Host, control};
use crate::tool::Tool;

/// Builds and runs the demo: a small account service that stores portraits, caches profiles and sends mails.
///
/// Nothing needs to be installed and nothing but loopback is used. Objects and mails stay in `demo/` under the target
/// directory, so that they can be looked at.
#[derive(Debug, Args)]
#[command(after_help = "Which providers it uses comes from the configuration and nothing else:\n  \
    cargo xtask demo                      crates/external-demo/config/embedded.toml, embedded providers only\n  \
    cargo xtask demo --servers            crates/external-demo/config/servers.toml, Redis and SMTP started here\n  \
    cargo xtask demo --config FILE        yours; every provider is compiled in\n\nThe first build takes two to three \
    minutes on two cores; with --servers or --config about twice that.")]
pub struct Demo {
    /// Start Redis and an SMTP server and run against them
    #[arg(long)]
    servers: bool,
    /// Run the same program with another configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write every external call as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The variables that lay the servers' addresses over `servers.toml`.
fn overrides(fleet: &Fleet) -> Result<Vec<(&'static str, String)>> {
    let variables = fleet.variables();
    let value = |name: &str| {
        let set = || std::env::var(name).ok().filter(|value| !value.is_empty());
        variables.get(name).cloned().or_else(set).ok_or_else(|| Failure::new(format!("{name} is not known")))
    };
    Ok(vec![
        ("EXTERNAL__CACHE__DEFAULT__URL", value("EXTERNAL_TEST_REDIS_URL")?),
        ("EXTERNAL__EMAIL__DEFAULT__URL", value("EXTERNAL_TEST_SMTP_URL")?),
    ])
}

impl Demo {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        let workspace = tool.workspace();
        let out = workspace.target.join("demo");
        let mailbox = out.join("mailbox");
        let fleet = Arc::new(Mutex::new(Fleet::new(tool.groups().clone())));
        let _ended = Ended(Arc::clone(&fleet));
        let mut more = Vec::new();
        if self.servers {
            // Mails of former runs would be read as this one's.
            let _ = std::fs::remove_dir_all(&mailbox);
            let mut fleet = fleet.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            start(tool, &mut fleet, &mailbox)?;
            more = overrides(&fleet)?;
            more.extend(fleet.variables());
        }
        if self.servers {
            more.push(("EXTERNAL_CONTROL", control::serve(Arc::clone(&fleet))?.to_string()));
        }

        let program = self.build(tool)?;
        let mut command = std::process::Command::new(program);
        command.current_dir(&workspace.root).envs(more);
        command.arg("--config").arg(self.config(&workspace.root)?).arg("--out").arg(&out);
        if let Some(report) = &self.report {
            command.arg("--report").arg(std::path::absolute(report)?);
        }
        if self.servers {
            command.arg("--mailbox").arg(&mailbox);
        }
        let status = tool.groups().status("external-demo", &mut command)?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn config(&self, root: &Path) -> Result<PathBuf> {
        match &self.config {
            Some(file) => std::path::absolute(file).context(format!("{}", file.display())),
            None if self.servers => Ok(root.join("crates/external-demo/config/servers.toml")),
            None => Ok(root.join("crates/external-demo/config/embedded.toml")),
        }
    }

    fn build(&self, tool: &Tool) -> Result<PathBuf> {
        let mut command = tool.workspace().cargo();
        command.arg("build");
        if self.servers || self.config.is_some() {
            eprintln!("building the demo with every provider …");
            graph::select(&mut command, tool.workspace());
            graph::with_a_test(&mut command, tool.workspace(), "external-demo");
        } else {
            eprintln!("building the demo with the embedded providers …");
            command.args(["--package", "external-demo"]);
        }
        let built = graph::build(tool, command.args(["--bin", "external-demo"]))?;
        let program = built.into_iter().find(|built| built.target == "external-demo");
        program.map(|built| built.file).ok_or_else(|| Failure::new("the build made no external-demo"))
    }
}

fn start(tool: &Tool, fleet: &mut Fleet, mailbox: &Path) -> Result<()> {
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    for server in [&servers::REDIS, &servers::SMTP] {
        eprintln!("starting {} …", server.what);
        let keep = (server.name == servers::SMTP.name).then_some(mailbox);
        fleet.add(server, &host, &tool.folder(), keep);
    }
    let absent: Vec<String> = fleet.absent().map(|(server, why)| format!("{}: {why}", server.name)).collect();
    if absent.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("servers that cannot be had: {}", absent.join("; "))))
    }
}
