//! Servers that the environment gives: which they are, and whether anything answers where it says that they are.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::Server;
use crate::failure::{Failure, Result};

/// How long an address may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the environment says where `server` is, so that none is started.
pub fn is_given(server: &Server) -> bool {
    set(server.variables[0]).is_some()
}

/// One line: which server, and what gives it.
pub fn line(server: &Server) -> String {
    let variable = server.variables[0];
    let at = set(variable).map_or_else(String::new, |value| shown(variable, &value));
    format!("{:<10} given by {variable} ({at}), not started", server.name)
}

/// Fails unless something answers at every address of `server` that the environment gives.
pub fn check(server: &Server) -> Result<()> {
    for variable in server.variables.iter().filter(|variable| is_address(variable)) {
        if let Some(value) = set(variable) {
            answers(server.name, variable, &value)?;
        }
    }
    Ok(())
}

/// As [`check`] for several: a line for each that does not answer.
pub fn check_all(servers: &[&Server]) -> Result<()> {
    let told: Vec<String> =
        servers.iter().filter_map(|server| check(server).err()).map(|failure| failure.to_string()).collect();
    if told.is_empty() { Ok(()) } else { Err(Failure::new(told.join("\n"))) }
}

fn set(variable: &str) -> Option<String> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}

/// Other variables hold keys, names and paths.
fn is_address(variable: &str) -> bool {
    ["_URL", "_ENDPOINT", "_PORT"].iter().any(|end| variable.ends_with(end))
}

fn answers(server: &str, variable: &str, value: &str) -> Result<()> {
    let shown = shown(variable, value);
    let Some((host, port)) = place(variable, value) else {
        let form = if is_port(variable) { "a port of 127.0.0.1" } else { "`scheme://host:port`" };
        return Err(Failure::new(format!(
            "{variable} should say where {server} is, but holds no address ({shown}): make it {form}, or unset it, and \
             the server is started for you"
        )));
    };
    let tried = (host, port).to_socket_addrs().and_then(connect);
    tried.map_err(|error| {
        Failure::new(format!(
            "{variable} says that {server} is at {shown}, but nothing answers there ({error}): unset it, and the server \
             is started for you, or start yours"
        ))
    })
}

/// A name may have several addresses; one that answers is enough.
fn connect(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<()> {
    let mut failed = io::Error::new(ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn is_port(variable: &str) -> bool {
    variable.ends_with("_PORT")
}

/// Host and port of `scheme://[user[:password]@]host:port[/…]`, or of a port alone. The port has to be there: the suites
/// put a proxy in the place of both.
fn place<'a>(variable: &str, value: &'a str) -> Option<(&'a str, u16)> {
    let (host, port) = if is_port(variable) {
        ("127.0.0.1", value)
    } else {
        let (_, rest) = value.split_once("://").filter(|(scheme, _)| !scheme.is_empty())?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let authority = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        authority.rsplit_once(':')?
    };
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}

/// The value without what may be secret in it.
fn shown(variable: &str, value: &str) -> String {
    match place(variable, value) {
        Some((host, port)) if host.contains(':') => format!("[{host}]:{port}"),
        Some((host, port)) => format!("{host}:{port}"),
        None if value.contains(['@', '?']) => "not shown, since it may hold a password".to_owned(),
        None => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::super::{ALL, MAILPIT};
    use super::*;

    #[test]
    fn addresses_are_read_as_the_suites_need_them() {
        let url = |value| place("EXTERNAL_TEST_X_URL", value);
        assert_eq!(url("redis://127.0.0.1:6379"), Some(("127.0.0.1", 6379)));
        assert_eq!(url("rediss://app:s3@cret@cache.example:6380/0?x=1"), Some(("cache.example", 6380)));
        assert_eq!(url("http://[::1]:9000/v1"), Some(("::1", 9000)));
        assert_eq!(place("EXTERNAL_BENCH_SMTP_PORT", "1025"), Some(("127.0.0.1", 1025)));
        for wrong in [
            "127.0.0.1:6379",
            "redis://127.0.0.1",
            "redis://:6379",
            "redis://h:0",
            "redis://h:65536",
            "redis://h:port",
            "redis://::1:80",
            "://h:1",
            "nonsense",
        ] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
        assert_eq!(place("EXTERNAL_BENCH_SMTP_PORT", "smtp"), None);
    }

    #[test]
    fn what_answers_is_taken_and_what_does_not_is_told_with_its_remedy() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("redis://app:s3cret@127.0.0.1:{port}/0");
        answers("redis", "EXTERNAL_TEST_REDIS_URL", &url).unwrap();
        drop(listener);
        let told = answers("redis", "EXTERNAL_TEST_REDIS_URL", &url).unwrap_err().to_string();
        let begin = format!("EXTERNAL_TEST_REDIS_URL says that redis is at 127.0.0.1:{port}, but nothing");
        assert!(told.starts_with(&begin) && told.contains("unset it"), "{told}");
        assert!(!told.contains("s3cret") && !told.contains('\n'), "{told}");
    }

    #[test]
    fn what_is_no_address_is_told_without_what_may_be_a_password() {
        let told = |value| answers("redis", "EXTERNAL_TEST_REDIS_URL", value).unwrap_err().to_string();
        let plain = told("localhost:6379");
        assert!(plain.starts_with("EXTERNAL_TEST_REDIS_URL should say where redis is"), "{plain}");
        assert!(plain.contains("`localhost:6379`") && plain.contains("`scheme://host:port`"), "{plain}");
        assert!(!told("redis://app:s3cret@cache").contains("s3cret"));
    }

    #[test]
    fn the_variable_that_gives_a_server_is_an_address() {
        for server in ALL.iter().chain([&MAILPIT]) {
            assert!(is_address(server.variables[0]), "{}", server.name);
        }
        assert!(!is_address("EXTERNAL_TEST_CA") && !is_address("EXTERNAL_TEST_SMTP_MAILBOX"));
    }
}
