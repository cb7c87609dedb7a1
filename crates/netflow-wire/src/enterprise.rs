//! Private enterprise numbers that the protocols themselves give a meaning.

/// IANA's own information elements (RFC 7012): no enterprise number on the wire.
pub const IANA: u32 = 0;

/// Reverse information elements (RFC 5103, section 6.1): the IANA element of the same id, for the
/// opposite direction of a biflow.
pub const REVERSE: u32 = 29305;

/// Reserved by RFC 9371 and never on the wire: stands for fields that have no information element at
/// all. Their ids are in [`unassigned`](crate::unassigned).
pub const UNASSIGNED: u32 = u32::MAX;
