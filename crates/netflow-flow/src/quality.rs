//! What is to be known about a flow before trusting it.

use std::ops::{BitOr, BitOrAssign};

/// A set of notes about a flow; the column `quality` holds its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Quality(pub u32);

impl Quality {
    /// The record had to wait for its template.
    pub const LATE_TEMPLATE: Self = Self(1);
    /// A known fault of exporters was corrected: times whose fractions of seconds have another unit.
    pub const QUIRK_CORRECTED: Self = Self(1 << 1);
    /// A number did not fit its column, which holds the largest that does.
    pub const CLAMPED: Self = Self(1 << 3);
    /// A value that its element does not allow was left out.
    pub const INVALID_VALUE: Self = Self(1 << 6);
    /// Columns were filled by what stands in for their elements, which the template lacks: interfaces by physical
    /// ones, counters by those since the flow began, MAC addresses by those on the other side, the protocol by the
    /// presence of ICMP.
    pub const INFERRED: Self = Self(1 << 7);
    /// ICMP type and code are what a port said, in a version that has elements for them.
    pub const ICMP_FROM_PORT: Self = Self(1 << 8);

    /// Whether all notes of `other` are there.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Quality {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Quality {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
