//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use crate::failure::{Failure, Result};

/// `count` different ports on which nothing listens now.
///
/// They lie below the range from which systems take ports for outgoing connections: while a server is stopped on
/// purpose, no client's own end may take its place (or, on loopback, connect to itself).
pub fn free(count: usize) -> Result<Vec<u16>> {
    const FIRST: u16 = 18_000;
    const LAST: u16 = 32_000;
    let span = u32::from(LAST - FIRST);
    // Start somewhere that differs between processes and calls; two runs side by side then rarely try the same port.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let start = std::process::id().wrapping_mul(2_654_435_761).wrapping_add(now.subsec_micros()) % span;
    let mut held = Vec::new();
    for step in 0..span {
        if held.len() == count {
            break;
        }
        let port = FIRST + u16::try_from((start + step * 7) % span)?;
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    if held.len() < count {
        return Err(Failure::new("no free port between 18000 and 32000"));
    }
    // The listeners are held until all are found, so that no port comes twice.
    Ok(held.iter().filter_map(|listener| listener.local_addr().ok()).map(|address| address.port()).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_different_ports() {
        let mut ports = super::free(20).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20);
    }
}
