//! A port at which nobody answers: connections to it are begun and never made.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// On loopback a connection is made at once, or not at all.
const AT_ONCE: Duration = Duration::from_millis(300);

/// More than any system lets wait at a listener that asked for one.
const MOST: usize = 1024;

/// A loopback port whose listener accepts nobody and has no room for another one to wait: a network that swallows the first
/// packet. It ends when it is dropped.
#[derive(Debug)]
pub struct Unanswered {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Unanswered {
    /// Takes a free port.
    ///
    /// # Errors
    ///
    /// If no port can be had, or this system makes connections all the same.
    pub async fn start() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        while waiting.len() < MOST {
            match timeout(AT_ONCE, TcpStream::connect(address)).await {
                Ok(made) => waiting.push(made?),
                Err(_) => return Ok(Self { address, _listener: listener, _waiting: waiting }),
            }
        }
        Err(io::Error::other("this system makes connections that nobody accepts"))
    }

    /// Where nobody answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_answers() {
        let unanswered = Unanswered::start().await.unwrap();
        assert!(timeout(AT_ONCE, TcpStream::connect(unanswered.address())).await.is_err());
    }
}
