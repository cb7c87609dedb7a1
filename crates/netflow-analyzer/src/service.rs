//! The names of services.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::connection::Connection;
use crate::orientation::Orientation;

mod system;

/// A system's table of services that exists but cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the services in {}: {source}", path.display())]
pub struct ServicesError {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

/// Names of services by protocol and port: IANA's registry, overlaid by the names that a system uses.
#[derive(Debug, Clone, Default)]
pub struct Services {
    /// The names that take precedence.
    system: HashMap<(u8, u16), String>,
}

impl Services {
    /// IANA's registry alone, which is built in.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// IANA's registry, overlaid by a file in the format of `/etc/services`. A file that does not exist
    /// is none; lines that say nothing are passed over, as by the system itself.
    pub fn with_system(path: impl AsRef<Path>) -> Result<Self, ServicesError> {
        let path = path.as_ref();
        match fs::read(path) {
            Ok(text) => Ok(Self::with_text(&String::from_utf8_lossy(&text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::embedded()),
            Err(source) => Err(ServicesError { path: path.to_owned(), source }),
        }
    }

    /// IANA's registry, overlaid by a text in the format of `/etc/services`.
    pub fn with_text(text: &str) -> Self {
        let mut system = HashMap::new();
        for (protocol, port, name) in text.lines().filter_map(system::parse_line) {
            // The first of several names is the one that the system gives, too.
            system.entry((protocol, port)).or_insert_with(|| name.to_owned());
        }
        Self { system }
    }

    /// The name of the service on `port`; `None` if it has none or the protocol has no ports.
    pub fn name(&self, protocol: u8, port: u16) -> Option<&str> {
        if let Some(name) = self.system.get(&(protocol, port)) {
            return Some(name);
        }
        netflow_flow::service_name(protocol, port)
    }

    /// The name of a connection's service: of the server's port, else of the client's.
    ///
    /// PyPI `netflow`'s analyzer asks the port of the side that sent more first, so that an upload by way
    /// of a port that happens to be registered changes its name. Where only one port has a name, both agree.
    pub fn of(&self, connection: &Connection) -> Option<&str> {
        self.of_oriented(connection, Orientation::of(connection, self))
    }

    /// The same, of a connection whose client is known.
    pub fn of_oriented(&self, connection: &Connection, orientation: Orientation) -> Option<&str> {
        let port = |side| connection.peer(side).port;
        self.name(connection.proto, port(orientation.server()))
            .or_else(|| self.name(connection.proto, port(orientation.client)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::proto;
    use crate::testing::{flow, pair};

    #[test]
    fn names_are_by_protocol() {
        let services = Services::embedded();
        assert_eq!(services.name(proto::TCP, 22), Some("ssh"));
        assert_eq!(services.name(proto::UDP, 53), Some("domain"));
        assert_eq!(services.name(proto::UDP_LITE, 53), Some("domain"));
        assert_eq!(services.name(proto::SCTP, 4_739), Some("ipfix"));
        assert_eq!(services.name(proto::TCP, 0), None);
        assert_eq!(services.name(proto::ICMP, 22), None);
        assert_eq!(services.name(47, 22), None);
    }

    #[test]
    fn system_names_take_precedence() {
        let services = Services::with_text("webcache\t22/tcp\nours 60000/udp\nlater 60000/udp\n");
        assert_eq!(services.name(proto::TCP, 22), Some("webcache"));
        assert_eq!(services.name(proto::UDP, 60_000), Some("ours"));
        assert_eq!(services.name(proto::TCP, 23), Some("telnet"));
    }

    #[test]
    fn absent_file_is_none_and_unreadable_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("services");
        assert_eq!(Services::with_system(&path).unwrap().name(proto::TCP, 22), Some("ssh"));
        fs::write(&path, b"caf\xe9 1/tcp\nshell 22/tcp\n").unwrap();
        assert_eq!(Services::with_system(&path).unwrap().name(proto::TCP, 22), Some("shell"));
        let error = Services::with_system(directory.path()).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the services in "), "{error}");
    }

    #[test]
    fn connection_is_named_by_its_server() {
        let services = Services::with_text("ours 50001/tcp");
        let named =
            |src: &str, dst: &str| services.of(&pair(&[flow(proto::TCP, src, dst)])[0]).map(str::to_owned);
        assert_eq!(named("10.0.0.9:40000", "10.0.0.1:443").as_deref(), Some("https"));
        assert_eq!(named("10.0.0.1:443", "10.0.0.9:40000").as_deref(), Some("https"));
        // Both have a name: the server's.
        assert_eq!(named("10.0.0.1:50001", "10.0.0.9:22").as_deref(), Some("ssh"));
        // Only the client's port has one.
        assert_eq!(named("10.0.0.9:50001", "10.0.0.1:65001").as_deref(), Some("ours"));
        assert_eq!(named("10.0.0.9:65002", "10.0.0.1:65001"), None);
    }
}
