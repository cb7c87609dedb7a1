//! The table of profiles.

use netflow_wire::{FieldSpecifier, enterprise as pen, unassigned};

use super::templates::*;
use super::{OptionsLayout, Profile};
use crate::Version;
use crate::exporter::{
    Announcement, Count, Grouping, Habits, HeaderClock, OptionsFrom, Padding, Refresh, Sequence, fields,
};

/// Habits that differ from the standard in a few.
macro_rules! habits {
    ($($habit:ident : $value:expr),* $(,)?) => { Habits { $($habit: $value,)* ..Habits::STANDARD } };
}

const SYSTEM: &[FieldSpecifier] = &[FieldSpecifier::of(pen::UNASSIGNED, unassigned::SCOPE_SYSTEM, 4)];
const SYSTEM_2: &[FieldSpecifier] = &[FieldSpecifier::of(pen::UNASSIGNED, unassigned::SCOPE_SYSTEM, 2)];
const NO_SYSTEM: &[FieldSpecifier] = &[FieldSpecifier::of(pen::UNASSIGNED, unassigned::SCOPE_SYSTEM, 0)];
const INTERFACE: &[FieldSpecifier] = &[FieldSpecifier::of(pen::UNASSIGNED, unassigned::SCOPE_INTERFACE, 4)];
const PROCESS: &[FieldSpecifier] = fields!(EXPORTING_PROCESS_ID 4);

