//! Addresses with ports, as arguments name them.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use anyhow::anyhow;

/// The address that a host name stands for; IPv6 addresses with or without brackets.
fn address(host: &str, port: u16) -> Option<SocketAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    (bare, port).to_socket_addrs().ok().and_then(|mut addresses| addresses.next())
}

/// The address that `HOST`, `HOST:PORT` or `[HOST]:PORT` stands for.
pub(crate) fn address_and_port(text: &str, default_port: u16) -> Option<SocketAddr> {
    match text.to_socket_addrs() {
        // An IPv6 address without brackets has no port.
        Ok(mut named) if text.parse::<IpAddr>().is_err() => named.next(),
        _ => address(text, default_port),
    }
}

/// An address of this machine to listen on, without a port.
pub(crate) fn host(text: &str, port: u16) -> anyhow::Result<SocketAddr> {
    address(text, port).ok_or_else(|| unknown(text))
}

/// An address of this machine to listen on, with a port or without.
pub(crate) fn to_listen_on(text: &str, default_port: u16) -> anyhow::Result<SocketAddr> {
    address_and_port(text, default_port).ok_or_else(|| unknown(text))
}

fn unknown(text: &str) -> anyhow::Error {
    anyhow!("unknown host '{text}': give an address of this machine, such as 0.0.0.0 or ::, or its name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_follow() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1:2055"),
            ("192.0.2.1:9995", "192.0.2.1:9995"),
            ("::", "[::]:2055"),
            ("[::]", "[::]:2055"),
            ("[2001:db8::1]:4739", "[2001:db8::1]:4739"),
            ("2001:db8::1", "[2001:db8::1]:2055"),
        ] {
            assert_eq!(address_and_port(text, 2055), Some(expected.parse().unwrap()), "{text}");
        }
        for text in ["", "192.0.2.1:", "192.0.2.1:66000", "192.0.2.300"] {
            assert!(to_listen_on(text, 2055).is_err(), "{text}");
        }
    }
}
