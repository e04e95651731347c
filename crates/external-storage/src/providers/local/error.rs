//! What the operating system says, as our errors: one table.

use std::io;

use external_core::{Effect, Error, Retry};
use rustix::io::Errno;

/// The error for `errno`, raised by `what`. Its effect is `NotApplied`: the store's writes take effect by one rename, and
/// the few calls behind it say otherwise themselves.
pub(super) fn from_errno(what: &'static str, errno: Errno) -> Error {
    let error = match errno {
        Errno::NOENT => Error::not_found("not there"),
        Errno::NOSPC | Errno::DQUOT => Error::quota_exhausted("no space is left on the file system"),
        Errno::FBIG => Error::payload_too_large("the file system takes no file of this size"),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            Error::permission_denied("the file system does not allow it")
        }
        Errno::LOOP => Error::permission_denied("a symbolic link is in the way, and none is followed"),
        Errno::NOTDIR => Error::permission_denied("something that is no folder is in the way"),
        Errno::NAMETOOLONG => Error::invalid_argument("the file system takes no name of this length"),
        Errno::XDEV => Error::configuration("a folder below the root is on another file system"),
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::BUSY => {
            Error::unavailable("the operating system is out of resources").with_retry(Retry::Backoff)
        }
        Errno::IO | Errno::STALE => Error::unavailable("the file system cannot be read or written"),
        _ => Error::unexpected("the file system refused"),
    };
    error.with_effect(Effect::NotApplied).with_context("at", what).with_source(io::Error::from(errno))
}

/// As [`from_errno`], for what the standard library raised.
pub(super) fn from_io(what: &'static str, error: io::Error) -> Error {
    match Errno::from_io_error(&error) {
        Some(errno) => from_errno(what, errno),
        None => Error::unexpected("the file system refused")
            .with_effect(Effect::NotApplied)
            .with_context("at", what)
            .with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;

    #[test]
    fn a_full_disk_is_a_typed_error_without_effect() {
        let error = from_errno("write", Errno::NOSPC);
        assert_eq!((error.kind(), error.effect()), (ErrorKind::QuotaExhausted, Effect::NotApplied));
        let error = from_io("write", io::Error::from_raw_os_error(Errno::ROFS.raw_os_error()));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
}
