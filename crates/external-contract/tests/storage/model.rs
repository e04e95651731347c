//! A small object store that is right, and can be made wrong in one way at a time. It has no facet.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use external_core::storage::{
    ByteRange, ByteStream, Checksum, ContentHeaders, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest,
    GetResult, HeadRequest, ListEntry, ListPage, ListRequest, ObjectBody, ObjectInfo, ObjectKey, PageToken,
    Precondition, PutReceipt, PutRequest, StorageService, VersionToken,
};
use external_core::{CallContext, Capabilities, Effect, Error, Provider, ProviderInfo, Result, async_trait};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    IgnoresPreconditions,
    ChecksBeforeWriting,
    LiesAboutEffect,
    TokensOfSize,
    ListsWithoutLimit,
    PagesOverlap,
    PagesByOffset,
    PrefixBySegment,
    PrefixesRepeat,
    RangesInclusive,
    KeepsOldMetadata,
    IgnoresChecksums,
    DeletesBelow,
    FoldsKeys,
    IgnoresVersion,
    IgnoresTags,
}

const PAGE: usize = 100;

#[derive(Clone)]
struct Object {
    key: ObjectKey,
    body: Bytes,
    headers: ContentHeaders,
    metadata: BTreeMap<String, String>,
    checksum: Option<Checksum>,
    token: VersionToken,
}

impl Object {
    fn info(&self) -> ObjectInfo {
        let info = ObjectInfo::new(self.key.clone(), self.body.len() as u64, self.token.clone())
            .with_headers(self.headers.clone())
            .with_user_metadata(self.metadata.clone());
        match self.checksum {
            Some(checksum) => info.with_checksum(checksum),
            None => info,
        }
    }
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    writes: u64,
}

pub(crate) struct Model {
    info: ProviderInfo,
    flaw: Flaw,
    state: Mutex<State>,
}

