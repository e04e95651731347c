//! Our values as S3 writes them, and back.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::SystemTime;

use aws_sdk_s3::primitives::DateTime;
use aws_smithy_types::base64;
use external_core::storage::{
    ByteRange, Checksum, ObjectKey, PageToken, PartToken, UploadId, VersionId, VersionToken,
};
use external_core::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but what RFC 3986 section 2.3 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a path.
const PATH: &AsciiSet = &RESERVED.remove(b'/');

pub(super) fn lacking(what: &'static str) -> Error {
    Error::corrupt("the answer lacks what it must hold").with_context("field", what)
}

pub(super) fn token(tag: Option<String>) -> Result<VersionToken> {
    tag.map(VersionToken::new).ok_or_else(|| lacking("ETag"))
}

/// Stands for a part's content by its tag and the CRC-32C it travelled with, which completing asks for again.
pub(super) fn part_token(tag: Option<String>, sum: Option<&str>) -> Result<PartToken> {
    let tag = tag.ok_or_else(|| lacking("ETag"))?;
    Ok(PartToken::new(format!("{tag} {}", sum.unwrap_or_default()).trim_end()))
}

/// The tag and the CRC-32C of [`part_token`].
pub(super) fn tag_and_sum(token: &PartToken) -> (&str, Option<&str>) {
    match token.as_str().split_once(' ') {
        Some((tag, sum)) => (tag, Some(sum)),
        None => (token.as_str(), None),
    }
}

pub(super) fn upload_id(id: Option<String>) -> Result<UploadId> {
    id.map(UploadId::new).ok_or_else(|| lacking("UploadId"))
}

/// A bucket without versioning names none, or `null`.
pub(super) fn version(id: Option<String>, versioned: bool) -> Option<VersionId> {
    id.filter(|_| versioned).map(VersionId::new)
}

pub(super) fn time(time: Option<DateTime>) -> Option<SystemTime> {
    time.and_then(|time| SystemTime::try_from(time).ok())
}

pub(super) fn size(bytes: Option<i64>) -> Result<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).ok_or_else(|| lacking("size"))
}

/// Whether a key can stand in an XML 1.0 document at all, escaped or not.
/// <https://www.w3.org/TR/xml/#charsets>
pub(super) fn fits_xml(key: &ObjectKey) -> bool {
    key.as_str().chars().all(|c| !matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}'))
}

/// A key as another writer may have made it: what is no key of ours cannot be told of.
pub(super) fn key(text: Option<&str>, encoded: bool) -> Option<ObjectKey> {
    ObjectKey::parse(&decoded(text?, encoded)?).ok()
}

