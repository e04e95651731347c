//! The folders of a store, walked by handle: no step follows a symbolic link, so no path leads out of the root.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use external_core::{BuildContext, Error, ErrorKind, Result};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fsync, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::config::MetadataPlace;
use super::error::{from_errno, from_io};
use super::names::{DiskPath, RESERVED, SELF};
use super::platform;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Non-blocking, so that a named pipe somebody left is found out and not waited for.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const NEW: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How often a folder is tried to be had while other writers take it away, or put an object in its place.
const TRIES: u32 = 16;

/// What all operations of a store share.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) root: PathBuf,
    pub(super) create: bool,
    pub(super) durable: bool,
    pub(super) metadata: MetadataPlace,
    pub(super) upload_lifetime: Duration,
    pub(super) context: BuildContext,
    /// Whether what crashed writers left was looked for.
    pub(super) swept: AtomicBool,
}

/// A name in a folder that is held open.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) folder: OwnedFd,
    pub(super) name: String,
}

/// What tells one content of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) inode: u64,
    pub(super) size: u64,
    pub(super) modified_ns: i128,
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let seconds = i128::from(metadata.mtime());
        Self {
            inode: metadata.ino(),
            size: metadata.len(),
            modified_ns: seconds * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        }
    }
}

impl Stamp {
    pub(super) fn of(file: &File) -> Result<Self> {
        file.metadata().map(|metadata| Self::from(&metadata)).map_err(|error| from_io("stat", error))
    }
}

impl Store {
    /// The root folder. It is opened anew for each operation, so that one that was replaced is seen.
    pub(super) fn open_root(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(&self.root, flags, Mode::empty()) {
            Err(Errno::NOENT) if self.create => {
                let failed = |error| self.no_root("the root folder cannot be made", error);
                self.make_root().map_err(failed)?;
                rustix::fs::open(&self.root, flags, Mode::empty()).map_err(|errno| failed(errno.into()))
            }
            Err(Errno::NOENT) => Err(self.misconfigured("the root folder is not there")),
            Err(Errno::NOTDIR) => Err(self.misconfigured("the root is no folder")),
            opened => opened.map_err(|errno| from_errno("open the root folder", errno)),
        }
    }

