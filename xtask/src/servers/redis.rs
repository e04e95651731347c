//! Redis: one plain instance, and one that speaks TLS and knows only the user `app`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::{Host, Place, Program, Server, Source, container, debian};
use crate::failure::{Failure, Result};

/// Without TLS and without a password.
pub const PLAIN: Server = Server {
    name: "redis",
    what: "Redis, plain",
    note: "no password; databases 0 to 15",
    variables: &["EXTERNAL_TEST_REDIS_URL"],
    ports: 1,
    sources,
    prepare: |_, _, _| Ok(()),
    command: plain_command,
    ready: |place| ping(place.ports[0], ""),
    addresses: |place| vec![format!("redis://127.0.0.1:{}", place.ports[0])],
};

/// With TLS, user `app` with password `s3cret`, and the default user off.
pub const TLS: Server = Server {
    name: "redis-tls",
    what: "Redis, TLS and an ACL user",
    note: "user app with password s3cret, the default user is off; its certificate is of the CA in EXTERNAL_TEST_CA",
    variables: &["EXTERNAL_TEST_REDIS_TLS_URL", "EXTERNAL_TEST_CA"],
    // The second port is plain, for the readiness check alone: the same process behind the same ACL.
    ports: 2,
    sources,
    prepare: |_, _, _| Ok(()),
    command: tls_command,
    ready: |place| ping(place.ports[1], "AUTH app s3cret\r\n"),
    addresses: |place| {
        let url = format!("rediss://app:s3cret@127.0.0.1:{}", place.ports[0]);
        vec![url, place.tls("ca.pem").display().to_string()]
    },
};

const PACKAGE: &str = "redis-server";

fn sources(host: &Host<'_>) -> Vec<Source> {
    vec![
        Source::on_path("redis-server"),
        Source {
            what: format!("Debian package {PACKAGE}"),
            cost: "3 MB, about 5 s".to_owned(),
            here: debian::is_here(host, PACKAGE),
            obtain: Box::new(|host| {
                let tree = debian::unpack(host, PACKAGE)?;
                Ok(Program::of_tree(&tree, "usr/bin/redis-server", format!("Debian package {PACKAGE}")))
            }),
        },
        container::source("docker.io/library/redis:7", "redis-server", &[]),
    ]
}

fn command(program: &Program, place: &Place) -> Command {
    let mut command = program.command();
    // Nothing on disk: a restart comes back empty, as a cache may.
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]);
    command.args(["--databases", "16", "--dir"]).arg(&place.data);
    command
}

fn plain_command(program: &Program, place: &Place) -> Result<Command> {
    let mut command = command(program, place);
    command.args(["--port", &place.ports[0].to_string()]);
    Ok(command)
}

fn tls_command(program: &Program, place: &Place) -> Result<Command> {
    let acl = place.data.join("users.acl");
    std::fs::write(&acl, "user default off\nuser app on >s3cret ~* &* +@all\n")?;
    let mut command = command(program, place);
    command.args(["--port", &place.ports[1].to_string(), "--tls-port", &place.ports[0].to_string()]);
    command.arg("--tls-cert-file").arg(place.tls("server.pem"));
    command.arg("--tls-key-file").arg(place.tls("server.key"));
    command.arg("--tls-ca-cert-file").arg(place.tls("ca.pem"));
    command.args(["--tls-auth-clients", "no", "--aclfile"]).arg(acl);
    Ok(command)
}

fn ping(port: u16, before: &str) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(format!("{before}PING\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.contains("+PONG") { Ok(()) } else { Err(Failure::new(format!("answered {:?}", answer.trim()))) }
}
