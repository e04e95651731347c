//! Mailpit, a mail server as developers run it: for benchmarks alone, beside a server that answers at once.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Host, Place, Program, Server, Source, container, go_toolchain, kept};
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

const MODULE: &str = "github.com/axllent/mailpit";
const VERSION: &str = "v1.31.0";
/// The oldest Go that its own module file takes.
const GO: (u32, u32) = (1, 25);

fn sources(host: &Host<'_>) -> Vec<Source> {
    let go = go_toolchain::origin(host, GO);
    let built = Source {
        what: format!(
            "Go module {MODULE} built in the target directory, with {go} (1 minute, first time only)"
        ),
        here: kept::tool(host, &folder()).is_dir(),
        obtain: Box::new(|host| {
            let folder = kept::make(&kept::tool(host, &folder()), |work| build(host, work))?;
            Ok(Program::of(folder.join("mailpit"), format!("Go module {MODULE} {VERSION}")))
        }),
    };
    vec![
        Source::on_path("mailpit"),
        built,
        container::source("docker.io/axllent/mailpit:v1.31", "/mailpit", &[]),
    ]
}

fn folder() -> String {
    format!("mailpit-{VERSION}")
}

/// As a dependency of an empty module: `go install` wants the list of all versions, which not every proxy has.
fn build(host: &Host<'_>, work: &Path) -> Result<()> {
    let go = go_toolchain::obtain(host, GO)?;
    let scratch = work.join("build");
    fs::create_dir_all(scratch.join("module"))?;
    let run = |arguments: &[&str]| {
        let mut command = host.in_background(&go);
        command.args(arguments).current_dir(scratch.join("module"));
        // Nothing in the user's own folders, and no settings that are meant for other builds.
        command.env("GOPATH", scratch.join("path")).env("GOMODCACHE", scratch.join("modules"));
        command.env("GOCACHE", scratch.join("cache")).env("GOFLAGS", "-modcacherw -mod=mod");
        command.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("CGO_ENABLED", "0");
        command.env_remove("GOOS").env_remove("GOARCH").env_remove("GOROOT");
        host.groups.check("go", &mut command).map(drop)
    };
    run(&["mod", "init", "scratch/mailpit"])?;
    run(&["mod", "edit", &format!("-require={MODULE}@{VERSION}")])?;
    let out = work.join("mailpit").display().to_string();
    run(&["build", "-trimpath", "-ldflags=-s -w", "-o", &out, MODULE])?;
    Ok(fs::remove_dir_all(scratch)?)
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
