//! Collectors that packets are sent to, as the command line names them.

use anyhow::bail;
use netflow_exporter::replay::Target;

use crate::endpoint::{self, IPFIX_PORT};

/// Port for NetFlow, and for IPFIX over UDP as a rule.
const UDP_PORT: u16 = 2055;

/// Reads `HOST`, `HOST:PORT`, `udp://HOST:PORT` or `tcp://HOST:PORT`; asks the resolver for names.
pub(crate) fn parse(text: &str) -> anyhow::Result<Target> {
    let (scheme, place) = endpoint::scheme(text);
    Ok(match scheme {
        "udp" => Target::Udp(endpoint::to_send_to(place, UDP_PORT)?),
        "tcp" => Target::Tcp(endpoint::to_send_to(place, IPFIX_PORT)?),
        other => bail!("'{other}://' is no way to send: udp:// or tcp://"),
    })
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
