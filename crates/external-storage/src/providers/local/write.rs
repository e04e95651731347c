//! Writing an object: everything is staged in a file of its own, and one rename makes it the object. A crash before it
//! leaves the old object, a crash behind it the new one; both with their metadata.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use external_core::storage::{MultipartUpload, ObjectKey, Precondition, PutReceipt, VersionToken};
use external_core::{Effect, Error, ErrorKind, Result};
use rustix::fs::{AtFlags, Timespec, Timestamps, futimens, linkat, unlinkat};
use rustix::io::Errno;

use super::error::{from_errno, from_io};
use super::names::DiskPath;
use super::record::{Known, Recorded};
use super::tree::{Spot, Stamp, Store, new_file, open_folder, rename};
use super::uploads::no_upload;
use crate::checksum::{self, Hasher};

/// How often a write starts again because folders on its path were taken away or turned up.
const RESTARTS: usize = 100;

/// A complete file that is not yet the object. Dropped, it is taken away.
#[derive(Debug)]
pub(super) struct Staged {
    root: OwnedFd,
    scratch: OwnedFd,
    name: String,
    file: File,
    recorded: Recorded,
    token: Option<VersionToken>,
    sidecar: bool,
    done: bool,
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.done {
            if self.sidecar
                && let Ok(stamp) = Stamp::of(&self.file)
                && let Some(folder) = meta_folder(&self.root, stamp.inode)
            {
                let _ = unlinkat(&folder, format!("{:x}", stamp.inode), AtFlags::empty());
            }
            let _ = unlinkat(&self.scratch, &self.name, AtFlags::empty());
        }
    }
}

fn meta_folder(root: &OwnedFd, inode: u64) -> Option<OwnedFd> {
    let own = open_folder(root, super::names::RESERVED).ok()??;
    let meta = open_folder(&own, "meta").ok()??;
    open_folder(&meta, &format!("{:02x}", inode % 256)).ok()?
}

impl Store {
    /// An empty staged file.
    pub(super) fn stage(&self, recorded: Recorded) -> Result<Staged> {
        let root = self.open_root()?;
        let scratch = self.scratch(&root)?;
        let name = self.context.random_id();
        let file = new_file(&scratch, &name)?;
        Ok(Staged { root, scratch, name, file, recorded, token: None, sidecar: false, done: false })
    }

    /// A staged file with these bytes, recorded and on the disk.
    pub(super) fn stage_bytes(&self, bytes: &[u8], recorded: Recorded) -> Result<Staged> {
        checksum::verify_write(recorded.checksum, bytes)?;
        let mut staged = self.stage(recorded)?;
        staged.write(bytes)?;
        self.seal(&mut staged)?;
        Ok(staged)
    }

    /// The staged file is complete: its record is made, and both are brought onto the disk.
    pub(super) fn seal(&self, staged: &mut Staged) -> Result<()> {
        let now = self.context.now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = Timespec {
            tv_sec: i64::try_from(now.as_secs()).unwrap_or(0),
            tv_nsec: now.subsec_nanos().into(),
        };
        futimens(&staged.file, &Timestamps { last_access: now, last_modification: now })
            .map_err(|errno| from_errno("set the time", errno))?;
        let (token, sidecar) = self.record(&staged.root, &staged.file, &staged.recorded)?;
        staged.token = Some(token);
        staged.sidecar = sidecar;
        self.sync(&staged.file)
    }

    /// Makes the staged file the object of `key`, if the precondition holds. What was assembled from an upload ends that
    /// upload, under the same lock: of two completions one makes the object, and the other answers its receipt.
    pub(super) fn commit(
        &self,
        mut staged: Staged,
        key: &ObjectKey,
        precondition: &Precondition,
        upload: Option<&MultipartUpload>,
    ) -> Result<PutReceipt> {
        let path = DiskPath::of(key);
        for _ in 0..RESTARTS {
            let spot = match self.make_spot(&path) {
                Ok(spot) => spot,
                // A folder was taken away between making it and looking into it.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error.with_context("key", key)),
            };
            let lock = self.lock(&spot)?;
            // The object may have moved into a folder of its name while the lock was waited for; that is no conflict.
            if open_folder(&spot.folder, &spot.name)?.is_some() {
                continue;
            }
            let current = self.current(&spot, key)?;
            if let Some(upload) = upload {
                match &current {
                    Some((_, known)) if known.upload.as_ref() == Some(&upload.id) => {
                        self.forget(upload)?;
                        return Ok(known.receipt());
                    }
                    _ if !self.has_upload(upload)? => return Err(no_upload(upload)),
                    _ => {}
                }
            }
            check(key, precondition, current.as_ref().map(|(_, known)| &known.token))?;
            match self.install(&mut staged, &spot, matches!(precondition, Precondition::Absent)) {
                Ok(()) => {}
                // The folder went, or one turned up where the file should be: look again.
                Err(Errno::NOENT | Errno::ISDIR | Errno::NOTEMPTY) => continue,
                Err(Errno::EXIST) if open_folder(&spot.folder, &spot.name)?.is_some() => continue,
                Err(Errno::EXIST) => return Err(exists(key)),
                Err(errno) => return Err(from_errno("rename", errno).with_context("key", key)),
            }
            staged.done = true;
            // From here on the object is the new one, whatever fails.
            let synced = self.sync(&spot.folder).map_err(|error| error.with_effect(Effect::MaybeApplied));
            if let Some((_old, known)) = &current
                && known.sidecar
            {
                self.drop_sidecar(&staged.root, known.stamp.inode);
            }
            // If this fails the upload is listed on; completing it again answers the same receipt and takes it away.
            let forgotten = upload.map_or(Ok(()), |upload| self.forget(upload));
            drop(lock);
            synced?;
            forgotten.map_err(|error| error.with_effect(Effect::MaybeApplied))?;
            return staged
                .token
                .clone()
                .map(PutReceipt::new)
                .ok_or_else(|| Error::unexpected("the write was not sealed"));
        }
        Err(Error::unavailable("folders on the object's path come and go").with_effect(Effect::NotApplied))
    }

