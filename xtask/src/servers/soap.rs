//! The SOAP service: `xtask/servers/soap.py` on spyne, over both versions, and behind WS-Security.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::python::{self, Module};
use super::{Place, Program, Server};
use crate::failure::{Failure, Result};

/// SOAP 1.1, SOAP 1.2, SOAP 1.1 with WS-Security.
pub const SOAP: Server = Server {
    name: "soap",
    what: "SOAP 1.1 and 1.2, WS-Security",
    note: "/soap11, /soap12, and /secure for user app with password s3cret; descriptions at ?wsdl",
    variables: &["EXTERNAL_TEST_SOAP_URL"],
    ports: 1,
    sources: |host| python::sources(host, SPYNE),
    prepare: |_, _, _| Ok(()),
    command,
    ready: |place| described(place.ports[0]),
    addresses: |place| vec![format!("http://127.0.0.1:{}", place.ports[0])],
};

/// spyne has a copy of six in it that Python 3.12 cannot load, and needs what Python 3.13 no longer has; it leaves lxml to
/// who wants SOAP.
const SPYNE: Module = Module {
    name: "spyne",
    import: "lxml, six, importlib.util; importlib.util.find_spec(\"spyne\").name",
    debian: None,
    pip: &["spyne==2.14.0", "lxml==6.1.3", "six==1.17.0", "legacy-cgi==2.6.4;python_version>='3.13'"],
    cost: "7 MB, some seconds",
};

fn command(program: &Program, place: &Place) -> Result<Command> {
    let mut command = program.command();
    // No .pyc files beside the script: that folder is the repository's.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(place.tool.join("servers/soap.py"));
    command.arg("--port").arg(place.ports[0].to_string());
    Ok(command)
}

/// A description of the last door.
fn described(port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /soap12?wsdl HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(1 << 20).read_to_end(&mut answer)?;
    match String::from_utf8_lossy(&answer).contains("echo_order") {
        true => Ok(()),
        false => Err(Failure::new("it does not describe itself")),
    }
}