/// A text of a listing. `encoding-type=url` is form encoding: a space comes as `+`.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
pub(super) fn decoded(text: &str, encoded: bool) -> Option<String> {
    if !encoded {
        return Some(text.to_owned());
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(String::from)
}

/// <https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2>. Ranges that select nothing of any object never get here.
pub(super) fn range(range: ByteRange) -> Result<String> {
    match range {
        ByteRange::From(start) => Ok(format!("bytes={start}-")),
        ByteRange::Within { start, end } if start < end => Ok(format!("bytes={start}-{}", end - 1)),
        ByteRange::Suffix(length) if length > 0 => Ok(format!("bytes=-{length}")),
        _ => Err(Error::invalid_argument("the range selects no byte of any object")
            .with_context("range", format_args!("{range:?}"))),
    }
}

/// `bytes 0-9/100`: the range and the size of the whole.
pub(super) fn content_range(header: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    Some((first.parse().ok()?..end, size.parse().ok()?))
}

pub(super) fn crc32c(sum: u32) -> String {
    base64::encode(sum.to_be_bytes())
}

pub(super) fn sha256(sum: [u8; 32]) -> String {
    base64::encode(sum)
}

/// The checksum of the whole object. One of parts (`…-3`) says nothing about the bytes as they are read.
pub(super) fn checksum(crc32c: Option<&str>, sha256: Option<&str>) -> Option<Checksum> {
    let bytes = |text: &str| base64::decode(text).ok();
    let long = sha256.and_then(bytes).and_then(|sum| <[u8; 32]>::try_from(sum).ok()).map(Checksum::Sha256);
    let short = || crc32c.and_then(bytes).and_then(|sum| <[u8; 4]>::try_from(sum).ok());
    long.or_else(|| short().map(|sum| Checksum::Crc32c(u32::from_be_bytes(sum))))
}

/// Values beyond ASCII travel as encoded words (RFC 2047), the one form that S3 keeps as it is.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
pub(super) fn metadata(values: &BTreeMap<String, String>) -> Option<HashMap<String, String>> {
    let text = |value: &String| {
        let plain = value.is_ascii() && !value.contains("=?") && value.trim() == value;
        if plain { value.clone() } else { format!("=?UTF-8?B?{}?=", base64::encode(value)) }
    };
    (!values.is_empty()).then(|| values.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

pub(super) fn metadata_back(values: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    let pairs = values.into_iter().flatten();
    pairs.map(|(name, value)| (name, words(&value).unwrap_or(value))).collect()
}

/// The text of encoded words, or none if `value` is not made of them.
fn words(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    for word in value.split_ascii_whitespace() {
        let (charset, rest) = word.strip_prefix("=?")?.strip_suffix("?=")?.split_once('?')?;
        let (encoding, text) = rest.split_once('?')?;
        if !charset.eq_ignore_ascii_case("utf-8") {
            return None;
        }
        match encoding {
            "B" | "b" => bytes.extend(base64::decode(text).ok()?),
            "Q" | "q" => bytes.extend(quoted(text)?),
            _ => return None,
        }
    }
    (!bytes.is_empty()).then(|| String::from_utf8(bytes).ok())?
}

/// RFC 2047 section 4.2.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let percent = text.replace('%', "%25").replace('_', " ").replace('=', "%");
    Some(percent_decode_str(&percent).collect())
}

/// `name=value&…`, as `x-amz-tagging` takes it.
pub(super) fn tagging(tags: &BTreeMap<String, String>) -> Option<String> {
    let text = |text| utf8_percent_encode(text, RESERVED).to_string();
    let pairs = tags.iter().map(|(name, value)| format!("{}={}", text(name), text(value)));
    (!tags.is_empty()).then(|| pairs.collect::<Vec<_>>().join("&"))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>, `x-amz-copy-source`. Through the ARN of an access
/// point an object has an ARN of its own.
pub(super) fn copy_source(bucket: &str, key: &ObjectKey, version: Option<&VersionId>) -> String {
    let between = if bucket.starts_with("arn:") { "/object/" } else { "/" };
    let bucket = utf8_percent_encode(bucket, PATH);
    let path = utf8_percent_encode(key.as_str(), PATH);
    let source = format!("{bucket}{between}{path}");
    match version {
        Some(version) => format!("{source}?versionId={}", utf8_percent_encode(version.as_str(), RESERVED)),
        None => source,
    }
}

/// Two markers as one token: where a listing of uploads or versions goes on.
pub(super) fn marker_token(key: Option<String>, other: Option<&str>) -> Option<PageToken> {
    let text = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    key.map(|key| PageToken::new(format!("{}&{}", text(&key), text(other.unwrap_or_default()))))
}

/// The markers to go on from; none at the beginning.
pub(super) fn go_on(token: Option<&PageToken>) -> Result<(Option<String>, Option<String>)> {
    Ok(match token.map(markers).transpose()? {
        Some((key, other)) => (Some(key), other),
        None => (None, None),
    })
}

/// Where a listing goes on that was read as a page: with its token, or not at all. The SDK reads any document that has
/// neither the bucket's name nor `IsTruncated` as an empty page; and one that says that more follows, and not where, is of a
/// store that speaks another listing than it was asked in.
pub(super) fn next_page<T>(named: bool, truncated: Option<bool>, token: Option<T>) -> Result<Option<T>> {
    match (truncated, token) {
        (None, _) if !named => Err(lacking("IsTruncated")),
        (Some(true), None) => Err(lacking("the token of the next page")),
        (Some(false), _) => Ok(None),
        (_, token) => Ok(token),
    }
}

/// The markers of [`marker_token`]; the second is empty where there was none.
pub(super) fn markers(token: &PageToken) -> Result<(String, Option<String>)> {
    let refused = || Error::invalid_argument("not a token that this store gave");
    let (key, other) = token.as_str().split_once('&').ok_or_else(refused)?;
    let text = |text| percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| refused());
    Ok((text(key)?, Some(text(other)?).filter(|other| !other.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn metadata_of_every_kind_comes_back() {
        let values =
            map(&[("plain", "a b"), ("far", "Ada 鍵 ü"), ("padded", " x "), ("posing", "=?UTF-8?B?eA==?=")]);
        let sent = metadata(&values).unwrap();
        assert_eq!(sent["plain"], "a b");
        assert!(sent.values().all(|value| value.is_ascii()));
        assert_eq!(metadata_back(Some(sent)), values);
    }

    /// The second and third forms are those of the vendor's page on metadata.
    #[test]
    fn encoded_words_are_read_in_both_encodings_and_in_pieces() {
        assert_eq!(words("=?UTF-8?B?w4RNw4Raw5XDkSBTMw==?=").as_deref(), Some("ÄMÄZÕÑ S3"));
        assert_eq!(words("=?utf-8?Q?=C3=84_100%?=").as_deref(), Some("Ä 100%"));
        assert_eq!(words("=?UTF-8?B?w4Q=?= =?UTF-8?B?w5w=?=").as_deref(), Some("ÄÜ"));
        for no in ["plain", "=?UTF-8?X?eA==?=", "=?latin-1?B?eA==?=", ""] {
            assert_eq!(words(no), None, "{no}");
        }
    }

    #[test]
    fn only_checksums_of_the_whole_count() {
        assert_eq!(checksum(Some("4waSgw=="), None), Some(Checksum::Crc32c(0xe306_9283)));
        assert_eq!(checksum(Some("4waSgw==-2"), None), None);
        assert_eq!(crc32c(0xe306_9283), "4waSgw==");
    }

    #[test]
    fn texts_of_listings_are_form_encoded() {
        assert_eq!(decoded("a+b%2Bc%25/%E9%8D%B5", true).as_deref(), Some("a b+c%/鍵"));
        assert_eq!(decoded("a+b", false).as_deref(), Some("a+b"));
        assert!(key(Some("folder/"), true).is_none(), "a marker that tools make is no object of ours");
    }

    #[test]
    fn ranges_as_headers() {
        assert_eq!(range(ByteRange::from(0..10)).unwrap(), "bytes=0-9");
        assert_eq!(range(ByteRange::Suffix(3)).unwrap(), "bytes=-3");
        assert!(range(ByteRange::Suffix(0)).is_err());
        assert!(range(ByteRange::Within { start: 3, end: 3 }).is_err());
        assert_eq!(content_range("bytes 2-4/10"), Some((2..5, 10)));
        assert_eq!(content_range("bytes */10"), None);
    }

    #[test]
    fn more_entries_that_nobody_can_ask_for_are_no_end() {
        assert_eq!(next_page(true, Some(true), Some(1)).unwrap(), Some(1));
        assert_eq!(next_page(true, Some(false), Some(1)).unwrap(), None);
        assert_eq!(next_page(true, None, Some(1)).unwrap(), Some(1), "some stores leave it out");
        assert_eq!(next_page::<u8>(false, Some(false), None).unwrap(), None);
        assert!(next_page::<u8>(true, Some(true), None).is_err());
        assert!(next_page(false, None, Some(1)).is_err());
    }

    #[test]
    fn markers_round_trip() {
        let token = marker_token(Some("a&b%c".to_owned()), None).unwrap();
        assert_eq!(markers(&token).unwrap(), ("a&b%c".to_owned(), None));
        let token = marker_token(Some("k".to_owned()), Some("v&")).unwrap();
        assert_eq!(markers(&token).unwrap(), ("k".to_owned(), Some("v&".to_owned())));
        assert!(markers(&PageToken::new("foreign")).is_err());
    }

    #[test]
    fn sources_and_tags_are_encoded() {
        let key = ObjectKey::parse("a b/ü+").unwrap();
        assert_eq!(copy_source("bucket", &key, None), "bucket/a%20b/%C3%BC%2B");
        let january = ObjectKey::parse("reports/january.pdf").unwrap();
        let point = "arn:aws:s3:us-west-2:123456789012:accesspoint/my-access-point";
        assert_eq!(
            copy_source(point, &january, Some(&VersionId::new("a/b"))),
            "arn%3Aaws%3As3%3Aus-west-2%3A123456789012%3Aaccesspoint/my-access-point/object/reports/january.pdf?versionId=a%2Fb"
        );
        assert_eq!(tagging(&map(&[("a&b", "c=d e")])).as_deref(), Some("a%26b=c%3Dd%20e"));
        assert_eq!(tagging(&map(&[])), None);
    }
}
