//! Takes away what was written: a full run writes tens of GiB, and MinIO refuses to write to a disk that is nearly full.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::MultipartUpload;

use crate::stores::{Failed, Sdk, Server};

/// MinIO answers before the files are gone; whoever is next should not pay for them.
const SETTLING: Duration = Duration::from_millis(300);

/// The bucket, for what is not measured.
#[derive(Clone)]
pub(crate) struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    pub(crate) fn new(server: &Server) -> Self {
        Self { client: Sdk::client(server), name: server.bucket.clone() }
    }

    /// Removes every object below a folder, and what failed uploads left there; then lets the server settle.
    pub(crate) async fn clear(&self, folder: &str) -> Result<(), Failed> {
        self.abort_uploads(folder).await?;
        // MinIO moves what is deleted or overwritten to a trash, which it empties every 5 minutes; this header of its own
        // takes the whole folder away at once.
        let delete = self.client.delete_object().bucket(&self.name).key(folder).customize();
        let force = delete.mutate_request(|request| {
            request.headers_mut().insert("x-minio-force-delete", "true");
        });
        force.send().await?;
        tokio::time::sleep(SETTLING).await;
        Ok(())
    }

    /// MinIO lists unfinished uploads by whole keys alone: all are asked for, and sorted out here.
    async fn abort_uploads(&self, folder: &str) -> Result<(), Failed> {
        let listed = self.client.list_multipart_uploads().bucket(&self.name).send().await?;
        let is_below = |upload: &&MultipartUpload| upload.key().is_some_and(|key| key.starts_with(folder));
        for upload in listed.uploads().iter().filter(is_below) {
            let abort = self.client.abort_multipart_upload().bucket(&self.name);
            abort.set_key(upload.key.clone()).set_upload_id(upload.upload_id.clone()).send().await?;
        }
        Ok(())
    }
}
