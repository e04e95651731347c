//! One connection, and the handles by which calls use it.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use external_core::Sharded;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::ReusableBoxFuture;

use super::bounded::Asked;

/// A connection has stalled that answers nothing for so long although it owes an answer.
const STALL: Duration = Duration::from_millis(500);

/// Handles a thread keeps for the calls to come: a burst is served by copies, which are not all kept.
const KEPT: usize = 256;

/// One connection. It ends with its last handle.
pub(super) struct Link {
    driver: AbortHandle,
    opened: Instant,
    /// Set once no further call is to use it: it broke, stalled, or was closed.
    retired: Arc<AtomicBool>,
    /// When the latest question that was answered had been asked, in steps of 64 ms after `opened`: all callers read it,
    /// and few write.
    answered: AtomicU64,
    /// When its answer came, in milliseconds after `opened`.
    heard: AtomicU64,
    /// How many answers there may be.
    pub(super) asked: Arc<Asked>,
}

impl Link {
    /// The connection that this future drives.
    pub(super) fn drive(driver: impl Future<Output = ()> + Send + 'static, asked: Arc<Asked>) -> Arc<Self> {
        let retired = Arc::new(AtomicBool::new(false));
        let ended = Retire(retired.clone());
        let driver = tokio::spawn(async move {
            let _ended = ended;
            driver.await;
        });
        let opened = Instant::now();
        let (answered, heard) = Default::default();
        Arc::new(Self { driver: driver.abort_handle(), opened, retired, answered, heard, asked })
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.retired.load(Ordering::Acquire)
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// A question that was asked then has its answer. The clock is read for the first answer of a step only.
    pub(super) fn answered(&self, asked: Instant) {
        let step = (self.millis(asked) >> 6) + 1;
        if self.answered.load(Ordering::Relaxed) < step {
            self.answered.fetch_max(step, Ordering::Relaxed);
            self.heard.store(self.millis(Instant::now()), Ordering::Relaxed);
        }
    }

    /// Whether a question that was asked then, and is not answered, waits on a connection that says nothing at all.
    pub(super) fn has_stalled_since(&self, asked: Instant) -> bool {
        let now = Instant::now();
        let silent = self.millis(now).saturating_sub(self.heard.load(Ordering::Relaxed));
        now.saturating_duration_since(asked) >= STALL && Duration::from_millis(silent) >= STALL
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.opened).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// However the driver ends.
struct Retire(Arc<AtomicBool>);

impl Drop for Retire {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A connection, and a way to send on it: one call at a time. A copy costs writes to what all callers share, so that
/// handles are used again.
pub(super) struct Handle {
    pub(super) link: Arc<Link>,
    sender: Sender,
}

impl Handle {
    pub(super) fn new(link: Arc<Link>, commands: MultiplexedConnection) -> Box<Self> {
        let sender = Sender { commands: Some(commands), room: ReusableBoxFuture::new(pending()) };
        Box::new(Self { link, sender })
    }

    /// A second handle on the same connection; `None` of one that is in use.
    pub(super) fn copy(&self) -> Option<Box<Self>> {
        Some(Self::new(self.link.clone(), self.sender.commands.clone()?))
    }

    pub(super) fn parts(&mut self) -> (&Arc<Link>, &mut Sender) {
        (&self.link, &mut self.sender)
    }
}

/// The sending half of a handle.
pub(super) struct Sender {
    /// `None` while a command is on its way: one that is given up takes it along.
    commands: Option<MultiplexedConnection>,
    /// Room for what the library does for one command. It is more than allocators keep at hand, and is used again.
    room: ReusableBoxFuture<'static, Answered>,
}

/// The connection back, and the answer.
type Answered = (MultiplexedConnection, RedisResult<Value>);

impl Sender {
    /// Sends one command, and waits for its answer.
    pub(super) async fn ask(&mut self, command: Cmd) -> RedisResult<Value> {
        let mut commands = self.commands.take().ok_or_else(in_use)?;
        self.room.set(async move {
            let answer = commands.send_packed_command(&command).await;
            (commands, answer)
        });
        let (commands, answer) = poll_fn(|cx| self.room.poll(cx)).await;
        self.commands = Some(commands);
        answer
    }

    /// Sends several commands in one write, and waits for all answers.
    pub(super) async fn ask_all(&mut self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let sender = self.commands.as_mut().ok_or_else(in_use)?;
        sender.send_packed_commands(commands, 0, commands.len()).await
    }
}

fn in_use() -> RedisError {
    (ErrorKind::Client, "the handle still waits for another command").into()
}

/// Handles that no call uses at the moment, by thread.
#[derive(Default)]
#[allow(clippy::vec_box, reason = "a handle is large, and moved by each call: in its box it is not")]
pub(super) struct Idle(Sharded<Mutex<Vec<Box<Handle>>>>);

impl Idle {
    pub(super) fn take(&self) -> Option<Box<Handle>> {
        let mut handles = self.0.here().lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| handles.pop()).find(|handle| handle.link.is_usable())
    }

    pub(super) fn put_back(&self, handle: Box<Handle>) {
        let mut handles = self.0.here().lock().unwrap_or_else(PoisonError::into_inner);
        // Asked under the lock: whoever retires a link empties this place afterwards.
        if handles.len() < KEPT && handle.link.is_usable() {
            handles.push(handle);
        }
    }

    /// Lets go of the handles of links that were retired.
    pub(super) fn clear(&self) {
        for handles in self.0.iter() {
            handles.lock().unwrap_or_else(PoisonError::into_inner).retain(|handle| handle.link.is_usable());
        }
    }
}