impl Model {
    pub(crate) fn new(flaw: Flaw) -> Self {
        let capabilities = Capabilities::new()
            .all_native(&[
                "range",
                "suffix-range",
                "if-match",
                "if-none-match",
                "content-headers",
                "metadata",
            ])
            .all_native(&["create-only", "compare-and-swap", "delete-batch", "delete-if-match"])
            .all_native(&["list-delimiter", "list-start-after"])
            .limit("put-bytes-max", 8 << 20)
            .limit("delete-batch-max", 20)
            .limit("list-page-max", PAGE as u64);
        // Only the flawed one claims what needs a hash function.
        let capabilities = match flaw {
            Flaw::IgnoresChecksums => capabilities.native("checksum"),
            _ => capabilities.unsupported("checksum"),
        };
        Self {
            info: ProviderInfo::new("model", "storage", "model:", capabilities),
            flaw,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn name(&self, key: &ObjectKey) -> String {
        match self.flaw {
            Flaw::FoldsKeys => key.as_str().to_lowercase(),
            _ => key.as_str().to_owned(),
        }
    }

    fn holds(&self, state: &State, name: &str, precondition: &Precondition) -> Result<()> {
        let refused = match (precondition, state.objects.get(name)) {
            _ if self.flaw == Flaw::IgnoresPreconditions => return Ok(()),
            (Precondition::Absent, Some(_)) => Error::already_exists("the key is taken"),
            (Precondition::Matches(_), None) => Error::conflict("the key is free"),
            (Precondition::Matches(token), Some(object)) if object.token != *token => {
                Error::conflict("another token")
            }
            _ => return Ok(()),
        };
        Err(match self.flaw {
            Flaw::LiesAboutEffect => refused.with_effect(Effect::NotSent),
            _ => refused,
        })
    }

    fn object(&self, key: &ObjectKey) -> Result<Object> {
        self.state().objects.get(&self.name(key)).cloned().ok_or_else(|| Error::not_found("no such object"))
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("flaw", &self.flaw).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Model {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl StorageService for Model {
    async fn put(&self, _: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        request.attributes.validate()?;
        if !request.attributes.tags.is_empty() && self.flaw != Flaw::IgnoresTags {
            return Err(Error::unsupported("tags"));
        }
        if request.checksum.is_some() && self.flaw != Flaw::IgnoresChecksums {
            return Err(Error::unsupported("checksum"));
        }
        if request.body.len() > 8 << 20 {
            return Err(Error::payload_too_large("body").with_effect(Effect::NotSent));
        }
        let name = self.name(&request.key);
        if self.flaw == Flaw::ChecksBeforeWriting {
            self.holds(&self.state(), &name, &request.precondition)?;
            tokio::task::yield_now().await;
        }
        let mut state = self.state();
        if self.flaw != Flaw::ChecksBeforeWriting {
            self.holds(&state, &name, &request.precondition)?;
        }
        state.writes += 1;
        let token = match self.flaw {
            Flaw::TokensOfSize => format!("size-{}", request.body.len()),
            _ => format!("write-{}", state.writes),
        };
        let mut metadata = request.attributes.metadata.clone();
        if self.flaw == Flaw::KeepsOldMetadata
            && let Some(old) = state.objects.get(&name)
        {
            metadata.extend(old.metadata.clone());
        }
        let token = VersionToken::new(token);
        let object = Object {
            key: request.key.clone(),
            body: request.body.clone(),
            headers: request.attributes.headers.clone(),
            metadata,
            checksum: request.checksum,
            token: token.clone(),
        };
        state.objects.insert(name, object);
        Ok(PutReceipt::new(token))
    }

    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<GetResult> {
        if request.version.is_some() && self.flaw != Flaw::IgnoresVersion {
            return Err(Error::unsupported("versions"));
        }
        let object = self.object(&request.key)?;
        if request.if_match.as_ref().is_some_and(|token| *token != object.token) {
            return Err(Error::conflict("another token"));
        }
        if request.if_none_match.as_ref() == Some(&object.token) {
            return Ok(GetResult::NotModified);
        }
        let size = object.body.len() as u64;
        let mut range = match request.range {
            Some(range) => range.resolve(size)?,
            None => 0..size,
        };
        if self.flaw == Flaw::RangesInclusive && matches!(request.range, Some(ByteRange::Within { .. })) {
            range.end = (range.end + 1).min(size);
        }
        let bounds = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        let body = ByteStream::from_bytes(object.body.slice(bounds));
        Ok(GetResult::Object(ObjectBody::new(object.info(), range, body)))
    }

    async fn head(&self, _: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        if request.version.is_some() && self.flaw != Flaw::IgnoresVersion {
            return Err(Error::unsupported("versions"));
        }
        Ok(self.object(&request.key)?.info())
    }

    async fn delete(&self, _: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        let name = self.name(&request.key);
        let mut state = self.state();
        if let Some(token) = &request.if_match {
            self.holds(&state, &name, &Precondition::Matches(token.clone()))?;
        }
        if self.flaw == Flaw::DeletesBelow {
            state.objects.retain(|known, _| !known.starts_with(&format!("{name}/")));
        }
        Ok(Deleted::new(Some(state.objects.remove(&name).is_some())))
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        if request.keys.len() > 20 {
            return Err(Error::invalid_argument("too many keys"));
        }
        let mut results = Vec::new();
        for key in &request.keys {
            results.push(self.delete(cx, &DeleteRequest::new(key.clone())).await);
        }
        Ok(results)
    }

    async fn list_page(&self, _: &CallContext, request: &ListRequest) -> Result<ListPage> {
        request.validate()?;
        let behind = match request.token.as_ref().map(|token| token.as_str().split_once('|')) {
            None => None,
            Some(Some((offset, last))) => {
                Some((offset.parse::<usize>().unwrap_or_default(), last.to_owned()))
            }
            Some(None) => return Err(Error::invalid_argument("a token of nobody's")),
        };
        let limit = match self.flaw {
            Flaw::ListsWithoutLimit => PAGE,
            _ => request.limit.unwrap_or(PAGE).min(PAGE),
        };
        // What a page would hold: names of objects and common prefixes, in one order.
        let state = self.state();
        let mut entries: BTreeMap<String, Option<&Object>> = BTreeMap::new();
        for (name, object) in &state.objects {
            let fits = match self.flaw {
                Flaw::PrefixBySegment if !request.prefix.ends_with('/') => {
                    *name == request.prefix || name.starts_with(&format!("{}/", request.prefix))
                }
                _ => name.starts_with(&request.prefix),
            };
            if !fits || request.start_after.as_ref().is_some_and(|after| name <= after) {
                continue;
            }
            let rest = name.get(request.prefix.len()..).unwrap_or_default();
            match request.delimiter.as_ref().and_then(|delimiter| Some((rest.find(delimiter)?, delimiter))) {
                Some((at, delimiter)) => {
                    let end = request.prefix.len() + at + delimiter.len();
                    entries.insert(name[..end].to_owned(), None);
                }
                None => drop(entries.insert(name.clone(), Some(object))),
            }
        }
        let all: Vec<_> = entries.into_iter().collect();
        let from = match (&behind, self.flaw) {
            (None, _) => 0,
            (Some((offset, _)), Flaw::PagesByOffset) => *offset,
            (Some((_, last)), Flaw::PagesOverlap) => all.partition_point(|(name, _)| name < last),
            (Some((_, last)), _) => all.partition_point(|(name, _)| name <= last),
        };
        let mut page = ListPage::default();
        let mut told = BTreeSet::new();
        for (name, object) in all.iter().skip(from).take(limit) {
            match object {
                Some(object) => {
                    let entry = ListEntry::new(object.key.clone(), object.body.len() as u64);
                    page.objects.push(entry.with_token(object.token.clone()));
                }
                None => {
                    page.prefixes.push(name.clone());
                    if self.flaw == Flaw::PrefixesRepeat && told.insert(name) {
                        page.prefixes.push(name.clone());
                    }
                }
            }
        }
        let end = from + limit;
        if end < all.len() {
            let last = all.get(end.saturating_sub(1)).map_or("", |(name, _)| name.as_str());
            page.next = Some(PageToken::new(format!("{end}|{last}")));
        }
        Ok(page)
    }
}
