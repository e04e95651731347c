//! What differs between operating systems: how to have packets acknowledged at once.

use std::io;

use tokio::net::TcpStream;

/// The next packets are acknowledged when they come, not with an answer some 40 ms later.
#[cfg(target_os = "linux")]
pub(crate) fn acknowledge_at_once(stream: &TcpStream) -> io::Result<()> {
    stream.set_quickack(true)
}

/// Other systems have no such choice.
#[cfg(not(target_os = "linux"))]
pub(crate) fn acknowledge_at_once(_: &TcpStream) -> io::Result<()> {
    Ok(())
}
