//! Registers everybody: some side by side, each come back to until it is done or time is up.
//!
//! A registration that met a system that is down goes to the end of the queue, so that it holds up nobody else.

use std::collections::VecDeque;
use std::time::Duration;

use external_core::storage::ObjectKey;
use external_core::{Error, Retry};
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt};
use tokio::time::{Instant, sleep_until};

use crate::accounts::{Account, Accounts, Signup};

/// How many users register side by side.
pub(crate) const SIDE_BY_SIDE: usize = 4;
/// How long a registration rests at least, and at most, before it is tried again.
const REST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A registration that came to its end.
pub(crate) struct Finished {
    pub(crate) name: String,
    pub(crate) result: Result<Account, Unfinished>,
}

/// A registration that was given up.
pub(crate) struct Unfinished {
    pub(crate) error: Error,
    /// Whether something of it may have been done without anybody knowing.
    pub(crate) is_unknown: bool,
    /// Its portrait, if it was not taken back.
    pub(crate) portrait: Option<ObjectKey>,
}

/// One in the queue.
struct Waiting {
    signup: Signup,
    /// Not before then.
    rests_until: Instant,
    /// When to give up.
    ends: Instant,
}

/// Registers all of these, each within `patience` from now; answers in the order in which they come to their end.
pub(crate) fn everybody(
    accounts: &Accounts,
    signups: Vec<Signup>,
    patience: Duration,
) -> impl Stream<Item = Finished> {
    let now = Instant::now();
    let waiting: VecDeque<Waiting> = signups
        .into_iter()
        .map(|signup| Waiting { signup, rests_until: now, ends: now + patience })
        .collect();
    let running = FuturesUnordered::new();
    stream::unfold((waiting, running), async move |(mut waiting, mut running)| {
        loop {
            while running.len() < SIDE_BY_SIDE
                && let Some(next) = waiting.pop_front()
            {
                running.push(go_on(accounts, next));
            }
            match running.next().await? {
                Tried::Again(unfinished) => waiting.push_back(unfinished),
                Tried::Ended(finished) => return Some((finished, (waiting, running))),
            }
        }
    })
}

enum Tried {
    Ended(Finished),
    Again(Waiting),
}

/// Tries once more.
async fn go_on(accounts: &Accounts, mut waiting: Waiting) -> Tried {
    sleep_until(waiting.rests_until).await;
    let signup = &mut waiting.signup;
    let name = signup.user.name.clone();
    let error = match accounts.go_on(signup).await {
        Ok(account) => return Tried::Ended(Finished { name, result: Ok(account) }),
        Err(error) => error,
    };
    let now = Instant::now();
    if signup.may_go_on(&error) && now < waiting.ends {
        let hint = if let Retry::After(hint) = error.retry() { hint } else { REST.0 };
        waiting.rests_until = now + hint.clamp(REST.0, REST.1);
        return Tried::Again(waiting);
    }
    accounts.give_up(signup).await;
    let (is_unknown, portrait) = (signup.is_unknown(), signup.portrait().cloned());
    Tried::Ended(Finished { name, result: Err(Unfinished { error, is_unknown, portrait }) })
}
