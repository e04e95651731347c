//! What differs between operating systems: exchanging two names at once.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

/// Exchanges `one` and `other` in a single step.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) fn exchange(one: (&OwnedFd, &str), other: (&OwnedFd, &str)) -> Result<(), Errno> {
    rustix::fs::renameat_with(one.0, one.1, other.0, other.1, rustix::fs::RenameFlags::EXCHANGE)
}

/// Elsewhere it cannot be done.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) fn exchange(_: (&OwnedFd, &str), _: (&OwnedFd, &str)) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
