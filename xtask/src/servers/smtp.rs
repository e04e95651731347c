//! The SMTP server: `xtask/servers/smtp.py` on aiosmtpd, with three doors and a spool folder.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::python::{self, Module};
use super::{Place, Program, Server};
use crate::failure::{Failure, Result};

/// Plain, STARTTLS with AUTH, TLS with AUTH.
pub const SMTP: Server = Server {
    name: "smtp",
    what: "SMTP: plain, STARTTLS + AUTH, TLS + AUTH",
    note: "user app with password s3cret where one must log in; mails are files in the mailbox",
    variables: &[
        "EXTERNAL_TEST_SMTP_URL",
        "EXTERNAL_TEST_SMTP_AUTH_URL",
        "EXTERNAL_TEST_SMTPS_URL",
        "EXTERNAL_TEST_SMTP_MAILBOX",
        "EXTERNAL_TEST_CA",
    ],
    ports: 3,
    sources: |host| python::sources(host, AIOSMTPD),
    prepare: |_, _, _| Ok(()),
    command,
    ready: |place| {
        greet(place.ports[0])?;
        greet(place.ports[1])?;
        // The third door opens with a TLS handshake; the script opens it after the other two.
        TcpStream::connect_timeout(&address(place.ports[2]), Duration::from_secs(1))?;
        Ok(())
    },
    addresses: |place| {
        vec![
            format!("smtp://127.0.0.1:{}", place.ports[0]),
            format!("smtp://127.0.0.1:{}", place.ports[1]),
            format!("smtps://127.0.0.1:{}", place.ports[2]),
            place.keep.display().to_string(),
            place.tls("ca.pem").display().to_string(),
        ]
    },
};

const AIOSMTPD: Module = Module {
    name: "aiosmtpd",
    import: "aiosmtpd.smtp",
    debian: Some("python3-aiosmtpd"),
    pip: &["aiosmtpd==1.4.6"],
    cost: "under 1 MB, a few seconds",
};

fn command(program: &Program, place: &Place) -> Result<Command> {
    std::fs::create_dir_all(&place.keep)?;
    let mut command = program.command();
    // No .pyc files beside the script: that folder is the repository's.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(place.tool.join("servers/smtp.py"));
    for (door, port) in ["--plain", "--starttls", "--tls"].iter().zip(&place.ports) {
        command.arg(door).arg(port.to_string());
    }
    command.arg("--spool").arg(&place.keep);
    command.arg("--certificate").arg(place.tls("server.pem")).arg("--key").arg(place.tls("server.key"));
    Ok(command)
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Banner, EHLO, QUIT.
fn greet(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address(port), Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut expect = |code: &str| loop {
        let line = lines.next().ok_or_else(|| Failure::new("closed the connection"))??;
        if !line.starts_with(code) {
            return Err(Failure::new(format!("answered {line:?}")));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    };
    expect("220")?;
    stream.write_all(b"EHLO localhost\r\n")?;
    expect("250")?;
    stream.write_all(b"QUIT\r\n")?;
    expect("221")
}
