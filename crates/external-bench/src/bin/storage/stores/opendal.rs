//! OpenDAL, without layers. It leaves bodies unsigned always.

use bytes::Bytes;
use futures_util::TryStreamExt;
use opendal::Operator;
use opendal::services::S3;

use super::{Failed, Integrity, Server};
use crate::source::{PART, PARTS_AT_A_TIME, Pattern};

#[derive(Clone)]
pub(crate) struct OpenDal {
    operator: Operator,
}

impl OpenDal {
    pub(crate) fn new(server: &Server, integrity: Integrity) -> Result<Self, Failed> {
        // Installed once; later calls change nothing.
        opendal::install_default();
        let mut service = S3::default()
            .bucket(&server.bucket)
            .endpoint(&server.endpoint)
            .region(super::REGION)
            .access_key_id(&server.access_key)
            .secret_access_key(&server.secret_key)
            .disable_config_load()
            .disable_ec2_metadata();
        if integrity == Integrity::Checked {
            service = service.checksum_algorithm("crc32c");
        }
        Ok(Self { operator: Operator::new(service)? })
    }

    pub(super) async fn put(&self, key: &str, body: Bytes) -> Result<(), Failed> {
        self.operator.write(key, body).await?;
        Ok(())
    }

    pub(super) async fn get(&self, key: &str) -> Result<u64, Failed> {
        let mut chunks = self.operator.reader(key).await?.into_bytes_stream(..).await?;
        let mut size = 0;
        while let Some(chunk) = chunks.try_next().await? {
            size += chunk.len() as u64;
        }
        Ok(size)
    }

    pub(super) async fn upload(&self, key: &str, mut source: Pattern) -> Result<(), Failed> {
        let mut writer = self.operator.writer_with(key).chunk(PART).concurrent(PARTS_AT_A_TIME).await?;
        loop {
            let part = source.part().await?;
            if part.is_empty() {
                writer.close().await?;
                return Ok(());
            }
            writer.write(part).await?;
        }
    }
}
