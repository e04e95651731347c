//! The real world: the one file of the libraries that asks the process for time, environment and files.
#![allow(clippy::disallowed_methods, reason = "this is where the banned calls live")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::{FileStamp, SecretFiles};

pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A value that is not UTF-8 is shown broken rather than left out: whoever reads it says what is wrong with it.
pub(super) fn variables(prefix: &str) -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(prefix))
        .collect()
}

/// Without randomness from the system no id is unique and no nonce safe, so there is nothing to go on with.
#[allow(clippy::panic, reason = "a system without randomness cannot run any of this safely")]
pub(super) fn random(buffer: &mut [u8]) {
    if let Err(error) = getrandom::fill(buffer) {
        panic!("the system gives no randomness: {error}");
    }
}

pub(super) struct Files;

impl SecretFiles for Files {
    fn stamp(&self, path: &Path) -> io::Result<FileStamp> {
        let meta = fs::metadata(path)?;
        Ok(FileStamp {
            modified: meta.modified().ok(),
            length: meta.len(),
            identity: super::platform::identity(&meta),
        })
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}
