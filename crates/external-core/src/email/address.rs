//! Mail addresses: parsed once, at the door, by the limits of RFC 5321 and the UTF-8 rules of RFC 6531.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::header::HeaderText;
use super::punycode;
use crate::{Error, Result};

/// Longest local part, in octets (RFC 5321, 4.5.3.1.1).
const LOCAL_OCTETS: usize = 64;
/// Longest domain, in octets (RFC 5321, 4.5.3.1.2).
const DOMAIN_OCTETS: usize = 255;
/// Longest address, in octets: a path of 256 with its two angle brackets (RFC 5321, 4.5.3.1.3).
const ADDRESS_OCTETS: usize = 254;

/// One mail address, `local@domain`, without a display name. Free to clone.
///
/// The local part is kept as written, since only its own server may judge its case; the domain is lower-cased. Both may hold
/// UTF-8. Quoted local parts (`"a b"@example.org`) and address literals (`a@[192.0.2.1]`) are accepted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    text: Arc<str>,
    at: usize,
}

impl EmailAddress {
    /// Parses an address.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` that says which rule is broken; the text itself is not repeated, since it may be anything.
    pub fn parse(text: &str) -> Result<Self> {
        let at = text.rfind('@').ok_or_else(|| refuse("it has no @"))?;
        let (local, domain) = (&text[..at], &text[at + 1..]);
        if local.len() > LOCAL_OCTETS {
            return Err(refuse("its local part is longer than 64 octets"));
        }
        if domain.len() > DOMAIN_OCTETS {
            return Err(refuse("its domain is longer than 255 octets"));
        }
        if text.len() > ADDRESS_OCTETS {
            return Err(refuse("it is longer than 254 octets"));
        }
        check_local(local)?;
        check_domain(domain)?;
        let text: Arc<str> = if !domain.starts_with('[') && domain.chars().any(char::is_uppercase) {
            format!("{local}@{}", domain.to_lowercase()).into()
        } else {
            text.into()
        };
        Ok(Self { text, at })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, as written.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands behind the `@`, lower-cased.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The domain in ASCII: labels that hold other letters in their `xn--` form (RFC 3492, after lower-casing alone).
    pub fn ascii_domain(&self) -> Cow<'_, str> {
        punycode::domain_to_ascii(self.domain())
    }

    /// Whether the local part needs SMTPUTF8 (RFC 6531), that is: holds anything but ASCII. A domain can be written in
    /// ASCII, a local part cannot.
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }
}

fn refuse(why: &'static str) -> Error {
    Error::invalid_argument("not a mail address").with_context("because", why)
}

fn check_local(local: &str) -> Result<()> {
    if local.is_empty() {
        return Err(refuse("its local part is empty"));
    }
    if let Some(inner) = local.strip_prefix('"') {
        return check_quoted(inner);
    }
    if local.split('.').any(str::is_empty) {
        return Err(refuse("its local part has an empty piece beside a dot"));
    }
    let atext = |c: char| {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) || is_letter_beyond_ascii(c)
    };
    if !local.chars().all(atext) {
        return Err(refuse("its local part holds a character that needs quoting or is not allowed"));
    }
    Ok(())
}

fn check_quoted(inner: &str) -> Result<()> {
    let body = inner.strip_suffix('"').ok_or_else(|| refuse("its quoted local part does not end"))?;
    let mut escaped = false;
    for c in body.chars() {
        let printable = (' '..='~').contains(&c) || is_letter_beyond_ascii(c);
        if !printable || (c == '"' && !escaped) {
            return Err(refuse("its quoted local part holds a character that is not allowed"));
        }
        escaped = c == '\\' && !escaped;
    }
    if escaped || body.is_empty() {
        return Err(refuse("its quoted local part is empty or ends in a backslash"));
    }
    Ok(())
}

fn check_domain(domain: &str) -> Result<()> {
    if let Some(inner) = domain.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(|| refuse("its address literal does not end"))?;
        let literal = match inner.strip_prefix("IPv6:") {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => inner.parse::<std::net::Ipv4Addr>().is_ok(),
        };
        return if literal { Ok(()) } else { Err(refuse("its address literal is not an IP address")) };
    }
    for label in domain.split('.') {
        if label.is_empty() {
            return Err(refuse("its domain has an empty label"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(refuse("a label of its domain starts or ends with a hyphen"));
        }
        if !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || is_letter_beyond_ascii(c)) {
            return Err(refuse("its domain holds a character that is not allowed"));
        }
        if punycode::domain_to_ascii(label).len() > 63 {
            return Err(refuse("a label of its domain is longer than 63 octets"));
        }
    }
    Ok(())
}

