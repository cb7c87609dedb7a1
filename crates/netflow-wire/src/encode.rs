//! Writing export packets.

use std::io::Cursor;

use binrw::BinWrite;
use binrw::meta::WriteEndian;

use crate::{Dialect, Header, SetHeader, TemplateDefinition, TemplateRecord, ipfix, v9};

fn append<T>(value: &T, out: &mut Vec<u8>)
where
    T: BinWrite + WriteEndian,
    for<'a> T: BinWrite<Args<'a> = ()>,
{
    let mut cursor = Cursor::new(out);
    cursor.set_position(cursor.get_ref().len() as u64);
    value.write(&mut cursor).expect("a vector takes every octet");
}

impl Header {
    /// Appends the octets of the header, all as they stand in it.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::V1(header) => append(header, out),
            Self::V5(header) => append(header, out),
            Self::V7(header) => append(header, out),
            Self::V8(header) => append(header, out),
            Self::V9(header) => append(header, out),
            Self::Ipfix(header) => append(header, out),
        }
    }
}

impl TemplateDefinition {
    /// Appends the octets of the template record, or options template record, of IPFIX or v9.
    pub fn append_to(&self, ipfix: bool, out: &mut Vec<u8>) {
        let &Self { template_id, scope_count, .. } = self;
        let fields = self.fields.clone();
        match (ipfix, self.options) {
            (ipfix, false) => {
                let dialect = if ipfix { Dialect::Ipfix } else { Dialect::V9 };
                let mut cursor = Cursor::new(out);
                cursor.set_position(cursor.get_ref().len() as u64);
                let record = TemplateRecord { template_id, fields };
                record.write_args(&mut cursor, (dialect,)).expect("a vector takes every octet");
            }
            (true, true) => {
                append(
                    &ipfix::OptionsTemplateRecord { template_id, scope_field_count: scope_count, fields },
                    out,
                );
            }
            (false, true) => {
                let (scopes, options) = fields.split_at(usize::from(scope_count).min(fields.len()));
                let (scopes, options) = (scopes.to_vec(), options.to_vec());
                append(&v9::OptionsTemplateRecord { template_id, scopes, options }, out);
            }
        }
    }
}

/// Builds one export packet: a header, then sets (v9, IPFIX) or records (the fixed versions).
///
/// Lengths are filled in by [`finish`](Self::finish). Nothing limits the size: a datagram that should not
/// be fragmented is for the caller to keep short.
#[derive(Debug)]
pub struct MessageEncoder {
    out: Cursor<Vec<u8>>,
    header: Header,
    open: Option<usize>,
}

impl MessageEncoder {
    /// Starts an export packet. The header's count is written as given; IPFIX's length is set at the end.
    pub fn new(header: Header) -> Self {
        let mut octets = Vec::with_capacity(1500);
        header.append_to(&mut octets);
        let mut out = Cursor::new(octets);
        out.set_position(out.get_ref().len() as u64);
        Self { out, header, open: None }
    }

    fn write<T>(&mut self, value: &T)
    where
        T: BinWrite + WriteEndian,
        for<'a> T: BinWrite<Args<'a> = ()>,
    {
        value.write(&mut self.out).expect("a vector takes every octet");
    }

    /// Starts a set; what is written next belongs to it.
    pub fn begin_set(&mut self, id: u16) -> &mut Self {
        self.end_set();
        self.open = Some(self.out.get_ref().len());
        self.write(&SetHeader { id, length: 0 });
        self
    }

    /// Appends octets: encoded values, or padding.
    pub fn octets(&mut self, octets: &[u8]) -> &mut Self {
        self.out.get_mut().extend_from_slice(octets);
        self.out.set_position(self.out.get_ref().len() as u64);
        self
    }

    /// Appends a record of a fixed version.
    pub fn record<T>(&mut self, record: &T) -> &mut Self
    where
        T: BinWrite + WriteEndian,
        for<'a> T: BinWrite<Args<'a> = ()>,
    {
        self.write(record);
        self
    }

    /// Appends a set with one template or options template record.
    pub fn template(&mut self, definition: &TemplateDefinition) -> &mut Self {
        let ipfix = matches!(self.header, Header::Ipfix(_));
        let set = match (ipfix, definition.options) {
            (false, false) => v9::TEMPLATE_SET,
            (false, true) => v9::OPTIONS_TEMPLATE_SET,
            (true, false) => ipfix::TEMPLATE_SET,
            (true, true) => ipfix::OPTIONS_TEMPLATE_SET,
        };
        self.begin_set(set);
        definition.append_to(ipfix, self.out.get_mut());
        self.out.set_position(self.out.get_ref().len() as u64);
        self
    }

    fn end_set(&mut self) {
        if let Some(start) = self.open.take() {
            let length = (self.out.get_ref().len() - start) as u16;
            self.out.get_mut()[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    }

    /// The export packet's octets.
    pub fn finish(mut self) -> Vec<u8> {
        self.end_set();
        let mut octets = self.out.into_inner();
        if matches!(self.header, Header::Ipfix(_)) {
            let length = octets.len() as u16;
            octets[2..4].copy_from_slice(&length.to_be_bytes());
        }
        octets
    }
}