    fn install(&self, staged: &mut Staged, spot: &Spot, create_only: bool) -> Result<(), Errno> {
        let (from, to) = ((&staged.scratch, staged.name.as_str()), (&spot.folder, spot.name.as_str()));
        if create_only {
            // A link refuses an existing name by itself, so that not even a tool without our lock is overwritten.
            match linkat(from.0, from.1, to.0, to.1, AtFlags::empty()) {
                Ok(()) => {
                    let _ = unlinkat(from.0, from.1, AtFlags::empty());
                    return Ok(());
                }
                // No hard links here: the lock alone has to do.
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK | Errno::NOSYS) => {}
                Err(errno) => return Err(errno),
            }
        }
        rename(from, to)
    }

    /// What a locked place holds now.
    pub(super) fn current(&self, spot: &Spot, key: &ObjectKey) -> Result<Option<(File, Known)>> {
        match super::tree::open_file(&spot.folder, &spot.name)? {
            super::tree::Opened::File(file) => {
                let known = self.known(&self.open_root()?, key, &file)?;
                Ok(Some((file, known)))
            }
            _ => Ok(None),
        }
    }

    /// Deletes the object of `key`; answers whether there was one.
    pub(super) fn remove(&self, key: &ObjectKey, expected: Option<&VersionToken>) -> Result<bool> {
        let path = DiskPath::of(key);
        for _ in 0..RESTARTS {
            let Some((spot, _)) = self.find(&path)? else {
                return match expected {
                    Some(_) => Err(conflict(key)),
                    None => Ok(false),
                };
            };
            let lock = self.lock(&spot)?;
            // The place may have changed while the lock was waited for.
            let Some((file, known)) = self.current(&spot, key)? else {
                continue;
            };
            if expected.is_some_and(|token| *token != known.token) {
                return Err(conflict(key));
            }
            match unlinkat(&spot.folder, &spot.name, AtFlags::empty()) {
                Ok(()) => {}
                Err(Errno::NOENT | Errno::ISDIR) => continue,
                Err(errno) => return Err(from_errno("unlink", errno).with_context("key", key)),
            }
            let synced = self.sync(&spot.folder).map_err(|error| error.with_effect(Effect::MaybeApplied));
            // The object is gone: what cannot be tidied up behind it is no failure of the deletion.
            if known.sidecar
                && let Ok(root) = self.open_root()
            {
                self.drop_sidecar(&root, known.stamp.inode);
            }
            drop((file, lock));
            synced?;
            if let Err(error) = self.prune(&path, &spot) {
                let key = key.as_str();
                tracing::debug!(target: "external", key, %error, "empty folders are left");
            }
            return Ok(true);
        }
        Err(Error::unavailable("the object moves as often as it is looked for")
            .with_effect(Effect::NotApplied))
    }
}

impl Staged {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| from_io("write", error))
    }

    /// Appends all that `from` has, and what it hashes to.
    pub(super) fn append(&mut self, from: impl Read, hasher: Option<&mut Hasher>) -> Result<u64> {
        append(from, &mut self.file, hasher)
    }
}

fn append(mut from: impl Read, to: &mut File, mut hasher: Option<&mut Hasher>) -> Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(from_io("read", error)),
        };
        let chunk = &buffer[..read];
        if let Some(hasher) = hasher.as_deref_mut() {
            hasher.update(chunk);
        }
        to.write_all(chunk).map_err(|error| from_io("write", error))?;
        total += read as u64;
    }
}

/// Whether a write under `precondition` may go ahead where `current` is.
fn check(key: &ObjectKey, precondition: &Precondition, current: Option<&VersionToken>) -> Result<()> {
    match (precondition, current) {
        (Precondition::None, _) | (Precondition::Absent, None) => Ok(()),
        (Precondition::Absent, Some(_)) => Err(exists(key)),
        (Precondition::Matches(token), Some(current)) if token == current => Ok(()),
        (Precondition::Matches(_), _) => Err(conflict(key)),
        _ => Err(Error::unsupported("precondition")),
    }
}

fn exists(key: &ObjectKey) -> Error {
    Error::already_exists("the key holds an object already").with_context("key", key)
}

pub(super) fn conflict(key: &ObjectKey) -> Error {
    Error::conflict("the key does not hold the content named").with_context("key", key)
}
