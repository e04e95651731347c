//! object_store. Its checksum is SHA-256, which it takes over the whole body, and it verifies none on reads.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{ObjectStoreExt, RetryConfig, WriteMultipart};

use super::{Failed, Integrity, Server};
use crate::source::{PART, PARTS_AT_A_TIME, Pattern};

#[derive(Clone)]
pub(crate) struct ObjectStore {
    store: Arc<AmazonS3>,
}

impl ObjectStore {
    pub(crate) fn new(server: &Server, integrity: Integrity) -> Result<Self, Failed> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&server.bucket)
            .with_endpoint(&server.endpoint)
            .with_region(super::REGION)
            .with_access_key_id(&server.access_key)
            .with_secret_access_key(&server.secret_key)
            .with_allow_http(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
        builder = match integrity {
            Integrity::Checked => builder.with_checksum_algorithm(Checksum::SHA256),
            Integrity::Bare => builder.with_unsigned_payload(true),
        };
        Ok(Self { store: Arc::new(builder.build()?) })
    }

    pub(super) async fn put(&self, key: &str, body: Bytes) -> Result<(), Failed> {
        self.store.put(&Path::from(key), body.into()).await?;
        Ok(())
    }

    pub(super) async fn get(&self, key: &str) -> Result<u64, Failed> {
        let mut chunks = self.store.get(&Path::from(key)).await?.into_stream();
        let mut size = 0;
        while let Some(chunk) = chunks.try_next().await? {
            size += chunk.len() as u64;
        }
        Ok(size)
    }

    pub(super) async fn upload(&self, key: &str, mut source: Pattern) -> Result<(), Failed> {
        let path = Path::from(key);
        let first = source.part().await?;
        if first.len() < PART {
            return self.put(key, first).await;
        }
        let mut writer = WriteMultipart::new_with_chunk_size(self.store.put_multipart(&path).await?, PART);
        let mut part = first;
        while !part.is_empty() {
            writer.wait_for_capacity(PARTS_AT_A_TIME).await?;
            writer.put(part);
            part = source.part().await?;
        }
        writer.finish().await?;
        Ok(())
    }
}
