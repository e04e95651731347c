//! `local`: each object is a plain file at its key below a folder, so that people and other tools can look at it.
//!
//! A write is staged in a file of its own below `.external/tmp`, brought onto the disk with its metadata, and made the
//! object by one rename: a crash leaves the old object or the new one. Writers of one key, in this process and in
//! others, are kept apart by a lock below `.external/locks`. How keys are spelled on disk is the rule in
//! `names`; nothing ever follows a symbolic link.

mod config;
mod error;
mod facets;
mod listing;
mod names;
mod platform;
mod read;
mod record;
#[cfg(not(feature = "serve"))]
#[path = "without_serve.rs"]
mod serve;
#[cfg(feature = "serve")]
mod serve;
mod sweep;
mod tree;
mod uploads;
mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use external_core::storage::{
    CopyStorage, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest, ListPage,
    ListRequest, MultipartStorage, ObjectInfo, ObjectKey, PutReceipt, PutRequest, StorageService, TagStorage,
};
use external_core::{
    BuildContext, CallContext, Capabilities, Effect, Error, Provider, ProviderEntry, ProviderInfo,
    ProviderKind, Result,
};

pub use config::{LocalConfig, MetadataPlace};
use record::Recorded;
pub use serve::ServeConfig;
pub use sweep::Swept;
use tree::Store;

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn StorageService> = ProviderEntry {
    id: "local",
    feature: "local",
    kind: ProviderKind::Embedded,
    build: |section, context| Ok(section.parse::<LocalConfig>()?.build(context).map(Arc::new)?),
    schema: crate::providers::schema::<LocalConfig>,
};

/// What links need that a store without them lacks.
const LINKS: &str = "the table `serve` in its configuration, and the feature `serve`";
const DELETE_BATCH_MAX: usize = 1000;
const PUT_BYTES_MAX: u64 = 5 << 30;

/// Objects as plain files.
///
/// A file that another tool puts below the root is an object too, with the content type its name suggests. One that
/// another tool writes into has another token from then on, and loses the metadata it had.
///
/// A put needs room on the disk for the new object beside the old one; an upload in parts needs twice the object's size
/// until it is completed, since its parts are copied together.
#[derive(Debug)]
pub struct LocalStorage {
    info: ProviderInfo,
    store: Arc<Store>,
    links: Option<serve::Links>,
}

impl LocalConfig {
    /// Makes the store. Nothing is read or made on disk before the first call.
    ///
    /// # Errors
    ///
    /// `Configuration` if the root is empty, or the server's address, key or URL makes no sense.
    pub fn build(self, context: &BuildContext) -> Result<LocalStorage> {
        if self.root.as_os_str().is_empty() {
            return Err(Error::configuration("the root folder must be named").with_context("field", "root"));
        }
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
            .limit("put-bytes-max", PUT_BYTES_MAX)
            .limit("part-bytes-min", 1)
            .limit("part-bytes-max", PUT_BYTES_MAX)
            .limit("parts-max", uploads::PARTS_MAX.into())
            .limit("delete-batch-max", DELETE_BATCH_MAX as u64)
            .limit("list-page-max", listing::PAGE_MAX as u64);
        // Where it is now, also after the process has gone to another folder; and no host name in the location.
        let root = std::path::absolute(&self.root).unwrap_or(self.root);
        let location = format!("local://{}", root.display());
        let store = Arc::new(Store {
            root,
            create: self.create,
            durable: self.durable,
            metadata: self.metadata,
            upload_lifetime: self.upload_lifetime,
            context: context.clone(),
            swept: AtomicBool::new(false),
        });
        let links = match self.serve {
            Some(serve) => {
                capabilities = serve::declare(capabilities);
                Some(serve::Links::new(serve, store.clone())?)
            }
            None => {
                capabilities = capabilities.need("presign-get", LINKS).need("presign-put", LINKS);
                None
            }
        };
        Ok(LocalStorage { info: ProviderInfo::new("local", "storage", location, capabilities), store, links })
    }
}

/// Runs file system work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::unexpected("the file system work was cut short").with_source(error)),
    }
}

impl LocalStorage {
    /// Starts the server that answers links now, instead of with the first link, and tells where it listens.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the configuration has no `serve`, which needs the feature of that name; what binding the address says; `Closed` after a close.
    pub async fn serve(&self) -> Result<std::net::SocketAddr> {
        let links = self.links.as_ref();
        links.ok_or_else(|| Error::unsupported("presign-get").with_context("needs", LINKS))?.address().await
    }

