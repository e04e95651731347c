//! Object storage: S3 against MinIO, small objects by the second, large ones by the megabyte.
//!
//! Two rows of most cases. *checked*: every body has a checksum that the server verifies (ours, the SDK and OpenDAL:
//! CRC-32C; object_store knows SHA-256), and where the library can, the body is part of the signature, since the
//! connection is not encrypted. *bare*: no checksum, and bodies unsigned. The rows of *settings* have ours alone, each
//! setting changed by itself, and the SDK alone with what ours replaces.
//!
//! Large transfers run in a child process each, so that memory and processor time are their own.
#![allow(clippy::disallowed_methods, reason = "a program for the terminal, which reads its environment")]

mod bucket;
mod child;
mod large;
mod settings;
mod small;
mod source;
mod stores;
mod turns;

use std::process::ExitCode;

use external_bench::{Options, Rounds};
use tokio::runtime::Runtime;

use bucket::Bucket;
use stores::Server;
use turns::Turns;

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
    // MinIO has work of its own in between, for tenths of a second.
    let options = Options::parse(arguments)?.in_short_turns(5);
    let server = Server::plain()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let bucket = Bucket::new(&server);
    let turns = Turns::new(&runtime, &options, Some(&bucket));
    let mut rounds = options.rounds(5);
    let measured = small::measure(&mut rounds, &options, &turns, &server)
        .and_then(|()| settings::measure(&mut rounds, &turns, &server, "plain HTTP"))
        .and_then(|()| settings::of_the_sdk(&mut rounds, &turns, &server))
        .and_then(|()| large::measure(&mut rounds, &options, &runtime, &bucket))
        .and_then(|()| settings_over_tls(&mut rounds, &options, &runtime));
    // Last: with the many small objects the server is busy for minutes.
    let cleared = runtime.block_on(bucket.clear("bench/")).map_err(|error| format!("clearing: {error}"));
    measured.and(cleared)?;
    options.hand_over(rounds)
}

/// The same against the server behind TLS, if one was started.
fn settings_over_tls(rounds: &mut Rounds, options: &Options, runtime: &Runtime) -> Result<(), String> {
    let server = match Server::tls() {
        Ok(server) => server,
        Err(why) => {
            eprintln!("storage: left out: s3 settings over TLS: {why}");
            return Ok(());
        }
    };
    // The rows are the last, and write a few GiB: they may stay until that server goes.
    settings::measure(rounds, &Turns::new(runtime, options, None), &server, "TLS")
}

/// `32 KiB`, `1 GiB`.
fn said(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_said_as_people_say_them() {
        assert_eq!(
            [1 << 10, 32 << 10, 1 << 20, 256 << 20, 1 << 30].map(super::said),
            ["1 KiB", "32 KiB", "1 MiB", "256 MiB", "1 GiB"]
        );
    }
}
