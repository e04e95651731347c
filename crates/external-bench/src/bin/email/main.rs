//! SMTP: mails a second, against a server that answers at once and against a real one.
//!
//! Every mail is a short text to one recipient, made anew for each: what a library spends on writing a mail counts. The
//! raw socket sends the same finished bytes each time and reads nothing but their answers: the bound of what can be had.
#![allow(clippy::disallowed_methods, reason = "a program for the terminal, which reads its environment")]

mod contestants;
mod platform;
mod sink;

use std::process::ExitCode;

use external_bench::{Options, Rounds};

use contestants::Contestants;

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
    // lettre's pool wants a runtime around it when it goes, too.
    let _within = runtime.enter();
    let mut rounds = options.rounds(9);
    let sink = sink::start().map_err(|error| format!("the sink: {error}"))?;
    measure(&mut rounds, &options, &runtime, "at once", sink)?;
    match real()? {
        Some(port) => measure(&mut rounds, &options, &runtime, "mailpit", port)?,
        None => eprintln!("email: left out: mailpit: EXTERNAL_BENCH_SMTP_PORT names none"),
    }
    options.hand_over(rounds)
}

/// The port of the real server, if one was started.
fn real() -> Result<Option<u16>, String> {
    match std::env::var("EXTERNAL_BENCH_SMTP_PORT") {
        Ok(port) => port.parse().map(Some).map_err(|_| format!("EXTERNAL_BENCH_SMTP_PORT={port} is no port")),
        Err(_) => Ok(None),
    }
}

fn measure(
    rounds: &mut Rounds,
    options: &Options,
    runtime: &tokio::runtime::Runtime,
    server: &str,
    port: u16,
) -> Result<(), String> {
    for callers in [1, 8] {
        let name = format!("smtp {server}, {callers} callers");
        if rounds.wants(&name) {
            let contestants = Contestants::new(runtime, port, callers);
            rounds.case("email", &name, "mails/s", contestants.all(options.slice())?);
        }
    }
    Ok(())
}