    /// Makes the root and the folders above it, each of them known to the folder it lies in before anything is in it.
    fn make_root(&self) -> io::Result<()> {
        let missing: Vec<_> = self.root.ancestors().take_while(|folder| !folder.exists()).collect();
        std::fs::create_dir_all(&self.root)?;
        for parent in missing.iter().rev().filter_map(|made| made.parent()) {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            self.sync(&File::open(parent)?).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn misconfigured(&self, message: &'static str) -> Error {
        Error::configuration(message).with_context("root", self.root.display())
    }

    /// A root that cannot be had is a mistake in the configuration, whatever the operating system calls it: what is not
    /// there of the root must not read as an object that is not there. Only what passes by itself is none.
    fn no_root(&self, message: &'static str, error: io::Error) -> Error {
        let said = from_io("make the root folder", error);
        match said.kind() {
            ErrorKind::QuotaExhausted | ErrorKind::Unavailable => said,
            _ => self.misconfigured(message).with_source(said),
        }
    }

    /// The folder that writes are staged in. The first time, what was left there by writers that crashed is taken away.
    pub(super) fn scratch(&self, root: &OwnedFd) -> Result<OwnedFd> {
        let scratch = self.own_folder(root, &["tmp"])?;
        // It is no business of whoever writes first that others' cannot be taken away.
        if !self.swept.swap(true, Ordering::Relaxed)
            && let Err(error) = self.sweep_once(root, &scratch)
        {
            let root = self.root.display();
            tracing::warn!(target: "external", %root, %error, "what crashed writers left could not be swept");
        }
        Ok(scratch)
    }

    /// One of the store's own folders, made if it is not there.
    pub(super) fn own_folder(&self, root: &OwnedFd, names: &[&str]) -> Result<OwnedFd> {
        let mut folder = self.open_or_make(root, RESERVED).map_err(|error| match error.kind() {
            // As below /proc, or when the root was taken away meanwhile.
            ErrorKind::NotFound => self.misconfigured("no folder can be made in the root").with_source(error),
            _ => error,
        })?;
        for name in names {
            folder = self.open_or_make(&folder, name)?;
        }
        Ok(folder)
    }

    fn open_or_make(&self, parent: &OwnedFd, name: &str) -> Result<OwnedFd> {
        for _ in 0..TRIES {
            match openat(parent, name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) => match mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) => self.sync(parent)?,
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(from_errno("make a folder", errno)),
                },
                opened => return opened.map_err(|errno| from_errno("open a folder", errno)),
            }
        }
        Err(Error::unavailable("a folder vanishes as often as it is made")
            .with_effect(external_core::Effect::NotApplied))
    }

    /// Brings a file or folder onto the disk, unless durability is off.
    pub(super) fn sync(&self, handle: &impl std::os::fd::AsFd) -> Result<()> {
        if !self.durable {
            return Ok(());
        }
        match fsync(handle) {
            // Some file systems cannot sync folders, and need not.
            Err(Errno::INVAL) | Ok(()) => Ok(()),
            Err(errno) => Err(from_errno("sync", errno)),
        }
    }

    /// The folder an object lies in; `None` if it is not there.
    fn folder_of(&self, root: OwnedFd, path: &DiskPath) -> Result<Option<OwnedFd>> {
        let mut folder = root;
        for name in &path.folders {
            match openat(&folder, name, FOLDER, Mode::empty()) {
                Ok(next) => folder = next,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(errno) => return Err(from_errno("open a folder", errno)),
            }
        }
        Ok(Some(folder))
    }

    /// Where the object is, and its open file; `None` if there is none.
    pub(super) fn find(&self, path: &DiskPath) -> Result<Option<(Spot, File)>> {
        let Some(folder) = self.folder_of(self.open_root()?, path)? else {
            return Ok(None);
        };
        self.find_in(folder, &path.file)
    }

    pub(super) fn find_in(&self, folder: OwnedFd, name: &str) -> Result<Option<(Spot, File)>> {
        match open_file(&folder, name)? {
            Opened::File(file) => Ok(Some((Spot { folder, name: name.to_owned() }, file))),
            Opened::Folder(inner) => match open_file(&inner, SELF)? {
                Opened::File(file) => Ok(Some((Spot { folder: inner, name: SELF.to_owned() }, file))),
                _ => Ok(None),
            },
            Opened::Nothing => Ok(None),
        }
    }

    /// Where a write of the object goes: its folders are made, and an object that is in the way of one moves into it.
    pub(super) fn make_spot(&self, path: &DiskPath) -> Result<Spot> {
        let root = self.open_root()?;
        let mut folder = root;
        for name in &path.folders {
            folder = self.folder_at(&folder, name)?;
        }
        Ok(match openat(&folder, &path.file, FOLDER, Mode::empty()) {
            Ok(inner) => Spot { folder: inner, name: SELF.to_owned() },
            Err(_) => Spot { folder, name: path.file.clone() },
        })
    }

    /// The folder `name`, made if it is not there; an object in its place moves into it.
    fn folder_at(&self, parent: &OwnedFd, name: &str) -> Result<OwnedFd> {
        let mut left = TRIES;
        loop {
            let error = match self.open_or_make(parent, name) {
                Ok(folder) => return Ok(folder),
                Err(error) if left == 0 => return Err(error),
                Err(error) => error,
            };
            left -= 1;
            match type_of(parent, name) {
                Some(FileType::RegularFile) => self.turn_into_folder(parent, name)?,
                // Another writer took away what was in the way, or moved it into a folder, since we looked.
                None | Some(FileType::Directory) => {}
                Some(_) => return Err(error),
            }
        }
    }

    /// The object `name` becomes `name/%self`, in one step: nobody sees it missing.
    fn turn_into_folder(&self, parent: &OwnedFd, name: &str) -> Result<()> {
        let root = self.open_root()?;
        let _lock = self.lock_of(parent, name)?;
        if !is_file(parent, name) {
            return Ok(());
        }
        let scratch = self.own_folder(&root, &["tmp"])?;
        let temporary = self.context.random_id();
        let inner = self.open_or_make(&scratch, &temporary)?;
        let linked = rustix::fs::linkat(parent, name, &inner, SELF, AtFlags::empty());
        let synced = self.sync(&inner);
        let moved = linked.and_then(|()| platform::exchange((&scratch, &temporary), (parent, name)));
        if let Err(errno) = moved {
            // Nothing happened yet: what was prepared is taken away again.
            let _ = unlinkat(&inner, SELF, AtFlags::empty());
            let _ = unlinkat(&scratch, &temporary, AtFlags::REMOVEDIR);
            return match errno {
                Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM => {
                    Err(Error::unsupported("a key below the key of an object, on this file system"))
                }
                errno => Err(from_errno("move an object into a folder", errno)),
            };
        }
        synced?;
        self.sync(parent)?;
        // What was exchanged out is the old name of the same file.
        unlinkat(&scratch, &temporary, AtFlags::empty()).map_err(|errno| from_errno("unlink", errno))
    }

    /// Keeps other writers of the same place away, in this process and in others, until it is dropped.
    pub(super) fn lock(&self, spot: &Spot) -> Result<File> {
        self.lock_of(&spot.folder, &spot.name)
    }

    /// The lock of a place is chosen by its folder's identity and its name: an object and its move into a folder, which
    /// changes both, are kept apart by looking again once the lock is held.
    fn lock_of(&self, folder: &OwnedFd, name: &str) -> Result<File> {
        let stat = rustix::fs::fstat(folder).map_err(|errno| from_errno("stat a folder", errno))?;
        let stripe = crc32c::crc32c_append(crc32c::crc32c(&stat.st_ino.to_le_bytes()), name.as_bytes()) % 256;
        let locks = self.own_folder(&self.open_root()?, &["locks"])?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&locks, format!("{stripe:02x}"), flags, Mode::from_raw_mode(0o666))
            .map_err(|errno| from_errno("open a lock", errno))?;
        loop {
            match rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive) {
                Ok(()) => return Ok(File::from(file)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(from_errno("take a lock", errno)),
            }
        }
    }

    /// Takes away folders that hold nothing any more, from the object's folder up.
    pub(super) fn prune(&self, path: &DiskPath, spot: &Spot) -> Result<()> {
        let mut folders = path.folders.clone();
        if spot.name == SELF {
            folders.push(path.file.clone());
        }
        while let Some(name) = folders.pop() {
            let above = DiskPath { folders: folders.clone(), file: String::new() };
            let Some(parent) = self.folder_of(self.open_root()?, &above)? else {
                continue;
            };
            match unlinkat(&parent, &name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                // Not empty, or not ours to take away.
                Err(_) => break,
            }
        }
        Ok(())
    }
}

