//! How a key is spelled on disk: plainly, but for what a file system cannot take.
//!
//! The rule, for each segment of a key (the text between slashes):
//!
//! 1. `%` becomes `%25`, and a control character becomes `%` and two hexadecimal digits.
//! 2. The segment `.external`, which is the name of the store's own folder, becomes `%2Eexternal`; so does one of other
//!    letter case, which some file systems take for the same name.
//! 3. What is then longer than 255 bytes is cut: each piece but the last is a folder whose name ends in `%+`.
//!
//! And for objects: an object whose path is a folder, because there are keys below it (`a` beside `a/b`), is the file
//! `%self` in that folder.
//!
//! `%` is thus followed by two hexadecimal digits in every name that spells a segment, and all other names with it are
//! free for the store's own use. A file whose name spells no segment is not an object.

use external_core::storage::ObjectKey;

/// The folder at the root that holds what is the store's own.
pub(super) const RESERVED: &str = ".external";
/// The object whose path is the folder it lies in.
pub(super) const SELF: &str = "%self";
/// The end of the name of a folder that holds the rest of a long segment.
pub(super) const CONTINUED: &str = "%+";

/// What file systems take in one name, in bytes.
const NAME_MAX: usize = 255;

/// Where an object is, from the root: folders, then the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiskPath {
    pub(super) folders: Vec<String>,
    pub(super) file: String,
}

impl DiskPath {
    pub(super) fn of(key: &ObjectKey) -> Self {
        let mut folders: Vec<String> = key.as_str().split('/').flat_map(spell).collect();
        let file = folders.pop().unwrap_or_default();
        Self { folders, file }
    }
}

/// The names that spell a segment.
pub(super) fn spell(segment: &str) -> Vec<String> {
    let mut units = Vec::new();
    for (index, c) in segment.chars().enumerate() {
        let first_of_reserved = index == 0 && segment.eq_ignore_ascii_case(RESERVED);
        if c == '%' || c.is_ascii_control() || first_of_reserved {
            units.push(format!("%{:02X}", u32::from(c)));
        } else {
            units.push(c.to_string());
        }
    }
    let mut names = vec![String::new()];
    let mut left: usize = units.iter().map(String::len).sum();
    for unit in units {
        // What is left goes into one name if it fits, else the name keeps room for its mark.
        let last = names.len() - 1;
        let fits_whole = names[last].len() + left <= NAME_MAX;
        if !fits_whole && names[last].len() + unit.len() + CONTINUED.len() > NAME_MAX {
            names[last].push_str(CONTINUED);
            names.push(String::new());
        }
        left -= unit.len();
        if let Some(name) = names.last_mut() {
            name.push_str(&unit);
        }
    }
    names
}

/// The segment that `names` spell; `None` if they spell none, or not by the rule.
pub(super) fn read(names: &[String]) -> Option<String> {
    let mut segment = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let piece = if index + 1 < names.len() { name.strip_suffix(CONTINUED)? } else { name };
        let mut bytes = piece.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let digits = [bytes.next()?, bytes.next()?];
                segment.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            } else {
                segment.push(byte);
            }
        }
    }
    let segment = String::from_utf8(segment).ok()?;
    // One spelling for each segment: another one would be a second object of the same key.
    (!segment.is_empty() && !segment.contains(['/', '\0']) && spell(&segment) == names).then_some(segment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_keys_are_plain_files() {
        let path = DiskPath::of(&ObjectKey::parse("portraits/Ada Lovelace.png").unwrap());
        assert_eq!(path, DiskPath { folders: vec!["portraits".into()], file: "Ada Lovelace.png".into() });
        assert_eq!(spell(&"x".repeat(255)), ["x".repeat(255)]);
    }

    #[test]
    fn what_a_file_system_cannot_take_is_escaped() {
        assert_eq!(spell("100%"), ["100%25"]);
        assert_eq!(spell("a\nb"), ["a%0Ab"]);
        assert_eq!(spell(".external"), ["%2Eexternal"]);
        assert_eq!(spell(".External"), ["%2EExternal"]);
        assert_eq!(spell(".externals"), [".externals"]);
        assert_eq!(spell("%self"), ["%25self"]);
        let long = spell(&"鍵".repeat(200));
        assert_eq!(long.len(), 3);
        assert!(long.iter().all(|name| name.len() <= 255));
    }

    #[test]
    fn names_that_spell_nothing_are_no_objects() {
        for name in
            ["%self", "100%", "%zz", "a%2Fb", "%41", "%0a", "x%+", "", ".external", ".EXTERNAL", "%+1"]
        {
            assert_eq!(read(&[name.to_owned()]), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_segment_is_spelled_once_and_read_back(segment in "[^/\0]{1,400}") {
            prop_assume!(segment != "." && segment != "..");
            let names = spell(&segment);
            for name in &names {
                prop_assert!(!name.is_empty() && name.len() <= 255 && !name.contains(['/', '\0']));
                prop_assert!(name != "." && name != ".." && name != RESERVED && name != SELF);
            }
            prop_assert_eq!(read(&names), Some(segment));
        }

        #[test]
        fn what_is_read_is_spelled_the_same(name in "[%a-c0-9A-F+.]{1,12}") {
            if let Some(segment) = read(std::slice::from_ref(&name)) {
                prop_assert_eq!(spell(&segment), vec![name]);
            }
        }
    }
}
