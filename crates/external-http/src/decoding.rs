//! Bodies that the server compressed, as they were before.

use std::io;

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use external_core::{ByteStream, Error, Result};
use futures_core::Stream;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use tokio_util::io::{ReaderStream, StreamReader};

/// The body as it was before it was compressed; the header fields then tell of that one.
pub(crate) fn decoded(headers: &mut HeaderMap, body: ByteStream) -> ByteStream {
    let is_gzip = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip") || encoding == "x-gzip");
    if !is_gzip {
        return body;
    }
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    ByteStream::new(stream::once(unless_empty(body)).flatten())
}

/// The answer to `HEAD` and a 304 tell of a compression and have no body.
async fn unless_empty(mut body: ByteStream) -> ByteStream {
    let first = loop {
        match body.next_chunk().await {
            Ok(Some(chunk)) if chunk.is_empty() => {}
            other => break other,
        }
    };
    match first {
        Ok(None) => body,
        Ok(Some(first)) => ungzipped(stream::iter([Ok(first)]).chain(body)),
        Err(error) => ByteStream::new(stream::iter([Err(error)])),
    }
}

fn ungzipped(body: impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static) -> ByteStream {
    let mut decoder = GzipDecoder::new(StreamReader::new(body.map_err(io::Error::other)));
    decoder.multiple_members(true);
    ByteStream::new(ReaderStream::new(decoder).map(|chunk| chunk.map_err(broken)))
}

/// What broke the body under way stays what it was; anything else is the compression's.
fn broken(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => Error::corrupt("the body is not the gzip that it claims to be").with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::bufread::GzipEncoder;
    use external_core::ErrorKind;
    use http::header::HeaderValue;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn gzipped() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("GZip"))])
    }

    async fn encoded(text: &[u8]) -> Bytes {
        let mut all = Vec::new();
        GzipEncoder::new(text).read_to_end(&mut all).await.unwrap();
        all.into()
    }

    async fn read(chunks: Vec<Result<Bytes>>) -> Result<Bytes> {
        let body = ByteStream::new(stream::iter(chunks));
        decoded(&mut gzipped(), body).collect(u64::MAX).await
    }

    #[tokio::test]
    async fn members_follow_one_another_and_cuts_do_not_matter() {
        let both = [encoded(b"hello ").await, encoded(b"world").await].concat();
        let chunks = both.iter().map(|byte| Ok(Bytes::copy_from_slice(&[*byte]))).collect();
        assert_eq!(read(chunks).await.unwrap(), "hello world");
        assert_eq!(read(Vec::new()).await.unwrap(), "");
    }

    #[tokio::test]
    async fn what_is_no_gzip_or_half_of_it_is_corrupt() {
        let whole = encoded(&[7; 10_000]).await;
        for broken in [Bytes::from_static(b"<html>"), whole.slice(..whole.len() - 4)] {
            assert_eq!(read(vec![Ok(broken)]).await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[tokio::test]
    async fn an_error_under_way_stays_what_it_was() {
        let cut = encoded(b"hello").await.slice(..12);
        let error = read(vec![Ok(cut), Err(Error::unavailable("reset"))]).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "reset"));
    }
}
