//! What a line can have: nfdump's names for it, the heading, the value.

use netflow_filter::Derived;
use netflow_flow::{Cell, Flow};

use super::{Layout, Style, pad};

/// One value on a line.
pub(super) struct Token {
    /// Behind `%`.
    pub(super) name: &'static str,
    heading: Heading,
    /// Columns that it shows.
    pub(super) columns: &'static [&'static str],
    pub(super) write: fn(&Layout, &Flow, &mut String),
}

enum Heading {
    /// As wide as the value is.
    Is(&'static str),
    /// On the right of an address.
    Address(&'static str),
    /// On the right of an address with a port behind it.
    End(&'static str),
}

impl Token {
    /// The heading, as wide as the value.
    pub(super) fn head(&self, style: Style) -> String {
        let width = Layout::address_width(style);
        match self.heading {
            Is(text) => text.to_owned(),
            Address(text) => format!("{text:>width$}"),
            End(text) => format!("{text:>0$} ", width + 5),
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Token").field(&self.name).finish()
    }
}

use Heading::{Address, End, Is};

/// A number, as wide as its heading.
macro_rules! number {
    ($name:literal, $heading:literal, [$($column:literal),*], $value:expr) => {
        Token {
            name: $name,
            heading: Is($heading),
            columns: &[$($column),*],
            write: |_, flow, line| {
                let value: fn(&Flow) -> u64 = $value;
                pad(line, &value(flow).to_string(), $heading.len(), true);
            },
        }
    };
}

/// A count, which may have a unit.
macro_rules! count {
    ($name:literal, $heading:literal, [$($column:literal),*], $value:expr) => {
        Token {
            name: $name,
            heading: Is($heading),
            columns: &[$($column),*],
            write: |layout, flow, line| {
                let value: fn(&Flow) -> u64 = $value;
                layout.count(value(flow), $heading.len(), line);
            },
        }
    };
}

macro_rules! time {
    ($name:literal, $heading:literal, $column:literal, $value:expr) => {
        Token {
            name: $name,
            heading: Is($heading),
            columns: &[$column],
            write: |layout, flow, line| {
                let value: fn(&Flow) -> Option<netflow_templates::Timestamp> = $value;
                layout.time(value(flow), line);
            },
        }
    };
}

macro_rules! address {
    ($name:literal, $heading:literal, $column:literal, $value:expr) => {
        Token {
            name: $name,
            heading: Address($heading),
            columns: &[$column],
            write: |layout, flow, line| {
                let value: fn(&Flow) -> Option<std::net::IpAddr> = $value;
                layout.address(value(flow), line);
            },
        }
    };
}

/// A column as it is in CSV.
macro_rules! text {
    ($name:literal, $heading:literal, $column:literal) => {
        Token {
            name: $name,
            heading: Is($heading),
            columns: &[$column],
            write: |_, flow, line| {
                let cell = netflow_flow::column($column).map_or(Cell::Null, |column| column.get(flow));
                let mut text = Vec::new();
                netflow_flow::write_cell_text(&mut text, &cell);
                pad(line, &String::from_utf8_lossy(&text), $heading.len(), true);
            },
        }
    };
}

fn derived(derived: Derived, flow: &Flow) -> u64 {
    derived.of(flow.into()).unwrap_or(0).max(0) as u64
}

fn flags(flow: &Flow) -> String {
    let flag = |(bit, letter): (u32, char)| if flow.tcp_flags >> bit & 1 == 1 { letter } else { '.' };
    [(7, 'C'), (6, 'E'), (5, 'U'), (4, 'A'), (3, 'P'), (2, 'R'), (1, 'S'), (0, 'F')]
        .map(flag)
        .iter()
        .collect()
}

/// All that there is.
pub(super) const TOKENS: &[Token] = &[
    time!("ts", "Date first seen        ", "time_flow_start", |flow| flow.time_flow_start),
    time!("te", "Date last seen         ", "time_flow_end", |flow| flow.time_flow_end),
    time!("tr", "Date flow received     ", "time_received", |flow| Some(flow.time_received)),
    Token {
        name: "td",
        heading: Is("    Duration    "),
        columns: &["time_flow_start", "time_flow_end"],
        write: |layout, flow, line| layout.duration(flow, line),
    },
    Token {
        name: "pr",
        heading: Is("Proto"),
        columns: &["proto"],
        write: |layout, flow, line| layout.protocol(flow, line),
    },
    Token {
        name: "sap",
        heading: End("Src IP Addr:Port"),
        columns: &["src_addr", "src_port"],
        write: |layout, flow, line| layout.end(flow, true, line),
    },
    Token {
        name: "dap",
        heading: End("Dst IP Addr:Port"),
        columns: &["dst_addr", "dst_port", "icmp_type", "icmp_code"],
        write: |layout, flow, line| layout.end(flow, false, line),
    },
    address!("sa", "Src IP Addr", "src_addr", |flow| flow.src_addr),
    address!("da", "Dst IP Addr", "dst_addr", |flow| flow.dst_addr),
    address!("nh", "Next-hop IP", "next_hop", |flow| flow.next_hop),
    address!("nhb", "BGP next-hop IP", "bgp_next_hop", |flow| flow.rare().bgp_next_hop),
    address!("ra", "Router IP", "exporter_addr", |flow| Some(flow.exporter_addr)),
    address!("nsa", "X-late Src IP", "post_nat_src_addr", |flow| flow.rare().post_nat_src_addr),
    address!("nda", "X-late Dst IP", "post_nat_dst_addr", |flow| flow.rare().post_nat_dst_addr),
    number!("sp", "Src Pt", ["src_port"], |flow| flow.src_port.into()),
    number!("dp", "Dst Pt", ["dst_port"], |flow| flow.dst_port.into()),
    number!("nsp", "XsPort", ["post_nat_src_port"], |flow| flow.rare().post_nat_src_port.unwrap_or(0).into()),
    number!("ndp", "XdPort", ["post_nat_dst_port"], |flow| flow.rare().post_nat_dst_port.unwrap_or(0).into()),
    number!("it", "ICMP-T", ["icmp_type"], |flow| flow.icmp_type.unwrap_or(0).into()),
    number!("ic", "ICMP-C", ["icmp_code"], |flow| flow.icmp_code.unwrap_or(0).into()),
    number!("sas", "Src AS", ["src_as"], |flow| flow.src_as.into()),
    number!("das", "Dst AS", ["dst_as"], |flow| flow.dst_as.into()),
    number!("in", " Input", ["in_if"], |flow| flow.in_if.into()),
    number!("out", "Output", ["out_if"], |flow| flow.out_if.into()),
    number!("smk", "SMask", ["src_mask"], |flow| flow.src_mask.into()),
    number!("dmk", "DMask", ["dst_mask"], |flow| flow.dst_mask.into()),
    number!("svln", "SVlan", ["src_vlan"], |flow| flow.src_vlan.unwrap_or(0).into()),
    number!("dvln", "DVlan", ["dst_vlan"], |flow| flow.dst_vlan.unwrap_or(0).into()),
    number!("tos", "Tos", ["ip_tos"], |flow| flow.ip_tos.into()),
    number!("fwd", "Fwd", ["forwarding_status"], |flow| flow.rare().forwarding_status.unwrap_or(0).into()),
    number!("dir", "Dir", ["direction"], |flow| flow.direction.unwrap_or(0).into()),
    number!("sr", "Sampling", ["sampling_rate"], |flow| flow.sampling_rate),
    number!("dom", "    Domain", ["observation_domain_id"], |flow| flow.observation_domain_id.into()),
    Token {
        name: "flg",
        heading: Is("   Flags"),
        columns: &["tcp_flags"],
        write: |_, flow, line| line.push_str(&flags(flow)),
    },
    count!("pkt", " Packets", ["packets"], |flow| flow.packets()),
    count!("ipkt", "  In Pkt", ["packets"], |flow| flow.packets()),
    count!("opkt", " Out Pkt", ["reverse_packets"], |flow| flow.rare().reverse_packets.unwrap_or(0)),
    count!("byt", "   Bytes", ["bytes"], |flow| flow.bytes()),
    count!("ibyt", " In Byte", ["bytes"], |flow| flow.bytes()),
    count!("obyt", "Out Byte", ["reverse_bytes"], |flow| flow.rare().reverse_bytes.unwrap_or(0)),
    count!("fl", "Flows", ["flows"], |flow| flow.flows),
    count!("pps", "     pps", ["packets", "time_flow_start", "time_flow_end"], |flow| {
        derived(Derived::PacketsPerSecond, flow)
    }),
    count!("bps", "     bps", ["bytes", "time_flow_start", "time_flow_end"], |flow| {
        derived(Derived::BitsPerSecond, flow)
    }),
    count!("bpp", "   Bpp", ["bytes", "packets"], |flow| derived(Derived::BytesPerPacket, flow)),
    text!("ismc", "   In src MAC Addr", "src_mac"),
    text!("odmc", "  Out dst MAC Addr", "dst_mac"),
    text!("inn", "        Input name", "in_if_name"),
    text!("outn", "       Output name", "out_if_name"),
    text!("app", "       Application", "app_name"),
];
