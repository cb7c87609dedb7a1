//! Connections over TLS, from the side of exporters.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use netflow_collector::{
    Collector, Config, FlowOutput, Inlet, Listen, PacketListener, Source, StreamLimits, TlsFiles, Transport,
};
use netflow_flow::SamplingOverride;
use netflow_wire::{Header, MessageEncoder, ipfix};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

/// Far longer than anything takes.
const LONG: Duration = Duration::from_secs(120);

/// An authority, and files of what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    files: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (key, files) = (KeyPair::generate().unwrap(), tempfile::tempdir().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(files.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Writes `NAME.pem` and `NAME.key`.
    fn sign(&self, name: &str) {
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn files(&self, client_ca: bool) -> TlsFiles {
        TlsFiles {
            certificate: self.path("collector.pem"),
            key: self.path("collector.key"),
            client_ca: client_ca.then(|| self.path("ca.pem")),
        }
    }
}

fn config(tls: TlsFiles, handshake: Duration) -> Config {
    let listen = Listen { transport: Transport::Tls, address: "127.0.0.1:0".parse().unwrap() };
    Config {
        tls: Some(tls),
        streams: StreamLimits { handshake, ..StreamLimits::default() },
        ..Config::new(Source::Listen(vec![listen]))
    }
}

/// A connection of an exporter that trusts `authority`, with a certificate of its own or without.
fn connect(
    address: SocketAddr,
    authority: &Authority,
    own: Option<(&Authority, &str)>,
    version: &'static rustls::SupportedProtocolVersion,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.path("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let config = config.with_root_certificates(roots);
    let config = match own {
        Some((authority, name)) => {
            let certificate = CertificateDer::from_pem_file(authority.path(&format!("{name}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(authority.path(&format!("{name}.key"))).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    StreamOwned::new(client, socket)
}

fn message(sequence_number: u32) -> Vec<u8> {
    let header = ipfix::Header { sequence_number, ..ipfix::Header::default() };
    MessageEncoder::new(Header::Ipfix(header)).finish()
}

#[test]
fn exporters_with_a_certificate_are_served_and_others_refused_with_a_reason() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    for name in ["collector", "exporter"] {
        authority.sign(name);
    }
    other.sign("exporter");
    let mut listener = PacketListener::start(&config(authority.files(true), LONG)).unwrap();
    let address = listener.addresses()[0];
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut good = connect(address, &authority, Some((&authority, "exporter")), version);
        for number in 0..3 {
            // Messages need not be TLS records.
            for octets in message(number).chunks(5) {
                good.write_all(octets).unwrap();
            }
            let packet = listener.next_timeout(LONG).unwrap();
            assert_eq!(packet.header.sequence(), Some(number));
            assert_eq!(packet.exporter, good.sock.local_addr().unwrap().into());
        }
        good.conn.send_close_notify();
        good.flush().unwrap();
        let refused = [
            connect(address, &authority, Some((&other, "exporter")), version),
            connect(address, &authority, None, version),
        ];
        for mut refused in refused {
            // What the collector says is an alert; what is sent before it comes is not taken.
            let _ = refused.write_all(&message(9));
            let error = refused.read(&mut [0; 10]).unwrap_err();
            assert!(error.to_string().contains("alert"), "{error}");
        }
    }
    let report = listener.stop();
    let streams = &report.streams;
    assert_eq!((report.received, streams.connections, streams.open), (6, 6, 0));
    assert_eq!(streams.closed["by the exporter"], 2);
    assert_eq!((streams.refused["certificate not accepted"], streams.refused["no certificate"]), (2, 2));
}

#[test]
fn a_certificate_is_asked_for_only_where_the_collector_wants_one() {
    let authority = Authority::new("ours");
    authority.sign("collector");
    let mut listener = PacketListener::start(&config(authority.files(false), LONG)).unwrap();
    let mut exporter = connect(listener.addresses()[0], &authority, None, &rustls::version::TLS13);
    exporter.write_all(&message(1)).unwrap();
    assert_eq!(listener.next_timeout(LONG).unwrap().header.sequence(), Some(1));
}

#[test]
fn a_handshake_has_its_time_and_what_is_none_is_refused() {
    let authority = Authority::new("ours");
    authority.sign("collector");
    let listener =
        PacketListener::start(&config(authority.files(false), Duration::from_millis(300))).unwrap();
    let address = listener.addresses()[0];
    let mut slow = TcpStream::connect(address).unwrap();
    let mut plain = TcpStream::connect(address).unwrap();
    plain.write_all(&message(1)).unwrap();
    for connection in [&mut slow, &mut plain] {
        connection.set_read_timeout(Some(LONG)).unwrap();
        // An alert, perhaps, then the end.
        let mut rest = Vec::new();
        if let Err(error) = connection.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    let streams = listener.stop().streams;
    assert_eq!(streams.refused["TLS handshake too slow"], 1);
    assert_eq!(streams.refused["TLS handshake failed"], 1);
}

#[test]
fn files_that_cannot_be_used_are_told_by_name() {
    let authority = Authority::new("ours");
    for name in ["collector", "other"] {
        authority.sign(name);
    }
    let good = authority.files(true);
    std::fs::write(authority.path("text"), "no PEM").unwrap();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(authority.path("encrypted"), encrypted).unwrap();
    let pem = std::fs::read_to_string(&good.certificate).unwrap();
    std::fs::write(authority.path("cut"), &pem[..pem.len() / 2]).unwrap();
    let path = |name: &str| authority.path(name);
    let told = |tls: TlsFiles, name: &str, expected: &str| {
        let error = Inlet::open(&config(tls, LONG)).unwrap_err().to_string();
        let file = Path::new(name).display().to_string();
        assert!(error.contains(&file) && error.contains(expected), "{error}");
    };
    told(TlsFiles { certificate: path("none"), ..good.clone() }, "none", "No such file");
    told(TlsFiles { certificate: path("text"), ..good.clone() }, "text", "no BEGIN CERTIFICATE");
    told(TlsFiles { certificate: path("cut"), ..good.clone() }, "cut", "it is cut off");
    told(TlsFiles { key: path("text"), ..good.clone() }, "text", "no BEGIN PRIVATE KEY");
    told(TlsFiles { key: path("encrypted"), ..good.clone() }, "encrypted", "it is encrypted");
    told(TlsFiles { key: path("other.key"), ..good.clone() }, "other.key", "does not belong to");
    told(TlsFiles { client_ca: Some(path("text")), ..good.clone() }, "text", "no BEGIN CERTIFICATE");
    let no_files = Config { tls: None, ..config(good, LONG) };
    assert_eq!(Inlet::open(&no_files).unwrap_err().to_string(), "TLS takes a certificate and its key");
}

#[test]
fn files_that_are_read_again_are_for_new_connections_and_bad_ones_change_nothing() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.sign("collector");
    new.sign("collector");
    let config = config(old.files(false), LONG);
    let output = FlowOutput::new(Vec::new(), SamplingOverride::default());
    let collector = Collector::start(&config, Inlet::open(&config).unwrap(), vec![output]).unwrap();
    let address = collector.addresses()[0];
    let shakes_hands = |authority: &Authority| {
        let mut exporter = connect(address, authority, None, &rustls::version::TLS13);
        let shaken = exporter.conn.complete_io(&mut exporter.sock);
        shaken.map(|_| exporter)
    };
    let mut open = shakes_hands(&old).unwrap();
    for file in ["collector.pem", "collector.key"] {
        std::fs::copy(new.path(file), old.path(file)).unwrap();
    }
    // Nothing changes by itself.
    shakes_hands(&old).unwrap();
    assert!(collector.renew_tls().unwrap());
    assert!(shakes_hands(&old).is_err());
    shakes_hands(&new).unwrap();

    std::fs::write(old.path("collector.key"), "no PEM").unwrap();
    let error = collector.renew_tls().unwrap_err().to_string();
    assert!(error.contains("collector.key") && error.contains("no BEGIN PRIVATE KEY"), "{error}");
    shakes_hands(&new).unwrap();
    // A connection that was open goes on.
    open.write_all(&message(0)).unwrap();
    open.conn.send_close_notify();
    open.flush().unwrap();
    drop(open);
    let report = collector.stop();
    assert_eq!((report.received, report.streams.refused.values().sum::<u64>()), (1, 1));
}

#[test]
fn messages_before_an_error_of_tls_are_taken() {
    let authority = Authority::new("ours");
    authority.sign("collector");
    let mut listener = PacketListener::start(&config(authority.files(false), LONG)).unwrap();
    let mut exporter = connect(listener.addresses()[0], &authority, None, &rustls::version::TLS13);
    exporter.write_all(&message(0)).unwrap();
    assert_eq!(listener.next_timeout(LONG).unwrap().header.sequence(), Some(0));
    let mut octets = Vec::new();
    for number in 1..4 {
        exporter.conn.writer().write_all(&message(number)).unwrap();
        exporter.conn.write_tls(&mut octets).unwrap();
    }
    // A record of application data that nobody encrypted, in the same segment.
    octets.extend([23, 3, 3, 0, 40]);
    octets.extend([7; 40]);
    exporter.sock.write_all(&octets).unwrap();
    for number in 1..4 {
        assert_eq!(listener.next_timeout(LONG).unwrap().header.sequence(), Some(number));
    }
    assert!(exporter.read(&mut [0; 10]).is_err());
    let report = listener.stop();
    assert_eq!((report.received, report.streams.closed["TLS failed"]), (4, 1));
}
