//! A server shaped like {{Name}}, on loopback: it takes what the vendor's SDK sends, refuses what the vendor refuses, and
//! delivers into a folder as `.eml` files, `X-Envelope-From` and `X-Envelope-To` before each.

use std::io;
use std::path::{Path, PathBuf};

use external_simulator::{HttpAnswer, HttpQuestion, StandingServer};

/// The one key that is known.
pub const KEY: &str = "simulated-key";

/// Starts the server; it delivers into this folder.
///
/// # Errors
///
/// If no port or thread can be had.
pub fn simulate(mailbox: &Path) -> io::Result<StandingServer> {
    let vendor = Vendor { mailbox: mailbox.to_owned() };
    StandingServer::start(move |question| vendor.answer(question))
}

#[derive(Debug)]
struct Vendor {
    mailbox: PathBuf,
}

impl Vendor {
    fn answer(&self, question: &HttpQuestion) -> HttpAnswer {
        let bearer = question.headers.get("authorization").and_then(|value| value.to_str().ok());
        if bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")) != Some(KEY) {
            return HttpAnswer::new(401);
        }
        // The endpoints that `api.rs` asks go here, each judged by the vendor's documentation before it is taken.
        HttpAnswer::new(404).with_body(format!("{} delivers nothing yet", self.mailbox.display()))
    }
}
