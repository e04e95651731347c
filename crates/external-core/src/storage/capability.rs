//! What a store may be able to do, by name, and the one answer to whether it can.

use super::StorageService;
use crate::Capability;

/// Every capability of the domain: its id, and what it means. Options are declared in `info()`; facets are there
/// or not.
pub const CAPABILITIES: &[(&str, &str)] = &[
    ("range", "reads of a part, by offsets"),
    ("suffix-range", "reads of the last so many bytes"),
    ("if-match", "reads only if the content is the one named"),
    ("if-none-match", "reads only if the content is another one than named"),
    ("content-headers", "content type, cache control, disposition, encoding and language are stored"),
    ("metadata", "user metadata is stored"),
    ("create-only", "put fails if the key holds an object"),
    ("compare-and-swap", "put fails if the key does not hold the content named"),
    ("checksum", "CRC-32C and SHA-256 are verified on write and on whole reads"),
    ("delete-if-match", "delete fails if the key does not hold the content named"),
    ("delete-batch", "many objects are deleted in one exchange"),
    ("list-delimiter", "listings fold keys into common prefixes"),
    ("list-start-after", "listings begin behind a text"),
    ("multipart", "objects are written in parts"),
    ("multipart-create-only", "completing an upload fails if the key holds an object"),
    ("multipart-compare-and-swap", "completing an upload fails if the key does not hold the content named"),
    ("multipart-sha256", "a SHA-256 of the whole is verified when an upload is completed"),
    ("list-uploads", "unfinished uploads are listed"),
    ("presign-get", "links that read an object"),
    ("presign-put", "links that store an object"),
    ("copy", "objects are copied without their bytes passing through the caller"),
    ("copy-create-only", "copy fails if the destination holds an object"),
    ("copy-compare-and-swap", "copy fails if the destination does not hold the content named"),
    ("tags", "tags are stored, read and replaced"),
    ("versions", "old versions are kept, read, listed, deleted and restored"),
];

/// The names of the operations: what a policy may say for each.
pub const OPERATIONS: &[&str] = &[
    "put",
    "get",
    "head",
    "delete",
    "delete_batch",
    "list_page",
    "begin_multipart",
    "put_part",
    "complete_multipart",
    "abort_multipart",
    "list_uploads",
    "presign",
    "copy",
    "get_tags",
    "put_tags",
    "list_versions",
    "delete_version",
    "restore_version",
];

/// Limits a store may declare: id and meaning. A limit that is not declared is not there.
pub const LIMITS: &[(&str, &str)] = &[
    ("put-bytes-max", "bytes in one put"),
    ("object-bytes-max", "bytes in an object"),
    ("part-bytes-min", "bytes in a part that is not the last"),
    ("part-bytes-max", "bytes in a part"),
    ("parts-max", "the highest part number"),
    ("copy-bytes-max", "bytes in one copy or in a version that is restored"),
    ("delete-batch-max", "keys in one delete_batch"),
    ("list-page-max", "entries on one page"),
    ("presign-seconds-max", "seconds a link may be valid"),
];

/// How `service` offers the capability `id`: by the facet's accessor where it belongs to a facet, and by
/// `info()`. An id that is not in [`CAPABILITIES`] is unsupported.
#[must_use]
pub fn supports(service: &dyn StorageService, id: &str) -> Capability {
    let present = match id {
        "multipart"
        | "multipart-create-only"
        | "multipart-compare-and-swap"
        | "multipart-sha256"
        | "list-uploads" => service.multipart().is_some(),
        "presign-get" | "presign-put" => service.presigner().is_some(),
        "copy" | "copy-create-only" | "copy-compare-and-swap" => service.copier().is_some(),
        "tags" => service.tags().is_some(),
        "versions" => service.versions().is_some(),
        _ => CAPABILITIES.iter().any(|(known, _)| *known == id),
    };
    if present { service.info().capabilities().grade(id) } else { Capability::Unsupported }
}
