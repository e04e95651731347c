//! `HttpUrl`: where a request goes, without anything that must not be shown.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use ::http::Uri;
use ::http::uri::{PathAndQuery, Scheme};

use crate::{Error, Result};

/// An `http` or `https` URL, or the part of one below the base of a transport (`/users?page=2`).
///
/// Credentials and fragments are refused: the former belong into headers, the latter go nowhere. So are segments of dots,
/// which lead elsewhere than the text says. What must be percent-encoded and is not, is. `Display` and `Debug` show scheme, host and port alone, since paths and queries bear secrets too; [`expose`](Self::expose) shows all.
///
/// ```
/// use external_core::http::HttpUrl;
///
/// let url = HttpUrl::parse("https://api.example.org/v1/items")?.with_query("name", "a b&c");
/// assert_eq!(url.expose(), "https://api.example.org/v1/items?name=a%20b%26c");
/// assert_eq!(url.to_string(), "https://api.example.org");
/// # Ok::<(), external_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl(Uri);

impl HttpUrl {
    /// Parses an absolute URL, or a path that begins with `/`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for anything else; the error does not hold the text.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &'static str| Err(Error::invalid_argument(why));
        if text.contains('#') {
            return refuse("a URL of a request has no fragment");
        }
        let target_at = match text.split_once("://") {
            Some((scheme, rest)) => scheme.len() + 3 + rest.find(['/', '?']).unwrap_or(rest.len()),
            None => 0,
        };
        let (place, target) = text.split_at_checked(target_at).unwrap_or((text, ""));
        let path = target.split('?').next().unwrap_or_default();
        if path.split('/').any(is_dots) {
            return refuse("a path with segments of dots");
        }
        let parsed = match in_full(target) {
            Cow::Borrowed(_) => text.parse::<Uri>(),
            Cow::Owned(target) => format!("{place}{target}").parse(),
        };
        let Ok(uri) = parsed else { return refuse("not a URL") };
        match (uri.scheme(), uri.authority()) {
            (None, None) if text.starts_with('/') => Ok(Self(uri)),
            (Some(scheme), Some(authority)) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => {
                if authority.as_str().contains('@') {
                    return refuse("credentials in a URL are shown to everybody: set a header");
                }
                match authority.host() {
                    "" => return refuse("a URL without a host"),
                    host if !is_host(host) => return refuse("a host that is neither a name nor an address"),
                    host if !is_port(authority.as_str().strip_prefix(host)) => {
                        return refuse("a port that is none");
                    }
                    _ => {}
                }
                Ok(Self(uri))
            }
            _ => refuse("not an http or https URL, nor a path that begins with `/`"),
        }
    }

    /// The whole URL, as it was parsed. What stands in it may be a secret.
    #[must_use]
    pub fn expose(&self) -> String {
        self.0.to_string()
    }

    /// Whether it names a host.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.0.authority().is_some()
    }

    /// Whether it is an `https` URL.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// The host, in lower case; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        self.0.host().map(str::to_ascii_lowercase)
    }

    /// The port, or that of the scheme.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        let of_scheme = if self.is_https() { 443 } else { 80 };
        self.is_absolute().then(|| self.0.port_u16().unwrap_or(of_scheme))
    }

    /// The path, percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The query, percent-encoded, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// Path and query: what stands in a request's first line.
    #[must_use]
    pub fn target(&self) -> &str {
        self.0.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// Whether both have the same scheme, host and port.
    #[must_use]
    pub fn has_origin_of(&self, other: &Self) -> bool {
        let have_one_host = match (self.0.host(), other.0.host()) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
            (ours, theirs) => ours == theirs,
        };
        have_one_host && (self.0.scheme(), self.port()) == (other.0.scheme(), other.port())
    }

    /// The same URL with one more pair in its query, percent-encoded.
    #[must_use]
    pub fn with_query(self, name: &str, value: &str) -> Self {
        let separator = if self.query().is_some() { '&' } else { '?' };
        let target = format!("{}{separator}{}={}", self.target(), encoded(name), encoded(value));
        self.at(&target)
    }

    /// This URL where it is absolute, else the one below `base`, whose path goes before.
    #[must_use]
    pub fn below(&self, base: &Self) -> Self {
        if self.is_absolute() {
            return self.clone();
        }
        base.clone().at(&format!("{}{}", base.path().trim_end_matches('/'), self.target()))
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
        let target = format!("{}{query}", without_dots(path));
        match in_full(&target).parse::<PathAndQuery>() {
            Ok(target) => Ok(self.clone().at(target.as_str())),
            Err(_) => Err(Error::invalid_argument("a redirect to something that is no URL")),
        }
    }

    fn at(self, target: &str) -> Self {
        let mut parts = self.0.into_parts();
        // What is joined here was parsed before, or is encoded.
        if let Ok(target) = target.parse() {
            parts.path_and_query = Some(target);
        }
        Self(Uri::from_parts(parts).unwrap_or_default())
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
fn is_port(behind: Option<&str>) -> bool {
    match behind.and_then(|behind| behind.strip_prefix(':')) {
        Some(port) => {
            port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }
        None => behind == Some(""),
    }
}

/// `.` and `..`, however they are written.
fn is_dots(segment: &str) -> bool {
    segment.starts_with(['.', '%'])
        && matches!(segment.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..")
}

/// Path and query with everything encoded that RFC 3986 wants encoded there, and apostrophes in the query, since libraries
/// do not agree about them. White space and control characters stay, to be refused.
fn in_full(target: &str) -> Cow<'_, str> {
    let is_bare = |in_query: &mut bool, byte: u8| {
        *in_query |= byte == b'?';
        match byte {
            b'\'' => *in_query,
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' | 0x80.. => true,
            _ => false,
        }
    };
    let mut in_query = false;
    if !target.bytes().any(|byte| is_bare(&mut in_query, byte)) {
        return Cow::Borrowed(target);
    }
    let mut all = String::with_capacity(target.len() + 8);
    in_query = false;
    for byte in target.bytes() {
        match is_bare(&mut in_query, byte) {
            true => push_encoded(&mut all, byte),
            false => all.push(byte.into()),
        }
    }
    Cow::Owned(all)
}

/// Removes `.` and `..` segments (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let is_last = at + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Everything but what RFC 3986 calls unreserved.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut all, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => all.push(byte.into()),
            _ => push_encoded(&mut all, byte),
        }
        all
    })
}

fn push_encoded(text: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(HEX[usize::from(byte >> 4)].into());
    text.push(HEX[usize::from(byte & 15)].into());
}

impl FromStr for HttpUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.scheme_str(), self.0.authority()) {
            (Some(scheme), Some(authority)) => write!(f, "{scheme}://{authority}"),
            _ => f.write_str("/…"),
        }
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
