//! The objects and uploads of a memory store, and the rules for changing them. Everything here runs under one lock,
//! which is what makes each write atomic.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use external_core::storage::{
    Checksum, MultipartUpload, ObjectAttributes, ObjectInfo, ObjectKey, PartReceipt, PartToken, Precondition,
    PutReceipt, UploadId, VersionId, VersionToken,
};
use external_core::{Error, Result};

use crate::checksum;

/// All that a memory store holds.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The versions of each key from the oldest to the newest; never empty. Without versioning there is one.
    pub(super) objects: BTreeMap<ObjectKey, Vec<Stored>>,
    pub(super) uploads: BTreeMap<(ObjectKey, UploadId), Upload>,
    versioned: bool,
    capacity: u64,
    used: u64,
    counter: u64,
}

/// One version of an object, or the mark of a deletion.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) number: u64,
    pub(super) modified: SystemTime,
    pub(super) content: Option<Content>,
}

#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) body: Bytes,
    pub(super) attributes: ObjectAttributes,
    pub(super) checksum: Option<Checksum>,
    /// The upload it was completed from: completing that one again answers the same receipt.
    pub(super) upload: Option<UploadId>,
}

#[derive(Debug)]
pub(super) struct Upload {
    pub(super) attributes: ObjectAttributes,
    pub(super) started: SystemTime,
    pub(super) parts: BTreeMap<u32, (PartToken, Bytes)>,
}

impl Stored {
    pub(super) fn token(&self) -> VersionToken {
        VersionToken::new(format!("m{}", self.number))
    }

    pub(super) fn id(&self) -> VersionId {
        VersionId::new(self.number.to_string())
    }

    fn bytes(&self) -> u64 {
        self.content.as_ref().map_or(0, |content| content.body.len() as u64)
    }
}

impl State {
    pub(super) fn new(versioned: bool, capacity: u64) -> Self {
        Self { versioned, capacity, ..Self::default() }
    }

    /// The current version of `key`, or the one asked for.
    pub(super) fn find(&self, key: &ObjectKey, version: Option<&VersionId>) -> Result<(&Stored, &Content)> {
        let versions = self.objects.get(key).map_or(&[][..], Vec::as_slice);
        let stored = match version {
            None => versions.last(),
            Some(id) => versions.iter().find(|stored| stored.id() == *id),
        };
        stored
            .and_then(|stored| Some((stored, stored.content.as_ref()?)))
            .ok_or_else(|| Error::not_found("no such object").with_context("key", key))
    }

    pub(super) fn info(&self, key: &ObjectKey, stored: &Stored, content: &Content) -> ObjectInfo {
        let mut info = ObjectInfo::new(key.clone(), content.body.len() as u64, stored.token())
            .with_modified(stored.modified)
            .with_headers(content.attributes.headers.clone())
            .with_user_metadata(content.attributes.metadata.clone());
        info.version = self.versioned.then(|| stored.id());
        info.checksum = content.checksum;
        info
    }

    /// Whether a write under `precondition` may go ahead.
    pub(super) fn check(&self, key: &ObjectKey, precondition: &Precondition) -> Result<()> {
        let current = self.find(key, None).ok().map(|(stored, _)| stored.token());
        match (precondition, current) {
            (Precondition::None, _) | (Precondition::Absent, None) => Ok(()),
            (Precondition::Absent, Some(_)) => {
                Err(Error::already_exists("the key holds an object already").with_context("key", key))
            }
            (Precondition::Matches(token), Some(current)) if *token == current => Ok(()),
            (Precondition::Matches(_), _) => Err(conflict(key)),
            _ => Err(Error::unsupported("precondition")),
        }
    }

    /// `Conflict` unless the object's token is `expected`, where one is.
    pub(super) fn check_match(
        key: &ObjectKey,
        stored: &Stored,
        expected: Option<&VersionToken>,
    ) -> Result<()> {
        match expected {
            Some(token) if *token != stored.token() => Err(conflict(key)),
            _ => Ok(()),
        }
    }

    /// Stores a version of `key`: `None` marks a deletion.
    pub(super) fn store(
        &mut self,
        key: &ObjectKey,
        content: Option<Content>,
        now: SystemTime,
    ) -> Result<PutReceipt> {
        let replaced = if self.versioned { 0 } else { self.bytes_of(key) };
        let added = content.as_ref().map_or(0, |content| content.body.len() as u64);
        self.account(added, replaced)?;
        self.counter += 1;
        let stored = Stored { number: self.counter, modified: now, content };
        let receipt = PutReceipt::new(stored.token());
        let receipt = if self.versioned { receipt.with_version(stored.id()) } else { receipt };
        let versions = self.objects.entry(key.clone()).or_default();
        if !self.versioned {
            versions.clear();
        }
        versions.push(stored);
        Ok(receipt)
    }

    /// Deletes `key`; answers whether there was an object.
    pub(super) fn delete(&mut self, key: &ObjectKey, now: SystemTime) -> Result<bool> {
        if self.find(key, None).is_err() {
            return Ok(false);
        }
        if self.versioned {
            self.store(key, None, now)?;
        } else {
            self.used -= self.bytes_of(key);
            self.objects.remove(key);
        }
        Ok(true)
    }

