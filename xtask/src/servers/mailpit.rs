//! Mailpit, a mail server as developers run it: for benchmarks alone, beside a server that answers at once.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::go_module::Module;
use super::{Host, Place, Program, Server, Source, container};
use crate::failure::{Failure, Result};

/// Plain SMTP; what it took is in its API.
pub const MAILPIT: Server = Server {
    name: "mailpit",
    what: "Mailpit: SMTP, plain",
    note: "for benchmarks; mails are kept in a database of its own",
    variables: &["EXTERNAL_BENCH_SMTP_PORT"],
    ports: 2,
    sources,
    prepare: |_, _, _| Ok(()),
    command: |program, place| Ok(command(program, place)),
    ready: |place| greets(place.ports[0]),
    addresses: |place| vec![place.ports[0].to_string()],
};

const MODULE: Module = Module {
    path: "github.com/axllent/mailpit",
    version: "v1.31.0",
    program: "mailpit",
    go: (1, 25),
    takes: "a minute on two cores",
};

fn sources(host: &Host<'_>) -> Vec<Source> {
    vec![
        Source::on_path("mailpit"),
        MODULE.source(host),
        container::source("docker.io/axllent/mailpit:v1.31", "/mailpit", &[]),
    ]
}

fn command(program: &Program, place: &Place) -> Command {
    let mut command = program.command();
    let at = |port: u16| format!("127.0.0.1:{port}");
    command.args(["--smtp", &at(place.ports[0]), "--listen", &at(place.ports[1])]);
    command.arg("--database").arg(place.data.join("mails.db"));
    // Old mails go, so that the last contestant meets the server that the first one met.
    command.args(["--max", "1000", "--disable-version-check", "--quiet"]);
    command
}

fn greets(port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    if line.starts_with("220 ") { Ok(()) } else { Err(Failure::new(format!("the banner is {line:?}"))) }
}
