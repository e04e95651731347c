//! A port of loopback at which nobody listens, and nobody will while this process lives.

use std::net::Ipv4Addr;
use std::sync::OnceLock;

use tokio::net::TcpSocket;

/// The port. A socket that never listens has it, so that connections to it are refused and no other program is given it.
pub(super) fn port() -> Result<u16, String> {
    static KEPT: OnceLock<Result<(TcpSocket, u16), String>> = OnceLock::new();
    let kept = KEPT.get_or_init(|| bound().map_err(|error| format!("no port for nobody: {error}")));
    kept.as_ref().map(|(_, port)| *port).map_err(Clone::clone)
}

fn bound() -> std::io::Result<(TcpSocket, u16)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let port = socket.local_addr()?.port();
    Ok((socket, port))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_connects_is_refused_and_nobody_else_gets_it() {
        let port = port().unwrap();
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    }
}
