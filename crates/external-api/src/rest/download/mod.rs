//! Downloads to files, which go on where they broke off and are there as a whole or not at all.

mod part;
mod range;
mod running;

use std::path::PathBuf;

use external_core::{Error, Result};
use http::Method;
use http::header::RANGE;
use running::Running;

use super::client::named;
use super::{RestClient, RestRequest, Validators};

/// Where a download goes, and what it is held against.
///
/// Its bytes are collected in a file beside the target, which takes the target's place when all are there: who opens the
/// target finds the old content or the new. Bytes of two versions are never mixed: what is there is gone on with only if
/// the server says that it is the same version still, by a strong entity tag, and starts anew otherwise.
///
/// What a failed download has got stays in that file, if its version has such a tag, and the next download of the same
/// URL to the same target goes on there. Without a tag it is removed.
#[derive(Debug, Clone)]
pub struct Download {
    target: PathBuf,
    length: Option<u64>,
    sha256: Option<[u8; 32]>,
    limit: u64,
}

impl Download {
    /// To this file, which is replaced if it is there.
    #[must_use]
    pub fn to(target: impl Into<PathBuf>) -> Self {
        Self { target: target.into(), length: None, sha256: None, limit: u64::MAX }
    }

    /// It has so many bytes. Without this the length is the one that the server tells, if it does.
    #[must_use]
    pub fn with_length(mut self, bytes: u64) -> Self {
        self.length = Some(bytes);
        self
    }

    /// Its SHA-256.
    #[must_use]
    pub fn with_sha256(mut self, digest: [u8; 32]) -> Self {
        self.sha256 = Some(digest);
        self
    }

    /// The most bytes; more is `PayloadTooLarge`. Default: any number.
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }
}

/// What was downloaded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Downloaded {
    /// How many bytes the file has.
    pub bytes: u64,
    /// How many of them were there already, from an earlier download.
    pub found: u64,
    /// How many requests it took.
    pub requests: u32,
    /// What tells this version.
    pub validators: Validators,
    /// How the bytes are encoded, if they are: the server did so unasked, and the file is as they came.
    pub content_encoding: Option<String>,
}

impl RestClient {
    /// Downloads what a `GET` answers into a file.
    ///
    /// Where the transfer breaks off the rest is asked for (`Range`, `If-Range`), as long as each request brings something.
    /// A timeout of the request is for each head; a transfer ends where it stalls. With a
    /// [transfer deadline](crate::CallOptions::with_transfer_deadline) all of it has to be over by then, in however many
    /// requests; what came in time stays, as after any other failure.
    ///
    /// ```no_run
    /// # async fn download(rest: external_api::rest::RestClient) -> external_api::Result<()> {
    /// use external_api::rest::{Download, RestRequest};
    ///
    /// let film = RestRequest::get("/films/{id}/file").with_parameter("id", 7);
    /// let done = rest.download(&film, Download::to("film.mp4").with_limit(10 << 30)).await?;
    /// println!("{} bytes", done.bytes);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and what broke the transfer; `Corrupt` for another length or SHA-256 than expected;
    /// `PayloadTooLarge` beyond the limit; `Conflict` while another download writes the same file; `InvalidArgument` for
    /// what is no `GET` or asks for a range itself; `Unexpected` for a file that cannot be written.
    pub async fn download(&self, request: &RestRequest, download: Download) -> Result<Downloaded> {
        let name = request.name();
        let request = self.to_http(request.clone())?.streamed();
        if request.method != Method::GET || request.headers.contains_key(RANGE) {
            return Err(Error::invalid_argument("a download is a GET of a whole"));
        }
        Running::new(self, request, download).run().await.map_err(|error| named(error, name))
    }
}
