//! Names: a namespace and what stands in it.

use std::fmt;
use std::sync::Arc;

/// A name with its namespace. Prefixes mean nothing, and are gone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    namespace: Option<Arc<str>>,
    local: Arc<str>,
}

impl Name {
    /// A name in a namespace.
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, local: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: Some(namespace.into()).filter(|namespace| !namespace.is_empty()),
            local: local.into(),
        }
    }

    /// A name in no namespace.
    #[must_use]
    pub fn local(local: impl Into<Arc<str>>) -> Self {
        Self { namespace: None, local: local.into() }
    }

    pub(super) fn of(namespace: Option<Arc<str>>, local: Arc<str>) -> Self {
        Self { namespace, local }
    }

    /// The namespace, if it has one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// What stands in the namespace.
    #[must_use]
    pub fn local_name(&self) -> &str {
        &self.local
    }

    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        &*self.local == local && self.namespace.as_deref().unwrap_or_default() == namespace
    }
}

/// `{namespace}local`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{{{namespace}}}{}", self.local),
            None => f.write_str(&self.local),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Whether this is a name without a colon (Namespaces in XML 1.0, production 4).
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(begins_name) && characters.all(|c| begins_name(c) || continues_name(c))
}

fn begins_name(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

fn continues_name(c: char) -> bool {
    matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether XML 1.0 has these characters (production 2).
pub(super) fn is_text(text: &str) -> bool {
    text.chars().all(is_character)
}

pub(super) fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_standard() {
        for good in ["a", "_a", "a-1.b", "Ünïcode", "名"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "a:b", "a>", "\u{D7}"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_text("a\t\n\r\u{10FFFF}"));
        assert!(!is_text("\u{0}") && !is_text("\u{1B}") && !is_text("\u{FFFE}"));
    }

    #[test]
    fn a_namespace_of_nothing_is_none() {
        assert_eq!(Name::new("", "a"), Name::local("a"));
        assert_eq!(Name::new("urn:x", "a").to_string(), "{urn:x}a");
        assert!(Name::local("a").is("", "a"));
    }
}
