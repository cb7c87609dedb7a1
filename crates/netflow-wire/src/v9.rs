//! NetFlow version 9 (RFC 3954).

use binrw::binrw;

use crate::template::{Dialect, FieldSpecifier};

/// Version number on the wire.
pub const VERSION: u16 = 9;
/// Length of the header, in octets.
pub const HEADER_LEN: usize = 20;
/// Set (FlowSet) id of template records.
pub const TEMPLATE_SET: u16 = 0;
/// Set (FlowSet) id of options template records.
pub const OPTIONS_TEMPLATE_SET: u16 = 1;

/// Header of a v9 export packet (RFC 3954, section 5.1).
#[binrw]
#[brw(big, magic = 9u16)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Records in the packet, templates included. Many exporters count something else.
    pub count: u16,
    /// Milliseconds since the exporter started.
    pub uptime_millis: u32,
    /// Export time, seconds since the Unix epoch.
    pub unix_seconds: u32,
    /// Export packets sent before this one, for this source ID.
    pub sequence: u32,
    /// Observation domain.
    pub source_id: u32,
}

/// A v9 options template record (RFC 3954, section 6.1): its lengths count octets of specifiers.
#[binrw]
#[brw(big)]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptionsTemplateRecord {
    /// Template id, 256 and up.
    pub template_id: u16,
    /// Octets of the scope field specifiers, four each.
    #[bw(calc = (scopes.len() * 4) as u16)]
    #[br(temp)]
    scope_length: u16,
    /// Octets of the option field specifiers, four each.
    #[bw(calc = (options.len() * 4) as u16)]
    #[br(temp)]
    option_length: u16,
    /// Scope fields: their ids are scope types, not information elements.
    #[br(args { count: usize::from(scope_length / 4), inner: (Dialect::V9Scope,) })]
    #[bw(args(Dialect::V9Scope))]
    pub scopes: Vec<FieldSpecifier>,
    /// Option fields.
    #[br(args { count: usize::from(option_length / 4), inner: (Dialect::V9,) })]
    #[bw(args(Dialect::V9))]
    pub options: Vec<FieldSpecifier>,
}
