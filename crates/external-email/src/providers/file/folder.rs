//! The folder: files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use external_core::{Effect, Error, Result};

/// Where mails are written to.
#[derive(Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

/// A file under its temporary name. Dropped, it is gone.
pub(super) struct Staged {
    temporary: Option<PathBuf>,
    target: PathBuf,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes and synchronises a file under a temporary name, making the folder if need be.
    pub(super) async fn stage(&self, name: String, content: Vec<u8>) -> Result<Staged> {
        let folder = self.path.clone();
        blocking(move || {
            fs::create_dir_all(&folder)?;
            let temporary = folder.join(format!(".{name}.part"));
            let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
            // From here on the file is removed unless it is published, whatever happens.
            let staged = Staged { temporary: Some(temporary), target: folder.join(name) };
            file.write_all(&content)?;
            file.sync_all()?;
            Ok(staged)
        })
        .await
        .map_err(|error| self.failure("the mail could not be written", error).with_effect(Effect::NotApplied))
    }

    /// Every mail in the folder, by name. A folder that was never made is empty.
    pub(super) async fn read_all(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let folder = self.path.clone();
        blocking(move || {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                other => other?,
            };
            let mut names = Vec::new();
            for entry in entries {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if name.ends_with(".eml") && !name.starts_with('.') {
                    names.push(name);
                }
            }
            names.sort();
            names
                .into_iter()
                .map(|name| fs::read(folder.join(&name)).map(|content| (name, content)))
                .collect()
        })
        .await
        .map_err(|error| self.failure("the folder could not be read", error).with_effect(Effect::NotApplied))
    }

    fn failure(&self, message: &'static str, error: io::Error) -> Error {
        failure(message, &self.path, error)
    }
}

impl Staged {
    /// Lets the file appear under its name, for good: the folder is synchronised as well.
    pub(super) async fn publish(mut self) -> Result<()> {
        let target = self.target.clone();
        let moved = blocking(move || {
            if let Some(temporary) = &self.temporary {
                fs::rename(temporary, &self.target)?;
                self.temporary = None;
            }
            if let Some(folder) = self.target.parent() {
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        });
        moved.await.map_err(|error| {
            failure("the mail could not be moved to its name", &target, error)
                .with_effect(Effect::MaybeApplied)
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // Nobody is left to tell; the hidden name keeps a leftover out of everyone's way.
            let _ = fs::remove_file(temporary);
        }
    }
}

fn failure(message: &'static str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::permission_denied(message)
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::quota_exhausted(message),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Error::configuration(message),
        _ => Error::unavailable(message),
    };
    kind.with_context("path", path.display()).with_source(error)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}
