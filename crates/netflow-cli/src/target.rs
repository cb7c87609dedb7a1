//! Collectors that packets are sent to, as the command line names them.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, bail};
use netflow_exporter::replay::Target;

/// Port for NetFlow, and for IPFIX over UDP as a rule.
const UDP_PORT: u16 = 2055;
/// IANA's port for IPFIX.
const TCP_PORT: u16 = 4739;

/// Reads `HOST`, `HOST:PORT`, `udp://HOST:PORT` or `tcp://HOST:PORT`; asks the resolver for names.
pub(crate) fn parse(text: &str) -> anyhow::Result<Target> {
    let (scheme, place) = text.split_once("://").unwrap_or(("udp", text));
    Ok(match scheme {
        "udp" => Target::Udp(address(place, UDP_PORT)?),
        "tcp" => Target::Tcp(address(place, TCP_PORT)?),
        other => bail!("'{other}://' is no way to send: udp:// or tcp://"),
    })
}

fn address(place: &str, usual_port: u16) -> anyhow::Result<SocketAddr> {
    let (host, port) = split(place).with_context(|| format!("'{place}' is no HOST:PORT"))?;
    let port = port.unwrap_or(usual_port);
    if port == 0 {
        bail!("'{place}' has port 0, which nobody can listen on");
    }
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
    fn every_way_to_name_a_collector() {
        let parsed = |text| parse(text).map_err(|error| format!("{error:#}"));
        let udp = |text: &str| Ok(Target::Udp(text.parse().unwrap()));
        let tcp = |text: &str| Ok(Target::Tcp(text.parse().unwrap()));
        assert_eq!(parsed("192.0.2.1:9995"), udp("192.0.2.1:9995"));
        assert_eq!(parsed("udp://192.0.2.1"), udp("192.0.2.1:2055"));
        assert_eq!(parsed("[2001:db8::1]:9995"), udp("[2001:db8::1]:9995"));
        assert_eq!(parsed("2001:db8::1"), udp("[2001:db8::1]:2055"));
        assert_eq!(parsed("tcp://[2001:db8::1]"), tcp("[2001:db8::1]:4739"));
        for wrong in
            ["", ":2055", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:0", "[::1", "[::1]2055", "ftp://x"]
        {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
