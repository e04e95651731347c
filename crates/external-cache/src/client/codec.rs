//! How typed values become bytes: a pluggable codec.

use bytes::Bytes;
use external_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Turns values of type `T` into bytes and back. Its id stands in every stored value, so that what another codec
/// wrote is a miss and not a wrong value.
///
/// ```
/// use bytes::Bytes;
/// use external_cache::Codec;
/// use external_core::{Error, Result};
///
/// /// Big-endian numbers.
/// #[derive(Debug, Clone, Copy)]
/// struct Number;
///
/// impl Codec<u32> for Number {
///     const ID: u8 = 200;
///
///     fn encode(&self, value: &u32) -> Result<Bytes> {
///         Ok(Bytes::copy_from_slice(&value.to_be_bytes()))
///     }
///
///     fn decode(&self, bytes: &Bytes) -> Result<u32> {
///         let bytes = bytes[..].try_into().map_err(|_| Error::corrupt("not four bytes"))?;
///         Ok(u32::from_be_bytes(bytes))
///     }
/// }
/// ```
pub trait Codec<T>: Clone + Send + Sync + 'static {
    /// Its number in stored values: 128 to 255 for codecs of your own.
    const ID: u8;

    /// The bytes of a value.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the value cannot be written this way.
    fn encode(&self, value: &T) -> Result<Bytes>;

    /// The value of some bytes.
    ///
    /// # Errors
    ///
    /// Any: the client takes it as a miss.
    fn decode(&self, bytes: &Bytes) -> Result<T>;
}

/// JSON: the default. Readable by every other program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json;

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    const ID: u8 = 1;

    fn encode(&self, value: &T) -> Result<Bytes> {
        // serde_json's errors may quote the value.
        serde_json::to_vec(value)
            .map(Bytes::from)
            .map_err(|_| Error::invalid_argument("the value cannot be written as JSON"))
    }

    fn decode(&self, bytes: &Bytes) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|_| Error::corrupt("not JSON of this type"))
    }
}

/// Bytes and text as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Raw;

impl Codec<Bytes> for Raw {
    const ID: u8 = 2;

    fn encode(&self, value: &Bytes) -> Result<Bytes> {
        Ok(value.clone())
    }

    fn decode(&self, bytes: &Bytes) -> Result<Bytes> {
        Ok(bytes.clone())
    }
}

impl Codec<Vec<u8>> for Raw {
    const ID: u8 = 2;

    fn encode(&self, value: &Vec<u8>) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value))
    }

    fn decode(&self, bytes: &Bytes) -> Result<Vec<u8>> {
        Ok(bytes.to_vec())
    }
}

impl Codec<String> for Raw {
    const ID: u8 = 2;

    fn encode(&self, value: &String) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value.as_bytes()))
    }

    fn decode(&self, bytes: &Bytes) -> Result<String> {
        String::from_utf8(bytes.to_vec()).map_err(|_| Error::corrupt("not UTF-8"))
    }
}
