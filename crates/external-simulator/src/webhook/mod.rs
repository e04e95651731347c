//! A vendor's side of webhooks: signs, posts, posts again what was not taken, and goes wrong by a script.

mod post;
mod signer;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
pub use signer::Signer;
use tokio::sync::{mpsc, watch};

use crate::Clock;
use post::post;

/// A message, as it is signed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WebhookMessage {
    /// Its number, from 1 on: the same whenever it is posted again.
    pub number: u64,
    /// When it is said to be signed, in seconds since 1970: the same whenever it is posted again.
    pub seconds: u64,
    /// The body.
    pub body: Bytes,
}

/// What goes wrong with a message at first. Whatever was not taken is posted again, and then nothing goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookFault {
    /// It is posted once more after it was taken.
    Repeat,
    /// It is signed by somebody else's key.
    WrongSignature,
    /// It is signed so long ago.
    Old(Duration),
    /// It is posted after the next message, which must come.
    OutOfOrder,
    /// The vendor is gone before the answer.
    HangUp,
}

/// A request that was made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WebhookAttempt {
    /// The message's number.
    pub number: u64,
    /// Where it went.
    pub url: String,
    /// The status that was answered; `None` where no answer came.
    pub status: Option<u16>,
}

/// How often a message is posted that is not taken.
const ATTEMPTS: u32 = 5;
/// How long after the first time it is posted again, and twice as long after each other one: a vendor's hours, shortened.
const PAUSE: Duration = Duration::from_millis(5);

/// Makes the header fields of a message: its signature among them, by this key.
type Fields = dyn Fn(&Signer, &WebhookMessage) -> io::Result<Vec<(String, String)>> + Send + Sync;

/// Posts messages to URLs, one after the other, from a thread of its own. Clones are the same vendor.
///
/// A message is taken if it is answered with a success; else it is posted again, five times in all.
///
/// ```
/// use external_simulator::{Clock, HttpAnswer, HttpServer, Signer, WebhookFault, WebhookSender};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let service = HttpServer::start(|_| HttpAnswer::new(204)).await?;
/// let vendor = WebhookSender::new(Signer::hmac_sha256("s3cret"), &Clock::default(), |signer, message| {
///     let signature = signer.sign(&[message.seconds.to_string().as_bytes(), &message.body].concat())?;
///     Ok(vec![
///         ("x-time".to_owned(), message.seconds.to_string()),
///         ("x-signature".to_owned(), format!("{signature:02x?}")),
///     ])
/// })?;
/// vendor.inject(WebhookFault::Repeat);
/// vendor.send(&format!("http://{}/hooks", service.address()), "{}");
/// vendor.settled().await;
/// assert_eq!(service.asked().len(), 2);
/// # Ok::<(), std::io::Error>(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct WebhookSender {
    vendor: Arc<Vendor>,
    queue: mpsc::UnboundedSender<Post>,
}

struct Vendor {
    signer: Signer,
    forger: Signer,
    fields: Box<Fields>,
    clock: Clock,
    script: Mutex<Script>,
    waiting: watch::Sender<usize>,
}

#[derive(Default)]
struct Script {
    faults: VecDeque<WebhookFault>,
    attempts: Vec<WebhookAttempt>,
    messages: u64,
}

struct Post {
    url: String,
    message: WebhookMessage,
    fault: Option<WebhookFault>,
}

impl WebhookSender {
    /// A vendor with this key. `fields` makes the header fields of a message, its signature among them.
    ///
    /// # Errors
    ///
    /// If no thread or key can be had.
    pub fn new(
        signer: Signer,
        clock: &Clock,
        fields: impl Fn(&Signer, &WebhookMessage) -> io::Result<Vec<(String, String)>> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let vendor = Arc::new(Vendor {
            forger: signer.another()?,
            signer,
            fields: Box::new(fields),
            clock: clock.clone(),
            script: Mutex::default(),
            waiting: watch::Sender::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (queue, mut posts) = mpsc::unbounded_channel::<Post>();
        let at_work = Arc::clone(&vendor);
        // It ends with the last of the clones.
        std::thread::Builder::new().name("webhook-sender".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut late = None;
                while let Some(post) = posts.recv().await {
                    if post.fault == Some(WebhookFault::OutOfOrder) && late.is_none() {
                        late = Some(post);
                        continue;
                    }
                    at_work.deliver(&post).await;
                    if let Some(late) = late.take() {
                        at_work.deliver(&late).await;
                    }
                }
            });
        })?;
        Ok(Self { vendor, queue })
    }

    /// The public key that signatures are checked with, as [`Signer::public_key`] writes it.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn public_key(&self) -> io::Result<Option<String>> {
        self.vendor.signer.public_key()
    }

    /// Posts this as soon as what was sent before is taken or given up, signed by the clock's time.
    pub fn send(&self, url: &str, body: impl Into<Bytes>) {
        let mut script = self.vendor.script();
        script.messages += 1;
        let message = WebhookMessage {
            number: script.messages,
            seconds: self.vendor.clock.seconds(),
            body: body.into(),
        };
        let post = Post { url: url.to_owned(), message, fault: script.faults.pop_front() };
        self.vendor.waiting.send_modify(|waiting| *waiting += 1);
        // The thread is there as long as this is.
        drop(self.queue.send(post));
    }

    /// Makes something go wrong with the next message that is sent; what was injected before comes first.
    pub fn inject(&self, fault: WebhookFault) {
        self.vendor.script().faults.push_back(fault);
    }

    /// The requests that were made, oldest first.
    #[must_use]
    pub fn attempts(&self) -> Vec<WebhookAttempt> {
        self.vendor.script().attempts.clone()
    }

    /// Waits until all that was sent is taken or given up.
    pub async fn settled(&self) {
        // The sender is this vendor's own.
        drop(self.vendor.waiting.subscribe().wait_for(|waiting| *waiting == 0).await);
    }
}

impl Vendor {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deliver(&self, Post { url, message, fault }: &Post) {
        let mut fault = *fault;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            let is_taken = self.attempt(url, message, fault).await;
            let is_repeated = fault == Some(WebhookFault::Repeat);
            if is_taken && !is_repeated {
                break;
            }
            // One that is not taken is to be repeated still.
            fault = fault.filter(|_| is_repeated && !is_taken);
        }
        self.waiting.send_modify(|waiting| *waiting -= 1);
    }

    /// Whether it was taken.
    async fn attempt(&self, url: &str, message: &WebhookMessage, fault: Option<WebhookFault>) -> bool {
        let status = self.exchange(url, message, fault).await.ok().flatten();
        let attempt = WebhookAttempt { number: message.number, url: url.to_owned(), status };
        self.script().attempts.push(attempt);
        status.is_some_and(|status| (200..300).contains(&status))
    }

    async fn exchange(
        &self,
        url: &str,
        message: &WebhookMessage,
        fault: Option<WebhookFault>,
    ) -> io::Result<Option<u16>> {
        let url: Uri = url.parse().map_err(io::Error::other)?;
        let mut message = message.clone();
        if let Some(WebhookFault::Old(age)) = fault {
            message.seconds = message.seconds.saturating_sub(age.as_secs());
        }
        let signer = if fault == Some(WebhookFault::WrongSignature) { &self.forger } else { &self.signer };
        let fields = (self.fields)(signer, &message)?;
        post(&url, &fields, &message.body, fault == Some(WebhookFault::HangUp)).await
    }
}

impl fmt::Debug for WebhookSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSender").field("signer", &self.vendor.signer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
