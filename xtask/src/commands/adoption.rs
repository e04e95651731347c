//! `adoption`: whether each published crate can be taken alone, as somebody outside would take it.

use std::process::ExitCode;

use clap::Args;

use crate::adoption;
use crate::failure::Result;
use crate::tool::Tool;

/// Packages what is published, builds a small service on each crate alone, runs it, and looks at its graph.
#[derive(Debug, Args)]
#[command(
    after_help = "The services are in xtask/adoption: a folder a crate, a file a service. They are built outside the \
    workspace,\nagainst the packaged crates, below the target directory's xtask folder."
)]
pub struct Adoption {
    /// Only services whose `<crate>/<service>` contains this
    filter: Option<String>,
    /// List the services
    #[arg(long)]
    list: bool,
}

impl Adoption {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        if self.list {
            for service in adoption::services(tool.workspace())? {
                println!("{:<32} {}", service.title(), service.what);
            }
            return Ok(ExitCode::SUCCESS);
        }
        let findings = adoption::check(tool, self.filter.as_deref().unwrap_or_default())?;
        Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
