//! Uploads in parts, on disk: a folder below `.external/uploads` for each, with one file a part.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use external_core::storage::{
    CompleteMultipartRequest, ListUploadsRequest, MultipartUpload, ObjectAttributes, ObjectKey, PartReceipt,
    PartToken, PendingUpload, PutReceipt, UploadId, UploadPage,
};
use external_core::{Error, Result};
use rustix::fs::{AtFlags, unlinkat};
use serde::{Deserialize, Serialize};

use super::error::{from_errno, from_io};
use super::listing::{after, limit, token};
use super::record::{Attributes, Recorded};
use super::tree::{Opened, Store, entries, new_file, open_file, open_folder, remove_folder, rename};
use super::write::Staged;
use crate::checksum::{self, Hasher};

pub(super) const PARTS_MAX: u32 = 10_000;
const ABOUT: &str = "upload.json";
/// A part's token stands behind its bytes, so that both are replaced by one rename.
const TOKEN_BYTES: u64 = 32;

#[derive(Debug, Serialize, Deserialize)]
struct About {
    key: ObjectKey,
    attributes: Attributes,
    started_ms: u64,
}

/// An upload that is there.
struct Found {
    uploads: OwnedFd,
    folder: OwnedFd,
    about: About,
}

/// A part that is written but not yet the upload's.
#[derive(Debug)]
pub(super) struct StagedPart {
    folder: OwnedFd,
    scratch: OwnedFd,
    name: String,
    token: PartToken,
    done: bool,
}

impl Drop for StagedPart {
    fn drop(&mut self) {
        if !self.done {
            let _ = unlinkat(&self.scratch, &self.name, AtFlags::empty());
        }
    }
}

pub(super) fn no_upload(upload: &MultipartUpload) -> Error {
    Error::not_found("no such upload").with_context("key", &upload.key).with_context("upload", &upload.id)
}

impl Store {
    pub(super) fn begin(&self, key: &ObjectKey, attributes: &ObjectAttributes) -> Result<MultipartUpload> {
        let root = self.open_root()?;
        let scratch = self.scratch(&root)?;
        let uploads = self.own_folder(&root, &["uploads"])?;
        let id = self.context.random_id();
        let started = self.context.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let about = About {
            key: key.clone(),
            attributes: Attributes::from(attributes),
            started_ms: u64::try_from(started.as_millis()).unwrap_or(0),
        };
        let bytes = serde_json::to_vec(&about)
            .map_err(|error| Error::unexpected("the upload cannot be described").with_source(error))?;
        let folder = self.own_folder(&root, &["tmp", &id])?;
        let made = new_file(&folder, ABOUT)
            .and_then(|mut file| {
                file.write_all(&bytes).map_err(|error| from_io("write", error))?;
                self.sync(&file)
            })
            .and_then(|()| self.sync(&folder))
            .and_then(|()| {
                rename((&scratch, &id), (&uploads, &id)).map_err(|errno| from_errno("rename", errno))
            });
        if made.is_err() {
            let _ = remove_folder(&scratch, &id);
        }
        made?;
        self.sync(&uploads)?;
        Ok(MultipartUpload::new(key.clone(), UploadId::new(id)))
    }

    fn upload(&self, upload: &MultipartUpload) -> Result<Option<Found>> {
        // The id becomes a name: only what this store gave does.
        let id = upload.id.as_str();
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let root = self.open_root()?;
        let uploads = self.own_folder(&root, &["uploads"])?;
        let Some(folder) = open_folder(&uploads, id)? else {
            return Ok(None);
        };
        let Some(about) = read_about(&folder)? else {
            return Ok(None);
        };
        Ok((about.key == upload.key).then_some(Found { uploads, folder, about }))
    }

    pub(super) fn stage_part(&self, upload: &MultipartUpload, bytes: &[u8]) -> Result<StagedPart> {
        let found = self.upload(upload)?.ok_or_else(|| no_upload(upload))?;
        let scratch = self.scratch(&self.open_root()?)?;
        let token = self.context.random_id();
        let name = self.context.random_id();
        let mut file = new_file(&scratch, &name)?;
        let part = StagedPart {
            folder: found.folder,
            scratch,
            name,
            token: PartToken::new(token.clone()),
            done: false,
        };
        file.write_all(bytes)
            .and_then(|()| file.write_all(token.as_bytes()))
            .map_err(|error| from_io("write a part", error))?;
        self.sync(&file)?;
        Ok(part)
    }

    pub(super) fn commit_part(
        &self,
        mut part: StagedPart,
        upload: &MultipartUpload,
        number: u32,
        size: u64,
    ) -> Result<PartReceipt> {
        rename((&part.scratch, &part.name), (&part.folder, &number.to_string())).map_err(
            |errno| match errno {
                rustix::io::Errno::NOENT => no_upload(upload),
                errno => from_errno("rename a part", errno),
            },
        )?;
        part.done = true;
        self.sync(&part.folder)?;
        Ok(PartReceipt::new(number, size, part.token.clone()))
    }

