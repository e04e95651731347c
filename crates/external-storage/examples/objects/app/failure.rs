//! What went wrong, in words for people.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::Path;

use external_storage::ErrorKind;

/// The result of everything that can fail here.
pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// One message, without the word `error`.
#[derive(Debug)]
pub(super) struct Failure {
    text: String,
    is_general: bool,
    is_unheard: bool,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { text: message.into(), is_general: false, is_unheard: false }
    }

    /// `cannot open a/b: permission denied`.
    pub(super) fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        let is_general = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
        );
        Self { is_general, ..Self::new(format!("cannot {verb} {}: {error}", path.display())) }
    }

    /// The standard output takes no more.
    pub(super) fn output(error: &io::Error) -> Self {
        let failure = Self::new(format!("cannot write to the standard output: {error}"));
        Self { is_unheard: error.kind() == io::ErrorKind::BrokenPipe, ..failure.in_general() }
    }

    /// Nobody reads the standard output any more.
    pub(super) fn unheard() -> Self {
        Self::output(&io::ErrorKind::BrokenPipe.into())
    }

    /// Says what it is about.
    pub(super) fn about(self, what: &str) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    /// Says that it is about no single object.
    pub(super) fn in_general(self) -> Self {
        Self { is_general: true, ..self }
    }

    /// Whether every further object would fail like this one.
    pub(super) fn is_general(&self) -> bool {
        self.is_general
    }

    /// Whether it is only that nobody reads on, as in `objects ls … | head -1`: whoever has gone is told nothing.
    pub(super) fn is_unheard(&self) -> bool {
        self.is_unheard
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The error and what lies beneath it: without effect and retry advice, which are for programs.
impl From<external_storage::Error> for Failure {
    fn from(error: external_storage::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(&format!("\n  caused by: {cause}"));
            source = cause.source();
        }
        let is_general = matches!(
            error.kind(),
            ErrorKind::Unauthenticated
                | ErrorKind::RateLimited
                | ErrorKind::QuotaExhausted
                | ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Configuration
                | ErrorKind::Closed
        );
        Self { is_general, ..Self::new(text) }
    }
}
