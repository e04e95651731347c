//! Caches: a value in this process, and one in Redis.
#![allow(clippy::disallowed_methods, reason = "a program for the terminal, which reads its environment")]

mod memory;
mod redis;

use std::process::ExitCode;

use external_bench::Options;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let mut rounds = options.rounds(9);
    memory::measure(&mut rounds, options.slice(), &runtime);
    let url = std::env::var("EXTERNAL_TEST_REDIS_URL")
        .map_err(|_| "EXTERNAL_TEST_REDIS_URL names no server: run `cargo xtask bench --domain cache`")?;
    redis::measure(&mut rounds, options.slice(), &runtime, &url);
    options.hand_over(rounds)
}
