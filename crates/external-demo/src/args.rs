//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Registers the users of an input file with a small account service, then reads everything back and checks it byte for byte.
///
/// Which providers are used comes from the configuration file and nothing else.
#[derive(Debug, Parser)]
#[command(name = "external-demo", version)]
pub(crate) struct Args {
    /// The configuration; `${OUT}` in it stands for the folder of this run. Embedded providers if absent.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Each run makes a folder of its own under this one, so that mails and objects can be looked at; of those that the demo
    /// made the last ten stay.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Writes every external call as JSON into this file, whose folder must be there.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// The users to register, one JSON object a line: name, email, locale, portrait.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// The folder in which mails arrive as `.eml` files, if it is another one than the configuration's `[demo] mailbox`.
    #[arg(long, value_name = "DIR")]
    pub(crate) mailbox: Option<PathBuf>,
    /// Takes each system down in the middle and loses answers, and fails unless the service was seen to recover.
    ///
    /// With the embedded providers the faults are injected. Servers are killed and restarted through the control port
    /// whose address is in `EXTERNAL_CONTROL`. Needs at least 10 users.
    #[arg(long)]
    pub(crate) fault: bool,
}

impl Args {
    /// The configuration asked for, else the embedded one beside this crate's manifest.
    pub(crate) fn config(&self) -> PathBuf {
        let shipped = if self.fault { "config/embedded-fault.toml" } else { "config/embedded.toml" };
        self.config.clone().unwrap_or_else(|| here(shipped))
    }

    /// The users asked for, else those in this crate's folder.
    pub(crate) fn users(&self) -> PathBuf {
        self.users.clone().unwrap_or_else(|| here("data/users.jsonl"))
    }
}

/// A file of this crate. The demo runs where it was built, so the folder of its sources is there.
fn here(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}
