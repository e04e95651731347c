//! Which hosts nobody outside should be able to send us to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use external_http::HttpUrl;

/// Whether a URL names a host of this machine or of a private network, by its address or by its name. What a public name
/// resolves to is not known here.
pub(super) fn is_private(url: &HttpUrl) -> bool {
    let Some(host) = url.host() else { return true };
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => is_private_v4(address),
        Ok(IpAddr::V6(address)) => is_private_v6(address),
        Err(_) => is_private_name(bare),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || first == 0
        || first == 100 && (64..128).contains(&second)
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4() {
        return is_private_v4(address);
    }
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
}

/// Names of the machine and of networks at home; and numbers, which some resolvers take for addresses.
fn is_private_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        || !name.contains('.')
        || matches!(last, "localhost" | "local" | "internal" | "localdomain" | "home" | "lan" | "intranet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_home_is_known() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:127.0.0.1]",
            "localhost",
            "a.localhost",
            "metadata.internal",
            "printer.local",
            "intranet",
            "2130706433",
            "0x7f.1",
            "127.1",
            "localhost.",
        ] {
            assert!(is_private(&HttpUrl::parse(&format!("http://{host}/x")).unwrap()), "{host}");
        }
        for host in ["example.org", "8.8.8.8", "[2001:4860:4860::8888]", "172.32.0.1", "100.128.0.1"] {
            assert!(!is_private(&HttpUrl::parse(&format!("http://{host}/x")).unwrap()), "{host}");
        }
    }
}
