//! Ids for fields without an information element, under [`enterprise::UNASSIGNED`](crate::enterprise::UNASSIGNED).
//!
//! Ids 1 to 255 are the scope field types of v9 options templates (RFC 3954, section 6.1), the others
//! are fields of the fixed records.

/// Scope of the whole exporter.
pub const SCOPE_SYSTEM: u16 = 1;
/// Scope of one interface, by ifIndex.
pub const SCOPE_INTERFACE: u16 = 2;
/// Scope of one line card.
pub const SCOPE_LINE_CARD: u16 = 3;
/// Scope of one flow cache.
pub const SCOPE_CACHE: u16 = 4;
/// Scope of one template, by id.
pub const SCOPE_TEMPLATE: u16 = 5;

/// Address of the router that the switch bypassed (v7, v8 schemes 6 to 8).
pub const ROUTER_SC: u16 = 256;
/// Packets that exceeded the contract (v8 schemes 6 to 8).
pub const EXTRA_PACKETS: u16 = 257;
/// Type of service of the packets that exceeded the contract (v8 schemes 6 to 8).
pub const MARKED_TOS: u16 = 258;
/// Which fields of a v7 record are invalid, first octet.
pub const FLAGS: u16 = 259;
/// Which fields of a v7 record are invalid, second part.
pub const FLAGS_2: u16 = 260;
