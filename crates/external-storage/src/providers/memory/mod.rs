//! `memory`: objects in this process. The reference implementation of the contract, and a test double whose content
//! ends with it.

mod config;
mod facets;
mod listing;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use external_core::storage::{
    ByteStream, CopyStorage, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest,
    ListPage, ListRequest, MultipartStorage, ObjectBody, ObjectInfo, PutReceipt, PutRequest, StorageService,
    TagStorage, VersionStorage,
};
use external_core::{
    BuildContext, CallContext, Capabilities, Error, Provider, ProviderEntry, ProviderInfo, ProviderKind,
    Result,
};

pub use config::MemoryConfig;
use state::{State, content};

use crate::checksum::{self, Expected};

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn StorageService> = ProviderEntry {
    id: "memory",
    feature: "",
    kind: ProviderKind::Embedded,
    build: |section, context| Ok(section.parse::<MemoryConfig>()?.build(context).map(Arc::new)?),
    schema: crate::providers::schema::<MemoryConfig>,
};

/// A store in memory. Every write is atomic and seen at once; the content is gone when it is dropped.
///
/// ```
/// use external_storage::{MemoryStorage, StorageClient};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let storage = StorageClient::over(MemoryStorage::default());
/// storage.put("notes/a.txt", "hello").await?;
/// assert_eq!(storage.download("notes/a.txt").await?, "hello");
/// # Ok::<(), external_storage::Error>(()) }).unwrap();
/// ```
pub struct MemoryStorage {
    info: ProviderInfo,
    config: MemoryConfig,
    context: BuildContext,
    state: Mutex<State>,
}

impl MemoryConfig {
    /// Makes the store.
    ///
    /// # Errors
    ///
    /// `Configuration` if a limit is 0.
    pub fn build(self, context: &BuildContext) -> Result<MemoryStorage> {
        for (name, value) in [
            ("part_bytes_max", self.part_bytes_max),
            ("parts_max", u64::from(self.parts_max)),
            ("list_page_max", self.list_page_max as u64),
            ("delete_batch_max", self.delete_batch_max as u64),
        ] {
            if value == 0 {
                return Err(Error::configuration("a limit must be at least 1").with_context("field", name));
            }
        }
        Ok(MemoryStorage::make(self, context))
    }
}

impl Default for MemoryStorage {
    /// An unversioned store with the default limits.
    fn default() -> Self {
        Self::make(MemoryConfig::default(), &BuildContext::default())
    }
}

impl MemoryStorage {
    fn make(config: MemoryConfig, context: &BuildContext) -> Self {
        let mut capabilities = Capabilities::new()
            .all_native(&[
                "range",
                "suffix-range",
                "if-match",
                "if-none-match",
                "content-headers",
                "metadata",
                "create-only",
                "compare-and-swap",
                "checksum",
                "delete-if-match",
                "delete-batch",
                "list-delimiter",
                "list-start-after",
                "multipart",
                "multipart-create-only",
                "multipart-compare-and-swap",
                "multipart-sha256",
                "list-uploads",
                "copy",
                "copy-create-only",
                "copy-compare-and-swap",
                "tags",
            ])
            .limit("put-bytes-max", config.put_bytes_max)
            .limit("part-bytes-min", config.part_bytes_min)
            .limit("part-bytes-max", config.part_bytes_max)
            .limit("parts-max", config.parts_max.into())
            .limit("delete-batch-max", config.delete_batch_max as u64)
            .limit("list-page-max", config.list_page_max as u64);
        if config.versioned {
            capabilities = capabilities.native("versions");
        }
        let location = format!("memory://{}", config.name);
        Self {
            info: ProviderInfo::new("memory", "storage", location, capabilities),
            state: Mutex::new(State::new(config.versioned, config.capacity_bytes)),
            context: context.clone(),
            config,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn require_versions(&self, asked: bool) -> Result<()> {
        if asked && !self.config.versioned { Err(Error::unsupported("versions")) } else { Ok(()) }
    }
}

fn too_large(bytes: usize, limit: u64) -> Result<()> {
    if bytes as u64 <= limit {
        return Ok(());
    }
    Err(Error::payload_too_large("more bytes than the store takes at once")
        .with_context("bytes", bytes)
        .with_context("limit", limit))
}

/// Without what is stored: a holder's `Debug` would print everybody's objects.
impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for MemoryStorage {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl StorageService for MemoryStorage {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        request.attributes.validate()?;
        too_large(request.body.len(), self.config.put_bytes_max)?;
        let content = content(request.body.clone(), &request.attributes, request.checksum)?;
        cx.mark_sent();
        let mut state = self.state();
        state.check(&request.key, &request.precondition)?;
        state.store(&request.key, Some(content), self.context.now())
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        self.require_versions(request.version.is_some())?;
        cx.mark_sent();
        let state = self.state();
        let (stored, content) = state.find(&request.key, request.version.as_ref())?;
        State::check_match(&request.key, stored, request.if_match.as_ref())?;
        let info = state.info(&request.key, stored, content);
        if request.if_none_match.as_ref() == Some(&info.token) {
            return Ok(GetResult::NotModified);
        }
        let Some(range) = request.range else {
            let mut body = ByteStream::from_bytes(content.body.clone());
            if let Some(sum) = content.checksum.filter(|_| !request.caller_verifies) {
                body = checksum::verify_read(body, Expected::sum(sum)?);
            }
            return Ok(GetResult::Object(ObjectBody::new(info.clone(), 0..info.size, body)));
        };
        let range = range.resolve(info.size)?;
        // A body in memory has a length that fits `usize`, and the range lies within it.
        let indices = usize::try_from(range.start).unwrap_or(usize::MAX)
            ..usize::try_from(range.end).unwrap_or(usize::MAX);
        let body = ByteStream::from_bytes(content.body.slice(indices));
        Ok(GetResult::Object(ObjectBody::new(info, range, body)))
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        self.require_versions(request.version.is_some())?;
        cx.mark_sent();
        let state = self.state();
        let (stored, content) = state.find(&request.key, request.version.as_ref())?;
        Ok(state.info(&request.key, stored, content))
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        cx.mark_sent();
        let mut state = self.state();
        if let Some(token) = &request.if_match {
            state.check(&request.key, &external_core::storage::Precondition::Matches(token.clone()))?;
        }
        let existed = state.delete(&request.key, self.context.now())?;
        Ok(Deleted::new((cx.attempt() <= 1).then_some(existed)))
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        if request.keys.len() > self.config.delete_batch_max {
            return Err(Error::invalid_argument("more keys than the store deletes at once")
                .with_context("keys", request.keys.len())
                .with_context("limit", self.config.delete_batch_max));
        }
        cx.mark_sent();
        let mut state = self.state();
        let now = self.context.now();
        let first = cx.attempt() <= 1;
        let delete = |key| state.delete(key, now).map(|existed| Deleted::new(first.then_some(existed)));
        Ok(request.keys.iter().map(delete).collect())
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        request.validate()?;
        cx.mark_sent();
        listing::page(&self.state(), request, self.config.list_page_max)
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        Some(self)
    }

    fn copier(&self) -> Option<&dyn CopyStorage> {
        Some(self)
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        Some(self)
    }

    fn versions(&self) -> Option<&dyn VersionStorage> {
        self.config.versioned.then_some(self as _)
    }
}
