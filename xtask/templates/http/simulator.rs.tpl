//! A server shaped like {{Name}}, on loopback: it takes what the vendor's SDK sends, refuses what the vendor refuses, and
//! delivers into a folder as `.eml` files, `X-Envelope-From` and `X-Envelope-To` before each.

use std::io;
use std::path::{Path, PathBuf};

use external_simulator::{Clock, HttpAnswer, HttpQuestion, Simulator, StandingServer};

/// The one key that is known.
pub const KEY: &str = "simulated-key";

/// Starts the server; it delivers into this folder.
///
/// # Errors
///
/// If no port or thread can be had.
pub fn simulate(mailbox: &Path) -> io::Result<StandingServer> {
    let account = Account { mailbox: mailbox.to_owned() };
    // The endpoints that `api.rs` asks go here, a `with_route` each, judged by the vendor's documentation before it is taken.
    let server = Simulator::new(account, &Clock::default())
        .with_guard(|_, question| authorized(question))
        .with_fallback(|account, _| {
            let why = format!("{} delivers nothing yet", account.mailbox.display());
            Err(HttpAnswer::new(404).with_body(why).into())
        })
        .start()?;
    Ok(server.into_server())
}

/// What the vendor knows of its one customer.
struct Account {
    mailbox: PathBuf,
}

fn authorized(question: &HttpQuestion) -> Result<(), Box<HttpAnswer>> {
    match question.bearer() {
        Some(KEY) => Ok(()),
        _ => Err(HttpAnswer::new(401).into()),
    }
}
