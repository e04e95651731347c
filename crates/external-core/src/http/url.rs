//! `HttpUrl`: where a request goes, without anything that must not be shown.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use super::target::{encoded, has_dots, in_full, without_dots};
use crate::{Error, Result};

/// More bytes than the libraries below take (`http::Uri`).
const LONGEST: usize = 65_534;

/// An `http` or `https` URL, or the part of one below the base of a transport (`/users?page=2`).
///
/// Credentials and fragments are refused: the former belong into headers, the latter go nowhere. So are segments of dots,
/// which lead elsewhere than the text says, and more than 65,534 bytes. What must be percent-encoded and is not, is; scheme and
/// host are in lower case. `Display` and `Debug` show scheme, host and port alone, since paths and queries bear secrets too;
/// [`expose`](Self::expose) shows all. Cloning is cheap.
///
/// ```
/// use external_core::http::HttpUrl;
///
/// let url = HttpUrl::parse("https://api.example.org/v1/items")?.with_query("name", "a b&c");
/// assert_eq!(url.exposed(), "https://api.example.org/v1/items?name=a%20b%26c");
/// assert_eq!(url.to_string(), "https://api.example.org");
/// # Ok::<(), external_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    /// All of it. Kept as text with the places of its parts, so that a request is neither put together nor copied from them.
    text: Arc<str>,
    /// Where the host begins and ends; 0 where there is none.
    host: (usize, usize),
    /// Where the path begins; 0 where no host goes before.
    path_at: usize,
    /// Where the path ends.
    path_end: usize,
}

impl HttpUrl {
    /// Parses an absolute URL, or a path that begins with `/`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for anything else; the error does not hold the text.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &'static str| Err(Error::invalid_argument(why));
        if text.as_bytes().contains(&b'#') {
            return refuse("a URL of a request has no fragment");
        }
        let (host, path_at) = match authority_at(text) {
            None if text.starts_with('/') => ((0, 0), 0),
            None => return refuse("not an http or https URL, nor a path that begins with `/`"),
            Some(at) => {
                let end = text[at..].find(['/', '?']).map_or(text.len(), |length| at + length);
                ((at, at + host_length(&text[at..end])?), end)
            }
        };
        let (place, target) = text.split_at(path_at);
        if has_dots(target.split('?').next().unwrap_or_default()) {
            return refuse("a path with segments of dots");
        }
        let Some(target) = in_full(target) else { return refuse("not a URL") };
        let slash = if target.starts_with('/') { "" } else { "/" };
        let is_as_written = slash.is_empty()
            && matches!(target, Cow::Borrowed(_))
            && !place.bytes().any(|byte| byte.is_ascii_uppercase());
        let text: Arc<str> = match is_as_written {
            true => text.into(),
            false => [place.to_ascii_lowercase().as_str(), slash, &*target].concat().into(),
        };
        if text.len() > LONGEST {
            return refuse("a URL of more than 65,534 bytes");
        }
        Ok(Self::of(text, host, path_at))
    }

    fn of(text: Arc<str>, host: (usize, usize), path_at: usize) -> Self {
        let path_end = text[path_at..].find('?').map_or(text.len(), |length| path_at + length);
        Self { text, host, path_at, path_end }
    }

    /// The whole URL. What stands in it may be a secret.
    #[must_use]
    pub fn expose(&self) -> String {
        self.exposed().to_owned()
    }

    /// As [`expose`](Self::expose), lent.
    #[must_use]
    pub fn exposed(&self) -> &str {
        &self.text
    }

    /// Whether it names a host.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.path_at > 0
    }

    /// Whether it is an `https` URL.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// The host, in lower case; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        self.is_absolute().then(|| self.host_text().to_owned())
    }

    /// The port, or that of the scheme.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let of_scheme = if self.is_https() { 443 } else { 80 };
        let told = self.text[self.host.1..self.path_at].strip_prefix(':').and_then(|port| port.parse().ok());
        self.is_absolute().then(|| told.unwrap_or(of_scheme))
    }

    /// The path, percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.path_at..self.path_end]
    }

    /// The query, percent-encoded, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_end + 1..)
    }

    /// Path and query: what stands in a request's first line.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// Whether both have the same scheme, host and port.
    #[must_use]
    pub fn has_origin_of(&self, other: &Self) -> bool {
        let have_one_host = self.host_text() == other.host_text();
        have_one_host && (self.is_https(), self.port()) == (other.is_https(), other.port())
    }

    /// The same URL with one more pair in its query, percent-encoded.
    #[must_use]
    pub fn with_query(self, name: &str, value: &str) -> Self {
        let separator = if self.query().is_some() { '&' } else { '?' };
        let text = format!("{}{separator}{}={}", self.text, encoded(name), encoded(value));
        Self::of(text.into(), self.host, self.path_at)
    }

    /// This URL where it is absolute, else the one below `base`, whose path goes before.
    #[must_use]
    pub fn below(&self, base: &Self) -> Self {
        if self.is_absolute() {
            return self.clone();
        }
        base.at(base.path().trim_end_matches('/'), self.target())
    }

    /// Where a `Location` of an answer to this URL leads (RFC 3986, 5.2). A fragment is dropped.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL, or none of `http` and `https`.
    pub fn redirected(&self, location: &str) -> Result<Self> {
        let location = location.split('#').next().unwrap_or_default();
        if location.starts_with("//") {
            let scheme = if self.is_https() { "https" } else { "http" };
            return Self::parse(&format!("{scheme}:{location}"));
        }
        let is_absolute = location.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
        if is_absolute {
            return Self::parse(location);
        }
        let target = if location.starts_with('/') {
            location.to_owned()
        } else if location.is_empty() {
            self.target().to_owned()
        } else if location.starts_with('?') {
            format!("{}{location}", self.path())
        } else {
            let folder = self.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{location}")
        };
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        match in_full(&format!("{}{query}", without_dots(path))) {
            Some(target) => Ok(self.at("", &target)),
            None => Err(Error::invalid_argument("a redirect to something that is no URL")),
        }
    }

    /// Another path and query at the same place: both were parsed before, or are encoded.
    fn at(&self, folder: &str, target: &str) -> Self {
        let text = [&self.text[..self.path_at], folder, target].concat();
        Self::of(text.into(), self.host, self.path_at)
    }

    fn host_text(&self) -> &str {
        &self.text[self.host.0..self.host.1]
    }
}

