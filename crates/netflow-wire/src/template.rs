//! Template records and options template records.

use std::io::Cursor;

use binrw::{BinRead, binrw};

use crate::{enterprise, ipfix, v9};

/// Length in a field specifier that says that each value carries its own length (RFC 7011, section 7).
pub const VARIABLE_LENGTH: u16 = 65535;

/// The ways in which a field specifier is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// v9: 16 bits of field type, the high bit is part of it.
    V9,
    /// v9 scope: the type is a scope type (System, Interface, ...).
    V9Scope,
    /// IPFIX: the high bit announces an enterprise number.
    Ipfix,
}

/// What one field of a record is, and how long (RFC 7011, section 3.2; RFC 3954, section 5.2).
#[binrw]
#[brw(big, import(dialect: Dialect))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldSpecifier {
    #[br(temp)]
    #[bw(calc = if dialect == Dialect::Ipfix && *enterprise != enterprise::IANA { id | 0x8000 } else { *id })]
    wire_id: u16,
    /// Octets of a value; [`VARIABLE_LENGTH`] when each value says its own.
    pub length: u16,
    /// Private enterprise number; [`enterprise::IANA`] for IANA's elements.
    #[br(parse_with = read_enterprise, args(dialect, wire_id))]
    #[bw(if(dialect == Dialect::Ipfix && *enterprise != enterprise::IANA))]
    pub enterprise: u32,
    /// Information element id, without the enterprise bit.
    #[br(calc = if dialect == Dialect::Ipfix { wire_id & 0x7fff } else { wire_id })]
    #[bw(ignore)]
    pub id: u16,
}

impl FieldSpecifier {
    /// An IANA element.
    pub const fn iana(id: u16, length: u16) -> Self {
        Self { enterprise: enterprise::IANA, id, length }
    }

    /// An enterprise element.
    pub const fn of(enterprise: u32, id: u16, length: u16) -> Self {
        Self { enterprise, id, length }
    }
}

#[binrw::parser(reader, endian)]
fn read_enterprise(dialect: Dialect, wire_id: u16) -> binrw::BinResult<u32> {
    match dialect {
        Dialect::Ipfix if wire_id & 0x8000 != 0 => u32::read_options(reader, endian, ()),
        Dialect::V9Scope => Ok(enterprise::UNASSIGNED),
        _ => Ok(enterprise::IANA),
    }
}

/// A template record (RFC 7011, section 3.4.1; RFC 3954, section 5.2).
#[binrw]
#[brw(big, import(dialect: Dialect))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRecord {
    /// Template id, 256 and up.
    pub template_id: u16,
    #[bw(calc = fields.len() as u16)]
    #[br(temp)]
    field_count: u16,
    /// Fields in order; none in a withdrawal.
    #[br(args { count: field_count.into(), inner: (dialect,) })]
    #[bw(args(dialect))]
    pub fields: Vec<FieldSpecifier>,
}

/// What a template or options template record of any version defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateDefinition {
    /// Template id, 256 and up; in a withdrawal also 2 or 3, which stand for all.
    pub template_id: u16,
    /// How many of the fields are the scope: 0 for templates of flow records.
    pub scope_count: u16,
    /// True for an options template.
    pub options: bool,
    /// Fields in order, the scope first; none in a withdrawal.
    pub fields: Vec<FieldSpecifier>,
    /// Where the record starts, from the start of the export packet.
    pub offset: usize,
}

impl TemplateDefinition {
    /// Whether the record withdraws a template (RFC 7011, section 8.1).
    pub fn is_withdrawal(&self) -> bool {
        self.fields.is_empty()
    }
}

/// Why the rest of a template set could not be read; the records before it are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The record says that it has more fields than the set has octets for.
    #[error("template {template_id} at offset {offset} does not fit into its set: {left} octets left")]
    Truncated {
        /// Template id.
        template_id: u16,
        /// Where the record starts in the export packet.
        offset: usize,
        /// Octets left in the set from there.
        left: usize,
    },
    /// Template ids below 256 are those of the sets themselves.
    #[error("template id {template_id} at offset {offset} is below 256")]
    Id {
        /// Template id.
        template_id: u16,
        /// Where the record starts in the export packet.
        offset: usize,
    },
    /// The scope has more fields than the template, or (v9) lengths that are no multiple of four.
    #[error(
        "options template {template_id} at offset {offset} has an impossible scope ({scope}, {total} in all)"
    )]
    Scope {
        /// Template id.
        template_id: u16,
        /// Where the record starts in the export packet.
        offset: usize,
        /// Scope field count (IPFIX) or scope length (v9).
        scope: u16,
        /// Field count (IPFIX) or option length (v9).
        total: u16,
    },
}

