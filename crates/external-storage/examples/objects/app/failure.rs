//! What ended the program early, in words for people.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::Path;

/// The result of everything that can fail here.
pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// One message, without the word `error`.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// `cannot open a/b: permission denied`.
    pub(super) fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self(format!("cannot {verb} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
        Self(text)
    }
}