/// Where the host of an absolute URL begins, if it is one of `http` or `https`.
fn authority_at(text: &str) -> Option<usize> {
    let begins = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(scheme))
    };
    ["https://", "http://"].into_iter().find(|&scheme| begins(scheme)).map(str::len)
}

/// How long the host is, of what stands between scheme and path.
fn host_length(authority: &str) -> Result<usize> {
    let refuse = |why: &'static str| Err(Error::invalid_argument(why));
    if authority.contains('@') {
        return refuse("credentials in a URL are shown to everybody: set a header");
    }
    let length = match authority.starts_with('[') {
        true => authority.find(']').map_or(authority.len(), |at| at + 1),
        false => authority.find(':').unwrap_or(authority.len()),
    };
    match authority.split_at(length) {
        ("", _) => refuse("a URL without a host"),
        (host, _) if !is_host(host) => refuse("a host that is neither a name nor an address"),
        (_, behind) if !is_port(behind) => refuse("a port that is none"),
        _ => Ok(length),
    }
}

/// Whether it is a name as DNS and service discovery have them, or an address. RFC 3986 allows more, even `=` and `&`: hosts
/// are shown, so what slipped out of a query must not pass for one.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')),
    }
}

/// What stands behind a host: nothing, or a colon and a port, which may be left out (RFC 3986, 3.2.3).
fn is_port(behind: &str) -> bool {
    match behind.strip_prefix(':') {
        Some(port) => {
            port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }
        None => behind.is_empty(),
    }
}

