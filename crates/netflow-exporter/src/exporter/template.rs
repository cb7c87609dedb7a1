//! Templates of flow records, and which flows go by them.

use std::borrow::Cow;

use netflow_flow::{COLUMNS, Cell, Column, FlowRef, column};
use netflow_templates::{DataType, Registry};
use netflow_wire::{FieldSpecifier, enterprise as pen};

use crate::Version;

/// A list of fields, written `NAME LENGTH`, where the name is one of `netflow_wire::element_id`; before it may stand
/// `reverse` (RFC 5103). `id NUMBER LENGTH` and `pen ENTERPRISE NUMBER LENGTH` are fields that have no name there.
macro_rules! fields {
    (@ [$($done:expr,)*]) => { { const FIELDS: &[netflow_wire::FieldSpecifier] = &[$($done),*]; FIELDS } };
    (@ [$($done:expr,)*] reverse $name:ident $length:expr $(, $($rest:tt)*)?) => {
        fields!(@ [$($done,)* netflow_wire::FieldSpecifier::of(
            netflow_wire::enterprise::REVERSE, netflow_wire::element_id::$name, $length),] $($($rest)*)?)
    };
    (@ [$($done:expr,)*] id $id:literal $length:expr $(, $($rest:tt)*)?) => {
        fields!(@ [$($done,)* netflow_wire::FieldSpecifier::iana($id, $length),] $($($rest)*)?)
    };
    (@ [$($done:expr,)*] pen $pen:literal $id:literal $length:expr $(, $($rest:tt)*)?) => {
        fields!(@ [$($done,)* netflow_wire::FieldSpecifier::of($pen, $id, $length),] $($($rest)*)?)
    };
    (@ [$($done:expr,)*] $name:ident $length:expr $(, $($rest:tt)*)?) => {
        fields!(@ [$($done,)* netflow_wire::FieldSpecifier::iana(
            netflow_wire::element_id::$name, $length),] $($($rest)*)?)
    };
    ($($rest:tt)*) => { fields!(@ [] $($rest)*) };
}
pub(crate) use fields;

/// A template that flows are exported by.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowTemplate {
    /// Template id, 256 and up.
    pub id: u16,
    /// Which flows go by it.
    pub takes: Takes,
    /// Its fields in order.
    pub fields: Cow<'static, [FieldSpecifier]>,
}

impl FlowTemplate {
    /// A template of listed fields.
    pub const fn new(id: u16, takes: Takes, fields: &'static [FieldSpecifier]) -> Self {
        Self { id, takes, fields: Cow::Borrowed(fields) }
    }

    /// A template for flows of one IP version, 4 or 6, with a field for each of `columns`: the first of the
    /// column's elements that fits, in its full length; in v9 texts have 32 octets. Times are in nanoseconds. Columns that no element is for in
    /// this version of the protocol are left out.
    pub fn of_columns<'a>(
        version: Version,
        id: u16,
        ip_version: u8,
        columns: impl IntoIterator<Item = &'a Column>,
    ) -> Self {
        let registry = Registry::new();
        let address = if ip_version == 6 { DataType::Ipv6Address } else { DataType::Ipv4Address };
        let mut fields = Vec::new();
        for column in columns {
            let elements = elements_of(column.name).unwrap_or(column.elements);
            let fitting = elements.iter().find_map(|&(enterprise, id)| {
                let element = registry.find(enterprise, id)?;
                let is_address = matches!(element.data_type, DataType::Ipv4Address | DataType::Ipv6Address);
                let fits = (!is_address || element.data_type == address)
                    && (enterprise == pen::IANA || version == Version::Ipfix);
                let length = match (version, element.data_type) {
                    // v9 has no variable length.
                    (Version::V9, DataType::String) => 32,
                    (Version::V9, DataType::OctetArray) => 8,
                    (_, data_type) => data_type.full_length(),
                };
                fits.then(|| FieldSpecifier::of(enterprise, id, length))
            });
            fields.extend(fitting);
        }
        let takes = Takes { family: Some(ip_version), ..Takes::ALL };
        Self { id, takes, fields: fields.into() }
    }

    /// Templates for IPv4 and IPv6 with a field for every column that an element is for.
    pub fn of_all_columns(version: Version) -> Vec<Self> {
        [4, 6].map(|family| Self::of_columns(version, 256 + u16::from(family), family, COLUMNS)).into()
    }
}

