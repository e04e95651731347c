//! Configuration of the provider `smtp`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use external_core::build::TlsSettings;
use external_core::config::duration;
use external_core::{BuildContext, Error, Result, Secret};
use external_net::Tls;
use schemars::JsonSchema;
use serde::Deserialize;

use super::SmtpEmail;
use super::address::Address;
use super::auth::{AccessTokens, Credentials, Login, Mechanism};
use super::connection::{Endpoint, Timeouts};
use super::pool::Limits;

/// `provider = "smtp"`: any mail server that takes mail by SMTP submission.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SmtpConfig {
    /// `smtp://host[:587]` or `smtps://host[:465]`, with `user:password@` before the host if wanted. It is treated as a
    /// secret, since it may hold one; a password that changes belongs in `password`.
    pub url: Secret,
    /// How the connection is protected. Default: `starttls` for `smtp://`, `tls` for `smtps://`. Only by its name `none` is
    /// a connection unprotected; STARTTLS that the server does not offer is an error.
    #[serde(default)]
    pub security: Option<Security>,
    /// The user; replaces the one in `url`. Default: none, no login.
    #[serde(default)]
    pub username: Option<String>,
    /// The password; replaces the one in `url`. Read whenever a connection logs in, so a changed file is taken up.
    #[serde(default)]
    pub password: Option<Secret>,
    /// An OAuth2 access token instead of a password (XOAUTH2). Read whenever a connection logs in; where the server refuses
    /// it and the file holds another one by then, that is tried once.
    #[serde(default)]
    pub token: Option<Secret>,
    /// How to log in. Default: XOAUTH2 with a token, else PLAIN, else LOGIN, as the server offers.
    #[serde(default)]
    pub mechanism: Option<Mechanism>,
    /// Allows credentials over an unprotected connection, where everyone on the way can read them. Default: false.
    #[serde(default)]
    pub insecure_plaintext_auth: bool,
    /// The name to greet with (EHLO). Default: the connection's own address, in brackets.
    #[serde(default)]
    pub hello: Option<String>,
    /// How many connections at most, which is how many mails are under way at a time. 1 to 1,000. Default: 10.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
    /// How long an unused connection is kept for the next mail. Default: 60 s.
    #[serde(default = "default_idle", with = "duration")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// How many mails one connection carries before it is replaced. At least 1. Default: 500.
    #[serde(default = "default_mails")]
    pub mails_per_connection: u32,
    /// How long connecting may take, TLS included. Default: 10 s. Each of these is bounded by the call's deadline as well.
    #[serde(default = "default_connect", with = "duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// How long the server may take to greet. Default: 30 s.
    #[serde(default = "default_command", with = "duration")]
    #[schemars(with = "String")]
    pub greeting_timeout: Duration,
    /// How long the server may take to answer a command. Default: 30 s.
    #[serde(default = "default_command", with = "duration")]
    #[schemars(with = "String")]
    pub command_timeout: Duration,
    /// How long one block of the mail may take to be written. Default: 60 s.
    #[serde(default = "default_block", with = "duration")]
    #[schemars(with = "String")]
    pub block_timeout: Duration,
    /// How long the server may take to answer for the whole mail, which it may scan first. Default: 2 min.
    #[serde(default = "default_data", with = "duration")]
    #[schemars(with = "String")]
    pub data_timeout: Duration,
    /// Limit `recipients` of one mail. Default: 100, what every server must take.
    #[serde(default = "default_recipients")]
    pub max_recipients: u64,
    /// Limit `message-bytes` of one mail. Default: 25 MiB. A server that states a smaller one is heeded too.
    #[serde(default = "default_bytes")]
    pub max_message_bytes: u64,
    /// TLS settings. Default: those of the container.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
    #[serde(skip)]
    #[schemars(skip)]
    tokens: Option<Arc<dyn AccessTokens>>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Security {
    /// TLS from the first byte (port 465).
    Tls,
    /// TLS after the first exchange (port 587); never without.
    StartTls,
    /// None: what is sent can be read and changed on the way.
    None,
}

fn default_connections() -> usize {
    10
}

