//! Ours: `StorageClient` over the provider `s3`.

use bytes::Bytes;
use external_core::BuildContext;
use external_core::storage::ObjectKey;
use external_storage::providers::s3::{PayloadSigning, S3Config};
use external_storage::{ChecksumSetting, DownloadRequest, StorageClient, StorageSettings, UploadRequest};

use super::{Failed, Integrity, Server};
use crate::source::Pattern;

#[derive(Clone)]
pub(crate) struct Ours {
    client: StorageClient,
}

impl Ours {
    pub(crate) fn new(server: &Server, integrity: Integrity) -> Result<Self, Failed> {
        let (signing, checksum) = match integrity {
            Integrity::Checked => (PayloadSigning::Always, ChecksumSetting::Crc32c),
            Integrity::Bare => (PayloadSigning::Never, ChecksumSetting::None),
        };
        let mut config = S3Config::new(&server.bucket)
            .with_region(super::REGION)
            .with_endpoint(&server.endpoint)
            .with_keys(server.access_key.clone(), server.secret_key.clone())
            .with_payload_signing(signing);
        if matches!(integrity, Integrity::Bare) {
            config = config.without_capability("checksum");
        }
        let provider = config.build(&BuildContext::default())?;
        let mut settings = StorageSettings::new();
        settings.checksum = checksum;
        Ok(Self { client: StorageClient::over(provider).with_settings(settings)? })
    }

    pub(super) async fn put(&self, key: &str, body: Bytes) -> Result<(), Failed> {
        self.client.put(key, body).await?;
        Ok(())
    }

    pub(super) async fn get(&self, key: &str) -> Result<u64, Failed> {
        let object = self.client.download_stream(&DownloadRequest::new(ObjectKey::parse(key)?)).await?;
        let (mut body, mut size) = (object.body, 0);
        while let Some(chunk) = body.next_chunk().await? {
            size += chunk.len() as u64;
        }
        Ok(size)
    }

    pub(super) async fn upload(&self, key: &str, source: Pattern) -> Result<(), Failed> {
        self.client.upload_with(source, UploadRequest::new(ObjectKey::parse(key)?)).await?;
        Ok(())
    }
}