/// The element by which a column is sent that takes more than one to find.
fn elements_of(column: &str) -> Option<&'static [(u32, u16)]> {
    use netflow_wire::element_id as ie;
    Some(match column {
        "time_flow_start" => &[(pen::IANA, ie::FLOW_START_NANOSECONDS)],
        "time_flow_end" => &[(pen::IANA, ie::FLOW_END_NANOSECONDS)],
        "reverse_start" => &[(pen::REVERSE, ie::FLOW_START_NANOSECONDS)],
        "reverse_end" => &[(pen::REVERSE, ie::FLOW_END_NANOSECONDS)],
        "sampling_rate" => &[(pen::IANA, ie::SAMPLING_INTERVAL)],
        "icmp_type" => &[(pen::IANA, ie::ICMP_TYPE_IPV4)],
        "icmp_code" => &[(pen::IANA, ie::ICMP_CODE_IPV4)],
        _ => return None,
    })
}

/// Which flows go by a template: those that are as each of its members says; `None` says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// IP version, 4 or 6.
    pub family: Option<u8>,
    /// Whether the protocol is ICMP or ICMPv6.
    pub icmp: Option<bool>,
    /// Where the flow was observed: 0 ingress, 1 egress. A flow that does not say it is of ingress.
    pub direction: Option<u8>,
    /// Whether there are counters of the reverse direction.
    pub reverse: Option<bool>,
    /// Whether there is an event, of a firewall or of NAT.
    pub event: Option<bool>,
}

impl Takes {
    /// All flows.
    pub const ALL: Self = Self { family: None, icmp: None, direction: None, reverse: None, event: None };
    /// Flows of IPv4.
    pub const IPV4: Self = Self { family: Some(4), ..Self::ALL };
    /// Flows of IPv6.
    pub const IPV6: Self = Self { family: Some(6), ..Self::ALL };

    /// The same, of ICMP only.
    #[must_use]
    pub const fn icmp(self) -> Self {
        Self { icmp: Some(true), ..self }
    }

    /// The same, of one direction only: 0 ingress, 1 egress.
    #[must_use]
    pub const fn direction(self, direction: u8) -> Self {
        Self { direction: Some(direction), ..self }
    }

    /// The same, with counters of the reverse direction only.
    #[must_use]
    pub const fn reverse(self) -> Self {
        Self { reverse: Some(true), ..self }
    }

    /// The same, events only.
    #[must_use]
    pub const fn event(self) -> Self {
        Self { event: Some(true), ..self }
    }
}

/// [`Takes`], with the columns that it asks for found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    takes: Takes,
    reverse: [Option<&'static Column>; 2],
    event: [Option<&'static Column>; 2],
}

impl Choice {
    pub(super) fn new(takes: Takes) -> Self {
        let reverse = ["reverse_bytes", "reverse_packets"].map(column);
        let event = ["fw_event", "nat_event"].map(column);
        Self { takes, reverse, event }
    }

    /// Whether a flow is one of these.
    #[inline]
    pub(super) fn takes(&self, flow: &FlowRef<'_>) -> bool {
        let Takes { family, icmp, direction, reverse, event } = self.takes;
        family.is_none_or(|family| flow.ip_family() == family)
            && icmp.is_none_or(|icmp| matches!(flow.proto(), 1 | 58) == icmp)
            && direction.is_none_or(|direction| flow.direction().unwrap_or(0) == direction)
            && reverse.is_none_or(|reverse| has(flow, &self.reverse) == reverse)
            && event.is_none_or(|event| has(flow, &self.event) == event)
    }
}

/// Whether one of some columns has a value, which are all rare ones.
fn has(flow: &FlowRef<'_>, columns: &[Option<&'static Column>]) -> bool {
    flow.has_rare() && columns.iter().flatten().any(|column| column.get(*flow) != Cell::Null)
}

/// Templates of flows whose exporter does not say which.
pub(crate) fn usual(version: Version) -> Vec<FlowTemplate> {
    let (v9, ipfix) = (version == Version::V9, version == Version::Ipfix);
    let list = [
        (ipfix, FlowTemplate::new(258, Takes::IPV4.reverse(), IPFIX_IPV4_BIFLOW)),
        (ipfix, FlowTemplate::new(259, Takes::IPV6.reverse(), IPFIX_IPV6_BIFLOW)),
        (ipfix, FlowTemplate::new(256, Takes::IPV4, IPFIX_IPV4)),
        (ipfix, FlowTemplate::new(257, Takes::IPV6, IPFIX_IPV6)),
        (v9, FlowTemplate::new(256, Takes::IPV4, V9_IPV4)),
        (v9, FlowTemplate::new(257, Takes::IPV6, V9_IPV6)),
    ];
    list.into_iter().filter(|(of_version, _)| *of_version).map(|(_, template)| template).collect()
}

