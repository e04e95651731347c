//! Logging in: PLAIN, LOGIN and XOAUTH2. Whether the connection is fit for credentials was settled before.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::{Effect, Error, Result, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use super::connection::Connection;
use super::error::{Step, refused};
use super::reply::Reply;

/// How to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mechanism {
    /// User and password at once (RFC 4616).
    Plain,
    /// User and password one after the other.
    Login,
    /// An OAuth2 access token (Gmail, Microsoft 365).
    Xoauth2,
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Xoauth2 => "XOAUTH2",
        }
    }
}

/// Where OAuth2 access tokens come from.
#[async_trait]
pub trait AccessTokens: Send + Sync {
    /// A token that is valid now. `refused` is the one the server did not accept, so that a cached one can be replaced.
    ///
    /// # Errors
    ///
    /// Whatever getting a token may meet.
    async fn token(&self, refused: Option<&Secret>) -> Result<Secret>;
}

pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) login: Login,
    pub(super) mechanism: Option<Mechanism>,
}

pub(super) enum Login {
    Password(Secret),
    Token(Secret),
    Tokens(Arc<dyn AccessTokens>),
}

impl Credentials {
    /// Logs in. A refused token is replaced once if there is another one by now; a refused password that came from a file
    /// is read again for the next connection.
    pub(super) async fn log_in(&self, connection: &mut Connection) -> Result<()> {
        let mechanism = self.choose(connection)?;
        let reply = match &self.login {
            Login::Password(password) => {
                let reply = self.with_password(connection, mechanism, password).await?;
                if !reply.is_positive() {
                    password.invalidate();
                }
                reply
            }
            Login::Token(token) => {
                let before = token.expose()?;
                let reply = self.with_token(connection, token).await?;
                if is_refusal(&reply) {
                    token.invalidate();
                    if token.expose()? != before { self.with_token(connection, token).await? } else { reply }
                } else {
                    reply
                }
            }
            Login::Tokens(tokens) => {
                let token = tokens.token(None).await?;
                let reply = self.with_token(connection, &token).await?;
                if is_refusal(&reply) {
                    let renewed = tokens.token(Some(&token)).await?;
                    self.with_token(connection, &renewed).await?
                } else {
                    reply
                }
            }
        };
        if reply.is_positive() { Ok(()) } else { Err(refused(Step::Login, &reply)) }
    }

    fn choose(&self, connection: &Connection) -> Result<Mechanism> {
        let wanted: &[Mechanism] = match (self.mechanism, &self.login) {
            (Some(Mechanism::Plain), _) => &[Mechanism::Plain],
            (Some(Mechanism::Login), _) => &[Mechanism::Login],
            (Some(Mechanism::Xoauth2), _) | (None, Login::Token(_) | Login::Tokens(_)) => {
                &[Mechanism::Xoauth2]
            }
            (None, Login::Password(_)) => &[Mechanism::Plain, Mechanism::Login],
        };
        let offered = &connection.features().mechanisms;
        wanted.iter().copied().find(|m| offered.iter().any(|name| name == m.name())).ok_or_else(|| {
            Error::configuration("the server offers no way to log in that the configuration allows")
                .with_effect(Effect::NotSent)
                .with_context("wanted", wanted.iter().map(|m| m.name()).collect::<Vec<_>>().join(" "))
                .with_context("offered", offered.join(" "))
        })
    }

    async fn with_password(
        &self,
        connection: &mut Connection,
        mechanism: Mechanism,
        password: &Secret,
    ) -> Result<Reply> {
        let password = password.expose()?;
        if mechanism == Mechanism::Plain {
            let response = STANDARD.encode(format!("\0{}\0{}", self.user, password.as_str()));
            return connection.command(Step::Login, &format!("AUTH PLAIN {response}\r\n")).await;
        }
        let mut reply = connection.command(Step::Login, "AUTH LOGIN\r\n").await?;
        for answer in [self.user.as_str(), password.as_str()] {
            if reply.code != 334 {
                return Ok(reply);
            }
            reply = connection.command(Step::Login, &format!("{}\r\n", STANDARD.encode(answer))).await?;
        }
        Ok(reply)
    }

    async fn with_token(&self, connection: &mut Connection, token: &Secret) -> Result<Reply> {
        let token = token.expose()?;
        if token.chars().any(char::is_control) {
            return Err(Error::configuration("the access token holds a control character")
                .with_effect(Effect::NotSent));
        }
        let response =
            STANDARD.encode(format!("user={}\x01auth=Bearer {}\x01\x01", self.user, token.as_str()));
        let reply = connection.command(Step::Login, &format!("AUTH XOAUTH2 {response}\r\n")).await?;
        // A refusal comes as a challenge with the reason, which an empty answer turns into the code.
        if reply.code == 334 { connection.command(Step::Login, "\r\n").await } else { Ok(reply) }
    }
}

fn is_refusal(reply: &Reply) -> bool {
    (500..600).contains(&reply.code)
}
