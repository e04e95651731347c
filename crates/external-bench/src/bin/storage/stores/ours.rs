//! Ours: `StorageClient` over the provider `s3`.

use bytes::Bytes;
use external_core::BuildContext;
use external_core::build::TlsSettings;
use external_core::storage::ObjectKey;
use external_storage::providers::s3::{PayloadSigning, S3Config};
use external_storage::{ChecksumSetting, DownloadRequest, StorageClient, StorageSettings, UploadRequest};

use super::{Failed, Integrity, Server};
use crate::source::Pattern;

/// What protects a body on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protection {
    /// A CRC-32C, which the server verifies on writes and the client on reads.
    pub(crate) checksum: bool,
    /// Its SHA-256 as part of the request's signature.
    pub(crate) payload_signing: bool,
}

impl From<Integrity> for Protection {
    fn from(integrity: Integrity) -> Self {
        let all = integrity == Integrity::Checked;
        Self { checksum: all, payload_signing: all }
    }
}

#[derive(Clone)]
pub(crate) struct Ours {
    client: StorageClient,
}

impl Ours {
    pub(crate) fn new(server: &Server, protection: Protection) -> Result<Self, Failed> {
        let signing = if protection.payload_signing { PayloadSigning::Always } else { PayloadSigning::Never };
        let mut config = S3Config::new(&server.bucket)
            .with_region(super::REGION)
            .with_endpoint(&server.endpoint)
            .with_keys(server.access_key.clone(), server.secret_key.clone())
            .with_payload_signing(signing);
        if let Some(file) = &server.ca_file {
            config = config.with_tls(TlsSettings::new().with_only_ca_file(file));
        }
        let mut settings = StorageSettings::new();
        if !protection.checksum {
            // Both: without the capability the provider adds none of its own either.
            config = config.without_capability("checksum");
            settings.checksum = ChecksumSetting::None;
        }
        let provider = config.build(&BuildContext::default())?;
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
