//! Is it an image? PNG and JPEG are walked from their first byte to their last, so that a text file with the
//! right name, a truncated upload or a wrong checksum is found before anything is stored.

use std::fmt;

/// A portrait that was found to be an image.
#[derive(Clone)]
pub(crate) struct Portrait {
    pub(crate) bytes: bytes::Bytes,
    pub(crate) format: Format,
    /// Width and height in pixels.
    pub(crate) size: (u32, u32),
}

/// The formats that portraits may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Jpeg,
}

impl Format {
    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// The usual file extension.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
        }
    }
}

impl fmt::Debug for Portrait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = self.size;
        write!(f, "{} {width}x{height}, {} bytes", self.format.content_type(), self.bytes.len())
    }
}

impl Portrait {
    /// Checks the bytes.
    ///
    /// # Errors
    ///
    /// What is wrong, in a sentence that can follow "is not an image that can be used: ".
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let (format, size) = if bytes.starts_with(PNG) {
            (Format::Png, png(&bytes)?)
        } else if bytes.starts_with(&[0xFF, 0xD8]) {
            (Format::Jpeg, jpeg(&bytes)?)
        } else if bytes.is_empty() {
            return Err("the file is empty".into());
        } else {
            return Err("it starts neither like a PNG nor like a JPEG".into());
        };
        if size.0 == 0 || size.1 == 0 {
            return Err("its width or height is zero".into());
        }
        Ok(Self { bytes: bytes.into(), format, size })
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Walks the chunks: length, type, data, checksum; IHDR first, IEND last.
fn png(bytes: &[u8]) -> Result<(u32, u32), String> {
    let mut rest = &bytes[PNG.len()..];
    let mut size = None;
    loop {
        let Some((length, after)) = rest.split_first_chunk::<4>() else {
            return Err("the PNG ends before its last chunk".into());
        };
        let length = u32::from_be_bytes(*length) as usize;
        let (Some(body), Some(sum)) = (after.get(..length + 4), after.get(length + 4..length + 8)) else {
            return Err("the PNG ends in the middle of a chunk".into());
        };
        let (kind, data) = body.split_at(4);
        if crc32fast::hash(body).to_be_bytes() != sum {
            return Err(format!("the checksum of the PNG chunk {} is wrong", kind.escape_ascii()));
        }
        match (kind, size) {
            (b"IHDR", None) => size = Some((be32(data, 0)?, be32(data, 4)?)),
            (b"IEND", Some(size)) => return Ok(size),
            (_, Some(_)) => {}
            (_, None) => return Err("the PNG does not start with its header".into()),
        }
        rest = &after[length + 8..];
    }
}

/// Walks the segments up to the picture data, which must end with the end mark.
fn jpeg(bytes: &[u8]) -> Result<(u32, u32), String> {
    let mut rest = &bytes[2..];
    let mut size = None;
    loop {
        let &[0xFF, marker, high, low, ..] = rest else {
            return Err("the JPEG ends before its picture, or a segment is broken".into());
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(segment) = rest.get(4..length + 2) else {
            return Err("the JPEG ends in the middle of a segment".into());
        };
        match marker {
            // Start of frame, but for the three markers between them that mean something else.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                let &[_, h1, h2, w1, w2, ..] = segment else {
                    return Err("the frame header of the JPEG is too short".into());
                };
                size = Some((u16::from_be_bytes([w1, w2]).into(), u16::from_be_bytes([h1, h2]).into()));
            }
            0xDA => break,
            _ => {}
        }
        rest = &rest[length + 2..];
    }
    if !bytes.ends_with(&[0xFF, 0xD9]) {
        return Err("the JPEG has no end: it is truncated".into());
    }
    size.ok_or_else(|| "the JPEG has no frame header".into())
}

fn be32(data: &[u8], at: usize) -> Result<u32, String> {
    match data.get(at..).and_then(|data| data.first_chunk::<4>()) {
        Some(bytes) => Ok(u32::from_be_bytes(*bytes)),
        None => Err("the header of the PNG is too short".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/data/portraits/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn refused(bytes: impl Into<Vec<u8>>) -> String {
        Portrait::parse(bytes.into()).unwrap_err()
    }

    #[test]
    fn takes_both_formats_and_knows_their_size() {
        let jpeg = Portrait::parse(read("01-ada.jpg")).unwrap();
        assert_eq!((jpeg.format, jpeg.size), (Format::Jpeg, (112, 112)));
        let png = Portrait::parse(read("03-zoe-odegard.png")).unwrap();
        assert_eq!((png.format, png.size), (Format::Png, (112, 112)));
    }

    #[test]
    fn refuses_what_is_no_image() {
        assert_eq!(refused(""), "the file is empty");
        assert_eq!(refused("hello"), "it starts neither like a PNG nor like a JPEG");
        assert_eq!(refused("GIF89a"), "it starts neither like a PNG nor like a JPEG");
    }

    #[test]
    fn refuses_every_truncation_and_survives_every_flipped_byte() {
        for name in ["01-ada.jpg", "03-zoe-odegard.png"] {
            let whole = read(name);
            for length in 0..whole.len() {
                assert!(Portrait::parse(whole[..length].to_vec()).is_err(), "{name} cut to {length}");
            }
            for at in 0..whole.len() {
                let mut broken = whole.clone();
                broken[at] ^= 0xFF;
                drop(Portrait::parse(broken));
            }
        }
        let mut broken = read("03-zoe-odegard.png");
        let middle = broken.len() / 2;
        broken[middle] ^= 1;
        assert!(refused(broken).starts_with("the checksum of the PNG chunk "));
    }
}