/// Letters, digits and marks of all scripts; not spaces, controls, or the invisible characters that turn text around.
fn is_letter_beyond_ascii(c: char) -> bool {
    !c.is_ascii()
        && !c.is_control()
        && !c.is_whitespace()
        && !matches!(c, '\u{200B}' | '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFF}')
}

impl FromStr for EmailAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for EmailAddress {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl AsRef<str> for EmailAddress {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// An address with the name it is shown under: `Ada Lovelace <ada@example.org>`.
///
/// Parsed from a bare address, `Name <address>` or `"Quoted, name" <address>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    name: Option<HeaderText>,
    address: EmailAddress,
}

impl Mailbox {
    /// A mailbox without a name.
    pub fn new(address: EmailAddress) -> Self {
        Self { name: None, address }
    }

    /// The same mailbox under a name, in any script. An empty name is none.
    #[must_use]
    pub fn with_name(mut self, name: HeaderText) -> Self {
        self.name = Some(name).filter(|name| !name.as_str().is_empty());
        self
    }

    /// The name, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(HeaderText::as_str)
    }

    /// The address.
    pub fn address(&self) -> &EmailAddress {
        &self.address
    }
}

impl From<EmailAddress> for Mailbox {
    fn from(address: EmailAddress) -> Self {
        Self::new(address)
    }
}

impl FromStr for Mailbox {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim_matches(' ');
        let Some(rest) = text.strip_suffix('>') else {
            return Ok(Self::new(EmailAddress::parse(text)?));
        };
        let (name, address) = rest.rsplit_once('<').ok_or_else(|| refuse("it has a > without a <"))?;
        let name = name.trim_matches(' ');
        let name = match name.strip_prefix('"') {
            Some(quoted) => {
                let inner = quoted.strip_suffix('"').ok_or_else(|| refuse("its quoted name does not end"))?;
                HeaderText::parse(&inner.replace("\\\"", "\"").replace("\\\\", "\\"))?
            }
            None => HeaderText::parse(name)?,
        };
        Ok(Self::new(EmailAddress::parse(address)?).with_name(name))
    }
}

impl TryFrom<&str> for Mailbox {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            None => fmt::Display::fmt(&self.address, f),
            Some(name) if name.chars().all(|c| c.is_alphanumeric() || c == ' ') => {
                write!(f, "{name} <{}>", self.address)
            }
            Some(name) => {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "\"{name}\" <{}>", self.address)
            }
        }
    }
}

impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_have() {
        for text in [
            "ada@example.org",
            "first.last+tag@sub.example.co.uk",
            "o'brien@example.org",
            "用户@例子.广告",
            "अजय@डाटा.भारत",
            "müller@xn--bcher-kva.example",
            "\"a b\"@example.org",
            "root@localhost",
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
        ] {
            let address = EmailAddress::parse(text).unwrap();
            assert_eq!(address.as_str(), text);
        }
        let upper = EmailAddress::parse("Ada@EXAMPLE.Org").unwrap();
        assert_eq!((upper.local(), upper.domain()), ("Ada", "example.org"));
    }

    #[test]
    fn refuses_what_is_no_address() {
        let local = "a".repeat(65);
        let long = format!("{}@{}.example", "a".repeat(64), "b.".repeat(100));
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a b@example.org",
            "ada@exa mple.org",
            "ada@-a.org",
            "ada@a..org",
            ".ada@example.org",
            "ada.@example.org",
            "a..b@example.org",
            "ada@example.org\r\nBcc: x@example.org",
            "ada\r\n@example.org",
            "ada\0@example.org",
            "<ada@example.org>",
            "ada@example.org,bob@example.org",
            "a\u{202E}b@example.org",
            "ada@[300.1.1.1]",
            "\"a@example.org",
            "\"a\"b\"@example.org",
            &format!("{local}@example.org"),
            &format!("{}@example.org", "a".repeat(200)),
            &long,
            &format!("a@{}.org", "b".repeat(64)),
        ] {
            let error = EmailAddress::parse(text).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{text:?}");
            assert!(text.len() < 8 || !error.to_string().contains(text), "repeats its input");
        }
    }

    #[test]
    fn mailboxes_survive_a_round_trip() {
        for text in
            ["Ada <ada@example.org>", "ada@example.org", "\"Lovelace, \\\"Ada\\\"\" <ada@example.org>"]
        {
            let mailbox: Mailbox = text.parse().unwrap();
            assert_eq!(mailbox.to_string(), text);
        }
        let mailbox: Mailbox = "山田太郎 <taro@example.jp>".parse().unwrap();
        assert_eq!(mailbox.name(), Some("山田太郎"));
        assert!("Ada\r\nBcc: eve@example.org <ada@example.org>".parse::<Mailbox>().is_err());
        assert!("Ada ada@example.org>".parse::<Mailbox>().is_err());
    }
}