pub(super) enum Opened {
    File(File),
    Folder(OwnedFd),
    Nothing,
}

/// Opens what is at `name`; links, pipes and devices count as nothing.
pub(super) fn open_file(folder: &OwnedFd, name: &str) -> Result<Opened> {
    let file = match openat(folder, name, READ, Mode::empty()) {
        Ok(handle) => File::from(handle),
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Ok(Opened::Nothing),
        Err(errno) => return Err(from_errno("open a file", errno)),
    };
    let metadata = file.metadata().map_err(|error| from_io("stat", error))?;
    Ok(if metadata.is_file() {
        Opened::File(file)
    } else if metadata.is_dir() {
        Opened::Folder(OwnedFd::from(file))
    } else {
        Opened::Nothing
    })
}

/// A new file that nobody else has.
pub(super) fn new_file(folder: &OwnedFd, name: &str) -> Result<File> {
    let handle = openat(folder, name, NEW, Mode::from_raw_mode(0o666));
    handle.map(File::from).map_err(|errno| from_errno("make a file", errno))
}

pub(super) fn open_folder(parent: &OwnedFd, name: &str) -> Result<Option<OwnedFd>> {
    match openat(parent, name, FOLDER, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(from_errno("open a folder", errno)),
    }
}

pub(super) fn rename(from: (&OwnedFd, &str), to: (&OwnedFd, &str)) -> Result<(), Errno> {
    renameat(from.0, from.1, to.0, to.1)
}

fn is_file(folder: &OwnedFd, name: &str) -> bool {
    type_of(folder, name) == Some(FileType::RegularFile)
}

fn type_of(folder: &OwnedFd, name: &str) -> Option<FileType> {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// The names in a folder with their types, but for `.` and `..`. A name that is not UTF-8 spells no key and is left out.
pub(super) fn entries(folder: &OwnedFd) -> Result<Vec<(String, FileType)>> {
    let failed = |errno| from_errno("read a folder", errno);
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if name == "." || name == ".." {
            continue;
        }
        let mut kind = entry.file_type();
        if kind == FileType::Unknown {
            match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => kind = FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed(errno)),
            }
        }
        entries.push((name.to_owned(), kind));
    }
    Ok(entries)
}

/// Takes away a folder that holds files only.
pub(super) fn remove_folder(parent: &OwnedFd, name: &str) -> Result<()> {
    for _ in 0..16 {
        if let Some(folder) = open_folder(parent, name)? {
            for (file, _) in entries(&folder)? {
                match unlinkat(&folder, &file, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(from_errno("unlink", errno)),
                }
            }
        }
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // A part that was being written when its upload was aborted came in between.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(errno) => return Err(from_errno("remove a folder", errno)),
        }
    }
    Err(Error::unavailable("a folder fills as often as it is emptied")
        .with_effect(external_core::Effect::NotApplied))
}
