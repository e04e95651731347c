//! What a call is, and what repeating it would do.

use std::fmt;

/// What happens if the same request arrives twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// It only reads.
    Safe,
    /// Twice leaves the same state as once, and the second answer is true as well.
    Idempotent,
    /// It carries a key by which the provider recognises the second one.
    Keyed,
    /// Twice is not once: a second mail, a second increment, a create-only put whose second answer would lie.
    Once,
}

/// The name of a call and its repeat class. Each request answers it from its own options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operation {
    /// The domain: `"storage"`.
    pub domain: &'static str,
    /// The method of the contract: `"put"`.
    pub name: &'static str,
    /// What repeating it would do.
    pub repeat: Repeat,
    /// Which of the calls of this name it is, where a literal tells: the template of an HTTP request's path. It becomes a
    /// label of metrics, so it is one of few.
    pub template: Option<&'static str>,
}

impl Operation {
    /// An operation of a domain.
    #[must_use]
    pub const fn new(domain: &'static str, name: &'static str, repeat: Repeat) -> Self {
        Self { domain, name, repeat, template: None }
    }

    /// The same operation, told apart from others of its name.
    #[must_use]
    pub const fn with_template(self, template: Option<&'static str>) -> Self {
        Self { template, ..self }
    }

    /// The same operation with `Keyed` turned into `Once`: what a client uses when there is no key, or when the
    /// provider's `idempotency-key` capability is not native.
    #[must_use]
    pub const fn without_key(self) -> Self {
        match self.repeat {
            Repeat::Keyed => Self { repeat: Repeat::Once, ..self },
            _ => self,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.domain, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, Repeat};

    #[test]
    fn without_a_key_only_what_has_one_changes() {
        let of = |repeat| Operation::new("email", "send", repeat).without_key().repeat;
        assert_eq!(of(Repeat::Keyed), Repeat::Once);
        for repeat in [Repeat::Safe, Repeat::Idempotent, Repeat::Once] {
            assert_eq!(of(repeat), repeat);
        }
        let send = Operation::new("email", "send", Repeat::Keyed).without_key();
        assert_eq!(send.to_string(), "email.send");
    }
}
