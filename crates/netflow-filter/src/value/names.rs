//! Names that stand for numbers.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use netflow_flow::{Column, protocol_names, service_names};

use super::{Wrong, nearest, shown};

/// The names that the numbers of a column have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// What each of them is, for messages.
    what: &'static str,
    of: Of,
}

#[derive(Debug, Clone, Copy)]
enum Of {
    Nothing,
    Protocols,
    Services,
    Table(&'static [(&'static str, i64)]),
}

/// The numbers of names: there are so many names that long lists of them take long to be looked up one by one.
type Numbered = HashMap<String, Vec<i64>>;

/// Names of protocols that are not IANA's.
const PROTOCOLS: &[(&str, i64)] = &[("ipip", 4), ("icmp6", 58), ("icmpv6", 58), ("ospf", 89)];
/// Names of services that IANA calls otherwise.
const SERVICES: &[(&str, i64)] = &[("dns", 53)];
const DIRECTIONS: &[(&str, i64)] = &[("ingress", 0), ("in", 0), ("egress", 1), ("out", 1)];
/// NSEL's events, by nfdump's names.
const FIREWALL_EVENTS: &[(&str, i64)] = &[
    ("ignore", 0),
    ("create", 1),
    ("delete", 2),
    ("term", 2),
    ("deny", 3),
    ("denied", 3),
    ("alert", 4),
    ("update", 5),
];
/// By nfdump's names.
const NAT_EVENTS: &[(&str, i64)] = &[("invalid", 0), ("add", 1), ("create", 1), ("delete", 2)];
const END_REASONS: &[(&str, i64)] =
    &[("idle", 1), ("active", 2), ("end", 3), ("forced", 4), ("resources", 5)];

impl Names {
    pub(crate) const NONE: Self = Self { what: "number", of: Of::Nothing };

    pub(crate) fn of(column: &Column) -> Self {
        let (what, of) = match column.name {
            "proto" => ("protocol", Of::Protocols),
            "src_port" | "dst_port" | "post_nat_src_port" | "post_nat_dst_port" => {
                ("port or service", Of::Services)
            }
            "direction" => ("direction", Of::Table(DIRECTIONS)),
            "fw_event" => ("event", Of::Table(FIREWALL_EVENTS)),
            "nat_event" => ("event", Of::Table(NAT_EVENTS)),
            "flow_end_reason" => ("reason", Of::Table(END_REASONS)),
            _ => return Self::NONE,
        };
        Self { what, of }
    }

    /// The numbers that have a name.
    pub(super) fn find(self, word: &str) -> Result<Vec<RangeInclusive<i64>>, Wrong> {
        static PORTS: LazyLock<Numbered> = LazyLock::new(|| Names::numbered(Of::Services));
        let word_in_small = word.to_ascii_lowercase();
        let numbers: Vec<i64> = match self.of {
            Of::Services => PORTS.get(&word_in_small).cloned().unwrap_or_default(),
            Of::Protocols => protocol(&word_in_small).into_iter().collect(),
            _ => self.all().filter(|(name, _)| *name == word_in_small).map(|(_, number)| number).collect(),
        };
        if !numbers.is_empty() {
            return Ok(numbers.into_iter().map(|number| number..=number).collect());
        }
        let near = nearest(word, self.all().map(|(name, _)| name));
        Err(Wrong {
            message: format!("`{}` is no {}", shown(word), self.what),
            suggestion: near.map(|name| format!("`{}`", name.to_ascii_lowercase())),
        })
    }

    /// The numbers of each name, in small letters.
    fn numbered(of: Of) -> Numbered {
        let mut numbered = Numbered::new();
        for (name, number) in (Self { what: "", of }).all() {
            numbered.entry(name.to_ascii_lowercase()).or_default().push(number);
        }
        numbered
    }

    fn all(self) -> impl Iterator<Item = (&'static str, i64)> {
        let table = match self.of {
            Of::Nothing => &[],
            Of::Protocols => PROTOCOLS,
            Of::Services => SERVICES,
            Of::Table(table) => table,
        };
        let protocols = matches!(self.of, Of::Protocols).then(protocol_names);
        let protocols = protocols.into_iter().flatten().map(|(number, name)| (name, i64::from(number)));
        let services = matches!(self.of, Of::Services).then(service_names);
        let services = services.into_iter().flatten().map(|(port, name)| (name, i64::from(port)));
        table.iter().copied().chain(protocols).chain(services)
    }
}

/// The number of a protocol with this name, in small letters.
pub(crate) fn protocol(word: &str) -> Option<i64> {
    static PROTOCOLS: LazyLock<Numbered> = LazyLock::new(|| Names::numbered(Of::Protocols));
    PROTOCOLS.get(word).and_then(|numbers| numbers.first().copied())
}
