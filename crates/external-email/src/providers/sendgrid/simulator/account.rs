//! What SendGrid knows of a customer, and what its endpoints do with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use external_core::BuildContext;
use external_simulator::{Call, Clock, HttpAnswer, HttpQuestion, WebhookSender};
use serde_json::{Value, json};

use super::delivery;
use super::events::Webhooks;
use super::judgement::{Judged, Refused, judge};

/// How many batches can be cancelled at one time.
const CANCELLED: usize = 10;

/// What SendGrid knows of its one customer.
#[derive(Debug)]
pub struct Account {
    mailbox: PathBuf,
    clock: Clock,
    world: BuildContext,
    taken: u64,
    batches: BTreeMap<String, Batch>,
    webhooks: Webhooks,
}

#[derive(Debug, Default)]
struct Batch {
    is_cancelled: bool,
    /// When the last of its mails leaves.
    leaves: Option<u64>,
}

type Answer = Result<HttpAnswer, Box<HttpAnswer>>;

impl Account {
    pub(super) fn new(mailbox: &Path, clock: &Clock, sender: WebhookSender) -> Self {
        let time = clock.clone();
        Self {
            mailbox: mailbox.to_owned(),
            clock: clock.clone(),
            world: BuildContext::default().with_clock(move || time.now()),
            taken: 0,
            batches: BTreeMap::new(),
            webhooks: Webhooks::new(sender),
        }
    }

    pub(super) fn send(&mut self, call: &Call<'_, Self>) -> Answer {
        let body = read(call)?;
        let now = self.clock.seconds();
        let mail = judge(&body, call.body.len(), now)?;
        if mail.is_to("datafail") {
            return Err(Refused::with(403, "access forbidden").into());
        }
        let number = self.taken;
        self.taken += 1;
        let answer =
            |status| HttpAnswer::new(status).with_header("x-message-id", &format!("simulated-{number}"));
        if mail.is_sandbox {
            return Ok(answer(200));
        }
        let is_lost = mail.is_to("dropafterdata");
        self.leave(call, &mail, &body, number)?;
        Ok(if is_lost { HttpAnswer::new(503) } else { answer(202) })
    }

    /// Each personalization's mail leaves when it is to: those of one second together.
    fn leave(
        &mut self,
        call: &Call<'_, Self>,
        mail: &Judged,
        body: &Value,
        number: u64,
    ) -> Result<(), Refused> {
        let now = self.clock.seconds();
        let leaves: Vec<_> = mail.send_at.iter().map(|at| at.filter(|at| *at > now)).collect();
        let times: BTreeSet<_> = leaves.iter().copied().collect();
        if let (Some(id), Some(last)) = (&mail.batch_id, times.last().copied().flatten()) {
            let batch = self.batches.get_mut(id);
            batch.ok_or_else(|| Refused::of("batch_id", "invalid batch id".to_owned()))?.leaves = Some(last);
        }
        for time in times {
            let body = only(body, |at| leaves.get(at) == Some(&time));
            match time {
                None => self.deliver(&body, number)?,
                Some(at) => Self::later(call, at, mail.batch_id.clone(), body, number),
            }
        }
        Ok(())
    }

    fn deliver(&mut self, body: &Value, number: u64) -> Result<(), Refused> {
        delivery::deliver(&self.mailbox, body, number, &self.world)
            .map_err(|error| Refused::of("content", error.report()))?;
        self.webhooks.tell(body, number, self.clock.seconds());
        Ok(())
    }

    fn later(call: &Call<'_, Self>, at: u64, batch_id: Option<String>, body: Value, number: u64) {
        call.later(SystemTime::UNIX_EPOCH + Duration::from_secs(at), move |account| {
            let batch = batch_id.and_then(|id| account.batches.get(&id));
            if !batch.is_some_and(|batch| batch.is_cancelled) {
                // It was judged when it came.
                drop(account.deliver(&body, number));
            }
        });
    }

    pub(super) fn create_batch(&mut self, _: &Call<'_, Self>) -> Answer {
        let id = self.world.random_id();
        self.batches.insert(id.clone(), Batch::default());
        Ok(HttpAnswer::json(201, &json!({ "batch_id": id })))
    }

    pub(super) fn cancel(&mut self, call: &Call<'_, Self>) -> Answer {
        let body = read(call)?;
        let refused = |why: &str| Refused::of("batch_id", why.to_owned());
        if body["status"] != "cancel" && body["status"] != "pause" {
            return Err(Refused::of("status", "cancel or pause".to_owned()).into());
        }
        let now = self.clock.seconds();
        let waiting = |batch: &&Batch| batch.is_cancelled && batch.leaves.is_some_and(|at| at > now);
        let is_full = self.batches.values().filter(waiting).count() >= CANCELLED;
        let id = body["batch_id"].as_str().unwrap_or_default();
        let batch = self.batches.get_mut(id).ok_or_else(|| refused("invalid batch id"))?;
        if batch.is_cancelled || is_full {
            return Err(refused(if is_full { "too many are cancelled" } else { "it has a status" }).into());
        }
        batch.is_cancelled = true;
        Ok(HttpAnswer::json(201, &json!({ "batch_id": id, "status": body["status"] })))
    }

    pub(super) fn cancelled(&mut self, _: &Call<'_, Self>) -> Answer {
        let cancelled = self.batches.iter().filter(|(_, batch)| batch.is_cancelled);
        let cancelled = cancelled.map(|(id, _)| json!({ "batch_id": id, "status": "cancel" }));
        Ok(HttpAnswer::json(200, &cancelled.collect::<Value>()))
    }

    pub(super) fn create_webhook(&mut self, call: &Call<'_, Self>) -> Answer {
        Ok(HttpAnswer::json(201, &self.webhooks.create(&read(call)?, self.world.random_id())?))
    }

    pub(super) fn public_key(&mut self, call: &Call<'_, Self>) -> Answer {
        Ok(HttpAnswer::json(200, &self.webhooks.public_key(call.parameter("id"))?))
    }
}

/// The body with those personalizations alone. The others are left blank, so that each keeps its number.
fn only(body: &Value, is_wanted: impl Fn(usize) -> bool) -> Value {
    let mut body = body.clone();
    let all = body["personalizations"].as_array_mut().into_iter().flatten().enumerate();
    for (_, one) in all.filter(|(at, _)| !is_wanted(*at)) {
        *one = Value::Null;
    }
    body
}

fn read(question: &HttpQuestion) -> Result<Value, Refused> {
    serde_json::from_slice(&question.body).map_err(|_| Refused::with(400, "Bad Request"))
}
