//! `s3`: Amazon S3, and stores that speak its protocol (MinIO, Ceph, …).
//!
//! - One contract call is one request; the SDK's own retries, timeouts and checksums are off. Connections are ours, so
//!   a failure to connect is `NotSent`, and the sent mark is set when the request has its connection.
//! - A put travels with its CRC-32C or SHA-256, which the store verifies; whole reads are verified here, also by the
//!   checksums of other writers (CRC-32, CRC-64/NVME, SHA-1). Uploads in parts carry a CRC-32C of the whole; a
//!   SHA-256 of the whole is something S3 does not have.
//! - User metadata beyond ASCII travels as encoded words (RFC 2047). Keys of other writers that are no
//!   [`ObjectKey`](external_core::storage::ObjectKey), such as the `folder/` markers of some tools, are left out of
//!   listings.
//! - A copy takes objects of up to 5 GiB: the client passes larger ones through itself, a named version only with attributes
//!   of its own, and a version to be restored not. How large an upload may be follows from the client's upload budget.
//! - S3 gives no reason to a HEAD: `head` in a bucket that does not exist is `NotFound` (so `exists` is `false`), and one with expired
//!   credentials or in the wrong region says no more than the status. Every other call, and `probe`, tells. Where such a 400 may
//!   be of temporary credentials that have ended, one more attempt is made with others.
//! - Stores differ: say which yours is in `store`, or name what it lacks in `without`, and it is refused before
//!   anything is sent.
//! - Some take parts of one size alone, Cloudflare R2 among them
//!   (<https://developers.cloudflare.com/r2/objects/multipart-objects>): there `upload_budget_bytes` is to be twice
//!   `part_bytes`, so that no part of a very large upload grows.
//!
//! Not spoken: multi-region access points (they are signed with SigV4a).

mod attributes;
mod config;
mod copy;
mod credentials;
mod error;
mod listing;
mod multipart;
mod no_credentials;
mod objects;
mod presign;
mod sdk;
mod tags;
mod transport;
mod verify;
mod versions;
mod wire;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use external_core::storage::{
    CopyStorage, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest, ListPage,
    ListRequest, MultipartStorage, ObjectInfo, PresignStorage, PutReceipt, PutRequest, StorageService,
    TagStorage, VersionStorage,
};
use external_core::{
    CallContext, Capabilities, Error, ErrorKind, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result,
    Retry,
};

pub use config::{PayloadSigning, RoleConfig, S3Config, Store};
use sdk::Sdk;
use transport::Mark;

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn StorageService> = ProviderEntry {
    id: "s3",
    feature: "s3",
    kind: ProviderKind::Remote,
    build: |section, context| Ok(Arc::new(section.parse::<S3Config>()?.build(context)?)),
    schema: crate::providers::schema::<S3Config>,
};

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>. The size of an object is left to the store: it
/// differs between them, and first parts that were to reach 50 TB would be large for everybody.
const LIMITS: &[(&str, u64)] = &[
    ("put-bytes-max", 5 << 30),
    ("part-bytes-min", 5 << 20),
    ("part-bytes-max", 5 << 30),
    ("parts-max", 10_000),
    ("delete-batch-max", 1000),
    ("list-page-max", 1000),
    ("presign-seconds-max", 7 * 24 * 3600),
];

/// What S3 copies at once; it names the number where it refuses. Other stores have limits of their own, or none.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
const COPY_BYTES_MAX: u64 = 5 << 30;

/// What S3 has; `without` takes away what a store lacks.
const NATIVE: &[&str] = &[
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
    "list-uploads",
    "presign-get",
    "presign-put",
    "copy",
    "copy-create-only",
    "copy-compare-and-swap",
    "tags",
];

/// A bucket.
///
/// ```no_run
/// use external_storage::{BuildContext, S3Config, StorageClient};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let bucket = S3Config::new("portraits").with_region("eu-central-1").build(&BuildContext::default())?;
/// let storage = StorageClient::over(bucket);
/// storage.put("ada.png", vec![0x89, 0x50]).await?;
/// # Ok::<(), external_storage::Error>(()) }).unwrap();
/// ```
pub struct S3Storage {
    info: ProviderInfo,
    bucket: String,
    sdk: Sdk,
    store: Store,
    sign_bodies: bool,
    encoded_listings: bool,
}