/// Iterator over the records of a template set or options template set.
#[derive(Debug, Clone)]
pub struct TemplateDefinitions<'a> {
    body: &'a [u8],
    /// Zeros at the end of `body`: looked for once, and not again behind every record.
    zeros: usize,
    offset: usize,
    ipfix: bool,
    options: bool,
}

impl<'a> TemplateDefinitions<'a> {
    /// Over `body`, the octets behind a set header, which start at `offset` in the export packet.
    pub fn new(body: &'a [u8], offset: usize, ipfix: bool, options: bool) -> Self {
        let zeros = body.iter().rev().take_while(|&&octet| octet == 0).count();
        Self { body, zeros, offset, ipfix, options }
    }

    fn read(&self) -> Result<(TemplateDefinition, usize), TemplateError> {
        let word = |at: usize| {
            self.body.get(at..at + 2).map_or(0, |octets| u16::from_be_bytes([octets[0], octets[1]]))
        };
        let (template_id, offset, left) = (word(0), self.offset, self.body.len());
        let withdrawal = self.ipfix && word(2) == 0;
        if template_id < 256 && !withdrawal {
            return Err(TemplateError::Id { template_id, offset });
        }
        let truncated = |_| TemplateError::Truncated { template_id, offset, left };
        let mut cursor = Cursor::new(self.body);
        let (scope_count, fields) = match (self.options, self.ipfix) {
            (false, ipfix) => {
                let dialect = if ipfix { Dialect::Ipfix } else { Dialect::V9 };
                (0, TemplateRecord::read_args(&mut cursor, (dialect,)).map_err(truncated)?.fields)
            }
            (true, true) => {
                let record = ipfix::OptionsTemplateRecord::read(&mut cursor).map_err(truncated)?;
                if usize::from(record.scope_field_count) > record.fields.len() {
                    let (scope, total) = (record.scope_field_count, word(2));
                    return Err(TemplateError::Scope { template_id, offset, scope, total });
                }
                (record.scope_field_count, record.fields)
            }
            (true, false) => {
                let (scope, total) = (word(2), word(4));
                if scope % 4 != 0 || total % 4 != 0 {
                    return Err(TemplateError::Scope { template_id, offset, scope, total });
                }
                let record = v9::OptionsTemplateRecord::read(&mut cursor).map_err(truncated)?;
                let mut fields = record.scopes;
                fields.extend(record.options);
                (scope / 4, fields)
            }
        };
        let definition =
            TemplateDefinition { template_id, scope_count, options: self.options, fields, offset };
        Ok((definition, cursor.position() as usize))
    }
}

