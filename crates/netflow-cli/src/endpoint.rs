//! Addresses with ports, as arguments name them.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, anyhow, bail};

/// IANA's port for IPFIX over TCP and SCTP.
pub(crate) const IPFIX_PORT: u16 = 4739;
/// IANA's port for IPFIX over TLS.
pub(crate) const IPFIX_TLS_PORT: u16 = 4740;

/// What stands before `://`, UDP when nothing does, and what stands behind it.
pub(crate) fn scheme(text: &str) -> (&str, &str) {
    text.split_once("://").unwrap_or(("udp", text))
}

/// An address of this machine to listen on, without a port.
pub(crate) fn host(text: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    resolve(bare, port).map_err(|_| not_here(text))
}

/// An address of this machine to listen on, with a port or without.
pub(crate) fn to_listen_on(text: &str, usual_port: u16) -> anyhow::Result<SocketAddr> {
    let (host, port) = split(text).ok_or_else(|| not_here(text))?;
    resolve(host, port.unwrap_or(usual_port)).map_err(|_| not_here(text))
}

fn not_here(text: &str) -> anyhow::Error {
    anyhow!("unknown host '{text}': give an address of this machine, such as 0.0.0.0 or ::, or its name")
}

/// Where datagrams or connections go: `HOST`, `HOST:PORT`, `[HOST]:PORT`.
pub(crate) fn to_send_to(text: &str, usual_port: u16) -> anyhow::Result<SocketAddr> {
    let (host, port) = split(text).with_context(|| format!("'{text}' is no HOST:PORT"))?;
    match port.unwrap_or(usual_port) {
        0 => bail!("'{text}' has port 0, which nobody can listen on"),
        port => resolve(host, port),
    }
}

/// Asks the resolver for names.
fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let addresses = (host, port).to_socket_addrs().with_context(|| format!("unknown host '{host}'"))?;
    addresses.into_iter().next().with_context(|| format!("'{host}' has no address"))
}

/// Host and port; a bare IPv6 address has no port.
fn split(place: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) })
        }
        None => match place.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (place, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_may_follow() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1:2055"),
            ("192.0.2.1:9995", "192.0.2.1:9995"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("::", "[::]:2055"),
            ("[::]", "[::]:2055"),
            ("[2001:db8::1]:4739", "[2001:db8::1]:4739"),
            ("2001:db8::1", "[2001:db8::1]:2055"),
        ] {
            assert_eq!(to_listen_on(text, 2055).unwrap(), expected.parse().unwrap(), "{text}");
        }
        assert!(to_send_to("127.0.0.1:0", 2055).is_err());
        for text in ["", "192.0.2.1:", "192.0.2.1:66000", "192.0.2.300"] {
            assert!(to_listen_on(text, 2055).is_err(), "{text}");
        }
    }
}