impl FromStr for HttpUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_absolute() { &self.text[..self.path_at] } else { "/…" })
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> HttpUrl {
        HttpUrl::parse(text).unwrap()
    }

    #[test]
    fn refuses_what_is_no_place_for_a_request() {
        for text in [
            "",
            "x",
            "ftp://a/b",
            "http://",
            "https://user:pw@a/",
            "http://a/b#c",
            "http://a/b c",
            "//a/b#",
            "a:1",
            "*",
            "http://a/\r\nX: y",
            "/a/../b",
            "/a/%2E%2e/b",
            "/.",
            "/../b?to=http://c",
            "http://a.examplekey=pw/",
            "http://a&pw",
            "http://a:80pw/",
            "http://a:65536/pw",
            "http://a:+80/pw",
            "http://[pw]/",
            "http://[::1/",
        ] {
            let refused = HttpUrl::parse(text).is_err_and(|error| !error.to_string().contains("pw"));
            assert!(refused, "{text}");
        }
    }

    #[test]
    fn shows_neither_path_nor_query() {
        let url = url("https://hooks.example.org/T0/s3cret?key=s3cret");
        assert_eq!(
            (url.to_string(), format!("{url:?}").contains("s3cret")),
            ("https://hooks.example.org".into(), false)
        );
    }

    #[test]
    fn what_must_be_encoded_is_and_nothing_twice() {
        assert_eq!(
            url("http://a/é{x}|%20'?q='\"%27[]").expose(),
            "http://a/%C3%A9%7Bx%7D%7C%20'?q=%27%22%27%5B%5D"
        );
        assert_eq!(url("http://[::1]:80/a").host().as_deref(), Some("[::1]"));
    }

    #[test]
    fn a_place_is_the_same_however_it_is_written() {
        let written = url("HTTPS://A.Example:8443?Q=1");
        assert_eq!(written, url("https://a.example:8443/?Q=1"));
        assert_eq!((written.path(), written.query(), written.target()), ("/", Some("Q=1"), "/?Q=1"));
        assert_eq!(
            (written.port(), url("http://a:/").port(), url("/a").port()),
            (Some(8443), Some(80), None)
        );
        assert_eq!((url("/a?").query(), url("/a").query()), (Some(""), None));
        assert_eq!(url("http://[::1]:8080/").port(), Some(8080));
        assert_ne!(url("https://a.example/Q"), url("https://a.example/q"));
    }

    #[test]
    fn no_url_is_longer_than_the_libraries_below_take() {
        let long = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert!(HttpUrl::parse(&long(65_534)).is_ok() && HttpUrl::parse(&long(65_535)).is_err());
    }

    #[test]
    fn a_base_goes_before() {
        let base = url("https://a.example/v1/");
        assert_eq!(url("/users?x=1").below(&base).expose(), "https://a.example/v1/users?x=1");
        assert_eq!(url("http://b/c").below(&base).expose(), "http://b/c");
        assert_eq!(url("/").below(&url("http://a")).expose(), "http://a/");
    }

    #[test]
    fn redirects_lead_where_the_standard_says() {
        let here = url("https://a.example/b/c/d?q");
        for (location, there) in [
            ("http://x.example/y", "http://x.example/y"),
            ("//x.example/y?z", "https://x.example/y?z"),
            ("/y", "https://a.example/y"),
            ("y?z", "https://a.example/b/c/y?z"),
            ("./y", "https://a.example/b/c/y"),
            ("../y/../z/", "https://a.example/b/z/"),
            ("../../../..", "https://a.example/"),
            ("?n=1#f", "https://a.example/b/c/d?n=1"),
            ("", "https://a.example/b/c/d?q"),
        ] {
            assert_eq!(here.redirected(location).unwrap().expose(), there, "{location}");
        }
        for location in ["javascript:alert(1)", "file:///etc/passwd", "http://u:p@x/"] {
            assert!(here.redirected(location).is_err(), "{location}");
        }
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        assert!(url("https://A.example/x").has_origin_of(&url("https://a.example:443/y")));
        for other in ["http://a.example/", "https://a.example:444/", "https://b.example/"] {
            assert!(!url("https://a.example/").has_origin_of(&url(other)), "{other}");
        }
    }
}