fn capabilities(versioned: bool, store: Store, without: impl Iterator<Item = &'static str>) -> Capabilities {
    let mut capabilities = Capabilities::new().all_native(NATIVE);
    if versioned {
        capabilities = capabilities.native("versions");
    }
    if !store.lists_uploads_by_prefix() {
        let caveat = "all uploads of the bucket are asked for, and those of other prefixes left out";
        capabilities = capabilities.emulated("list-uploads", caveat);
    }
    // A checksum of a whole upload is a CRC there:
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    capabilities = capabilities.unsupported("multipart-sha256");
    capabilities = without.fold(capabilities, Capabilities::unsupported);
    if store == Store::Amazon {
        capabilities = capabilities.limit("copy-bytes-max", COPY_BYTES_MAX);
    }
    LIMITS.iter().fold(capabilities, |rest, (id, most)| rest.limit(id, *most))
}

impl S3Storage {
    /// One request. The closure sends it with the mark as an interceptor; errors come back by the table.
    async fn ask<T, E, F>(&self, cx: &CallContext, send: impl FnOnce(Arc<Client>, Mark) -> F) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let client = self.sdk.client().await?;
        send(client.clone(), Mark::new(cx.sent_mark())).await.map_err(|error| {
            let region = client.config().region().map(AsRef::as_ref);
            let error = error::failed(&error, region);
            if error::may_be_expired(&error) {
                return self.doubted(cx, &client, error);
            }
            let expired = error::is_expired(&error);
            if expired || error.kind() == ErrorKind::Unauthenticated {
                self.sdk.forget(&client, expired);
            }
            error
        })
    }

    /// A refusal that the keys may be at fault for: keys that can end are looked for anew, for one more attempt. If that is
    /// refused too, the request is at fault, and the keys stay.
    fn doubted(&self, cx: &CallContext, client: &Arc<Client>, error: Error) -> Error {
        if cx.attempt() > 1 || !self.sdk.has_temporary_keys() {
            return error;
        }
        self.sdk.forget(client, true);
        error.with_retry(Retry::Backoff)
    }

    fn has(&self, id: &str) -> bool {
        self.info.capabilities().grade(id).is_supported()
    }

    fn require(&self, asked: bool, id: &'static str) -> Result<()> {
        if asked && !self.has(id) { Err(Error::unsupported(id)) } else { Ok(()) }
    }

    fn limit(&self, id: &str) -> u64 {
        self.info.capabilities().get_limit(id).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for S3Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Storage").field("location", &self.info.location()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for S3Storage {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>
    async fn probe(&self, cx: &CallContext) -> Result<()> {
        let probed = self.ask(cx, |client, mark| {
            client.head_bucket().bucket(&self.bucket).customize().interceptor(mark).send()
        });
        probed.await.map(drop).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::configuration("the bucket does not exist")
                .with_effect(error.effect())
                .with_http_status(404),
            _ => error,
        })
    }

    async fn close(&self) -> Result<()> {
        self.sdk.close();
        Ok(())
    }
}

#[async_trait]
impl StorageService for S3Storage {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        self.put_object(cx, request).await
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        self.get_object(cx, request).await
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        self.head_object(cx, request).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.delete_object(cx, request).await
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.delete_objects(cx, request).await
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        self.list_objects(cx, request).await
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        self.has("multipart").then_some(self as _)
    }

    fn presigner(&self) -> Option<&dyn PresignStorage> {
        (self.has("presign-get") || self.has("presign-put")).then_some(self as _)
    }

    fn copier(&self) -> Option<&dyn CopyStorage> {
        self.has("copy").then_some(self as _)
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        self.has("tags").then_some(self as _)
    }

    fn versions(&self) -> Option<&dyn VersionStorage> {
        self.has("versions").then_some(self as _)
    }
}
