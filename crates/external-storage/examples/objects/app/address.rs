//! Addresses: an object or a prefix of a store, a file of this machine, standard input and output.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser, ValueParserFactory};

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

impl Address {
    fn parse(text: OsString) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Standard);
        }
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        match text.to_string_lossy().split_once(':') {
            Some((store, rest)) if is_name(store) => match text.to_str() {
                Some(_) => Ok(Self::Store { store: store.into(), rest: rest.into() }),
                None => Err("a key is UTF-8 text, and this is none".to_owned()),
            },
            // A file's name may be any bytes.
            _ => Ok(Self::File(text.into())),
        }
    }
}

/// How clap reads addresses: also those of files whose names are no text.
impl ValueParserFactory for Address {
    type Parser = clap::builder::ValueParser;

    fn value_parser() -> Self::Parser {
        OsStringValueParser::new().try_map(Self::parse).into()
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
            let parsed = Address::parse(text.into()).unwrap();
            assert_eq!(parsed, address);
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn only_files_have_names_that_are_no_text() {
        use std::os::unix::ffi::OsStringExt;

        let name = OsString::from_vec(b"./caf\xe9.png".to_vec());
        assert_eq!(Address::parse(name.clone()), Ok(Address::File(name.into())));
        assert!(
            Address::parse(OsString::from_vec(b"avatars:caf\xe9".to_vec())).unwrap_err().contains("UTF-8")
        );
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
