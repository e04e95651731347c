//! A server shaped like SendGrid, on loopback: it takes what the vendor's SDKs send, refuses what the vendor refuses,
//! delivers into a folder, and tells of it by the signed event webhook.
//!
//! - The key is [`KEY`]; mails are `.eml` files with their envelope before them.
//! - Categories and custom arguments, which the real one keeps to itself, are shown as `X-Simulator-…` headers. Every
//!   template whose id begins with `d-` exists, and shows its data; so does every legacy one, whose id is a bare GUID, and
//!   shows the content that it was given, or its substitutions.
//! - To a recipient whose local part, up to its `+`, is `dropafterdata` a mail is delivered and answered 503; one to
//!   `datafail` is refused as a whole.
//! - What the vendor says to a cancellation within the last ten minutes is not documented; here it is heeded.
//! - A webhook is made as at the vendor, by `POST /v3/user/webhooks/event/settings`, and is told of a mail in one request, at
//!   once. What is told goes by the recipient's local part, up to its `+`: `bounce`, `blocked`, `deferred`, `dropped`, `open`,
//!   `click`, `spamreport`, `unsubscribe`, `group_unsubscribe`; others have it `delivered`. It is signed always, where the
//!   vendor wants to be asked for that.

mod account;
mod delivery;
mod events;
mod judgement;

use std::io;
use std::path::Path;

pub use account::Account;
use external_simulator::{
    Clock, HttpAnswer, HttpQuestion, Simulated, Simulator, StandingServer, WebhookSender,
};
use http::Method;
use serde_json::json;

use judgement::Refused;

/// The one key that is known.
pub const KEY: &str = "SG.simulated-key";

/// Starts the server; it delivers into this folder.
///
/// # Errors
///
/// If no port or thread can be had.
pub fn simulate(mailbox: &Path) -> io::Result<StandingServer> {
    Ok(SendgridSimulator::start(mailbox, &Clock::default())?.server.into_server())
}

/// The server in the hands of a test.
///
/// ```
/// use std::time::Duration;
///
/// use external_email::providers::sendgrid::simulator::{KEY, SendgridSimulator};
/// use external_email::{BuildContext, SendgridConfig};
/// use external_simulator::{Clock, HttpFault, HttpRule, WebhookFault};
/// use http::Method;
///
/// # let folder = tempfile::tempdir()?;
/// let clock = Clock::default();
/// let vendor = SendgridSimulator::start(folder.path(), &clock)?;
/// // A provider that is pointed at it.
/// let provider = SendgridConfig::new(KEY)
///     .with_base_url(vendor.server().url())
///     .with_insecure_http()
///     .build(&BuildContext::default())?;
/// // The next mail is taken, and its answer lost; what is told of it is signed by somebody else at first.
/// vendor.server().inject(HttpRule::on(Method::POST, "/v3/mail/send", HttpFault::LoseAnswer));
/// vendor.webhooks().inject(WebhookFault::WrongSignature);
/// // Mails that wait for the next hour leave now.
/// clock.advance(Duration::from_secs(3600));
/// # drop(provider);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SendgridSimulator {
    server: Simulated<Account>,
    webhooks: WebhookSender,
}

impl SendgridSimulator {
    /// Starts it; it delivers into this folder, by this clock.
    ///
    /// # Errors
    ///
    /// If no port, thread or key can be had.
    pub fn start(mailbox: &Path, clock: &Clock) -> io::Result<Self> {
        let webhooks = events::sender(clock)?;
        let account = Account::new(mailbox, clock, webhooks.clone());
        let server = Simulator::new(account, clock)
            .with_guard(|_, question| authorized(question))
            .with_route(Method::POST, "/v3/mail/send", Account::send)
            .with_route(Method::POST, "/v3/mail/batch", Account::create_batch)
            .with_route(Method::POST, "/v3/user/scheduled_sends", Account::cancel)
            .with_route(Method::GET, "/v3/user/scheduled_sends", Account::cancelled)
            .with_route(Method::POST, "/v3/user/webhooks/event/settings", Account::create_webhook)
            .with_route(Method::GET, "/v3/user/webhooks/event/settings/signed/{id}", Account::public_key)
            .with_route(Method::PATCH, "/v3/user/webhooks/event/settings/signed/{id}", Account::public_key)
            .with_route(Method::GET, "/v3/scopes", |_, _| {
                Ok(HttpAnswer::json(200, &json!({ "scopes": ["mail.send", "user.scheduled_sends.create"] })))
            })
            .with_fallback(|_, _| Err(Refused::with(404, "not found").into()))
            .start()?;
        Ok(Self { server, webhooks })
    }

    /// The server: where it listens, what goes wrong there, what it was asked.
    #[must_use]
    pub fn server(&self) -> &Simulated<Account> {
        &self.server
    }

    /// What posts events: its key, what goes wrong there, what it was answered.
    #[must_use]
    pub fn webhooks(&self) -> &WebhookSender {
        &self.webhooks
    }
}

fn authorized(question: &HttpQuestion) -> Result<(), Box<HttpAnswer>> {
    match question.bearer() {
        Some(KEY) => Ok(()),
        _ => {
            Err(Refused::with(401, "The provided authorization grant is invalid, expired, or revoked").into())
        }
    }
}

impl From<Refused> for Box<HttpAnswer> {
    fn from(Refused { status, field, message }: Refused) -> Self {
        let body = json!({ "errors": [{ "message": message, "field": field, "help": null }] });
        HttpAnswer::json(status, &body).into()
    }
}

#[cfg(test)]
mod tests;
