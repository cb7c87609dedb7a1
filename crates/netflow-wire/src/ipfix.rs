//! IPFIX (RFC 7011), version 10 on the wire.

use binrw::binrw;

use crate::template::{Dialect, FieldSpecifier};

/// Version number on the wire.
pub const VERSION: u16 = 10;
/// Length of the message header, in octets.
pub const HEADER_LEN: usize = 16;
/// Set id of template records.
pub const TEMPLATE_SET: u16 = 2;
/// Set id of options template records.
pub const OPTIONS_TEMPLATE_SET: u16 = 3;

/// IPFIX message header (RFC 7011, section 3.1).
#[binrw]
#[brw(big, magic = 10u16)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Length of the message, this header included, in octets.
    pub length: u16,
    /// Export time, seconds since the Unix epoch.
    pub export_time: u32,
    /// Data records sent before this message, in this stream and observation domain, modulo 2^32.
    pub sequence_number: u32,
    /// Observation domain; 0 when the message concerns no single one.
    pub observation_domain_id: u32,
}

/// An IPFIX options template record (RFC 7011, section 3.4.2.2): the first fields are the scope.
#[binrw]
#[brw(big)]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OptionsTemplateRecord {
    /// Template id, 256 and up.
    pub template_id: u16,
    #[bw(calc = fields.len() as u16)]
    #[br(temp)]
    field_count: u16,
    /// How many of the fields are the scope; 0 in a withdrawal only.
    #[br(if(field_count > 0))]
    #[bw(if(!fields.is_empty()))]
    pub scope_field_count: u16,
    /// Scope and option fields.
    #[br(args { count: field_count.into(), inner: (Dialect::Ipfix,) })]
    #[bw(args(Dialect::Ipfix))]
    pub fields: Vec<FieldSpecifier>,
}
