//! A file as the body of a request.

use std::path::PathBuf;

use async_trait::async_trait;
use external_core::http::BodySource;
use external_core::{ByteStream, Effect, Error, Result};
use futures_util::StreamExt;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// How much of the file is in memory at a time.
const PIECE: usize = 64 << 10;

/// A file as the body of a request, read anew for each attempt.
///
/// ```no_run
/// # async fn upload(http: external_http::HttpClient) -> external_http::Result<()> {
/// use external_http::{FileBody, HttpBody, HttpRequest};
///
/// let film = HttpBody::from_source(FileBody::of("film.mp4").await?);
/// http.send(&HttpRequest::put("https://films.example.org/7")?.with_body(film)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FileBody {
    path: PathBuf,
    length: u64,
}

impl FileBody {
    /// The file as it is now: what grows afterwards is sent up to this length.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it cannot be read.
    pub async fn of(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let length = tokio::fs::metadata(&path).await.map_err(unreadable)?.len();
        Ok(Self { path, length })
    }
}

#[async_trait]
impl BodySource for FileBody {
    fn length(&self) -> Option<u64> {
        Some(self.length)
    }

    async fn open(&self) -> Result<ByteStream> {
        let file = File::open(&self.path).await.map_err(unreadable)?.take(self.length);
        Ok(ByteStream::new(ReaderStream::with_capacity(file, PIECE).map(|piece| piece.map_err(unreadable))))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unreadable(error: std::io::Error) -> Error {
    Error::invalid_argument("the file of a request's body cannot be read")
        .with_effect(Effect::NotSent)
        .with_source(error)
}
