//! Where in a value something is wrong: the operation, and the elements on the way.

use std::fmt;

use external_core::Error;

/// How deep values nest. Types refer to each other in rings, and values must end.
const DEEPEST: usize = 100;

/// A place in a value, linked to the one it is in.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    outer: Option<&'a Self>,
    name: &'a str,
    depth: usize,
}

impl<'a> Place<'a> {
    pub(super) fn root(operation: &'a str) -> Self {
        Self { outer: None, name: operation, depth: 0 }
    }

    pub(super) fn within(&'a self, name: &'a str) -> Self {
        Self { outer: Some(self), name, depth: self.depth + 1 }
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.depth > DEEPEST
    }

    /// An argument that is wrong here.
    pub(super) fn wrong(&self, why: impl fmt::Display) -> Error {
        Error::invalid_argument(format!("{self}: {why}"))
    }

    /// An answer that is wrong here.
    pub(super) fn corrupt(&self, why: impl fmt::Display) -> Error {
        Error::corrupt(format!("answer to {self}: {why}"))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            write!(f, "{outer}/")?;
        }
        f.write_str(self.name)
    }
}
