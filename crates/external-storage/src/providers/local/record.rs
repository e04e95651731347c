//! What is kept with a file: content headers, metadata, tags, checksum, and the token of its content.
//!
//! The record names the size and time of the file it was written for. A file that somebody else wrote into no longer
//! matches it: the object then has a token made of the file itself, and no more attributes than its name suggests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use external_core::storage::{
    Checksum, ContentHeaders, ObjectAttributes, ObjectInfo, ObjectKey, PutReceipt, UploadId, VersionToken,
};
use external_core::{Error, Result};
use rustix::fs::{AtFlags, XattrFlags, fgetxattr, fremovexattr, fsetxattr, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::config::MetadataPlace;
use super::error::{from_errno, from_io};
use super::tree::{Opened, Stamp, Store, new_file, open_file, rename};
use crate::content_type;

const ATTRIBUTE: &str = "user.external";
/// More than any record that passes the contract's limits.
const RECORD_MAX: usize = 64 << 10;

/// The record of one file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Stands for the content, as its version token: 128 random bits, made anew by each write.
    version: String,
    size: u64,
    modified_ns: i128,
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    attributes: Attributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    /// The upload it was completed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload: Option<String>,
}

/// [`ObjectAttributes`] as they are written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_language: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

impl Attributes {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&ObjectAttributes> for Attributes {
    fn from(attributes: &ObjectAttributes) -> Self {
        let headers = attributes.headers.clone();
        Self {
            content_type: headers.content_type,
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            metadata: attributes.metadata.clone(),
            tags: attributes.tags.clone(),
        }
    }
}

impl From<Attributes> for ObjectAttributes {
    fn from(stored: Attributes) -> Self {
        let mut attributes = Self::new();
        attributes.headers = ContentHeaders::default();
        attributes.headers.content_type = stored.content_type;
        attributes.headers.cache_control = stored.cache_control;
        attributes.headers.content_disposition = stored.content_disposition;
        attributes.headers.content_encoding = stored.content_encoding;
        attributes.headers.content_language = stored.content_language;
        attributes.metadata = stored.metadata;
        attributes.tags = stored.tags;
        attributes
    }
}

/// A file as an object: what it is now, and what was recorded for it if that still holds.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) stamp: Stamp,
    pub(super) token: VersionToken,
    pub(super) attributes: ObjectAttributes,
    pub(super) checksum: Option<Checksum>,
    pub(super) upload: Option<UploadId>,
    /// Whether there was a record that still holds.
    pub(super) recorded: bool,
    /// Whether there was none with the file, so that it may be in a sidecar.
    pub(super) sidecar: bool,
}

impl Known {
    pub(super) fn info(&self, key: &ObjectKey) -> ObjectInfo {
        let info = ObjectInfo::new(key.clone(), self.stamp.size, self.token.clone())
            .with_headers(self.attributes.headers.clone())
            .with_user_metadata(self.attributes.metadata.clone())
            .with_modified(modified(&self.stamp));
        match self.checksum {
            Some(checksum) => info.with_checksum(checksum),
            None => info,
        }
    }

    pub(super) fn receipt(&self) -> PutReceipt {
        PutReceipt::new(self.token.clone())
    }
}

pub(super) fn modified(stamp: &Stamp) -> SystemTime {
    let nanos = Duration::from_nanos(u64::try_from(stamp.modified_ns.unsigned_abs()).unwrap_or(u64::MAX));
    let (start, before) = (SystemTime::UNIX_EPOCH, stamp.modified_ns < 0);
    if before { start.checked_sub(nanos) } else { start.checked_add(nanos) }.unwrap_or(start)
}

/// What a write records.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) attributes: ObjectAttributes,
    pub(super) checksum: Option<Checksum>,
    pub(super) upload: Option<UploadId>,
}

impl Store {
    /// Records `recorded` for a file that is complete; answers its token and whether it went into a sidecar.
    pub(super) fn record(
        &self,
        root: &OwnedFd,
        file: &File,
        recorded: &Recorded,
    ) -> Result<(VersionToken, bool)> {
        let token = self.context.random_id();
        let stamp = Stamp::of(file)?;
        let record = Record {
            version: token.clone(),
            size: stamp.size,
            modified_ns: stamp.modified_ns,
            attributes: Attributes::from(&recorded.attributes),
            checksum: recorded.checksum.map(|sum| sum.to_string()),
            upload: recorded.upload.as_ref().map(|id| id.as_str().to_owned()),
        };
        let sidecar = self.write_record(root, file, stamp.inode, &record)?;
        Ok((VersionToken::new(token), sidecar))
    }

