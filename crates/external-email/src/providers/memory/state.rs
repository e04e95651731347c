//! What the memory provider remembers: mails, waiting mails, and what each idempotency key was answered.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::email::{Message, MessageId, RawMessage, RawRequest, ScheduleReceipt, SendReceipt};
use external_core::{Error, Result};

use super::SentMail;

/// How long a key is remembered.
const KEY_LIFE: Duration = Duration::from_secs(24 * 3600);

/// An idempotency key, with what it was used for.
#[derive(Clone)]
pub(super) struct Key {
    text: String,
    /// Tells one mail from another; identity and date do not belong to it, since they differ between two calls.
    fingerprint: u64,
}

impl Key {
    pub(super) fn of_message(text: &str, message: &Message) -> Self {
        let mut hasher = DefaultHasher::new();
        for address in message.recipients() {
            address.hash(&mut hasher);
        }
        (&message.subject, &message.text, &message.html).hash(&mut hasher);
        for attachment in &message.attachments {
            (&attachment.name, &attachment.content).hash(&mut hasher);
        }
        Self { text: text.to_owned(), fingerprint: hasher.finish() }
    }

    pub(super) fn of_raw(text: &str, request: &RawRequest) -> Self {
        let mut hasher = DefaultHasher::new();
        (&request.to, request.content.bytes()).hash(&mut hasher);
        Self { text: text.to_owned(), fingerprint: hasher.finish() }
    }
}

/// What was answered under a key.
#[derive(Clone)]
pub(super) enum Answer {
    Sent(SendReceipt),
    Scheduled(ScheduleReceipt),
}

struct Answered {
    fingerprint: u64,
    at: SystemTime,
    answer: Answer,
}

/// A mail that waits for its time.
pub(super) struct Waiting {
    pub(super) at: SystemTime,
    pub(super) mail: SentMail,
}

pub(super) struct State {
    keep: usize,
    sent: VecDeque<SentMail>,
    waiting: BTreeMap<String, Waiting>,
    keys: HashMap<String, Answered>,
    ids: u64,
}

impl State {
    pub(super) fn new(keep: usize) -> Self {
        Self { keep, sent: VecDeque::new(), waiting: BTreeMap::new(), keys: HashMap::new(), ids: 0 }
    }

    pub(super) fn sent(&self) -> impl Iterator<Item = &SentMail> {
        self.sent.iter()
    }

    pub(super) fn clear(&mut self) {
        self.sent.clear();
        self.waiting.clear();
        self.keys.clear();
    }

    pub(super) fn next_id(&mut self) -> String {
        self.ids += 1;
        format!("memory-{}", self.ids)
    }

    pub(super) fn keep(&mut self, mail: SentMail) {
        if self.sent.len() == self.keep {
            self.sent.pop_front();
        }
        self.sent.push_back(mail);
    }

    /// What a key was answered, if it was used for the same mail.
    pub(super) fn answered(&mut self, key: Option<&Key>, now: SystemTime) -> Result<Option<Answer>> {
        let Some(key) = key else { return Ok(None) };
        self.keys.retain(|_, answered| now.duration_since(answered.at).is_ok_and(|age| age < KEY_LIFE));
        match self.keys.get(&key.text) {
            None => Ok(None),
            Some(answered) if answered.fingerprint == key.fingerprint => Ok(Some(answered.answer.clone())),
            Some(_) => Err(Error::conflict("the idempotency key was used for another mail")),
        }
    }

    pub(super) fn remember(&mut self, key: Option<Key>, answer: Answer, now: SystemTime) {
        if let Some(key) = key {
            self.keys.insert(key.text, Answered { fingerprint: key.fingerprint, at: now, answer });
        }
    }

    pub(super) fn wait(&mut self, id: String, waiting: Waiting) {
        self.waiting.insert(id, waiting);
    }

    pub(super) fn cancel(&mut self, id: &str) -> bool {
        self.waiting.remove(id).is_some()
    }

    /// Sends what has come due, in the order of its time. There is no task behind this: whoever looks or calls does it.
    pub(super) fn deliver_due(&mut self, now: SystemTime) {
        let mut due: Vec<(SystemTime, String)> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.at <= now)
            .map(|(id, waiting)| (waiting.at, id.clone()))
            .collect();
        due.sort();
        for (at, id) in due {
            if let Some(mut waiting) = self.waiting.remove(&id) {
                waiting.mail.at = at;
                self.keep(waiting.mail);
            }
        }
    }
}

/// The identity that stands in raw bytes.
pub(super) fn raw_message_id(bytes: &Bytes) -> Option<MessageId> {
    RawMessage::parse(bytes.clone()).ok()?.message_id().cloned()
}
