//! HTTP: ours beside bare reqwest with the same body handling, GraphQL beside reqwest and serde, SOAP beside zeep, and the
//! parser of server-sent events beside others.
//!
//! Calls go to a server of this program, which has threads of its own. Transfers of 1 GiB run in a child process each, so
//! that memory and processor time are their own.
#![allow(clippy::disallowed_methods, reason = "a program for the terminal, which reads its arguments")]

mod calls;
mod graphql;
mod large;
mod rest;
mod server;
mod soap;
mod sse;

use std::process::ExitCode;

use external_bench::Options;
use server::Server;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, task)) if first == large::FLAG => large::work(task),
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
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let server = Server::start().map_err(|error| format!("the server: {error}"))?;
    let mut rounds = options.rounds(9);
    rest::measure(&mut rounds, options.slice(), &runtime, &server)?;
    graphql::measure(&mut rounds, options.slice(), &runtime, &server)?;
    soap::measure(&mut rounds, options.slice(), &runtime, &server)?;
    large::measure(&mut rounds, &options, &server)?;
    sse::measure(&mut rounds, options.slice());
    options.hand_over(rounds)
}
