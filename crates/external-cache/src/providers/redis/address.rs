//! Where the server is: a Redis URL, taken apart without ever being printed.

use external_core::{Error, Result, Secret};
use percent_encoding::percent_decode_str;

/// What a URL said.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<u32>,
}

impl Address {
    /// Parses `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (tls, rest) = if let Some(rest) = url.strip_prefix("redis://") {
            (false, rest)
        } else if let Some(rest) = url.strip_prefix("rediss://") {
            (true, rest)
        } else {
            return Err(malformed("it begins with neither redis:// nor rediss://"));
        };
        if rest.contains(['?', '#']) {
            return Err(malformed("it has a query or a fragment; options are fields of their own"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The last `@`: a password that was not encoded may hold one.
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let (host, port) = host_and_port(place)?;
        let database = match path.trim_end_matches('/') {
            "" => None,
            number => {
                Some(number.parse().map_err(|_| malformed("the database after the host is not a number"))?)
            }
        };
        let (username, password) = match credentials.map(|text| text.split_once(':').unwrap_or((text, ""))) {
            Some((user, password)) => (decoded(user)?, decoded(password)?),
            None => (None, None),
        };
        Ok(Self { tls, host, port, username, password: password.map(Secret::new), database })
    }
}

fn host_and_port(place: &str) -> Result<(String, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) =
                rest.split_once(']').ok_or_else(|| malformed("an IPv6 address lacks its ]"))?;
            (host, rest.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if host.is_empty() {
        return Err(malformed("it names no host"));
    }
    let port = match port {
        None => 6379,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| malformed("the port is not a number from 1 to 65535"))?,
    };
    Ok((host.to_owned(), port))
}

fn decoded(text: &str) -> Result<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| malformed("its credentials are not UTF-8"))?;
    Ok(Some(decoded.into_owned()))
}

/// Says what is wrong without repeating the URL, which may hold a password.
fn malformed(reason: &'static str) -> Error {
    Error::configuration(format!("not a Redis URL (redis://host:port/database): {reason}"))
        .with_context("field", "url")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_apart() {
        let full = Address::parse("rediss://app:p%40ss@cache.example:6380/3").unwrap();
        assert!(full.tls);
        assert_eq!((full.host.as_str(), full.port, full.database), ("cache.example", 6380, Some(3)));
        assert_eq!(full.username.as_deref(), Some("app"));
        assert!(full.password.unwrap().matches(b"p@ss"));

        let plain = Address::parse("redis://localhost").unwrap();
        assert_eq!((plain.tls, plain.port, plain.database), (false, 6379, None));
        assert!(plain.username.is_none() && plain.password.is_none());

        let password_only = Address::parse("redis://:secret@[::1]:7/").unwrap();
        assert_eq!((password_only.host.as_str(), password_only.port), ("::1", 7));
        assert!(password_only.username.is_none() && password_only.password.is_some());
    }

    #[test]
    fn refuses_others_without_repeating_them() {
        for url in [
            "http://canary@host",
            "redis://canary@:1",
            "redis://:canary@host:port",
            "redis://:canary@host:0",
            "redis://:canary@host/one",
            "redis://:canary@host?db=1",
            "redis://:canary@[::1",
            "canary",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(!error.report().contains("canary"), "{error}");
        }
    }
}