/// Every known profile.
pub static PROFILES: &[Profile] = &[
    Profile {
        name: "mikrotik",
        says: "the header of v9 counts sets",
        templates: MIKROTIK,
        habits: habits! { count: Count::Sets },
        findings: &["header_count", "icmp_in_port"],
        ..Profile::STANDARD
    },
    Profile {
        name: "mikrotik",
        says: "uptimes, and options data say when it started",
        version: Version::Ipfix,
        templates: MIKROTIK,
        options: &[OptionsLayout {
            id: 260,
            scopes: PROCESS,
            fields: fields!(SYSTEM_INIT_TIME_MILLISECONDS 8),
            when_sampled: false,
        }],
        habits: habits! { grouping: Grouping::OneTemplate, announcement: Announcement::Alone },
        findings: &["icmp_in_port"],
        ..Profile::STANDARD
    },
    Profile {
        name: "cisco-asa",
        says: "security events (NSEL), with both directions' octets; field types above 32767",
        templates: CISCO_ASA,
        habits: habits! { events: true },
        findings: &["high_field_type"],
        ..Profile::STANDARD
    },
    Profile {
        name: "h3c",
        says: "variable length in v9, one record a set, and the header counts sets",
        templates: H3C,
        habits: habits! { grouping: Grouping::Arrival, records_per_set: 1, announcement: Announcement::Alone },
        findings: &["icmp_in_port", "variable_length_in_v9"],
        ..Profile::STANDARD
    },
    Profile {
        name: "paloalto",
        says: "the datagram is filled with zeros; names of application and user above 32767",
        templates: PALO_ALTO,
        habits: habits! { fill: true, padding: Padding::None },
        max_packet: 1_408,
        findings: &["filled_datagram", "high_field_type", "unaligned_set"],
        ..Profile::STANDARD
    },
    Profile {
        name: "juniper",
        says: "options data from another port, templates only at start",
        version: Version::Ipfix,
        templates: JUNIPER_MX,
        options: JUNIPER_MX_OPTIONS,
        habits: habits! { options: OptionsFrom::OtherPort, grouping: Grouping::OneTemplate },
        refresh: Refresh::NEVER,
        findings: &["options_from_other_port"],
        ..Profile::STANDARD
    },
    Profile {
        name: "juniper-srx",
        says: "a scope of length 0",
        templates: JUNIPER_SRX,
        options: &[OptionsLayout {
            id: 256,
            scopes: NO_SYSTEM,
            fields: fields!(SAMPLING_ALGORITHM 1, SAMPLING_INTERVAL 4),
            when_sampled: false,
        }],
        findings: &["empty_field"],
        ..Profile::STANDARD
    },
    Profile {
        name: "softflowd",
        says: "templates only at start, without padding; those for ICMP lack the protocol; counts data records only",
        templates: SOFTFLOWD,
        options: &[OptionsLayout {
            id: 256,
            scopes: INTERFACE,
            fields: fields!(SAMPLING_INTERVAL 4, SAMPLING_ALGORITHM 1),
            when_sampled: true,
        }],
        habits: habits! {
            count: Count::Flows,
            first_sequence: 1,
            padding: Padding::None,
            grouping: Grouping::Arrival,
        },
        refresh: Refresh::NEVER,
        findings: &["icmp_without_protocol", "unaligned_set"],
        ..Profile::STANDARD
    },
    Profile {
        name: "softflowd",
        says: "uptimes whose start is in options data; sequence numbers include the message, and no options",
        version: Version::Ipfix,
        templates: SOFTFLOWD,
        options: &[OptionsLayout {
            id: 256,
            scopes: fields!(METERING_PROCESS_ID 4),
            fields: fields!(
                SYSTEM_INIT_TIME_MILLISECONDS 8, SAMPLING_PACKET_INTERVAL 4, SAMPLING_PACKET_SPACE 4,
                SELECTOR_ALGORITHM 2,
            ),
            when_sampled: false,
        }],
        habits: habits! {
            sequence: Sequence::After,
            options_uncounted: true,
            padding: Padding::None,
            grouping: Grouping::Arrival,
        },
        refresh: Refresh::NEVER,
        findings: &["icmp_without_protocol", "own_convention"],
        ..Profile::STANDARD
    },
    Profile { name: "softflowd", says: "IPv4 only", version: Version::V5, ..Profile::STANDARD },
    Profile {
        name: "pmacct",
        says: "type and code of ICMP in the destination port; templates for ingress and egress",
        templates: PMACCT,
        options: &[OptionsLayout {
            id: 4096,
            scopes: SYSTEM,
            fields: fields!(SAMPLER_ID 1, SAMPLER_MODE 1, SAMPLER_RANDOM_INTERVAL 4),
            when_sampled: true,
        }],
        habits: habits! { padding: Padding::None },
        findings: &["icmp_in_port", "unaligned_set"],
        ..Profile::STANDARD
    },
    Profile {
        name: "pmacct",
        says: "as in v9; options data say the exporter's address",
        version: Version::Ipfix,
        templates: PMACCT,
        options: PMACCT_OPTIONS,
        habits: habits! { padding: Padding::None },
        findings: &["icmp_in_port"],
        ..Profile::STANDARD
    },
    Profile {
        name: "pmacct-usec",
        says: "microseconds in 16 octets",
        version: Version::Ipfix,
        templates: PMACCT_USEC,
        options: PMACCT_OPTIONS,
        habits: habits! { padding: Padding::None },
        findings: &["icmp_in_port", "time_length"],
        ..Profile::STANDARD
    },
    Profile {
        name: "ovs",
        says: "one record a message, every flow where it came in and where it went out; sequence numbers include the \
               message",
        version: Version::Ipfix,
        templates: OVS,
        habits: habits! {
            sequence: Sequence::After,
            twice: true,
            grouping: Grouping::OneTemplate,
            announcement: Announcement::Alone,
            padding: Padding::None,
        },
        max_records: Some(1),
        domain: 123,
        findings: &["double_counted", "own_convention"],
        ..Profile::STANDARD
    },
    Profile {
        name: "ovs",
        says: "sequence numbers are those of the last record",
        version: Version::V5,
        habits: habits! { sequence: Sequence::Last },
        domain: 9 << 8 | 5,
        findings: &["own_convention"],
        ..Profile::STANDARD
    },
    Profile { version: Version::V5, ..FPROBE },
    Profile { version: Version::V1, ..FPROBE },
    Profile { version: Version::V7, ..FPROBE },
    Profile {
        name: "nfreplay",
        says: "the template before every data set, an uptime of 0, and a clock that stands",
        templates: NFREPLAY,
        habits: habits! {
            announcement: Announcement::BeforeEachSet,
            clock: HeaderClock::Start,
            grouping: Grouping::Arrival,
        },
        domain: 1,
        findings: &["clock_skew", "template_every_packet"],
        ..Profile::STANDARD
    },
    Profile {
        name: "nfreplay",
        says: "engine octets that mean nothing",
        version: Version::V5,
        domain: 120 << 8 | 85,
        ..Profile::STANDARD
    },
    Profile {
        name: "nexus",
        says: "24 to 36 octets of padding in data sets, uptimes of eight octets",
        templates: NEXUS,
        habits: habits! { more_padding: 28 },
        findings: &["icmp_in_port", "long_uptime", "zero_padding"],
        ..Profile::STANDARD
    },
    Profile {
        name: "fortigate",
        says: "each flow where it came in and where it went out, and the counters of both sides of it",
        templates: FORTIGATE,
        options: &[OptionsLayout {
            id: 256,
            scopes: SYSTEM_2,
            fields: fields!(
                EXPORTED_OCTET_TOTAL_COUNT 8, EXPORTED_MESSAGE_TOTAL_COUNT 8, EXPORTED_FLOW_RECORD_TOTAL_COUNT 8,
                FLOW_ACTIVE_TIMEOUT 2, FLOW_IDLE_TIMEOUT 2, SAMPLING_INTERVAL 4, SAMPLING_ALGORITHM 1,
            ),
            when_sampled: false,
        }],
        habits: habits! { twice: true },
        findings: &["double_counted"],
        ..Profile::STANDARD
    },
    Profile {
        name: "asr9k",
        says: "records name their sampler, and options data its rate",
        templates: ASR9K,
        options: &[
            OptionsLayout {
                id: 256,
                scopes: SYSTEM,
                fields: fields!(INGRESS_INTERFACE 4, INTERFACE_DESCRIPTION 64),
                when_sampled: false,
            },
            OptionsLayout {
                id: 257,
                scopes: SYSTEM,
                fields: fields!(SAMPLER_ID 2, SAMPLER_MODE 1, SAMPLER_RANDOM_INTERVAL 4),
                when_sampled: false,
            },
        ],
        sampling: 1_000,
        findings: &["icmp_in_port"],
        ..Profile::STANDARD
    },
    Profile {
        name: "ios-xr",
        says: "uptimes in IPFIX, and nothing says when it started",
        version: Version::Ipfix,
        templates: IOS_XR,
        findings: &["icmp_in_port", "uptime_without_start"],
        ..Profile::STANDARD
    },
    Profile {
        name: "c9300",
        says: "options data under another domain",
        options: &[OptionsLayout {
            id: 256 + 64,
            scopes: SYSTEM,
            fields: fields!(SAMPLER_ID 1, SAMPLER_MODE 1, SAMPLER_RANDOM_INTERVAL 4),
            when_sampled: false,
        }],
        habits: habits! { options: OptionsFrom::OtherDomain(1) },
        domain: 256,
        sampling: 512,
        findings: &["sampling_other_domain", "template_every_packet"],
        ..Profile::STANDARD
    },
    Profile {
        name: "ipt-netflow",
        says: "flows are sampled, and not packets",
        templates: IPT_NETFLOW,
        options: &[OptionsLayout {
            id: 512,
            scopes: SYSTEM,
            fields: fields!(FLOW_SELECTOR_ALGORITHM 2, SAMPLING_FLOW_INTERVAL 2, SAMPLING_FLOW_SPACING 2),
            when_sampled: true,
        }],
        sampling: 100,
        findings: &["flow_sampling", "icmp_in_port"],
        ..Profile::STANDARD
    },
    Profile {
        name: "pflow",
        says: "OpenBSD: few fields, one template a message",
        version: Version::Ipfix,
        templates: PFLOW,
        habits: habits! { grouping: Grouping::OneTemplate, announcement: Announcement::Alone },
        findings: &["icmp_in_port"],
        ..Profile::STANDARD
    },
    Profile {
        name: "nflow-generator",
        says: "128 records in a packet of v5, and sequence numbers that count packets",
        version: Version::V5,
        habits: habits! { sequence: Sequence::Packets },
        max_packet: 6_200,
        max_records: Some(128),
        findings: &["many_records", "unknown_convention"],
        ..Profile::STANDARD
    },
];

