//! The program: its command line, its end by itself, by an error or by a signal.
#![allow(clippy::print_stderr, reason = "a program for the terminal")]

mod address;
mod copy;
mod failure;
mod files;
mod link;
mod objects;
mod platform;
mod progress;
mod stores;
mod tally;
mod transfer;
mod tree;
mod uploads;

use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use clap::{Parser, Subcommand};

use failure::Outcome;
use platform::{UNHEARD, told_to_end};
use progress::Progress;
use stores::Stores;

/// How long clean-ups may take: each abort of an upload has half a minute itself.
const CLEAN_UP: Duration = Duration::from_secs(30);
/// From when on a clean-up is mentioned, so that nobody takes the program for stuck.
const NOTICEABLE: Duration = Duration::from_millis(300);

/// Copies, lists, removes and links objects of any store that external-storage knows, and ends uploads left behind.
#[derive(Debug, Parser)]
#[command(name = "objects", version, max_term_width = 110, after_long_help = ADDRESSES)]
struct Cli {
    /// The configuration whose storage instances may be named in addresses; its other tables are left alone.
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Prints results and errors only: no line for each object, no progress.
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

const ADDRESSES: &str = "\
Addresses:
  avatars:users/ada.png      the key `users/ada.png` of [storage.avatars]
                             in the file that --config names
  local:/srv/store//a/b.png  the key `a/b.png` of the folder /srv/store: the
                             key begins after `//`, or after the last slash
  memory:a/b.png             a store that ends with this program, for trying
                             things out
  ./photos/ada.png           a file; ./ is needed if its name has a colon
  -                          standard input or standard output (cp only)

Configuration (the same file that a service of yours has):
  [storage.avatars]
  provider = \"local\"
  root = \"/var/lib/accounts/avatars\"

Examples:
  objects cp ada.png local:/srv/store//users/ada.png
  objects ls local:/srv/store/
  objects -c external.toml cp --recursive avatars:users/ backup/
  objects -c external.toml cp --recursive avatars: archive:2026/
  objects -c external.toml presign avatars:users/ada.png --expires 10m
  objects -c external.toml uploads avatars: --older-than 24h --abort
  pg_dump accounts | objects -c external.toml cp - archive:dumps/accounts.sql

Ctrl-C and SIGTERM clean up, as a failure does: unfinished uploads are aborted
and temporary files removed, for at most 30 seconds. What was copied before
stays. A second Ctrl-C or SIGTERM does not wait for that.

Of many objects each one that fails is named, and the others go on. Where the
store itself fails (it cannot be reached, refuses the credentials or is full)
no further one is tried, and those under way that fail of it too are counted
and not named.

Control characters in keys and names are shown as \\n or \\u{1b}.

Exit codes: 0 all is done, 1 something failed or was left out, 2 wrong usage,
130 ended by Ctrl-C, 143 by SIGTERM, 141 (and not a word) as nobody reads the
output any more (`objects ls avatars: | head -1`).";

#[derive(Debug, Subcommand)]
enum Command {
    Cp(copy::Cp),
    Ls(objects::Ls),
    Rm(objects::Rm),
    Presign(link::Presign),
    Uploads(uploads::Uploads),
}

/// Runs the program with these arguments, the first of which is its name; answers its exit code.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return 1;
        }
    };
    let code = runtime.block_on(supervise(cli));
    // A thread may still wait for standard input: nobody waits for it.
    runtime.shutdown_background();
    code
}

async fn supervise(cli: Cli) -> u8 {
    let progress = Progress::new(cli.quiet);
    let mut stores = match Stores::new(cli.config.as_deref()) {
        Ok(stores) => stores,
        Err(failure) => {
            progress.error(&failure);
            return 1;
        }
    };
    // At the end of the select the work is dropped: guards remove files and hand uploads over to be aborted.
    let code = tokio::select! {
        biased;
        code = told_to_end() => {
            eprintln!("interrupted: cleaning up");
            code
        }
        outcome = execute(cli.command, &mut stores, &progress) => match outcome {
            Ok(()) => 0,
            Err(failure) if failure.is_unheard() => UNHEARD,
            // Before the clean-up, which may wait for the very server that failed.
            Err(failure) => {
                progress.error(&failure);
                1
            }
        },
    };
    let closing = async {
        let mut closing = pin!(stores.close(CLEAN_UP));
        match tokio::time::timeout(NOTICEABLE, &mut closing).await {
            Ok(is_clean) => is_clean,
            Err(_) => {
                if code <= 1 {
                    eprintln!("cleaning up…");
                }
                closing.await
            }
        }
    };
    let is_clean = tokio::select! {
        biased;
        code = told_to_end() => return code,
        is_clean = closing => is_clean,
    };
    if !is_clean {
        eprintln!("warning: not everything was cleaned up in time; a store may hold an unfinished upload");
    }
    code
}

async fn execute(command: Command, stores: &mut Stores, progress: &Progress) -> Outcome {
    match command {
        Command::Cp(command) => command.run(stores, progress).await,
        Command::Ls(command) => command.run(stores, progress).await,
        Command::Rm(command) => command.run(stores, progress).await,
        Command::Presign(command) => command.run(stores, progress).await,
        Command::Uploads(command) => command.run(stores, progress).await,
    }
}
