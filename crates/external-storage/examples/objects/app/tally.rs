//! Many objects: each that fails is named when it does, and the others go on.

use std::cell::Cell;

use super::failure::{Failure, Outcome};
use super::progress::Progress;

/// What became of them.
pub(super) struct Tally<'a> {
    progress: &'a Progress,
    /// What is done to them: `copied`.
    verb: &'static str,
    done: Cell<u64>,
    failed: Cell<u64>,
    left_out: Cell<u64>,
    is_over: Cell<bool>,
    is_unheard: Cell<bool>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(progress: &'a Progress, verb: &'static str) -> Self {
        Self {
            progress,
            verb,
            done: Cell::new(0),
            failed: Cell::new(0),
            left_out: Cell::new(0),
            is_over: Cell::new(false),
            is_unheard: Cell::new(false),
        }
    }

    /// Counts one of them, and says what became of it if it failed. Where the store itself fails, everything under way
    /// does: that is said once.
    pub(super) fn count(&self, outcome: Outcome) {
        match outcome {
            Ok(()) => self.done.set(self.done.get() + 1),
            Err(failure) => {
                if failure.is_unheard() {
                    self.is_unheard.set(true);
                } else if self.goes_on() || !failure.is_general() {
                    self.progress.error(&failure);
                }
                self.failed.set(self.failed.get() + 1);
                self.is_over.set(self.is_over.get() || failure.is_general());
            }
        }
    }

    /// Counts one that is passed over, and says why.
    pub(super) fn leave_out(&self, why: &str) {
        self.progress.warn(&format!("left out: {why}"));
        self.left_out.set(self.left_out.get() + 1);
    }

    /// Whether further ones may be tried.
    pub(super) fn goes_on(&self) -> bool {
        !self.is_over.get()
    }

    /// How many were counted.
    pub(super) fn total(&self) -> u64 {
        self.done.get() + self.failed.get() + self.left_out.get()
    }

    /// The result of all.
    pub(super) fn conclude(&self) -> Outcome {
        if self.is_unheard.get() {
            return Err(Failure::unheard());
        }
        let Self { verb, done, failed, left_out, .. } = self;
        if failed.get() + left_out.get() == 0 {
            self.progress.note(&format!("{} {verb}", done.get()));
            return Ok(());
        }
        let mut text = format!("{} {verb}", done.get());
        for (count, word) in [(failed.get(), "failed"), (left_out.get(), "left out")] {
            if count > 0 {
                text.push_str(&format!(", {count} {word}"));
            }
        }
        if self.is_over.get() {
            text.push_str("; the rest was not tried");
        }
        Err(Failure::new(text))
    }
}
