//! Columns of records whose layout is known when this is compiled.

use netflow_wire::FieldSpecifier;

/// A record whose layout is known when this is compiled.
pub(crate) trait FixedRecord {
    /// Its fields.
    const TEMPLATE: &'static [FieldSpecifier];
    /// Its length in octets.
    const LEN: usize;
}

/// Where the field is that a column takes, of those whose length it can read: start and end in the record.
pub(crate) const fn place(
    template: &[FieldSpecifier],
    preference: &[(u32, u16)],
    lengths: &[u16],
) -> Option<(usize, usize)> {
    let mut preferred = 0;
    while preferred < preference.len() {
        let (mut field, mut start) = (0, 0);
        while field < template.len() {
            let FieldSpecifier { enterprise, id, length } = template[field];
            if enterprise == preference[preferred].0 && id == preference[preferred].1 {
                let mut at = 0;
                while at < lengths.len() {
                    if lengths[at] == length {
                        return Some((start, start + length as usize));
                    }
                    at += 1;
                }
            }
            start += length as usize;
            field += 1;
        }
        preferred += 1;
    }
    None
}
