//! What is left by writers that crashed, callers that went away and tools that know nothing of sidecars.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use external_core::Result;
use rustix::fs::{AtFlags, FileType, Stat, linkat, statat, unlinkat};

use super::error::from_errno;
use super::names::RESERVED;
use super::tree::{Store, entries, open_folder, remove_folder, rename};

/// What a crashed writer left in the scratch folder is taken away once nobody can be writing it any more.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 3600);

/// What a [sweep](super::LocalStorage::sweep) took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Files and folders that crashed writers were making.
    pub unfinished: u64,
    /// Uploads that were neither completed nor aborted.
    pub uploads: u64,
    /// Metadata of files that are not there any more.
    pub sidecars: u64,
}

impl Store {
    /// With the first write: what needs a look into two folders of the store's own, and no more.
    pub(super) fn sweep_once(&self, root: &OwnedFd, scratch: &OwnedFd) -> Result<()> {
        self.sweep_scratch(scratch, LEFT_BEHIND)?;
        self.sweep_uploads(root, scratch, self.upload_lifetime).map(drop)
    }

    /// Takes away all that nobody has touched for `age`.
    pub(super) fn sweep(&self, age: Duration) -> Result<Swept> {
        let root = self.open_root()?;
        let scratch = self.own_folder(&root, &["tmp"])?;
        // Whoever is writing now is left alone, whatever the caller says.
        let unfinished = self.sweep_scratch(&scratch, age.max(LEFT_BEHIND))?;
        let uploads = self.sweep_uploads(&root, &scratch, age)?;
        let sidecars = self.sweep_sidecars(&root, &scratch, age)?;
        Ok(Swept { unfinished, uploads, sidecars })
    }

    /// Whether something was not touched for `age`.
    fn is_older(&self, stat: &Stat, age: Duration) -> bool {
        let touched = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
        let idle = self.context.now().duration_since(SystemTime::UNIX_EPOCH + touched).unwrap_or_default();
        idle >= age
    }

    fn sweep_scratch(&self, scratch: &OwnedFd, age: Duration) -> Result<u64> {
        let mut gone = 0;
        for (name, kind) in entries(scratch)? {
            if !stat(scratch, &name).is_some_and(|stat| self.is_older(&stat, age)) {
                continue;
            }
            // Somebody else may be sweeping too.
            let removed = match kind {
                FileType::Directory => remove_folder(scratch, &name),
                _ => unlinkat(scratch, &name, AtFlags::empty()).map_err(|errno| from_errno("unlink", errno)),
            };
            gone += u64::from(removed.is_ok());
        }
        Ok(gone)
    }

    /// An upload's folder is touched by each of its parts.
    fn sweep_uploads(&self, root: &OwnedFd, scratch: &OwnedFd, age: Duration) -> Result<u64> {
        let Some(uploads) = own(root, "uploads")? else { return Ok(0) };
        let mut gone = 0;
        for (id, _) in entries(&uploads)? {
            if !stat(&uploads, &id).is_some_and(|stat| self.is_older(&stat, age)) {
                continue;
            }
            // First out of sight, at once, then for good.
            let name = self.context.random_id();
            if rename((&uploads, &id), (scratch, &name)).is_ok() {
                remove_folder(scratch, &name)?;
                gone += 1;
            }
        }
        if gone > 0 {
            self.sync(&uploads)?;
        }
        Ok(gone)
    }

    /// A sidecar is found by its file's identity; one whose identity no file has is nobody's.
    fn sweep_sidecars(&self, root: &OwnedFd, scratch: &OwnedFd, age: Duration) -> Result<u64> {
        let Some(meta) = own(root, "meta")? else { return Ok(0) };
        let mut nobodys = self.sidecars(&meta, age)?;
        if nobodys.is_empty() {
            return Ok(0);
        }
        // A file has its sidecar before it leaves the scratch folder, so this order misses none.
        strike_out(scratch, &mut nobodys)?;
        for (name, kind) in entries(root)? {
            if name != RESERVED {
                strike_out_entry(root, &name, kind, &mut nobodys)?;
            }
        }
        let mut gone = 0;
        for sidecar in nobodys.into_values() {
            gone += u64::from(self.take_away(&meta, scratch, &sidecar)?);
        }
        Ok(gone)
    }

    /// The sidecars that are old enough, by the identity of the file each is for.
    fn sidecars(&self, meta: &OwnedFd, age: Duration) -> Result<HashMap<u64, Sidecar>> {
        let mut found = HashMap::new();
        for (shard, _) in entries(meta)? {
            let Some(folder) = open_folder(meta, &shard)? else { continue };
            for (name, _) in entries(&folder)? {
                let Ok(inode) = u64::from_str_radix(&name, 16) else { continue };
                if let Some(stat) = stat(&folder, &name).filter(|stat| self.is_older(stat, age)) {
                    found.insert(inode, Sidecar { shard: shard.clone(), name, itself: inode_of(&stat) });
                }
            }
        }
        Ok(found)
    }

    /// Takes a sidecar away, unless it has become another one meanwhile: a new file may have got the old one's identity.
    fn take_away(&self, meta: &OwnedFd, scratch: &OwnedFd, sidecar: &Sidecar) -> Result<bool> {
        let Some(folder) = open_folder(meta, &sidecar.shard)? else { return Ok(false) };
        let itself =
            |folder, name: &str| stat(folder, name).is_some_and(|stat| inode_of(&stat) == sidecar.itself);
        let aside = self.context.random_id();
        if !itself(&folder, &sidecar.name) {
            return Ok(false);
        }
        if rename((&folder, &sidecar.name), (scratch, &aside)).is_err() {
            return Ok(false);
        }
        let same = itself(scratch, &aside);
        if !same {
            // If yet another one has come, that is the one.
            let _ = linkat(scratch, &aside, &folder, &sidecar.name, AtFlags::empty());
        }
        unlinkat(scratch, &aside, AtFlags::empty()).map_err(|errno| from_errno("unlink a sidecar", errno))?;
        Ok(same)
    }
}

struct Sidecar {
    shard: String,
    name: String,
    /// Its own identity, not that of the file it is for.
    itself: u64,
}

/// Strikes out the sidecars of all files in `folder` and below.
fn strike_out(folder: &OwnedFd, sidecars: &mut HashMap<u64, Sidecar>) -> Result<()> {
    for (name, kind) in entries(folder)? {
        strike_out_entry(folder, &name, kind, sidecars)?;
    }
    Ok(())
}

fn strike_out_entry(
    folder: &OwnedFd,
    name: &str,
    kind: FileType,
    sidecars: &mut HashMap<u64, Sidecar>,
) -> Result<()> {
    match kind {
        FileType::Directory => {
            open_folder(folder, name)?.map_or(Ok(()), |inner| strike_out(&inner, sidecars))
        }
        FileType::RegularFile => {
            if let Some(stat) = stat(folder, name) {
                sidecars.remove(&inode_of(&stat));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// One of the store's own folders, if it is there.
fn own(root: &OwnedFd, name: &str) -> Result<Option<OwnedFd>> {
    open_folder(root, RESERVED)?.map_or(Ok(None), |own| open_folder(&own, name))
}

/// `None` if it has gone meanwhile.
fn stat(folder: &OwnedFd, name: &str) -> Option<Stat> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()
}

fn inode_of(stat: &Stat) -> u64 {
    // The field's type differs between platforms.
    #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
    u64::from(stat.st_ino)
}