    /// Removes one version for good; answers whether there was one.
    pub(super) fn delete_version(&mut self, key: &ObjectKey, version: &VersionId) -> bool {
        let Some(versions) = self.objects.get_mut(key) else {
            return false;
        };
        let Some(index) = versions.iter().position(|stored| stored.id() == *version) else {
            return false;
        };
        self.used -= versions.remove(index).bytes();
        if versions.is_empty() {
            self.objects.remove(key);
        }
        true
    }

    pub(super) fn begin(
        &mut self,
        key: &ObjectKey,
        attributes: ObjectAttributes,
        started: SystemTime,
    ) -> MultipartUpload {
        self.counter += 1;
        let id = UploadId::new(format!("u{}", self.counter));
        self.uploads
            .insert((key.clone(), id.clone()), Upload { attributes, started, parts: BTreeMap::new() });
        MultipartUpload::new(key.clone(), id)
    }

    pub(super) fn upload(&self, upload: &MultipartUpload) -> Result<&Upload> {
        self.uploads.get(&(upload.key.clone(), upload.id.clone())).ok_or_else(|| no_upload(upload))
    }

    pub(super) fn put_part(
        &mut self,
        upload: &MultipartUpload,
        number: u32,
        body: Bytes,
    ) -> Result<PartToken> {
        let replaced = self.upload(upload)?.parts.get(&number).map_or(0, |(_, body)| body.len() as u64);
        self.account(body.len() as u64, replaced)?;
        self.counter += 1;
        let token = PartToken::new(format!("p{}", self.counter));
        let known = self
            .uploads
            .get_mut(&(upload.key.clone(), upload.id.clone()))
            .ok_or_else(|| no_upload(upload))?;
        known.parts.insert(number, (token.clone(), body));
        Ok(token)
    }

    /// The bytes of the named parts in a row.
    pub(super) fn assemble(
        &self,
        upload: &MultipartUpload,
        parts: &[PartReceipt],
        part_bytes_min: u64,
    ) -> Result<Bytes> {
        let known = self.upload(upload)?;
        let wrong =
            |reason: &'static str, number: u32| Error::invalid_argument(reason).with_context("part", number);
        let mut last = 0;
        let mut whole = BytesMut::new();
        for (index, part) in parts.iter().enumerate() {
            if part.number <= last {
                return Err(wrong("parts must be in ascending order of their numbers", part.number));
            }
            last = part.number;
            let body = match known.parts.get(&part.number) {
                Some((token, body)) if *token == part.token => body,
                Some(_) => return Err(wrong("the part was replaced by another one", part.number)),
                None => return Err(wrong("the part never arrived", part.number)),
            };
            if index + 1 < parts.len() && (body.len() as u64) < part_bytes_min {
                return Err(wrong("the part is too small not to be the last", part.number));
            }
            whole.extend_from_slice(body);
        }
        if parts.is_empty() {
            return Err(Error::invalid_argument("an upload is completed with at least one part"));
        }
        Ok(whole.freeze())
    }

    /// Forgets an upload and its parts.
    pub(super) fn forget(&mut self, upload: &MultipartUpload) {
        if let Some(upload) = self.uploads.remove(&(upload.key.clone(), upload.id.clone())) {
            self.used -= upload.parts.values().map(|(_, body)| body.len() as u64).sum::<u64>();
        }
    }

    /// The receipt of a completion that was already made, if the object is still the one it made.
    pub(super) fn completed(&self, upload: &MultipartUpload) -> Result<PutReceipt> {
        match self.find(&upload.key, None) {
            Ok((stored, content)) if content.upload.as_ref() == Some(&upload.id) => {
                let receipt = PutReceipt::new(stored.token());
                Ok(if self.versioned { receipt.with_version(stored.id()) } else { receipt })
            }
            _ => Err(no_upload(upload)),
        }
    }

    fn bytes_of(&self, key: &ObjectKey) -> u64 {
        self.objects.get(key).map_or(0, |versions| versions.iter().map(Stored::bytes).sum())
    }

    fn account(&mut self, added: u64, removed: u64) -> Result<()> {
        let used = self.used.saturating_add(added) - removed;
        if used > self.capacity && added > removed {
            return Err(
                Error::quota_exhausted("the memory store is full").with_context("capacity", self.capacity)
            );
        }
        self.used = used;
        Ok(())
    }
}

/// What a write is made of, checked.
pub(super) fn content(body: Bytes, attributes: &ObjectAttributes, sum: Option<Checksum>) -> Result<Content> {
    checksum::verify_write(sum, &body)?;
    Ok(Content { body, attributes: attributes.clone(), checksum: sum, upload: None })
}

fn conflict(key: &ObjectKey) -> Error {
    Error::conflict("the key does not hold the content named").with_context("key", key)
}

fn no_upload(upload: &MultipartUpload) -> Error {
    Error::not_found("no such upload").with_context("key", &upload.key).with_context("upload", &upload.id)
}