fn default_idle() -> Duration {
    Duration::from_secs(60)
}

fn default_mails() -> u32 {
    500
}

fn default_connect() -> Duration {
    Duration::from_secs(10)
}

fn default_command() -> Duration {
    Duration::from_secs(30)
}

fn default_block() -> Duration {
    Duration::from_secs(60)
}

fn default_data() -> Duration {
    Duration::from_secs(120)
}

fn default_recipients() -> u64 {
    100
}

fn default_bytes() -> u64 {
    25 << 20
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($field:ident: $kind:ty) $(=> $wrap:ident)?;)*) => {
        impl SmtpConfig {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $field: $kind) -> Self {
                self.$field = setters!(@ $field $($wrap)?);
                self
            }
        )*}
    };
    (@ $field:ident Some) => { Some($field.into()) };
    (@ $field:ident) => { $field };
}

setters! {
    /// Replaces how the connection is protected.
    with_security(security: Security) => Some;
    /// Replaces the user.
    with_username(username: impl Into<String>) => Some;
    /// Replaces the password.
    with_password(password: Secret) => Some;
    /// Logs in with this OAuth2 access token.
    with_token(token: Secret) => Some;
    /// Replaces how to log in.
    with_mechanism(mechanism: Mechanism) => Some;
    /// Replaces the name to greet with.
    with_hello(hello: impl Into<String>) => Some;
    /// Replaces how many connections there may be.
    with_max_connections(max_connections: usize);
    /// Replaces how long an unused connection is kept.
    with_idle_timeout(idle_timeout: Duration);
    /// Replaces how many mails one connection carries.
    with_mails_per_connection(mails_per_connection: u32);
    /// Replaces how long connecting may take.
    with_connect_timeout(connect_timeout: Duration);
    /// Replaces how long the server may take to greet.
    with_greeting_timeout(greeting_timeout: Duration);
    /// Replaces how long the server may take to answer a command.
    with_command_timeout(command_timeout: Duration);
    /// Replaces how long one block of the mail may take.
    with_block_timeout(block_timeout: Duration);
    /// Replaces how long the server may take to answer for the whole mail.
    with_data_timeout(data_timeout: Duration);
    /// Replaces the limit of recipients.
    with_max_recipients(max_recipients: u64);
    /// Replaces the limit of bytes.
    with_max_message_bytes(max_message_bytes: u64);
    /// Replaces the TLS settings.
    with_tls(tls: TlsSettings) => Some;
}

impl SmtpConfig {
    /// The server at `smtp://host[:port]` or `smtps://host[:port]`.
    pub fn new(url: impl Into<Secret>) -> Self {
        Self {
            url: url.into(),
            security: None,
            username: None,
            password: None,
            token: None,
            mechanism: None,
            insecure_plaintext_auth: false,
            hello: None,
            max_connections: default_connections(),
            idle_timeout: default_idle(),
            mails_per_connection: default_mails(),
            connect_timeout: default_connect(),
            greeting_timeout: default_command(),
            command_timeout: default_command(),
            block_timeout: default_block(),
            data_timeout: default_data(),
            max_recipients: default_recipients(),
            max_message_bytes: default_bytes(),
            tls: None,
            tokens: None,
        }
    }

