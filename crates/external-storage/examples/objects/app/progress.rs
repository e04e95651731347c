//! What is shown while it goes on: a line for each finished object, and a bar for each large one while it moves, if the
//! standard error is a terminal.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::{Failure, Outcome};

/// From this size on a transfer has a bar.
const LARGE: u64 = 8 << 20;
const KNOWN: &str = "{bar:24} {percent:>3}% {binary_bytes:>10} {binary_bytes_per_sec:>12} {eta:>4}  {msg}";
const UNKNOWN: &str = "{spinner} {binary_bytes:>10} {binary_bytes_per_sec:>12}  {msg}";

/// All that is shown.
pub(super) struct Progress {
    bars: MultiProgress,
    quiet: bool,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bars: MultiProgress::with_draw_target(target), quiet }
    }

    /// Prints a result: one line, whatever stands in it.
    pub(super) fn result(&self, line: &str) -> Outcome {
        let line = printable(line, |_| false);
        let print = || {
            let mut out = io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        };
        self.bars.suspend(print).map_err(|error| Failure::output(&error))
    }

    /// Prints what was done, unless that is unwanted.
    pub(super) fn done(&self, line: &str) -> Outcome {
        if self.quiet { Ok(()) } else { self.result(line) }
    }

    /// Says something that is no result.
    pub(super) fn note(&self, line: &str) {
        if !self.quiet {
            self.warn(line);
        }
    }

    /// Says what went wrong.
    pub(super) fn error(&self, failure: &Failure) {
        self.warn(&format!("error: {failure}"));
    }

    /// Says something that everybody must know.
    pub(super) fn warn(&self, text: &str) {
        let text = printable(text, |c| c == '\n');
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    /// Begins a transfer of `size` bytes, where that is known.
    pub(super) fn begin(&self, name: &str, size: Option<u64>) -> Moving {
        if size.is_some_and(|size| size < LARGE) {
            return Moving(ProgressBar::hidden());
        }
        let template = if size.is_some() { KNOWN } else { UNKNOWN };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let bar = self.bars.add(bar.with_style(style).with_message(printable(name, |_| false).into_owned()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Moving(bar)
    }
}

/// Keys and names may hold anything: what a terminal would obey is spelled out.
fn printable(text: &str, is_fine: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_command = |c: char| c.is_control() && !is_fine(c);
    if !text.contains(is_command) {
        return text.into();
    }
    text.chars()
        .fold(String::new(), |mut shown, c| {
            if is_command(c) {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
            shown
        })
        .into()
}

/// One transfer. Its bar goes when it does.
pub(super) struct Moving(ProgressBar);

impl Moving {
    /// So many bytes more.
    pub(super) fn add(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    /// How many bytes there were.
    pub(super) fn bytes(&self) -> u64 {
        self.0.position()
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