    fn write_record(&self, root: &OwnedFd, file: &File, inode: u64, record: &Record) -> Result<bool> {
        let bytes = serde_json::to_vec(record)
            .map_err(|error| Error::unexpected("the record cannot be written").with_source(error))?;
        if self.metadata == MetadataPlace::WithFile {
            match fsetxattr(file, ATTRIBUTE, &bytes, XattrFlags::empty()) {
                Ok(()) => return Ok(false),
                // None here, or too large: the sidecar takes any. A full disk is met there again.
                Err(
                    Errno::OPNOTSUPP
                    | Errno::NOSPC
                    | Errno::TOOBIG
                    | Errno::RANGE
                    | Errno::DQUOT
                    | Errno::NOSYS,
                ) => {}
                Err(errno) => return Err(from_errno("record attributes", errno)),
            }
        }
        self.write_sidecar(root, inode, &bytes)?;
        // The attribute is looked at first, so an older record there must go.
        match fremovexattr(file, ATTRIBUTE) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(true),
            Err(errno) => Err(from_errno("record attributes", errno)),
        }
    }

    fn write_sidecar(&self, root: &OwnedFd, inode: u64, bytes: &[u8]) -> Result<()> {
        let (shard, name) = sidecar(inode);
        let scratch = self.scratch(root)?;
        let folder = self.own_folder(root, &["meta", &shard])?;
        let temporary = self.context.random_id();
        let mut file = new_file(&scratch, &temporary)?;
        let written = file
            .write_all(bytes)
            .map_err(|error| from_io("write a sidecar", error))
            .and_then(|()| self.sync(&file))
            .and_then(|()| {
                rename((&scratch, &temporary), (&folder, &name))
                    .map_err(|errno| from_errno("rename a sidecar", errno))
            });
        if written.is_err() {
            let _ = unlinkat(&scratch, &temporary, AtFlags::empty());
        }
        written?;
        self.sync(&folder)
    }

    /// Takes a file's sidecar away. The file must still be open, so that its identity is not another file's yet.
    pub(super) fn drop_sidecar(&self, root: &OwnedFd, inode: u64) {
        let (shard, name) = sidecar(inode);
        if let Ok(folder) = self.own_folder(root, &["meta", &shard]) {
            // One that stays is not taken for a later file's: it names this one's size and time.
            let _ = unlinkat(&folder, &name, AtFlags::empty());
        }
    }

    /// What is known of an open file.
    pub(super) fn known(&self, root: &OwnedFd, key: &ObjectKey, file: &File) -> Result<Known> {
        let stamp = Stamp::of(file)?;
        let (record, sidecar) = match read_attribute(file)? {
            Some(record) => (Some(record), false),
            None => (self.read_sidecar(root, stamp.inode)?, true),
        };
        let record =
            record.filter(|record| record.size == stamp.size && record.modified_ns == stamp.modified_ns);
        Ok(match record {
            Some(record) => Known {
                stamp,
                token: VersionToken::new(record.version),
                attributes: record.attributes.into(),
                checksum: record.checksum.and_then(|text| text.parse().ok()),
                upload: record.upload.map(UploadId::new),
                recorded: true,
                sidecar,
            },
            None => foreign(key, stamp, sidecar),
        })
    }

    /// Gives a file other tags; its token stays what it was.
    pub(super) fn retag(
        &self,
        root: &OwnedFd,
        file: &File,
        known: &Known,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let mut attributes = Attributes::from(&known.attributes);
        attributes.tags.clone_from(tags);
        let record = Record {
            version: known.token.as_str().to_owned(),
            size: known.stamp.size,
            modified_ns: known.stamp.modified_ns,
            attributes,
            checksum: known.checksum.map(|sum| sum.to_string()),
            upload: known.upload.as_ref().map(|id| id.as_str().to_owned()),
        };
        let sidecar = self.write_record(root, file, known.stamp.inode, &record)?;
        self.sync(file)?;
        if known.sidecar && !sidecar {
            self.drop_sidecar(root, known.stamp.inode);
        }
        Ok(())
    }

    fn read_sidecar(&self, root: &OwnedFd, inode: u64) -> Result<Option<Record>> {
        let (shard, name) = sidecar(inode);
        let mut folder = None;
        for name in [super::names::RESERVED, "meta", &shard] {
            match super::tree::open_folder(folder.as_ref().unwrap_or(root), name)? {
                Some(next) => folder = Some(next),
                None => return Ok(None),
            }
        }
        let Some(folder) = folder else { return Ok(None) };
        let Opened::File(file) = open_file(&folder, &name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(RECORD_MAX as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| from_io("read a sidecar", error))?;
        Ok(serde_json::from_slice(&bytes).ok())
    }
}

fn sidecar(inode: u64) -> (String, String) {
    (format!("{:02x}", inode % 256), format!("{inode:x}"))
}

fn read_attribute(file: &File) -> Result<Option<Record>> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        match fgetxattr(file, ATTRIBUTE, rustix::buffer::spare_capacity(&mut bytes)) {
            // A record that cannot be read is none: the file is taken as it is.
            Ok(_) => return Ok(serde_json::from_slice(&bytes).ok()),
            Err(Errno::RANGE) if bytes.capacity() < RECORD_MAX => bytes.reserve(RECORD_MAX),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE | Errno::NOSYS) => return Ok(None),
            Err(errno) => return Err(from_errno("read attributes", errno)),
        }
    }
}

/// A file that this store did not write, or that somebody else wrote into.
fn foreign(key: &ObjectKey, stamp: Stamp, sidecar: bool) -> Known {
    let mut attributes = ObjectAttributes::new();
    attributes.headers.content_type = content_type::guess(key.as_str()).map(str::to_owned);
    let Stamp { inode, size, modified_ns } = stamp;
    Known {
        stamp,
        token: VersionToken::new(format!("file-{inode:x}-{size:x}-{modified_ns:x}")),
        attributes,
        checksum: None,
        upload: None,
        recorded: false,
        sidecar,
    }
}
