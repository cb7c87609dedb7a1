//! Where `nf collect` listens.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use netflow_collector::{Config, Listen, Source, StreamLimits, TlsError, TlsFiles, Transport};

use super::PORT;
use crate::args::Collect;
use crate::endpoint::{self, IPFIX_PORT, IPFIX_TLS_PORT};
use crate::output;

/// All places of `--listen`, or that of `--host` and `--port`.
pub(super) fn places(args: &Collect) -> anyhow::Result<Vec<Listen>> {
    if args.listen.is_empty() {
        return Ok(vec![Listen::udp(endpoint::host(&args.host, args.port)?)]);
    }
    args.listen.iter().map(|text| place(text)).collect()
}

/// What there is to say about connections and TLS.
pub(super) fn configure(config: &mut Config, args: &Collect) -> anyhow::Result<()> {
    let given = &args.connections;
    config.streams = StreamLimits {
        connections: given.max_connections as usize,
        connections_per_address: given.max_connections_per_address as usize,
        idle: (given.idle_timeout > 0).then(|| Duration::from_secs(given.idle_timeout)),
        ..config.streams
    };
    if let (Some(certificate), Some(key)) = (&given.tls_cert, &given.tls_key) {
        let (certificate, key) = (certificate.clone(), key.clone());
        config.tls = Some(TlsFiles { certificate, key, client_ca: given.tls_client_ca.clone() });
    }
    let Source::Listen(places) = &config.source else { return Ok(()) };
    let tls = places.iter().any(|place| place.transport == Transport::Tls);
    if config.tls.is_some() && !tls {
        output::note("--tls-cert changes nothing without --listen tls://HOST:PORT");
    }
    Ok(())
}

/// The flag that chooses where to listen.
pub(super) fn flag(args: &Collect) -> &'static str {
    if args.listen.is_empty() { "-p" } else { "--listen" }
}

/// What is listened on, for people.
pub(super) fn greeting(config: &Config, addresses: &[SocketAddr]) -> String {
    let Source::Listen(places) = &config.source else { return String::new() };
    let places = places.iter().zip(addresses);
    let places: Vec<_> = places.map(|(place, address)| format!("{address} ({})", place.transport)).collect();
    places.join(", ")
}

/// What to do about TLS that cannot be set up.
pub(super) fn tls_advice(error: &TlsError) -> &'static str {
    match error {
        TlsError::NoFiles => ": give --tls-cert FILE and --tls-key FILE with tls://",
        TlsError::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            "; whoever runs nf has to be able to read it"
        }
        TlsError::Mismatch { .. } => {
            "; `openssl x509 -noout -pubkey -in CERT` and `openssl pkey -pubout -in KEY` have to print the same"
        }
        _ => "",
    }
}

fn place(text: &str) -> anyhow::Result<Listen> {
    let (scheme, place) = endpoint::scheme(text);
    let (transport, port) = match scheme {
        "udp" => (Transport::Udp, PORT),
        "tcp" => (Transport::Tcp, IPFIX_PORT),
        "tls" => (Transport::Tls, IPFIX_TLS_PORT),
        "sctp" => (Transport::Sctp, IPFIX_PORT),
        other => bail!("'{other}://' is no way to listen: udp://, tcp://, tls:// or sctp://"),
    };
    Ok(Listen { transport, address: endpoint::to_listen_on(place.trim_end_matches('/'), port)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_place() {
        for (text, transport, address) in [
            ("udp://[::]:2055", Transport::Udp, "[::]:2055"),
            ("0.0.0.0", Transport::Udp, "0.0.0.0:2055"),
            ("tcp://[::]", Transport::Tcp, "[::]:4739"),
            ("tcp://127.0.0.1:0/", Transport::Tcp, "127.0.0.1:0"),
            ("tls://192.0.2.1", Transport::Tls, "192.0.2.1:4740"),
            ("sctp://::1", Transport::Sctp, "[::1]:4739"),
        ] {
            let expected = Listen { transport, address: address.parse().unwrap() };
            assert_eq!(place(text).unwrap(), expected, "{text}");
        }
        for text in ["http://[::]:80", "tcp://", "tcp://192.0.2.1:66000", "dtls://[::]"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
