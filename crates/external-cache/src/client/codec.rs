//! How typed values become bytes: a pluggable codec.

use bytes::Bytes;
use external_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Turns values of type `T` into bytes. Its id stands in every stored value, so that what another codec wrote is a
/// miss and not a wrong value.
///
/// Writing is a trait of its own, since more can be written than read: text that is only borrowed, a slice.
pub trait Encode<T: ?Sized>: Clone + Send + Sync + 'static {
    /// Its number in stored values: 128 to 255 for codecs of your own.
    const ID: u8;

    /// The bytes of a value.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the value cannot be written this way.
    fn encode(&self, value: &T) -> Result<Bytes>;
}

/// Turns values of type `T` into bytes and back.
///
/// ```
/// use bytes::Bytes;
/// use external_cache::{Codec, Encode};
/// use external_core::{Error, Result};
///
/// /// Big-endian numbers.
/// #[derive(Debug, Clone, Copy)]
/// struct Number;
///
/// impl Encode<u32> for Number {
///     const ID: u8 = 200;
///
///     fn encode(&self, value: &u32) -> Result<Bytes> {
///         Ok(Bytes::copy_from_slice(&value.to_be_bytes()))
///     }
/// }
///
/// impl Codec<u32> for Number {
///     fn decode(&self, bytes: Bytes) -> Result<u32> {
///         let bytes = bytes[..].try_into().map_err(|_| Error::corrupt("not four bytes"))?;
///         Ok(u32::from_be_bytes(bytes))
///     }
/// }
/// ```
pub trait Codec<T>: Encode<T> {
    /// The value of some bytes.
    ///
    /// # Errors
    ///
    /// Any: the client takes it as a miss.
    fn decode(&self, bytes: Bytes) -> Result<T>;
}

/// JSON: the default. Readable by every other program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json;

impl<T: Serialize + ?Sized> Encode<T> for Json {
    const ID: u8 = 1;

    fn encode(&self, value: &T) -> Result<Bytes> {
        // serde_json's errors may quote the value.
        serde_json::to_vec(value)
            .map(Bytes::from)
            .map_err(|_| Error::invalid_argument("the value cannot be written as JSON"))
    }
}

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn decode(&self, bytes: Bytes) -> Result<T> {
        serde_json::from_slice(&bytes).map_err(|_| Error::corrupt("not JSON of this type"))
    }
}

/// [`Raw`]'s number, whatever it is given.
const RAW: u8 = 2;

/// Bytes and text as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Raw;

impl Encode<Bytes> for Raw {
    const ID: u8 = RAW;

    fn encode(&self, value: &Bytes) -> Result<Bytes> {
        Ok(value.clone())
    }
}

impl Codec<Bytes> for Raw {
    fn decode(&self, bytes: Bytes) -> Result<Bytes> {
        Ok(bytes)
    }
}

impl Encode<[u8]> for Raw {
    const ID: u8 = RAW;

    fn encode(&self, value: &[u8]) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value))
    }
}

impl Encode<Vec<u8>> for Raw {
    const ID: u8 = RAW;

    fn encode(&self, value: &Vec<u8>) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value))
    }
}

impl Codec<Vec<u8>> for Raw {
    fn decode(&self, bytes: Bytes) -> Result<Vec<u8>> {
        Ok(bytes.into())
    }
}

impl Encode<str> for Raw {
    const ID: u8 = RAW;

    fn encode(&self, value: &str) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value.as_bytes()))
    }
}

impl Encode<String> for Raw {
    const ID: u8 = RAW;

    fn encode(&self, value: &String) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value.as_bytes()))
    }
}

impl Codec<String> for Raw {
    fn decode(&self, bytes: Bytes) -> Result<String> {
        String::from_utf8(bytes.into()).map_err(|_| Error::corrupt("not UTF-8"))
    }
}
