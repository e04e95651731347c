//! Bodies of requests: whatever they are made of, they can be sent again.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{ByteStream, Result};

/// The body of a request. Cloning is cheap, and each attempt sends it from its beginning.
#[derive(Clone, Default)]
pub struct HttpBody(Kind);

#[derive(Clone, Default)]
enum Kind {
    #[default]
    Empty,
    Bytes(Bytes),
    Source(Arc<dyn BodySource>),
}

/// What a body is made of where it is not in memory: a file, a generator.
#[async_trait]
pub trait BodySource: Send + Sync {
    /// How many bytes there are; `None` if that shows only at the end.
    fn length(&self) -> Option<u64>;

    /// The bytes, from the first one: an attempt each.
    ///
    /// # Errors
    ///
    /// What keeps the source from being read. Nothing was sent by then.
    async fn open(&self) -> Result<ByteStream>;
}

impl HttpBody {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A body from a source.
    #[must_use]
    pub fn from_source(source: impl BodySource + 'static) -> Self {
        Self(Kind::Source(Arc::new(source)))
    }

    /// A body that `make` makes anew for each attempt; `length` says how long it is, if that is known.
    ///
    /// ```
    /// use external_core::ByteStream;
    /// use external_core::http::HttpBody;
    ///
    /// let body = HttpBody::from_factory(Some(5), || ByteStream::from_bytes("hello".into()));
    /// assert_eq!(body.length(), Some(5));
    /// ```
    #[must_use]
    pub fn from_factory(length: Option<u64>, make: impl Fn() -> ByteStream + Send + Sync + 'static) -> Self {
        Self::from_source(Factory { length, make })
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Kind::Empty)
    }

    /// How many bytes there are; `None` if that shows only at the end.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Kind::Empty => Some(0),
            Kind::Bytes(bytes) => Some(bytes.len() as u64),
            Kind::Source(source) => source.length(),
        }
    }

    /// The bytes, where they are in memory: what a signature over the body is made from.
    #[must_use]
    pub fn as_bytes(&self) -> Option<Bytes> {
        match &self.0 {
            Kind::Empty => Some(Bytes::new()),
            Kind::Bytes(bytes) => Some(bytes.clone()),
            Kind::Source(_) => None,
        }
    }

    /// The bytes, from the first one.
    ///
    /// # Errors
    ///
    /// What keeps the source from being read.
    pub async fn open(&self) -> Result<ByteStream> {
        match &self.0 {
            Kind::Empty => Ok(ByteStream::from_bytes(Bytes::new())),
            Kind::Bytes(bytes) => Ok(ByteStream::from_bytes(bytes.clone())),
            Kind::Source(source) => source.open().await,
        }
    }
}

impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBody").field("length", &self.length()).finish_non_exhaustive()
    }
}

impl From<Bytes> for HttpBody {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Bytes(bytes))
    }
}

impl From<Vec<u8>> for HttpBody {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for HttpBody {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for HttpBody {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

struct Factory<F> {
    length: Option<u64>,
    make: F,
}

#[async_trait]
impl<F: Fn() -> ByteStream + Send + Sync> BodySource for Factory<F> {
    fn length(&self) -> Option<u64> {
        self.length
    }

    async fn open(&self) -> Result<ByteStream> {
        Ok((self.make)())
    }
}
