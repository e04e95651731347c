//! Where the server is: `smtp://[user:password@]host[:port]`.

use external_core::{Error, Result, Secret};

/// A parsed URL.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) implicit_tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

impl Address {
    /// Parses a URL; nothing of it is repeated in an error, since it may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let wrong = |message: &'static str| Error::configuration(message).with_context("field", "url");
        let (implicit_tls, rest) = if let Some(rest) = url.strip_prefix("smtp://") {
            (false, rest)
        } else if let Some(rest) = url.strip_prefix("smtps://") {
            (true, rest)
        } else {
            return Err(wrong("the URL must begin with smtp:// or smtps://"));
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(wrong("the URL ends after host and port; options are fields of their own"));
        }
        let (userinfo, place) = match rest.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, rest),
        };
        let (host, port) = if let Some(v6) = place.strip_prefix('[') {
            let (host, port) =
                v6.split_once(']').ok_or_else(|| wrong("the address in brackets does not end"))?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').unwrap_or("?")) };
            (format!("[{host}]"), port)
        } else {
            match place.split_once(':') {
                Some((host, port)) => (host.to_owned(), Some(port)),
                None => (place.to_owned(), None),
            }
        };
        let fine = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]%".contains(&b);
        if host.is_empty() || !host.bytes().all(fine) {
            return Err(wrong("the URL has no host, or one that is no host name or address"));
        }
        let port = match port {
            None => {
                if implicit_tls {
                    465
                } else {
                    587
                }
            }
            Some(port) => port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| wrong("the port is no number from 1 to 65535"))?,
        };
        let (user, password) = match userinfo {
            None => (None, None),
            Some(userinfo) => {
                let (user, password) = match userinfo.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (userinfo, None),
                };
                let decode = |text: &str| {
                    unescape(text).ok_or_else(|| wrong("user or password hold a % that escapes nothing"))
                };
                (Some(decode(user)?), password.map(decode).transpose()?.map(Secret::new))
            }
        };
        Ok(Self { implicit_tls, host, port, user, password })
    }
}

/// Resolves `%41`.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let plain = Address::parse("smtp://mail.example.org").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.implicit_tls), ("mail.example.org", 587, false));
        let full = Address::parse("smtps://us%40er:p%3Aw@[::1]:2465/").unwrap();
        assert_eq!((full.host.as_str(), full.port, full.implicit_tls), ("[::1]", 2465, true));
        assert_eq!(full.user.as_deref(), Some("us@er"));
        assert!(full.password.unwrap().matches(b"p:w"));
    }

    #[test]
    fn what_is_no_url_is_told_without_repeating_it() {
        for url in [
            "",
            "mail.example.org",
            "http://x",
            "smtp://",
            "smtp://h:0",
            "smtp://h:99999",
            "smtp://h/path",
            "smtp://h?x=1",
            "smtp://u:hunter2@",
            "smtp://u:hunter2%zz@h",
            "smtp://h h",
            "smtp://[::1",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert_eq!(error.kind(), external_core::ErrorKind::Configuration, "{url}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
