//! What stands around a typed value: which codec and schema wrote it, until when it is fresh, which tags it bears.
//!
//! ```text
//! EC 01 | codec: u8 | schema: u16 | flags: u8 | [fresh until: u64 ms] | [tags] | payload      (big-endian)
//! tags: count: u8, then for each: length: u16, name, generation: u64
//! ```
//!
//! What cannot be read is no error but a miss: a rolling deployment must not fail on what the other half wrote.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const MAGIC: [u8; 2] = [0xEC, 1];
const HEAD: usize = 6;
const ABSENT: u8 = 1;
const FRESH_UNTIL: u8 = 2;
const TAGGED: u8 = 4;

/// A tag and the generation it had when the value was made.
pub(super) type Stamp = (String, u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) codec: u8,
    pub(super) schema: u16,
    /// When the value stops being fresh, in milliseconds since 1970; `None`: as long as it is there.
    pub(super) fresh_until: Option<u64>,
    pub(super) tags: Vec<Stamp>,
    /// `None`: it is known that there is no such thing.
    pub(super) payload: Option<Bytes>,
}

/// How every envelope begins.
fn head(codec: u8, schema: u16, flags: u8) -> [u8; HEAD] {
    let [magic, version] = MAGIC;
    let [high, low] = schema.to_be_bytes();
    [magic, version, codec, high, low, flags]
}

/// The payload of a value with neither end of freshness nor tags, which its head alone tells; else the bytes as they were.
#[inline]
pub(super) fn plain_payload(mut sealed: Bytes, codec: u8, schema: u16) -> Result<Bytes, Bytes> {
    if sealed.first_chunk() == Some(&head(codec, schema, 0)) {
        sealed.advance(HEAD);
        Ok(sealed)
    } else {
        Err(sealed)
    }
}

impl Envelope {
    pub(super) fn seal(&self) -> Bytes {
        let payload = self.payload.as_deref().unwrap_or_default();
        let mut bytes = BytesMut::with_capacity(payload.len() + 64);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.payload.is_none(), ABSENT)
            | flag(self.fresh_until.is_some(), FRESH_UNTIL)
            | flag(!self.tags.is_empty(), TAGGED);
        bytes.put_slice(&head(self.codec, self.schema, flags));
        if let Some(until) = self.fresh_until {
            bytes.put_u64(until);
        }
        if !self.tags.is_empty() {
            // Both lengths were checked when the tags were parsed.
            bytes.put_u8(u8::try_from(self.tags.len()).unwrap_or(u8::MAX));
            for (name, generation) in &self.tags {
                bytes.put_u16(u16::try_from(name.len()).unwrap_or(u16::MAX));
                bytes.put_slice(name.as_bytes());
                bytes.put_u64(*generation);
            }
        }
        bytes.put_slice(payload);
        bytes.freeze()
    }

    /// `None` if this is no envelope, or one of a later version.
    pub(super) fn open(mut bytes: Bytes) -> Option<Self> {
        let &[magic, version, codec, high, low, flags] = bytes.first_chunk()?;
        if [magic, version] != MAGIC {
            return None;
        }
        bytes.advance(HEAD);
        let schema = u16::from_be_bytes([high, low]);
        if flags & !(ABSENT | FRESH_UNTIL | TAGGED) != 0 {
            return None;
        }
        let fresh_until = match flags & FRESH_UNTIL {
            0 => None,
            _ => Some(bytes.try_get_u64().ok()?),
        };
        let mut tags = Vec::new();
        if flags & TAGGED != 0 {
            for _ in 0..bytes.try_get_u8().ok()? {
                let length = usize::from(bytes.try_get_u16().ok()?);
                if bytes.remaining() < length {
                    return None;
                }
                let name = String::from_utf8(bytes.split_to(length).to_vec()).ok()?;
                tags.push((name, bytes.try_get_u64().ok()?));
            }
        }
        let payload = (flags & ABSENT == 0).then_some(bytes);
        Some(Self { codec, schema, fresh_until, tags, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Envelope {
        Envelope {
            codec: 1,
            schema: 513,
            fresh_until: Some(1_700_000_000_000),
            tags: vec![("user:1".into(), 7), ("é".into(), u64::MAX)],
            payload: Some(Bytes::from_static(b"{\"a\":1}")),
        }
    }

    #[test]
    fn what_was_sealed_can_be_opened() {
        let plain = Envelope { fresh_until: None, tags: vec![], ..full() };
        let absent = Envelope { payload: None, ..plain.clone() };
        for envelope in [full(), plain, absent] {
            assert_eq!(Envelope::open(envelope.seal()), Some(envelope));
        }
    }

    #[test]
    fn what_is_cut_short_or_foreign_is_no_envelope_and_no_panic() {
        let sealed = full().seal();
        for length in 0..sealed.len() - 7 {
            assert_eq!(Envelope::open(sealed.slice(..length)), None, "{length}");
        }
        assert_eq!(Envelope::open(Bytes::from_static(b"{\"plain\":\"json\"}")), None);
        let mut later = BytesMut::from(&sealed[..]);
        later[1] = 2;
        assert_eq!(Envelope::open(later.freeze()), None);
    }
}
