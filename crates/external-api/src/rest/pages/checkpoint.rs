//! Where a list was left.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a list goes on: kept as any format of serde's, and given to [`Pages::resume`](super::Pages::resume) or
/// [`Items::resume`](super::Items::resume) later.
///
/// It holds what the API gave as the name of a page, which may be a secret: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub(super) position: Position,
    /// How many items of that page were read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) skip: usize,
}

/// A page, in the terms of its API.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Position {
    /// The first one, where that has no name.
    First,
    /// A number of a page, or of an item.
    Number(u64),
    /// A cursor or token.
    Token(String),
    /// A place of its own.
    Url(String),
}

impl Checkpoint {
    pub(super) fn of(position: Position) -> Self {
        Self { position, skip: 0 }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(skip: &usize) -> bool {
    *skip == 0
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("skip", &self.skip).finish_non_exhaustive()
    }
}
