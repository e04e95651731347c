//! Files of this machine: read in chunks, written beside their place and put there whole, found below a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use external_storage::{Error, Result};
use futures_util::Stream;
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::failure::{Failure, Outcome};

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

/// A file in the making, beside the one it is to be. Dropped, it is removed.
pub(super) struct Unfinished {
    path: PathBuf,
    target: PathBuf,
    file: Option<tokio::fs::File>,
}

impl Unfinished {
    /// Made at once, without a wait in which it could be forgotten.
    pub(super) fn create(target: &Path) -> Outcome<Self> {
        let name =
            target.file_name().ok_or_else(|| Failure::new(format!("no file: {}", target.display())))?;
        for number in 0_u32.. {
            let path = target.with_file_name(format!(
                ".{}.{}-{number}.part",
                name.to_string_lossy(),
                std::process::id()
            ));
            match fs::File::create_new(&path) {
                Ok(file) => {
                    let file = Some(tokio::fs::File::from_std(file));
                    return Ok(Self { path, target: target.to_owned(), file });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::file("write", target, &error)),
            }
        }
        Err(Failure::new(format!("no free name beside {}", target.display())))
    }

    pub(super) async fn write(&mut self, chunk: &[u8]) -> Outcome {
        match &mut self.file {
            Some(file) => {
                file.write_all(chunk).await.map_err(|error| Failure::file("write", &self.target, &error))
            }
            None => Ok(()),
        }
    }

    /// Puts the file in its place, over what was there.
    pub(super) async fn finish(mut self) -> Outcome {
        if let Some(mut file) = self.file.take() {
            file.flush().await.map_err(|error| Failure::file("write", &self.target, &error))?;
            drop(file);
            fs::rename(&self.path, &self.target)
                .map_err(|error| Failure::file("write", &self.target, &error))?;
            self.path.clear();
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Every plain file below `folder` in order, as a path and as what it would be called in a store.
pub(super) fn below(folder: &Path) -> Outcome<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    walk(folder, "", &mut found)?;
    Ok(found)
}

/// Links are not followed: what they point at may lie elsewhere, or in a ring.
fn walk(folder: &Path, prefix: &str, found: &mut Vec<(PathBuf, String)>) -> Outcome {
    let unreadable = |error: io::Error| Failure::file("read", folder, &error);
    let mut entries: Vec<_> =
        fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<_>>()).map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(unreadable)?;
        let name = entry.file_name().into_string().map_err(|name| {
            Failure::new(format!("no key can be made of the name {name:?} in {}", folder.display()))
        })?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{prefix}{name}/"), found)?;
        } else if kind.is_file() {
            found.push((entry.path(), format!("{prefix}{name}")));
        }
    }
    Ok(())
}