    /// Takes away what nobody has touched for `age`, and tells how much: uploads that were neither completed nor aborted,
    /// metadata whose file another tool has removed or replaced, and what crashed writers were making, the last not before
    /// a day. It reads every folder below the root once; the first write of a store sweeps by itself what it can tell
    /// without that, see [`LocalConfig::upload_lifetime`].
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub async fn sweep(&self, age: Duration) -> Result<Swept> {
        self.on_disk(None, move |store| store.sweep(age)).await
    }

    /// Runs `work` where it may block. What the file system says is about some step and some file below the root: which
    /// root and which object, people have to be told.
    async fn on_disk<T: Send + 'static>(
        &self,
        about: Option<&ObjectKey>,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.store.clone();
        blocking(move || work(&store)).await.map_err(|error| {
            if error.context_value("at").is_none() {
                return error;
            }
            let error = error.with_context("root", self.store.root.display());
            match about.filter(|_| error.context_value("key").is_none()) {
                Some(key) => error.with_context("key", key),
                None => error,
            }
        })
    }
}

fn no_versions(asked: bool) -> Result<()> {
    if asked { Err(Error::unsupported("versions")) } else { Ok(()) }
}

#[async_trait]
impl Provider for LocalStorage {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// Whether the root can be opened, and a file made below it.
    async fn probe(&self, cx: &CallContext) -> Result<()> {
        cx.mark_sent();
        self.on_disk(None, |store| {
            let nothing = Recorded { attributes: Default::default(), checksum: None, upload: None };
            store.stage(nothing).map(drop)
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        if let Some(links) = &self.links {
            links.close().await;
        }
        Ok(())
    }
}

#[async_trait]
impl StorageService for LocalStorage {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        request.attributes.validate()?;
        too_large(request.body.len() as u64)?;
        let recorded =
            Recorded { attributes: request.attributes.clone(), checksum: request.checksum, upload: None };
        let body = request.body.clone();
        let staged =
            self.on_disk(Some(&request.key), move |store| store.stage_bytes(&body, recorded)).await?;
        let (key, precondition) = (request.key.clone(), request.precondition.clone());
        cx.mark_sent();
        self.on_disk(Some(&request.key), move |store| store.commit(staged, &key, &precondition, None)).await
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        no_versions(request.version.is_some())?;
        cx.mark_sent();
        let asked = request.clone();
        self.on_disk(Some(&request.key), move |store| {
            let request = asked;
            let (file, known) = store.open(&request.key)?;
            if request.if_match.is_some_and(|token| token != known.token) {
                return Err(write::conflict(&request.key));
            }
            if request.if_none_match.is_some_and(|token| token == known.token) {
                return Ok(GetResult::NotModified);
            }
            let verified = !request.caller_verifies;
            Store::body(file, &known, &request.key, request.range, verified).map(GetResult::Object)
        })
        .await
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        no_versions(request.version.is_some())?;
        cx.mark_sent();
        let key = request.key.clone();
        self.on_disk(Some(&request.key), move |store| Ok(store.open(&key)?.1.info(&key))).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        cx.mark_sent();
        let asked = request.clone();
        let removing =
            self.on_disk(Some(&request.key), move |store| store.remove(&asked.key, asked.if_match.as_ref()));
        let existed = removing.await?;
        Ok(Deleted::new((cx.attempt() <= 1).then_some(existed)))
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        if request.keys.len() > DELETE_BATCH_MAX {
            return Err(Error::invalid_argument("more keys than the store deletes at once")
                .with_context("keys", request.keys.len())
                .with_context("limit", DELETE_BATCH_MAX));
        }
        cx.mark_sent();
        let keys = request.keys.clone();
        let first = cx.attempt() <= 1;
        let root = self.store.root.clone();
        self.on_disk(None, move |store| {
            let about = |key: &ObjectKey, error: Error| match error.context_value("at") {
                Some(_) => error.with_context("root", root.display()).with_context("key", key),
                None => error,
            };
            let delete = |key| match store.remove(key, None) {
                Ok(existed) => Ok(Deleted::new(first.then_some(existed))),
                Err(error) => Err(about(key, error)),
            };
            Ok(keys.iter().map(delete).collect())
        })
        .await
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        request.validate()?;
        cx.mark_sent();
        let request = request.clone();
        self.on_disk(None, move |store| store.page(&request)).await
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        Some(self)
    }

    fn presigner(&self) -> Option<&dyn external_core::storage::PresignStorage> {
        self.links.as_ref().map(|links| links as _)
    }

    fn copier(&self) -> Option<&dyn CopyStorage> {
        Some(self)
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        Some(self)
    }
}

fn too_large(bytes: u64) -> Result<()> {
    if bytes <= PUT_BYTES_MAX {
        return Ok(());
    }
    Err(Error::payload_too_large("more bytes than the store takes at once")
        .with_effect(Effect::NotApplied)
        .with_context("bytes", bytes)
        .with_context("limit", PUT_BYTES_MAX))
}
