//! Whether octets could be an IPFIX message: for streams and files, where messages follow each other.

/// Octets of a message header.
pub(crate) const HEADER: usize = netflow_wire::ipfix::HEADER_LEN;
/// Sets of a message that are looked at to tell it from chance.
const SETS_CHECKED: usize = 8;

/// Whether octets could be the start of an IPFIX message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    No,
    /// So far; there are too few octets to tell.
    Perhaps,
    Yes,
}

/// The two octets at `at`, which must be there, as a number.
pub(crate) fn field(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])
}

/// Looks at the message header and the header of the first set.
pub(crate) fn header_likeness(bytes: &[u8]) -> Likeness {
    let version: &[u8] = &[0, 10];
    if !version.starts_with(&bytes[..bytes.len().min(2)]) {
        return Likeness::No;
    }
    if bytes.len() < 4 {
        return Likeness::Perhaps;
    }
    match field(bytes, 2) {
        HEADER if bytes.len() >= HEADER => return Likeness::Yes,
        length if length == HEADER || length >= HEADER + 4 => {}
        _ => return Likeness::No,
    }
    if bytes.len() < HEADER + 4 {
        return Likeness::Perhaps;
    }
    set_length(bytes, HEADER, field(bytes, 2)).map_or(Likeness::No, |_| Likeness::Yes)
}

/// Length of the set at `at`, if it can be one within a message of `length` octets.
fn set_length(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let (id, set) = (field(bytes, at), field(bytes, at + 2));
    ((matches!(id, 2 | 3) || id >= 256) && set >= 4 && set <= length - at).then_some(set)
}

/// Looks at a whole message; a message without sets is too little to tell it from chance.
pub(crate) fn message_likeness(bytes: &[u8]) -> Likeness {
    match header_likeness(bytes) {
        Likeness::Yes => {}
        other => return other,
    }
    let length = field(bytes, 2);
    if length == HEADER {
        return Likeness::No;
    }
    if bytes.len() < length {
        return Likeness::Perhaps;
    }
    let mut at = HEADER;
    for _ in 0..SETS_CHECKED {
        // Fewer octets than a set header are padding.
        if length - at < 4 {
            break;
        }
        match set_length(bytes, at, length) {
            Some(set) => at += set,
            None => return Likeness::No,
        }
    }
    Likeness::Yes
}
