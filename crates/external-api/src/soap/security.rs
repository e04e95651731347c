//! WS-Security: who asks, and until when the message holds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::{BuildContext, Error, Result, Secret};
use external_http::HttpUrl;
use external_http::auth::check_protected;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::xml::{Element, Name};

/// The namespace of the header block, and of its codes in faults.
pub(super) const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
const BASE64: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// How far clocks may be apart where an answer's time is judged.
const SKEW: Duration = Duration::from_secs(300);

/// The WS-Security header of a client's messages, made anew for each attempt: name and password by the UsernameToken
/// Profile 1.1, and the time within which the message holds.
///
/// The password is a [`Secret`]; nothing shows it.
///
/// ```
/// use std::time::Duration;
/// use external_api::Secret;
/// use external_api::soap::WsSecurity;
///
/// let security = WsSecurity::new()
///     .with_password_digest("app", Secret::new("s3cret"))
///     .with_timestamp(Duration::from_secs(300));
/// assert!(!format!("{security:?}").contains("s3cret"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct WsSecurity {
    login: Option<Login>,
    lifetime: Option<Duration>,
    insecure_http: bool,
}

#[derive(Debug, Clone)]
struct Login {
    username: String,
    password: Secret,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Digest,
}

impl WsSecurity {
    /// An empty header.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the password as it is: whoever reads the message has it, so it goes over TLS or to this machine, as
    /// [`check_protected`] says.
    #[must_use]
    pub fn with_password_text(self, username: impl Into<String>, password: Secret) -> Self {
        self.with_login(username.into(), password, Form::Text)
    }

    /// Sends a digest of the password, of the time, and of a nonce: `Base64(SHA-1(nonce + created + password))`. The server
    /// must know the password itself.
    #[must_use]
    pub fn with_password_digest(self, username: impl Into<String>, password: Secret) -> Self {
        self.with_login(username.into(), password, Form::Digest)
    }

    /// Whether a password in text may go over `http://` to other machines, where everyone on the way can read it. Default: no.
    #[must_use]
    pub fn with_insecure_http(mut self, allowed: bool) -> Self {
        self.insecure_http = allowed;
        self
    }

    fn with_login(mut self, username: String, password: Secret, form: Form) -> Self {
        self.login = Some(Login { username, password, form });
        self
    }

