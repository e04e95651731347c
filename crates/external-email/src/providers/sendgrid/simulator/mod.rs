//! A server shaped like SendGrid, on loopback: it takes what the vendor's SDKs send, refuses what the vendor refuses, and
//! delivers into a folder.
//!
//! - The key is [`KEY`]; mails are `.eml` files with their envelope before them.
//! - Categories and custom arguments, which the real one keeps to itself, are shown as `X-Simulator-…` headers. Every
//!   template whose id begins with `d-` exists, and shows its data.
//! - To a recipient whose local part, up to its `+`, is `dropafterdata` a mail is delivered and answered 503; one to
//!   `datafail` is refused as a whole.
//! - What the vendor says to a cancellation within the last ten minutes is not documented; here it is heeded.

mod delivery;
mod judgement;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use external_core::BuildContext;
use external_simulator::{HttpAnswer, HttpQuestion, StandingServer};
use serde_json::{Value, json};

use judgement::{Refused, judge};

/// The one key that is known.
pub const KEY: &str = "SG.simulated-key";

/// How many batches can be cancelled at one time.
const CANCELLED: usize = 10;

/// Starts the server; it delivers into this folder.
///
/// # Errors
///
/// If no port or thread can be had.
pub fn simulate(mailbox: &Path) -> io::Result<StandingServer> {
    let sendgrid = Arc::new(Sendgrid {
        mailbox: mailbox.to_owned(),
        world: BuildContext::default(),
        taken: AtomicU64::new(0),
        batches: Mutex::default(),
    });
    StandingServer::start(move |question| sendgrid.answer(question))
}

struct Sendgrid {
    mailbox: PathBuf,
    world: BuildContext,
    taken: AtomicU64,
    batches: Mutex<BTreeMap<String, Batch>>,
}

#[derive(Default)]
struct Batch {
    is_cancelled: bool,
    /// When the last of its mails leaves.
    leaves: Option<u64>,
}

impl Sendgrid {
    fn answer(self: &Arc<Self>, question: &HttpQuestion) -> HttpAnswer {
        let bearer = question.headers.get("authorization").and_then(|value| value.to_str().ok());
        if bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")) != Some(KEY) {
            let message = "The provided authorization grant is invalid, expired, or revoked";
            return Refused { status: 401, field: None, message: message.to_owned() }.into();
        }
        match (question.method.as_str(), question.path()) {
            ("POST", "/v3/mail/send") => self.send(question).unwrap_or_else(Into::into),
            ("POST", "/v3/mail/batch") => {
                let id = self.world.random_id();
                self.batches().insert(id.clone(), Batch::default());
                told(201, &json!({ "batch_id": id }))
            }
            ("POST", "/v3/user/scheduled_sends") => self.cancel(question).unwrap_or_else(Into::into),
            ("GET", "/v3/user/scheduled_sends") => {
                let batches = self.batches();
                let cancelled = batches.iter().filter(|(_, batch)| batch.is_cancelled);
                told(200, &cancelled.map(|(id, _)| json!({ "batch_id": id, "status": "cancel" })).collect())
            }
            ("GET", "/v3/scopes") => {
                told(200, &json!({ "scopes": ["mail.send", "user.scheduled_sends.create"] }))
            }
            _ => Refused { status: 404, field: None, message: "not found".to_owned() }.into(),
        }
    }

    fn send(self: &Arc<Self>, question: &HttpQuestion) -> Result<HttpAnswer, Refused> {
        let body = read(question)?;
        let now = seconds(self.world.now());
        let mail = judge(&body, question.body.len(), now)?;
        if mail.is_to("datafail") {
            return Err(Refused { status: 403, field: None, message: "access forbidden".to_owned() });
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let answer =
            |status| HttpAnswer::new(status).with_header("x-message-id", &format!("simulated-{number}"));
        if mail.is_sandbox {
            return Ok(answer(200));
        }
        match (mail.send_at, mail.batch_id.clone()) {
            (Some(at), batch) if at > now => self.later(at, batch, body, number)?,
            _ => self.deliver(&body, number)?,
        }
        Ok(if mail.is_to("dropafterdata") { HttpAnswer::new(503) } else { answer(202) })
    }

    fn deliver(&self, body: &Value, number: u64) -> Result<(), Refused> {
        delivery::deliver(&self.mailbox, body, number, &self.world)
            .map_err(|error| Refused::of("content", error.report()))
    }

    fn later(
        self: &Arc<Self>,
        at: u64,
        batch: Option<String>,
        body: Value,
        number: u64,
    ) -> Result<(), Refused> {
        if let Some(id) = &batch {
            let mut batches = self.batches();
            let batch =
                batches.get_mut(id).ok_or_else(|| Refused::of("batch_id", "invalid batch id".to_owned()))?;
            batch.leaves = Some(at);
        }
        let sendgrid = Arc::clone(self);
        tokio::spawn(async move {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
            while let Ok(left) = time.duration_since(sendgrid.world.now()) {
                tokio::time::sleep(left + Duration::from_millis(1)).await;
            }
            let is_cancelled =
                batch.is_some_and(|id| sendgrid.batches().get(&id).is_some_and(|batch| batch.is_cancelled));
            if !is_cancelled {
                // It was judged when it came.
                drop(sendgrid.deliver(&body, number));
            }
        });
        Ok(())
    }

    fn cancel(&self, question: &HttpQuestion) -> Result<HttpAnswer, Refused> {
        let body = read(question)?;
        let refused = |why: &str| Refused::of("batch_id", why.to_owned());
        if body["status"] != "cancel" && body["status"] != "pause" {
            return Err(Refused::of("status", "cancel or pause".to_owned()));
        }
        let now = seconds(self.world.now());
        let mut batches = self.batches();
        let waiting = |batch: &&Batch| batch.is_cancelled && batch.leaves.is_some_and(|at| at > now);
        let is_full = batches.values().filter(waiting).count() >= CANCELLED;
        let id = body["batch_id"].as_str().unwrap_or_default();
        let batch = batches.get_mut(id).ok_or_else(|| refused("invalid batch id"))?;
        if batch.is_cancelled || is_full {
            return Err(refused(if is_full { "too many are cancelled" } else { "it has a status" }));
        }
        batch.is_cancelled = true;
        Ok(told(201, &json!({ "batch_id": id, "status": body["status"] })))
    }

    fn batches(&self) -> MutexGuard<'_, BTreeMap<String, Batch>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Refused> for HttpAnswer {
    fn from(Refused { status, field, message }: Refused) -> Self {
        told(status, &json!({ "errors": [{ "message": message, "field": field, "help": null }] }))
    }
}

fn read(question: &HttpQuestion) -> Result<Value, Refused> {
    serde_json::from_slice(&question.body).map_err(|_| Refused {
        status: 400,
        field: None,
        message: "Bad Request".to_owned(),
    })
}

fn told(status: u16, body: &Value) -> HttpAnswer {
    HttpAnswer::new(status).with_header("content-type", "application/json").with_body(body.to_string())
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
