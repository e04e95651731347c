//! What is told of calls, kept where a clause asks for it: the spans of calls, their attempts, and metrics.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::future::poll_fn;

/// More of anything than a clause looks at.
const MOST: usize = 10_000;

/// The fields of a span or event, or the labels of a metric, as text.
pub(crate) type Fields = BTreeMap<String, String>;

/// A span `external.call`, once it is closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallSpan {
    pub(crate) fields: Fields,
    /// The events of its attempts.
    pub(crate) attempts: Vec<Fields>,
}

/// A series of a metric: its name and labels.
pub(crate) type Series = (String, Fields);

/// What was told of calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telemetry {
    pub(crate) calls: Vec<CallSpan>,
    /// How often each series was written.
    pub(crate) series: BTreeMap<Series, u64>,
    /// The modules of events that were written during an attended call and outside of its span.
    pub(crate) outside: Vec<String>,
}

impl Telemetry {
    /// How often a metric was written with these labels, whatever the others.
    pub(crate) fn count_of(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |series: &Series| {
            series.0 == name
                && labels.iter().all(|(label, value)| series.1.get(*label).is_some_and(|is| is == value))
        };
        self.series.iter().filter(|(series, _)| has(series)).map(|(_, times)| times).sum()
    }

    pub(super) fn add_call(&mut self, call: CallSpan) {
        if self.calls.len() < MOST {
            self.calls.push(call);
        }
    }

    pub(super) fn add_outside(&mut self, target: &str) {
        if self.outside.len() < MOST {
            self.outside.push(target.to_owned());
        }
    }

    pub(super) fn count(&mut self, series: &Series, times: u64) {
        if self.series.contains_key(series) || self.series.len() < MOST {
            *self.series.entry(series.clone()).or_default() += times;
        }
    }
}

thread_local! {
    static IS_ATTENDED: Cell<bool> = const { Cell::new(false) };
}

/// Makes a call whose every poll is watched: what is written then comes from the call itself, not from a task beside it.
pub(crate) async fn attended<T>(call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    poll_fn(|cx| {
        IS_ATTENDED.set(true);
        let polled = call.as_mut().poll(cx);
        IS_ATTENDED.set(false);
        polled
    })
    .await
}

pub(super) fn is_attended() -> bool {
    IS_ATTENDED.get()
}