    /// Logs in with the OAuth2 access tokens of this source, which is asked for a new one when the server refuses.
    #[must_use]
    pub fn with_access_tokens(mut self, tokens: Arc<dyn AccessTokens>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Allows credentials over an unprotected connection, where everyone on the way can read them.
    #[must_use]
    pub fn with_insecure_plaintext_auth(mut self) -> Self {
        self.insecure_plaintext_auth = true;
        self
    }

    /// Makes the provider. Connects to nobody.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field: a URL that cannot be read, a user without password or token, credentials over an
    /// unprotected connection, a limit or timeout of zero.
    pub fn build(self, context: &BuildContext) -> Result<SmtpEmail> {
        let wrong = |field: &'static str, message: &'static str| {
            Err(Error::configuration(message).with_context("field", field))
        };
        let address = Address::parse(&context.secret(&self.url)?.expose()?)?;
        let implicit = if address.implicit_tls { Security::Tls } else { Security::StartTls };
        let security = self.security.unwrap_or(implicit);
        if address.implicit_tls && security != Security::Tls {
            return wrong("security", "smtps:// is TLS from the first byte; write smtp:// for anything else");
        }
        if !(1..=1000).contains(&self.max_connections) {
            return wrong("max_connections", "the number of connections must be 1 to 1000");
        }
        if self.mails_per_connection == 0 {
            return wrong("mails_per_connection", "a connection must carry at least one mail");
        }
        if self.max_recipients == 0 || self.max_message_bytes == 0 {
            return wrong("max_recipients, max_message_bytes", "a limit must be at least 1");
        }
        let timeouts = [
            self.connect_timeout,
            self.greeting_timeout,
            self.command_timeout,
            self.block_timeout,
            self.data_timeout,
        ];
        if timeouts.iter().any(Duration::is_zero) {
            return wrong("timeouts", "nothing can be done in no time");
        }
        let hello = match &self.hello {
            Some(name) if name.is_empty() || !name.bytes().all(|b| (33..=126).contains(&b)) => {
                return wrong("hello", "not a name to greet with: printable ASCII without spaces");
            }
            other => other.clone(),
        };
        let credentials = self.credentials(&address, context)?;
        if credentials.is_some() && security == Security::None && !self.insecure_plaintext_auth {
            return wrong(
                "security",
                "credentials over an unprotected connection: use starttls or tls, or say insecure_plaintext_auth = true",
            );
        }
        let endpoint = Endpoint {
            security,
            tls: Tls::new(self.tls.clone().unwrap_or_else(|| context.tls().clone())),
            hello,
            credentials,
            insecure_plaintext_auth: self.insecure_plaintext_auth,
            timeouts: Timeouts {
                connect: self.connect_timeout,
                greeting: self.greeting_timeout,
                command: self.command_timeout,
                block: self.block_timeout,
                data: self.data_timeout,
            },
            host: address.host,
            port: address.port,
        };
        let limits = Limits {
            connections: self.max_connections,
            idle: self.idle_timeout,
            mails: self.mails_per_connection,
        };
        Ok(SmtpEmail::assemble(endpoint, limits, (self.max_recipients, self.max_message_bytes), context))
    }

    fn credentials(&self, address: &Address, context: &BuildContext) -> Result<Option<Credentials>> {
        let wrong = |field: &'static str, message: &'static str| {
            Err(Error::configuration(message).with_context("field", field))
        };
        let user = self.username.clone().or_else(|| address.user.clone());
        let Some(user) = user else {
            if self.password.is_some() || self.token.is_some() || self.tokens.is_some() {
                return wrong("username", "a password or token needs a username");
            }
            return Ok(None);
        };
        if user.is_empty() || user.chars().any(char::is_control) {
            return wrong("username", "the username is empty or holds a control character");
        }
        let password = self.password.as_ref().map(|secret| context.secret(secret)).transpose()?;
        let password = password.or_else(|| address.password.clone());
        let token = self.token.as_ref().map(|secret| context.secret(secret)).transpose()?;
        let login = match (password, token, self.tokens.clone()) {
            (Some(password), None, None) => Login::Password(password),
            (None, Some(token), None) => Login::Token(token),
            (None, None, Some(tokens)) => Login::Tokens(tokens),
            (None, None, None) => return wrong("password", "the username needs a password or a token"),
            _ => return wrong("password, token", "one of password and token, not both"),
        };
        let is_token = !matches!(login, Login::Password(_));
        if self.mechanism.is_some_and(|mechanism| (mechanism == Mechanism::Xoauth2) != is_token) {
            return wrong("mechanism", "xoauth2 needs a token, and plain and login a password");
        }
        Ok(Some(Credentials { user, login, mechanism: self.mechanism }))
    }
}

impl fmt::Debug for SmtpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpConfig")
            .field("url", &self.url)
            .field("security", &self.security)
            .field("username", &self.username)
            .field("password", &self.password)
            .field("token", &self.token)
            .field("mechanism", &self.mechanism)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
