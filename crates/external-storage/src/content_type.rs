//! The media type that a key's extension suggests.

/// The media type that `name` suggests by its extension; `None` where it suggests none. Letter case does not
/// matter.
#[must_use]
pub fn guess(name: &str) -> Option<&'static str> {
    let (stem, extension) = name.rsplit('/').next()?.rsplit_once('.')?;
    if stem.is_empty() || extension.len() > 8 {
        return None;
    }
    let extension = extension.to_ascii_lowercase();
    TABLE.iter().find(|(known, _)| known.split(' ').any(|known| known == extension)).map(|(_, media)| *media)
}

/// What services store, as IANA registers it. Text types state UTF-8, which is what this workspace writes.
const TABLE: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg jpeg jpe", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("heic", "image/heic"),
    ("svg", "image/svg+xml"),
    ("bmp", "image/bmp"),
    ("tif tiff", "image/tiff"),
    ("ico", "image/vnd.microsoft.icon"),
    ("txt log", "text/plain; charset=utf-8"),
    ("html htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("md markdown", "text/markdown; charset=utf-8"),
    ("js mjs", "text/javascript; charset=utf-8"),
    ("ics", "text/calendar; charset=utf-8"),
    ("vcf", "text/vcard; charset=utf-8"),
    ("json map", "application/json"),
    ("ndjson jsonl", "application/x-ndjson"),
    ("xml", "application/xml"),
    ("yaml yml", "application/yaml"),
    ("toml", "application/toml"),
    ("sql", "application/sql"),
    ("wasm", "application/wasm"),
    ("pdf", "application/pdf"),
    ("rtf", "application/rtf"),
    ("epub", "application/epub+zip"),
    ("doc", "application/msword"),
    ("xls", "application/vnd.ms-excel"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("eml", "message/rfc822"),
    ("zip", "application/zip"),
    ("gz tgz", "application/gzip"),
    ("zst", "application/zstd"),
    ("bz2", "application/x-bzip2"),
    ("xz", "application/x-xz"),
    ("7z", "application/x-7z-compressed"),
    ("tar", "application/x-tar"),
    ("parquet", "application/vnd.apache.parquet"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("ogg oga opus", "audio/ogg"),
    ("flac", "audio/flac"),
    ("wav", "audio/wav"),
    ("mp4 m4v", "video/mp4"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
    ("mpeg mpg", "video/mpeg"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_by_the_last_extension() {
        assert_eq!(guess("a/b.tar.GZ"), Some("application/gzip"));
        assert_eq!(guess("portraits/ada.png"), Some("image/png"));
        for name in ["a.b/c", "png", ".png", "a.", "a.unheard-of", ""] {
            assert_eq!(guess(name), None, "{name}");
        }
    }
}
