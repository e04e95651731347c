//! Where credentials may go: the one rule.

use std::net::{Ipv4Addr, Ipv6Addr};

use external_core::http::HttpUrl;
use external_core::{Error, Result};

/// Refuses to let everyone on the way read credentials: they go over TLS, or to this machine (`localhost` and loopback
/// addresses). A URL without a host is for the transport to refuse. `insecure_http` is the setting that says otherwise.
///
/// # Errors
///
/// `Configuration`, `NotSent`.
///
/// ```
/// use external_http::{HttpUrl, auth::check_protected};
///
/// assert!(check_protected(&HttpUrl::parse("https://api.example.org/")?, false).is_ok());
/// assert!(check_protected(&HttpUrl::parse("http://127.0.0.1:8080/")?, false).is_ok());
/// assert!(check_protected(&HttpUrl::parse("http://api.internal/")?, false).is_err());
/// assert!(check_protected(&HttpUrl::parse("http://api.internal/")?, true).is_ok());
/// # Ok::<(), external_http::Error>(())
/// ```
pub fn check_protected(url: &HttpUrl, insecure_http: bool) -> Result<()> {
    let is_protected = url.is_https() || url.host().is_none_or(|host| is_loopback(&host));
    if is_protected || insecure_http {
        return Ok(());
    }
    Err(Error::configuration(
        "credentials over an unprotected connection: write https://, or say insecure_http = true",
    )
    .with_context("url", url))
}

/// `localhost` and what is below it never leave the machine (RFC 6761, 6.3).
fn is_loopback(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => {
            address.parse::<Ipv6Addr>().is_ok_and(|address| address.to_canonical().is_loopback())
        }
        None => host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_needs_no_tls_and_nothing_else_looks_like_it() {
        for (host, is_ours) in [
            ("localhost", true),
            ("LOCALHOST:80", true),
            ("app.localhost", true),
            ("localhost.", true),
            ("127.0.0.1", true),
            ("127.9.8.7:1", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.example.org", false),
            ("notlocalhost", false),
            ("127.0.0.1.example.org", false),
            ("128.0.0.1", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("[::2]", false),
            ("[fe80::1]", false),
            ("memory.invalid", false),
        ] {
            let url = HttpUrl::parse(&format!("http://{host}/")).unwrap();
            assert_eq!(check_protected(&url, false).is_ok(), is_ours, "{host}");
        }
    }
}