    /// The object out of its parts, ready to be committed; `None` if the upload is gone.
    pub(super) fn assemble(&self, request: &CompleteMultipartRequest) -> Result<Option<Staged>> {
        let Some(found) = self.upload(&request.upload)? else {
            return Ok(None);
        };
        if request.parts.is_empty() {
            return Err(Error::invalid_argument("an upload is completed with at least one part"));
        }
        let mut staged = self.stage(Recorded {
            attributes: found.about.attributes.into(),
            checksum: request.checksum,
            upload: Some(request.upload.id.clone()),
        })?;
        let mut hasher = request.checksum.map(|sum| Hasher::new(sum.kind())).transpose()?;
        let mut last = 0;
        for part in &request.parts {
            if part.number <= last {
                return Err(wrong("parts must be in ascending order of their numbers", part.number));
            }
            last = part.number;
            let (file, size) = open_part(&found.folder, part)?;
            staged.append(file.take(size), hasher.as_mut())?;
        }
        if let (Some(expected), Some(hasher)) = (request.checksum, hasher) {
            checksum::compare(expected, hasher.finish())
                .map_err(|error| error.with_effect(external_core::Effect::NotApplied))?;
        }
        self.seal(&mut staged)?;
        Ok(Some(staged))
    }

    pub(super) fn has_upload(&self, upload: &MultipartUpload) -> Result<bool> {
        Ok(self.upload(upload)?.is_some())
    }

    /// The receipt of a completion that was made before, if the object is still the one it made.
    pub(super) fn completed(&self, upload: &MultipartUpload) -> Result<PutReceipt> {
        match self.open(&upload.key) {
            Ok((_, known)) if known.upload.as_ref() == Some(&upload.id) => Ok(known.receipt()),
            Ok(_) => Err(no_upload(upload)),
            Err(error) if error.kind() == external_core::ErrorKind::NotFound => Err(no_upload(upload)),
            Err(error) => Err(error),
        }
    }

    /// Takes an upload and its parts away: first out of sight, at once, then for good.
    pub(super) fn forget(&self, upload: &MultipartUpload) -> Result<()> {
        let Some(found) = self.upload(upload)? else {
            return Ok(());
        };
        let scratch = self.scratch(&self.open_root()?)?;
        let name = self.context.random_id();
        match rename((&found.uploads, upload.id.as_str()), (&scratch, &name)) {
            Ok(()) => {
                self.sync(&found.uploads)?;
                remove_folder(&scratch, &name)
            }
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(errno) => Err(from_errno("rename an upload", errno)),
        }
    }

    pub(super) fn uploads(&self, request: &ListUploadsRequest) -> Result<UploadPage> {
        let limit = limit(request.limit)?;
        let behind = after(request.token.as_ref())?;
        let folder = self.own_folder(&self.open_root()?, &["uploads"])?;
        let mut found = Vec::new();
        for (id, _) in entries(&folder)? {
            let Some(upload) = open_folder(&folder, &id)? else {
                continue;
            };
            let Some(about) = read_about(&upload)? else {
                continue;
            };
            // A NUL is in no key, so the pair orders like its parts.
            let place = format!("{}\0{id}", about.key);
            if about.key.as_str().starts_with(&request.prefix)
                && (behind.is_empty() || place.as_str() > behind)
            {
                found.push((place, about, id));
            }
        }
        found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut page = UploadPage::default();
        if found.len() > limit {
            page.next = found.get(limit - 1).map(|(place, ..)| token(place));
        }
        page.uploads.extend(found.into_iter().take(limit).map(|(_, about, id)| {
            PendingUpload::new(MultipartUpload::new(about.key, UploadId::new(id)))
                .with_started(SystemTime::UNIX_EPOCH + Duration::from_millis(about.started_ms))
        }));
        Ok(page)
    }
}

fn read_about(folder: &OwnedFd) -> Result<Option<About>> {
    let Opened::File(file) = open_file(folder, ABOUT)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(1 << 20).read_to_end(&mut bytes).map_err(|error| from_io("read", error))?;
    Ok(serde_json::from_slice(&bytes).ok())
}

fn open_part(folder: &OwnedFd, part: &PartReceipt) -> Result<(File, u64)> {
    let Opened::File(mut file) = open_file(folder, &part.number.to_string())? else {
        return Err(wrong("the part never arrived", part.number));
    };
    let size = file.metadata().map_err(|error| from_io("stat", error))?.len().saturating_sub(TOKEN_BYTES);
    let mut stored = String::new();
    file.seek(SeekFrom::Start(size))
        .and_then(|_| (&mut file).take(TOKEN_BYTES).read_to_string(&mut stored))
        .and_then(|_| file.seek(SeekFrom::Start(0)))
        .map_err(|error| from_io("read a part", error))?;
    if stored != part.token.as_str() {
        return Err(wrong("the part was replaced by another one", part.number));
    }
    Ok((file, size))
}

fn wrong(reason: &'static str, number: u32) -> Error {
    Error::invalid_argument(reason).with_context("part", number)
}