impl Iterator for TemplateDefinitions<'_> {
    type Item = Result<TemplateDefinition, TemplateError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Some exporters pad template sets, by more than the three octets that alignment could need:
        // a rest that is too short for a record, or zero throughout, is padding.
        let shortest = if self.options && !self.ipfix { 6 } else { 4 };
        if self.body.len() < shortest || self.body.len() <= self.zeros {
            return None;
        }
        match self.read() {
            Ok((definition, consumed)) => {
                self.body = &self.body[consumed..];
                self.offset += consumed;
                Some(Ok(definition))
            }
            Err(error) => {
                self.body = &[];
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use binrw::BinWrite;

    use super::*;
    use crate::element_id as ie;

    fn octets(write: impl FnOnce(&mut Cursor<Vec<u8>>)) -> Vec<u8> {
        let mut cursor = Cursor::new(Vec::new());
        write(&mut cursor);
        cursor.into_inner()
    }

    #[test]
    fn template_record_round_trip() {
        let fields = vec![
            FieldSpecifier::iana(ie::SOURCE_IPV4_ADDRESS, 4),
            FieldSpecifier::of(enterprise::REVERSE, ie::OCTET_DELTA_COUNT, 8),
            FieldSpecifier::of(6871, 40, VARIABLE_LENGTH),
        ];
        let record = TemplateRecord { template_id: 300, fields };
        let wire = octets(|out| record.write_args(out, (Dialect::Ipfix,)).unwrap());
        let expected = [
            0x01, 0x2c, 0, 3, // template id 300, 3 fields
            0, 8, 0, 4, // sourceIPv4Address
            0x80, 1, 0, 8, 0, 0, 0x72, 0x79, // reverseOctetDeltaCount, enterprise 29305
            0x80, 40, 0xff, 0xff, 0, 0, 0x1a, 0xd7, // 6871.40, variable length
        ];
        assert_eq!(wire, expected);
        let read = TemplateDefinitions::new(&wire, 20, true, false).next().unwrap().unwrap();
        assert_eq!((read.template_id, read.offset, read.scope_count), (300, 20, 0));
        assert_eq!(read.fields, record.fields);
    }

    #[test]
    fn the_high_bit_is_no_enterprise_bit_in_v9() {
        let record = TemplateRecord { template_id: 256, fields: vec![FieldSpecifier::iana(33002, 2)] };
        let wire = octets(|out| record.write_args(out, (Dialect::V9,)).unwrap());
        let read = TemplateDefinitions::new(&wire, 0, false, false).next().unwrap().unwrap();
        assert_eq!(read.fields, record.fields);
    }

    #[test]
    fn options_templates_of_both_versions() {
        let v9 = v9::OptionsTemplateRecord {
            template_id: 256,
            scopes: vec![FieldSpecifier::of(enterprise::UNASSIGNED, 2, 4)],
            options: vec![FieldSpecifier::iana(ie::SAMPLING_INTERVAL, 4)],
        };
        let wire = octets(|out| v9.write(out).unwrap());
        let read = TemplateDefinitions::new(&wire, 0, false, true).next().unwrap().unwrap();
        assert_eq!((read.scope_count, read.fields), (1, vec![v9.scopes[0], v9.options[0]]));

        let ipfix = ipfix::OptionsTemplateRecord {
            template_id: 257,
            scope_field_count: 1,
            fields: vec![FieldSpecifier::iana(149, 4), FieldSpecifier::iana(305, 4)],
        };
        let wire = octets(|out| ipfix.write(out).unwrap());
        let read = TemplateDefinitions::new(&wire, 0, true, true).next().unwrap().unwrap();
        assert_eq!((read.scope_count, read.fields), (1, ipfix.fields));
    }

    #[test]
    fn withdrawal_has_no_fields() {
        let read = TemplateDefinitions::new(&[1, 0, 0, 0], 0, true, false).next().unwrap().unwrap();
        assert!(read.is_withdrawal());
        let all = TemplateDefinitions::new(&[0, 2, 0, 0], 0, true, false).next().unwrap().unwrap();
        assert!(all.is_withdrawal() && all.template_id == 2);
    }

    #[test]
    fn padding_is_no_record() {
        assert_eq!(TemplateDefinitions::new(&[0; 7], 0, false, false).count(), 0);
        assert_eq!(TemplateDefinitions::new(&[0, 1, 0], 0, true, false).count(), 0);
        let wire = [1, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(TemplateDefinitions::new(&wire, 0, false, false).count(), 1, "its last octets are zero");
        assert_eq!(TemplateDefinitions::new(&[0, 0, 0, 0, 1, 0, 0, 0], 0, true, false).count(), 2);
    }

    #[test]
    fn a_record_that_does_not_fit_ends_the_set() {
        let wire = [1, 0, 0, 1, 0, 8, 0, 4, /* second: */ 1, 1, 0xff, 0xff, 0, 8, 0, 4];
        let read: Vec<_> = TemplateDefinitions::new(&wire, 24, false, false).collect();
        assert!(read[0].is_ok());
        assert_eq!(read[1], Err(TemplateError::Truncated { template_id: 257, offset: 32, left: 8 }));
        assert_eq!(read.len(), 2);
    }
}
