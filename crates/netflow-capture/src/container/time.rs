//! Times of frames.

use netflow_templates::Timestamp;

/// How many parts a second has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Units {
    /// Ten to this power.
    Decimal(u8),
    /// Two to this power.
    Binary(u8),
}

impl Units {
    pub(super) fn from_octet(octet: u8) -> Self {
        if octet & 0x80 == 0 { Self::Decimal(octet) } else { Self::Binary(octet & 0x7f) }
    }

    pub(super) fn nanoseconds(self, count: u64) -> i128 {
        let count = i128::from(count);
        match self {
            Self::Decimal(digits) if digits <= 9 => count * 10_i128.pow(9 - u32::from(digits)),
            // A finer division than 10^28 leaves nothing of 64 bits.
            Self::Decimal(digits) => {
                10_i128.checked_pow(u32::from(digits) - 9).map_or(0, |parts| count / parts)
            }
            // 64 bits times 10^9 fit, and shifted out entirely they are 0.
            Self::Binary(digits) => (count * 1_000_000_000) >> digits.min(127),
        }
    }
}

pub(super) fn clamp(nanoseconds: i128) -> Timestamp {
    Timestamp::from_nanos(nanoseconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_time() {
        let nanos = |octet, count| Units::from_octet(octet).nanoseconds(count);
        assert_eq!(nanos(0, 5), 5_000_000_000);
        assert_eq!(nanos(6, u64::MAX), i128::from(u64::MAX) * 1000);
        assert_eq!(nanos(12, 5_000), 5);
        assert_eq!(nanos(127, u64::MAX), 0);
        assert_eq!(nanos(0x80 | 32, 1 << 31), 500_000_000);
        assert_eq!(nanos(0x80 | 63, u64::MAX), 1_999_999_999);
        assert_eq!(nanos(0xff, u64::MAX), 0);
        assert_eq!(clamp(i128::MAX), Timestamp::from_nanos(i64::MAX));
    }
}