const V9_IPV4: &[FieldSpecifier] = fields!(
    SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4, IP_NEXT_HOP_IPV4_ADDRESS 4,
    INGRESS_INTERFACE 4, EGRESS_INTERFACE 4, PACKET_DELTA_COUNT 4, OCTET_DELTA_COUNT 4,
    FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2,
    BGP_SOURCE_AS_NUMBER 4, BGP_DESTINATION_AS_NUMBER 4,
    SOURCE_IPV4_PREFIX_LENGTH 1, DESTINATION_IPV4_PREFIX_LENGTH 1, TCP_CONTROL_BITS 1,
    PROTOCOL_IDENTIFIER 1, IP_CLASS_OF_SERVICE 1, FLOW_DIRECTION 1, IP_VERSION 1, ICMP_TYPE_CODE_IPV4 2,
);

const V9_IPV6: &[FieldSpecifier] = fields!(
    SOURCE_IPV6_ADDRESS 16, DESTINATION_IPV6_ADDRESS 16, IP_NEXT_HOP_IPV6_ADDRESS 16,
    INGRESS_INTERFACE 4, EGRESS_INTERFACE 4, PACKET_DELTA_COUNT 4, OCTET_DELTA_COUNT 4,
    FLOW_START_SYS_UP_TIME 4, FLOW_END_SYS_UP_TIME 4, SOURCE_TRANSPORT_PORT 2, DESTINATION_TRANSPORT_PORT 2,
    BGP_SOURCE_AS_NUMBER 4, BGP_DESTINATION_AS_NUMBER 4,
    SOURCE_IPV6_PREFIX_LENGTH 1, DESTINATION_IPV6_PREFIX_LENGTH 1, TCP_CONTROL_BITS 1,
    PROTOCOL_IDENTIFIER 1, IP_CLASS_OF_SERVICE 1, FLOW_DIRECTION 1, IP_VERSION 1, ICMP_TYPE_CODE_IPV6 2,
);

macro_rules! ipfix_fields {
    ([$($addresses:tt)*] $($more:tt)*) => { fields!(
        $($addresses)*
        INGRESS_INTERFACE 4, EGRESS_INTERFACE 4, PACKET_DELTA_COUNT 8, OCTET_DELTA_COUNT 8,
        FLOW_START_MILLISECONDS 8, FLOW_END_MILLISECONDS 8, SOURCE_TRANSPORT_PORT 2,
        DESTINATION_TRANSPORT_PORT 2, BGP_SOURCE_AS_NUMBER 4, BGP_DESTINATION_AS_NUMBER 4,
        TCP_CONTROL_BITS 2, PROTOCOL_IDENTIFIER 1, IP_CLASS_OF_SERVICE 1, FLOW_DIRECTION 1,
        FLOW_END_REASON 1, IP_VERSION 1, $($more)*
    ) };
    (4 $($more:tt)*) => { ipfix_fields!([
        SOURCE_IPV4_ADDRESS 4, DESTINATION_IPV4_ADDRESS 4, IP_NEXT_HOP_IPV4_ADDRESS 4,
        SOURCE_IPV4_PREFIX_LENGTH 1, DESTINATION_IPV4_PREFIX_LENGTH 1, ICMP_TYPE_CODE_IPV4 2,
    ] $($more)*) };
    (6 $($more:tt)*) => { ipfix_fields!([
        SOURCE_IPV6_ADDRESS 16, DESTINATION_IPV6_ADDRESS 16, IP_NEXT_HOP_IPV6_ADDRESS 16,
        SOURCE_IPV6_PREFIX_LENGTH 1, DESTINATION_IPV6_PREFIX_LENGTH 1, ICMP_TYPE_CODE_IPV6 2,
    ] $($more)*) };
}

const IPFIX_IPV4: &[FieldSpecifier] = ipfix_fields!(4);
const IPFIX_IPV6: &[FieldSpecifier] = ipfix_fields!(6);
const IPFIX_IPV4_BIFLOW: &[FieldSpecifier] = ipfix_fields!(4
    reverse PACKET_DELTA_COUNT 8, reverse OCTET_DELTA_COUNT 8, reverse FLOW_START_MILLISECONDS 8,
    reverse FLOW_END_MILLISECONDS 8, reverse TCP_CONTROL_BITS 2, BIFLOW_DIRECTION 1,
);
const IPFIX_IPV6_BIFLOW: &[FieldSpecifier] = ipfix_fields!(6
    reverse PACKET_DELTA_COUNT 8, reverse OCTET_DELTA_COUNT 8, reverse FLOW_START_MILLISECONDS 8,
    reverse FLOW_END_MILLISECONDS 8, reverse TCP_CONTROL_BITS 2, BIFLOW_DIRECTION 1,
);