const FPROBE: Profile = Profile {
    name: "fprobe",
    says: "the uptime begins at 2^20 seconds, and does not keep step with the clock",
    habits: habits! { clock: HeaderClock::Standing((1 << 20) * 1_000 + 2_000) },
    findings: &["uptime_stands_still"],
    ..Profile::STANDARD
};

const PMACCT_OPTIONS: &[OptionsLayout] = &[
    OptionsLayout {
        id: 4096,
        scopes: PROCESS,
        fields: fields!(SAMPLER_ID 1, SAMPLER_MODE 1, SAMPLER_RANDOM_INTERVAL 4),
        when_sampled: true,
    },
    OptionsLayout {
        id: 4098,
        scopes: PROCESS,
        fields: fields!(EXPORTER_IPV4_ADDRESS 4, EXPORTER_IPV6_ADDRESS 16),
        when_sampled: false,
    },
];

const JUNIPER_MX_OPTIONS: &[OptionsLayout] = &[OptionsLayout {
    id: 512,
    scopes: PROCESS,
    fields: fields!(
        EXPORTED_MESSAGE_TOTAL_COUNT 8, EXPORTED_FLOW_RECORD_TOTAL_COUNT 8, SYSTEM_INIT_TIME_MILLISECONDS 8,
        EXPORTER_IPV4_ADDRESS 4, EXPORTER_IPV6_ADDRESS 16, SAMPLING_INTERVAL 4, FLOW_ACTIVE_TIMEOUT 2,
        FLOW_IDLE_TIMEOUT 2, EXPORT_PROTOCOL_VERSION 1, EXPORT_TRANSPORT_PROTOCOL 1,
    ),
    when_sampled: false,
}];
