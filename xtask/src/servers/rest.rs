//! A REST interface that none of us wrote: `xtask/servers/rest.py` on Kinto, which has lists in pages, versions and
//! conditions, errors of its own form, and uploads.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::python::{self, Module};
use super::{Place, Program, Server};
use crate::failure::{Failure, Result};

/// Plain HTTP.
pub const REST: Server = Server {
    name: "rest",
    what: "Kinto: records and attachments behind a REST interface",
    note: "any user with any password (basic); buckets belong to who makes them; uploads are below /files",
    variables: &["EXTERNAL_TEST_REST_URL"],
    ports: 1,
    sources: |host| python::sources(host, KINTO),
    prepare: |_, _, _| Ok(()),
    command,
    ready: |place| tells_its_version(place.ports[0]),
    addresses: |place| vec![format!("http://127.0.0.1:{}/v1", place.ports[0])],
};

const KINTO: Module = Module {
    name: "kinto_attachment",
    import: "kinto_attachment",
    debian: None,
    pip: &["kinto==26.5.0", "kinto-attachment==8.0.0"],
    cost: "40 MB, about a minute",
};

fn command(program: &Program, place: &Place) -> Result<Command> {
    let mut command = program.command();
    // No .pyc files beside the script: that folder is the repository's.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(place.tool.join("servers/rest.py"));
    command.args(["--port", &place.ports[0].to_string()]).arg("--files").arg(&place.keep);
    Ok(command)
}

fn tells_its_version(port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET /v1/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.starts_with("HTTP/1.1 200") && answer.contains("\"kinto\"") {
        true => Ok(()),
        false => Err(Failure::new(format!("answered {:?}", answer.lines().next().unwrap_or_default()))),
    }
}
