//! What differs between operating systems: how they tell the program to end, and how they keep what was written.

use std::io;
use std::path::Path;

use tokio::fs::File;

/// What a shell answers for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// The same for SIGTERM, with which service managers and containers end a program.
#[cfg(unix)]
const TERMINATED: u8 = 143;
/// The same for a program whose output nobody reads any more.
pub(super) const UNHEARD: u8 = 141;

/// Waits for Ctrl-C or SIGTERM, and answers the exit code that goes with it.
pub(super) async fn told_to_end() -> u8 {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            return tokio::select! {
                _ = tokio::signal::ctrl_c() => INTERRUPTED,
                _ = terminate.recv() => TERMINATED,
            };
        }
    }
    let _ = tokio::signal::ctrl_c().await;
    INTERRUPTED
}

/// Brings a file onto the disk.
pub(super) async fn sync(file: &File) -> io::Result<()> {
    match file.sync_all().await {
        // Some file systems cannot sync everything, and need not.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Brings the names in a folder onto the disk, so that a power failure does not undo a rename.
#[cfg(unix)]
pub(super) async fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).await {
        // Whoever may write in a folder need not be allowed to read it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => sync(&opened?).await,
    }
}

/// Folders are no files that could be opened there.
#[cfg(not(unix))]
pub(super) async fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
