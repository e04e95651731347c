//! Whether repeating is safe: certainty about the effect, combined with what the operation is.

use super::{Effect, Error};
use crate::{Operation, Repeat};

impl Error {
    /// Whether repeating the operation *at the same place* is safe after this error.
    ///
    /// | effect | `Safe` | `Idempotent` | `Keyed` | `Once` |
    /// |---|---|---|---|---|
    /// | `NotSent` | yes | yes | yes | yes |
    /// | `NotApplied` | yes | yes | yes | yes |
    /// | `MaybeApplied` | yes | yes | yes | **no** |
    ///
    /// Whether it is of any *use* is [`Error::retry`].
    #[must_use]
    pub fn may_repeat(&self, operation: &Operation) -> bool {
        match self.effect() {
            Effect::NotSent | Effect::NotApplied => true,
            Effect::MaybeApplied => match operation.repeat {
                Repeat::Safe | Repeat::Idempotent | Repeat::Keyed => true,
                Repeat::Once => false,
            },
        }
    }

    /// Whether trying the operation *somewhere else* is safe after this error.
    ///
    /// As [`Error::may_repeat`], but for `Keyed`, which counts as `Once`: an idempotency key means nothing to
    /// another vendor.
    ///
    /// | effect | `Safe` | `Idempotent` | `Keyed` | `Once` |
    /// |---|---|---|---|---|
    /// | `NotSent` | yes | yes | yes | yes |
    /// | `NotApplied` | yes | yes | yes | yes |
    /// | `MaybeApplied` | yes | yes | **no** | **no** |
    #[must_use]
    pub fn may_move(&self, operation: &Operation) -> bool {
        operation.repeat != Repeat::Keyed && self.may_repeat(operation)
            || self.effect() != Effect::MaybeApplied
    }
}

#[cfg(test)]
mod tests {
    use crate::{Effect, Error, Operation, Repeat};

    const CLASSES: [Repeat; 4] = [Repeat::Safe, Repeat::Idempotent, Repeat::Keyed, Repeat::Once];

    fn row(effect: Effect, ask: fn(&Error, &Operation) -> bool) -> [bool; 4] {
        let error = Error::unavailable("gone").with_effect(effect);
        CLASSES.map(|repeat| ask(&error, &Operation::new("email", "send", repeat)))
    }

    #[test]
    fn repeating_follows_its_table() {
        assert_eq!(row(Effect::NotSent, Error::may_repeat), [true; 4]);
        assert_eq!(row(Effect::NotApplied, Error::may_repeat), [true; 4]);
        assert_eq!(row(Effect::MaybeApplied, Error::may_repeat), [true, true, true, false]);
    }

    #[test]
    fn moving_follows_its_table() {
        assert_eq!(row(Effect::NotSent, Error::may_move), [true; 4]);
        assert_eq!(row(Effect::NotApplied, Error::may_move), [true; 4]);
        assert_eq!(row(Effect::MaybeApplied, Error::may_move), [true, true, false, false]);
    }
}
