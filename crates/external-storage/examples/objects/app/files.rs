//! Files of this machine: read in chunks, written beside their place and put there when they are whole and on the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use external_storage::{Error, Result};
use futures_util::Stream;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::failure::{Failure, Outcome};
use super::platform::{sync, sync_folder};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// The bytes of a reader as they come.
pub(super) fn chunks(reader: impl AsyncRead + Unpin + Send) -> impl Stream<Item = Result<Bytes>> + Send {
    stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        match reader.read_buf(&mut chunk).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((chunk.freeze(), reader))),
            Err(error) => Err(Error::unexpected("the source cannot be read").with_source(error)),
        }
    })
}

/// What bytes are written to.
pub(super) enum Sink {
    /// A file, put in its place when it is whole.
    File(Unfinished),
    /// A device, a pipe or a socket, which is not to be replaced by a file.
    Special(tokio::fs::File, PathBuf),
}

impl Sink {
    pub(super) async fn open(target: &Path) -> Outcome<Self> {
        let unwritable = |error| Failure::file("write", target, &error);
        match fs::metadata(target) {
            Ok(there) if there.is_dir() => {
                Err(Failure::new(format!("cannot write {}: it is a folder", target.display())))
            }
            // Where a link leads to is replaced, and the link stays.
            Ok(there) if there.is_file() => {
                let place = fs::canonicalize(target).map_err(unwritable)?;
                Unfinished::create(&place, Some(there.permissions())).map(Self::File)
            }
            // On a thread of its own: a pipe opens when somebody reads it.
            Ok(_) => {
                let file = tokio::fs::OpenOptions::new().write(true).open(target).await;
                Ok(Self::Special(file.map_err(unwritable)?, target.to_owned()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && target.is_symlink() => Err(
                Failure::new(format!("cannot write {}: it is a link that leads nowhere", target.display())),
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Unfinished::create(target, None).map(Self::File)
            }
            Err(error) => Err(unwritable(error)),
        }
    }

    pub(super) async fn write(&mut self, chunk: &[u8]) -> Outcome {
        let (file, path) = match self {
            Self::File(unfinished) => (&mut unfinished.file, &unfinished.target),
            Self::Special(file, path) => (file, &*path),
        };
        file.write_all(chunk).await.map_err(|error| Failure::file("write", path, &error))
    }

    pub(super) async fn finish(self) -> Outcome {
        match self {
            Self::File(unfinished) => unfinished.finish().await,
            Self::Special(mut file, path) => {
                file.flush().await.map_err(|error| Failure::file("write", &path, &error))
            }
        }
    }
}

/// A file in the making, beside the one it is to be. Dropped, it is removed.
pub(super) struct Unfinished {
    path: PathBuf,
    target: PathBuf,
    file: tokio::fs::File,
}

impl Unfinished {
    /// Made at once, without a wait in which it could be forgotten. Its name is short, whatever the target's: that one may be
    /// as long as names can be.
    fn create(target: &Path, permissions: Option<fs::Permissions>) -> Outcome<Self> {
        for number in 0_u32.. {
            let path = target.with_file_name(format!(".objects-{}-{number}.part", std::process::id()));
            match fs::File::create_new(&path) {
                Ok(file) => {
                    let file = tokio::fs::File::from_std(file);
                    let this = Self { path, target: target.to_owned(), file };
                    if let Some(permissions) = permissions {
                        fs::set_permissions(&this.path, permissions)
                            .map_err(|error| Failure::file("write", target, &error))?;
                    }
                    return Ok(this);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::file("write", target, &error)),
            }
        }
        Err(Failure::new(format!("no free name beside {}", target.display())))
    }

    /// Puts the file in its place, over what was there. It is on the disk first: a power failure leaves the old one or the
    /// new one, and what was said to be done is.
    async fn finish(mut self) -> Outcome {
        let unwritable = |error| Failure::file("write", &self.target, &error);
        self.file.flush().await.map_err(unwritable)?;
        sync(&self.file).await.map_err(unwritable)?;
        fs::rename(&self.path, &self.target).map_err(unwritable)?;
        self.path.clear();
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        sync_folder(folder.unwrap_or_else(|| Path::new("."))).await.map_err(unwritable)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
