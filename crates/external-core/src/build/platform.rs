//! What differs between operating systems: the identity of a file.

use std::fs::Metadata;

/// The inode, where there is one.
#[cfg(unix)]
pub(super) fn identity(meta: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

/// Elsewhere time and length have to do.
#[cfg(not(unix))]
pub(super) fn identity(_: &Metadata) -> u64 {
    0
}
