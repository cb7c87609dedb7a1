//! Geometry of charts: pure functions from numbers to positions and path data.
//!
//! Pictures are stretched to the width of the page, so they have no text of their own: labels stand beside and above
//! them, at the same fractions.

pub(crate) mod ribbons;
pub(crate) mod scale;
pub(crate) mod stack;
pub(crate) mod time_axis;
