//! The one call that an upload is to its caller: any number of exchanges, of which the last alone changes the key.

use std::sync::atomic::{AtomicBool, Ordering};

use external_core::{CallContext, Effect, Error, Result};
use tokio::time::timeout_at;

use super::PUT;
use crate::client::StorageClient;

/// An upload under way.
pub(in crate::client) struct UploadCall<'a> {
    pub(in crate::client) cx: &'a CallContext,
    /// Whether the exchange that changes the key was begun: the completion, or the single put.
    is_last: AtomicBool,
}

impl<'a> UploadCall<'a> {
    pub(in crate::client) fn new(cx: &'a CallContext) -> Self {
        Self { cx, is_last: AtomicBool::new(false) }
    }

    /// Notes that what is sent from now on changes the key.
    pub(super) fn begin_last(&self) {
        self.is_last.store(true, Ordering::Release);
    }

    /// The error, with what can have become of the key: parts that are thrown away, and what was read, are no effect.
    fn settle(&self, error: Error) -> Error {
        match error.effect() {
            Effect::MaybeApplied if self.is_last.load(Ordering::Acquire) => error,
            Effect::NotSent if !self.cx.was_sent() => error,
            _ => error.with_effect(Effect::NotApplied),
        }
    }
}

impl StorageClient {
    /// `work` until the call's deadline: reading the source has no other bound. An abort goes on in the clean-up, where this
    /// cuts it short.
    pub(in crate::client) async fn in_time<T>(
        &self,
        call: &UploadCall<'_>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let done = match call.cx.deadline() {
            None => work.await,
            Some(deadline) => match timeout_at(deadline, work).await {
                Ok(done) => done,
                Err(_) => {
                    let effect = if call.cx.was_sent() { Effect::MaybeApplied } else { Effect::NotSent };
                    self.locate(PUT, Err(Error::timeout("the upload took too long").with_effect(effect)))
                }
            },
        };
        done.map_err(|error| call.settle(error))
    }
}
