//! The file in which a download is collected.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use external_core::{BuildContext, Error, Result};
use external_http::HttpUrl;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::task::spawn_blocking;

use super::super::Validators;

/// How much is written at a time.
const BUFFER: usize = 256 << 10;

/// One version of what is downloaded, as much of it as there is. Its name tells the version, so bytes of two versions
/// never meet; a lock keeps others away.
pub(super) struct PartFile {
    path: PathBuf,
    file: BufWriter<tokio::fs::File>,
    length: u64,
    total: Option<u64>,
    validators: Validators,
    /// Whether it goes with this value: nobody could go on with it.
    is_temporary: bool,
}

impl PartFile {
    /// The file of this version beside `target`, with what an earlier download left in it.
    pub(super) async fn open(
        target: &Path,
        url: &HttpUrl,
        validators: Validators,
        total: Option<u64>,
    ) -> Result<Self> {
        let Some(name) = target.file_name() else {
            return Err(Error::invalid_argument("the target of a download has no name"));
        };
        let version = validators
            .strong()
            .map(|tag| hex::encode(&Sha256::digest(format!("{}\n{tag}", url.expose()))[..16]));
        let is_temporary = version.is_none();
        let version = version.unwrap_or_else(|| BuildContext::default().random_id());
        let mut part_name = std::ffi::OsString::from(".");
        part_name.push(name);
        part_name.push(format!(".{version}.part"));
        let path = target.with_file_name(part_name);
        let opened = path.clone();
        let (file, length) = blocking(move || locked(&opened)).await??;
        let file = BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(file));
        Ok(Self { path, file, length, total, validators, is_temporary })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes it should have, if that was told.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    pub(super) fn validators(&self) -> &Validators {
        &self.validators
    }

    /// It should have so many bytes, where that was not known.
    pub(super) fn expect(&mut self, total: Option<u64>) {
        self.total = self.total.or(total);
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).await.map_err(unwritable)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<()> {
        self.file.flush().await.map_err(unwritable)
    }

    /// Begins anew.
    pub(super) async fn empty(&mut self) -> Result<()> {
        self.flush().await?;
        self.file.get_ref().set_len(0).await.map_err(unwritable)?;
        self.length = 0;
        Ok(())
    }

    /// Of what the file holds.
    pub(super) async fn sha256(&self) -> Result<[u8; 32]> {
        let path = self.path.clone();
        blocking(move || {
            let mut file = File::open(path)?;
            let mut hasher = Sha256::new();
            let mut buffer = vec![0; BUFFER];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(hasher.finalize().into()),
                    read => hasher.update(&buffer[..read]),
                }
            }
        })
        .await?
        .map_err(unwritable)
    }

    /// Puts it where it belongs, once it is on the disk.
    pub(super) async fn put_in_place(mut self, target: &Path) -> Result<()> {
        self.flush().await?;
        self.file.get_ref().sync_all().await.map_err(unwritable)?;
        tokio::fs::rename(&self.path, target).await.map_err(unwritable)?;
        self.is_temporary = false;
        Ok(())
    }

    /// Nobody goes on with it.
    pub(super) fn remove(mut self) {
        self.is_temporary = true;
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.is_temporary {
            // What cannot be removed is found by its name.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// The file, at its end, for this download alone.
fn locked(path: &Path) -> Result<(File, u64)> {
    // Appending only: whatever happens, no byte that is there is overwritten by another one.
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::conflict("another download writes the same file"));
        }
        // A file system without locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(unwritable(error)),
    }
    let length = file.metadata().map_err(unwritable)?.len();
    Ok((file, length))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|_| Error::closed("the runtime is shutting down"))
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unwritable(error: io::Error) -> Error {
    Error::unexpected("the file of a download cannot be written").with_source(error)
}
