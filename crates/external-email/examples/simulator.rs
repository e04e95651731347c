//! A vendor-shaped server by itself, until Ctrl-C: prints where it listens, and delivers into a folder.
//!
//! `cargo run -p external-email --example simulator --features sendgrid,simulator -- sendgrid /tmp/mails`; with the
//! configuration that points a client at it: `cargo xtask servers up --simulator sendgrid`.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::path::Path;

use external_email::providers::SIMULATORS;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [id, folder] = arguments.as_slice() else { return Err("which vendor, and which folder?".into()) };
    let known = SIMULATORS.iter().find(|(known, _)| known == id);
    let (_, simulate) = known.ok_or_else(|| format!("no simulator of {id} is compiled in"))?;
    std::fs::create_dir_all(folder)?;
    let server = simulate(Path::new(folder))?;
    println!("{}", server.url());
    loop {
        std::thread::park();
    }
}
