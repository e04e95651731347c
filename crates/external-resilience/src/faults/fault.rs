//! One fault: what becomes of one call.

use std::future::pending;
use std::time::Duration;

use external_core::{CallContext, Effect, Error, ErrorKind, Result};
use tokio::time::sleep;

/// What becomes of one call, before or after it reaches the service.
///
/// | fault | does the call take effect? | what the caller sees |
/// |---|---|---|
/// | [`none`](Self::none), [`delay`](Self::delay), [`slow_answer`](Self::slow_answer) | as always | the service's answer, maybe later |
/// | [`fail`](Self::fail), [`error`](Self::error) | no | the error, with the effect it states |
/// | [`hang`](Self::hang), [`hang_sent`](Self::hang_sent) | no | nothing, ever |
/// | [`lost`](Self::lost) | yes | an error whose effect is `MaybeApplied` |
/// | [`lost_with`](Self::lost_with) | yes | the error, with the effect it states |
/// | [`drop_answer`](Self::drop_answer) | yes | nothing, ever |
///
/// A call that never gets an answer ends by its attempt timeout; without one it hangs for good.
#[derive(Debug, Clone)]
pub struct Fault {
    delay: Duration,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Nothing,
    /// Instead of the call.
    Fail(Error),
    /// Instead of the call.
    Hang {
        sent: bool,
    },
    /// Behind the call.
    SlowAnswer(Duration),
    /// Behind the call.
    Lose(Error),
    /// Behind the call.
    DropAnswer,
}

impl Fault {
    /// The call goes through as if nothing were there: a place in a script.
    #[must_use]
    pub fn none() -> Self {
        What::Nothing.into()
    }

    /// The call is sent only after this long, as over a slow connection.
    #[must_use]
    pub fn delay(delay: Duration) -> Self {
        Self::none().with_delay(delay)
    }

    /// The service works at once and answers only after this long.
    #[must_use]
    pub fn slow_answer(delay: Duration) -> Self {
        What::SlowAnswer(delay).into()
    }

    /// The call never reaches the service, and fails with this kind, claiming this effect.
    #[must_use]
    pub fn fail(kind: ErrorKind, effect: Effect) -> Self {
        Self::error(Error::new(kind, "a fault was injected before the call").with_effect(effect))
    }

    /// As [`fail`](Self::fail) with an error of your own: retry advice, vendor code, context.
    #[must_use]
    pub fn error(error: Error) -> Self {
        What::Fail(error).into()
    }

    /// The call never reaches the service, and never ends: no connection comes about. Nothing was sent.
    #[must_use]
    pub fn hang() -> Self {
        What::Hang { sent: false }.into()
    }

    /// The call is sent but never reaches the service, and never ends: whoever waits cannot know that.
    #[must_use]
    pub fn hang_sent() -> Self {
        What::Hang { sent: true }.into()
    }

    /// The call takes effect; its answer is lost, which is an error of this kind whose effect is `MaybeApplied`. So is an
    /// answer that it failed, but for an error that says that nothing was sent: there was no answer to lose.
    #[must_use]
    pub fn lost(kind: ErrorKind) -> Self {
        let error = Error::new(kind, "the answer was lost by an injected fault");
        Self::lost_with(error.with_effect(Effect::MaybeApplied))
    }

    /// As [`lost`](Self::lost) with an error of your own. Its effect is what it claims, also where that is not so: a service
    /// that took a call and says that it did not.
    #[must_use]
    pub fn lost_with(error: Error) -> Self {
        What::Lose(error).into()
    }

    /// The call takes effect; its answer never comes, and neither does an error.
    #[must_use]
    pub fn drop_answer() -> Self {
        What::DropAnswer.into()
    }

    /// The same after a wait, during which nothing is sent.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What happens before the call, or instead of it. `cause` is told in the error.
    pub(super) async fn before(&self, cx: &CallContext, cause: &str) -> Result<()> {
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        match &self.what {
            What::Fail(error) => {
                if error.effect() != Effect::NotSent {
                    cx.mark_sent();
                }
                Err(injected(error, cause))
            }
            What::Hang { sent } => {
                if *sent {
                    cx.mark_sent();
                }
                pending().await
            }
            What::Nothing | What::SlowAnswer(_) | What::Lose(_) | What::DropAnswer => Ok(()),
        }
    }

    /// What becomes of the service's answer.
    pub(super) async fn after<T>(&self, answer: Result<T>, cx: &CallContext, cause: &str) -> Result<T> {
        // What failed before anything was sent is no answer of the service.
        if answer.as_ref().is_err_and(|error| error.effect() == Effect::NotSent) {
            return answer;
        }
        match &self.what {
            What::Nothing | What::Fail(_) | What::Hang { .. } => answer,
            What::SlowAnswer(delay) => {
                // A service in this process may not have marked: it never left its caller waiting.
                cx.mark_sent();
                sleep(*delay).await;
                answer
            }
            What::Lose(error) => {
                cx.mark_sent();
                Err(injected(error, cause))
            }
            What::DropAnswer => {
                cx.mark_sent();
                pending().await
            }
        }
    }
}

/// Whoever reads the error sees that it is none of the service's, and how it came about.
fn injected(error: &Error, cause: &str) -> Error {
    error.clone().with_context("injected_by", cause)
}

impl From<What> for Fault {
    fn from(what: What) -> Self {
        Self { delay: Duration::ZERO, what }
    }
}
