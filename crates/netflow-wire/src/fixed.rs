//! Records of fixed layout: one declaration yields the struct and the template that it stands for.

use std::fmt;
use std::net::Ipv4Addr;

use binrw::binrw;

use crate::FieldSpecifier;

/// The layout that every data record of a fixed version (or v8 scheme) has: a template everyone knows.
#[derive(Debug)]
pub struct FixedLayout {
    /// What the records are, for people.
    pub name: &'static str,
    /// Length of one record, in octets.
    pub record_len: usize,
    /// Fields in order, padding included.
    pub fields: &'static [FieldSpecifier],
}

/// A type that a fixed record can have as a field.
pub trait FixedField {
    /// Octets that it takes.
    const LEN: u16;
}

impl FixedField for u8 {
    const LEN: u16 = 1;
}
impl FixedField for u16 {
    const LEN: u16 = 2;
}
impl FixedField for u32 {
    const LEN: u16 = 4;
}
impl FixedField for u64 {
    const LEN: u16 = 8;
}
impl FixedField for Ipv4 {
    const LEN: u16 = 4;
}

/// An IPv4 address in a fixed record.
#[binrw]
#[brw(big)]
#[br(map = |bits: u32| Self(Ipv4Addr::from_bits(bits)))]
#[bw(map = |address: &Self| address.0.to_bits())]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ipv4(pub Ipv4Addr);

impl Default for Ipv4 {
    /// `0.0.0.0`, which stands for an absent address.
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED)
    }
}

impl fmt::Debug for Ipv4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Ipv4Addr> for Ipv4 {
    fn from(address: Ipv4Addr) -> Self {
        Self(address)
    }
}

impl From<Ipv4> for Ipv4Addr {
    fn from(address: Ipv4) -> Self {
        address.0
    }
}

/// Declares a fixed record: a binrw struct, the template that it stands for, and its length.
///
/// Each field names what it is: `ie::…` an IANA information element, `unassigned::…` a field that has none.
macro_rules! fixed_record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* $field:ident : $type:ty = $space:ident :: $element:ident ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[binrw::binrw]
        #[brw(big)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $name {
            /// The template that this layout stands for.
            pub const TEMPLATE: &'static [crate::FieldSpecifier] = &[
                $( crate::FieldSpecifier {
                    enterprise: fixed_record!(@enterprise $space),
                    id: fixed_record!(@id $space $element),
                    length: <$type as crate::FixedField>::LEN,
                }, )*
            ];

            /// Length of a record, in octets.
            pub const LEN: usize = 0 $( + <$type as crate::FixedField>::LEN as usize )*;
        }
    };
    (@enterprise ie) => { crate::enterprise::IANA };
    (@enterprise unassigned) => { crate::enterprise::UNASSIGNED };
    (@id ie $element:ident) => { crate::element_id::$element };
    (@id unassigned $element:ident) => { crate::unassigned::$element };
}
