//! How the operating system tells the program to end.

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
