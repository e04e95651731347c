//! Object storage: S3 against MinIO, small objects by the second, large ones by the megabyte.
//!
//! Two rows of most cases. *checked*: every body has a checksum that the server verifies (ours, the SDK and OpenDAL:
//! CRC-32C; object_store knows SHA-256), and where the library can, the body is part of the signature, since the
//! connection is not encrypted. *bare*: no checksum, and bodies unsigned.
//!
//! Large transfers run in a child process each, so that memory and processor time are their own.
#![allow(clippy::disallowed_methods, reason = "a program for the terminal, which reads its environment")]

mod child;
mod large;
mod small;
mod source;
mod stores;

use std::process::ExitCode;

use external_bench::Options;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, task)) if first == child::FLAG => child::work(task),
        _ => run(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let server = stores::Server::from_environment()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let mut rounds = options.rounds(5);
    small::measure(&mut rounds, &options, &runtime, &server)?;
    large::measure(&mut rounds, &options)?;
    options.hand_over(rounds)
}
