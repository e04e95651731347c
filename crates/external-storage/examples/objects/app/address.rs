//! Addresses: an object or a prefix of a store, a file of this machine, standard input and output.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// What a person wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// `-`.
    Standard,
    /// A path.
    File(PathBuf),
    /// `store:rest`. What the rest means depends on the store.
    Store {
        /// An instance of the configuration, or a provider.
        store: String,
        /// A key or a prefix; for a provider with a place of its own the place too.
        rest: String,
    },
}

impl FromStr for Address {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "-" {
            return Ok(Self::Standard);
        }
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        Ok(match text.split_once(':') {
            Some((store, rest)) if is_name(store) => Self::Store { store: store.into(), rest: rest.into() },
            _ => Self::File(text.into()),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
            Self::Store { store, rest } => write!(f, "{store}:{rest}"),
        }
    }
}

/// Folder and key of what follows `local:`. No key has two slashes in a row, so they can part the two.
pub(super) fn split_local(rest: &str) -> (&str, &str) {
    // `local:///srv/store` is how clients print the place.
    let rest = if rest.starts_with("///") { &rest[2..] } else { rest };
    if let Some((folder, key)) = rest.split_once("//") {
        return (if folder.is_empty() { "/" } else { folder }, key);
    }
    match rest.rsplit_once('/') {
        Some(("", key)) => ("/", key),
        Some((folder, key)) => (folder, key),
        None => (".", rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_stores_from_files() {
        let store = |store: &str, rest: &str| Address::Store { store: store.into(), rest: rest.into() };
        for (text, address) in [
            ("-", Address::Standard),
            ("avatars:users/a:b.png", store("avatars", "users/a:b.png")),
            ("memory:", store("memory", "")),
            ("a.png", Address::File("a.png".into())),
            ("./a:b.png", Address::File("./a:b.png".into())),
            ("/srv/a:b", Address::File("/srv/a:b".into())),
            (":a", Address::File(":a".into())),
        ] {
            let Ok(parsed) = text.parse::<Address>();
            assert_eq!(parsed, address);
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn parts_folder_and_key() {
        assert_eq!(split_local("/srv/store//a/b.png"), ("/srv/store", "a/b.png"));
        assert_eq!(split_local("///srv/store//a"), ("/srv/store", "a"));
        assert_eq!(split_local("/srv/store/b.png"), ("/srv/store", "b.png"));
        assert_eq!(split_local("/srv/store/"), ("/srv/store", ""));
        assert_eq!(split_local("/a"), ("/", "a"));
        assert_eq!(split_local("b.png"), (".", "b.png"));
        assert_eq!(split_local("store//b.png"), ("store", "b.png"));
    }
}
