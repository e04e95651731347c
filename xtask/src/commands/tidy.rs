//! `tidy`: prints what breaks a house rule.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Result;
use crate::tidy::{CHECKS, Tree, check};
use crate::workspace::Workspace;

/// Checks the house rules that can be read off the text: file:line, what is wrong, what to do.
#[derive(Debug, Args)]
pub struct Tidy {
    /// Print the rules instead
    #[arg(long)]
    rules: bool,
}

impl Tidy {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> Result<ExitCode> {
        if self.rules {
            CHECKS.iter().for_each(|(rule, _)| println!("{rule}"));
            return Ok(ExitCode::SUCCESS);
        }
        let findings = check(&Tree::read(workspace)?);
        findings.iter().for_each(|finding| println!("{finding}"));
        println!("{} rules checked, {} findings", CHECKS.len(), findings.len());
        Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
