//! aws-sdk-s3, by hand: what a careful service writes on top of it.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Failed, Integrity, Server};
use crate::source::{PART, PARTS_AT_A_TIME, Pattern};

#[derive(Clone)]
pub(crate) struct Sdk {
    client: Client,
    bucket: String,
    checksum: Option<ChecksumAlgorithm>,
}

impl Sdk {
    pub(crate) fn new(server: &Server, integrity: Integrity) -> Self {
        Self::made_of(config(server), server, integrity)
    }

    /// Without the guard that ends streams which hardly flow.
    pub(crate) fn without_guard(server: &Server, integrity: Integrity) -> Self {
        let off = StalledStreamProtectionConfig::disabled();
        Self::made_of(config(server).stalled_stream_protection(off), server, integrity)
    }

    fn made_of(config: Builder, server: &Server, integrity: Integrity) -> Self {
        let (config, checksum) = match integrity {
            Integrity::Checked => (config, Some(ChecksumAlgorithm::Crc32C)),
            Integrity::Bare => {
                let config = config
                    .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                    .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
                (config, None)
            }
        };
        Self { client: Client::from_conf(config.build()), bucket: server.bucket.clone(), checksum }
    }

    /// The SDK's own client, for what is not measured.
    pub(crate) fn client(server: &Server) -> Client {
        Client::from_conf(config(server).build())
    }

    pub(super) async fn put(&self, key: &str, body: Bytes) -> Result<(), Failed> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(body));
        let put = put.set_checksum_algorithm(self.checksum.clone());
        match self.checksum {
            Some(_) => put.send().await?,
            None => put.customize().disable_payload_signing().send().await?,
        };
        Ok(())
    }

    pub(super) async fn get(&self, key: &str) -> Result<u64, Failed> {
        let mut object = self.client.get_object().bucket(&self.bucket).key(key).send().await?;
        let mut size = 0;
        while let Some(chunk) = object.body.try_next().await? {
            size += chunk.len() as u64;
        }
        Ok(size)
    }

    pub(super) async fn upload(&self, key: &str, mut source: Pattern) -> Result<(), Failed> {
        let first = source.part().await?;
        if first.len() < PART {
            return self.put(key, first).await;
        }
        let begun = self.client.create_multipart_upload().bucket(&self.bucket).key(key);
        let begun = begun.set_checksum_algorithm(self.checksum.clone()).send().await?;
        let id = begun.upload_id().ok_or("no upload id")?;
        let parts = stream::unfold((source, Some(first)), |(mut source, held)| async move {
            let part = match held {
                Some(part) => Ok(part),
                None => source.part().await,
            };
            match part {
                Ok(part) if part.is_empty() => None,
                part => Some((part, (source, None))),
            }
        });
        let sent = parts.enumerate().map(|(at, part)| async move { self.part(key, id, at, part?).await });
        let parts: Vec<CompletedPart> = sent.buffered(PARTS_AT_A_TIME).try_collect().await?;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.client.complete_multipart_upload().bucket(&self.bucket).key(key);
        complete.upload_id(id).multipart_upload(parts).send().await?;
        Ok(())
    }

    async fn part(&self, key: &str, id: &str, at: usize, part: Bytes) -> Result<CompletedPart, Failed> {
        let number = i32::try_from(at)? + 1;
        let upload =
            self.client.upload_part().bucket(&self.bucket).key(key).upload_id(id).part_number(number);
        let upload = upload.set_checksum_algorithm(self.checksum.clone()).body(ByteStream::from(part));
        let sent = match self.checksum {
            Some(_) => upload.send().await?,
            None => upload.customize().disable_payload_signing().send().await?,
        };
        let done = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
        Ok(done.set_checksum_crc32_c(sent.checksum_crc32_c).build())
    }
}

fn config(server: &Server) -> Builder {
    let keys = Credentials::new(&server.access_key, &server.secret_key, None, None, "bench");
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(super::REGION))
        .endpoint_url(&server.endpoint)
        .force_path_style(true)
        .credentials_provider(keys)
        .retry_config(RetryConfig::disabled())
}
