//! The users who should be there.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One line of the input file.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) email: String,
    /// The bytes of the portrait.
    pub(crate) portrait: Vec<u8>,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    email: String,
    portrait: PathBuf,
}

/// Reads the whole file, and the portraits beside it.
pub(crate) fn read(file: &Path) -> Result<Vec<User>, String> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let Line { name, email, portrait } =
                serde_json::from_str(line).map_err(|error| format!("{}: {error}", file.display()))?;
            let portrait = folder.join(portrait);
            let bytes = fs::read(&portrait).map_err(|error| format!("{}: {error}", portrait.display()))?;
            Ok(User { name, email, portrait: bytes })
        })
        .collect()
}