    /// Says when the message was made, and that it holds no longer than this.
    #[must_use]
    pub fn with_timestamp(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Refuses a place to which everyone on the way could read the password.
    pub(super) fn check_place(&self, url: &HttpUrl) -> Result<()> {
        match &self.login {
            Some(Login { form: Form::Text, .. }) => check_protected(url, self.insecure_http),
            _ => Ok(()),
        }
    }

    /// The header block of one attempt.
    pub(super) fn header(&self, context: &BuildContext) -> Result<Element> {
        let now = context.now();
        let mut header = Element::new(WSSE, "Security").with_prefix("wsu", WSU).with_prefix("wsse", WSSE);
        if let Some(lifetime) = self.lifetime {
            let timestamp = Element::new(WSU, "Timestamp")
                .with_attribute_named(Name::new(WSU, "Id"), "TS-1")
                .with_field("Created", written(now)?)
                .with_field("Expires", written(now.checked_add(lifetime).unwrap_or(now))?);
            header = header.with_child(timestamp);
        }
        if let Some(login) = &self.login {
            header = header.with_child(login.token(now, context)?);
        }
        Ok(header)
    }

    /// What the server's own header says about an answer: whether it still holds.
    pub(super) fn check(header: &Element, context: &BuildContext) -> Result<()> {
        let expires = header.child_in(WSU, "Timestamp").and_then(|stamp| stamp.child_in(WSU, "Expires"));
        let Some(expires) = expires else { return Ok(()) };
        let until = OffsetDateTime::parse(expires.text().trim(), &Rfc3339)
            .map_err(|_| Error::corrupt("a time in the answer's security header that is none"))?;
        match SystemTime::from(until) + SKEW < context.now() {
            true => Err(Error::corrupt("the answer's security header says that it has expired")),
            false => Ok(()),
        }
    }

    /// Reads the password again before the next attempt, if it comes from a file.
    pub(super) fn forget(&self) {
        if let Some(login) = &self.login {
            login.password.invalidate();
        }
    }
}

impl Login {
    fn token(&self, now: SystemTime, context: &BuildContext) -> Result<Element> {
        let token = Element::new(WSSE, "UsernameToken").with_field("Username", &*self.username);
        let password = self.password.expose()?;
        let typed = |form: &str, text: &str| {
            Element::new(WSSE, "Password").with_attribute("Type", format!("{PROFILE}#{form}")).with_text(text)
        };
        Ok(match self.form {
            Form::Text => token.with_child(typed("PasswordText", &password)),
            Form::Digest => {
                let mut nonce = [0_u8; 16];
                context.random(&mut nonce);
                let created = written(now)?;
                let nonce_text = STANDARD.encode(nonce);
                let nonce_element = Element::new(WSSE, "Nonce").with_attribute("EncodingType", BASE64);
                token
                    .with_child(typed("PasswordDigest", &digest(&nonce, &created, &password)))
                    .with_child(nonce_element.with_text(nonce_text))
                    .with_child(Element::new(WSU, "Created").with_text(created))
            }
        })
    }
}

fn digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut sha1 = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for part in [nonce, created.as_bytes(), password.as_bytes()] {
        sha1.update(part);
    }
    STANDARD.encode(sha1.finish())
}

fn written(at: SystemTime) -> Result<String> {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::try_from(since.as_nanos())
        .ok()
        .and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok())
        .and_then(|time| time.format(&form).ok())
        .ok_or_else(|| Error::configuration("a time beyond the calendar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> BuildContext {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        BuildContext::default().with_clock(move || at).with_random(|bytes| bytes.fill(7))
    }

    #[test]
    fn the_digest_is_that_of_the_profile() {
        let security = WsSecurity::new()
            .with_password_digest("app", Secret::new("s3cret"))
            .with_timestamp(Duration::from_secs(60));
        let header = security.header(&noon()).unwrap();
        let stamp = header.child_in(WSU, "Timestamp").unwrap();
        assert_eq!(stamp.child("Created").unwrap().text(), "2023-11-14T22:13:20.123Z");
        assert_eq!(stamp.child("Expires").unwrap().text(), "2023-11-14T22:14:20.123Z");
        let token = header.child_in(WSSE, "UsernameToken").unwrap();
        let field = |local: &str| token.child(local).unwrap().text().into_owned();
        assert_eq!(
            (field("Username").as_str(), field("Nonce").as_str()),
            ("app", "BwcHBwcHBwcHBwcHBwcHBw==")
        );
        assert_eq!(field("Password"), DIGEST);
        assert_eq!(field("Created"), "2023-11-14T22:13:20.123Z");
    }

    /// Made by another implementation (Python's `hashlib`).
    const DIGEST: &str = "KW0xojyUOuuHRd+TIIxUANTfTi0=";

    #[test]
    fn an_answer_that_has_expired_is_refused() {
        let answer = |expires: &str| {
            let stamp = Element::new(WSU, "Timestamp").with_field("Expires", expires);
            WsSecurity::check(&Element::new(WSSE, "Security").with_child(stamp), &noon())
        };
        assert!(answer("2023-11-14T22:10:00Z").is_ok());
        assert!(answer("2023-11-14T23:20:00.5+01:00").is_ok());
        assert!(answer("2023-11-14T22:00:00Z").is_err());
        assert!(answer("soon").is_err());
        assert!(WsSecurity::check(&Element::new(WSSE, "Security"), &noon()).is_ok());
    }
}
