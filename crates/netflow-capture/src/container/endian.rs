//! Numbers in the octet order of a file.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

impl Endian {
    pub(super) fn u32(self, octets: &[u8], at: usize) -> u32 {
        let Some(field) = octets.get(at..).and_then(<[u8]>::first_chunk) else { return 0 };
        match self {
            Self::Little => u32::from_le_bytes(*field),
            Self::Big => u32::from_be_bytes(*field),
        }
    }

    pub(super) fn u16(self, octets: &[u8], at: usize) -> u16 {
        let Some(field) = octets.get(at..).and_then(<[u8]>::first_chunk) else { return 0 };
        match self {
            Self::Little => u16::from_le_bytes(*field),
            Self::Big => u16::from_be_bytes(*field),
        }
    }
}
