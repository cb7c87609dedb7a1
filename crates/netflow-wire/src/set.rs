//! Sets: the parts of an export packet.

use binrw::binrw;

use crate::fixed::FixedLayout;
use crate::{SetError, TemplateDefinitions, ipfix, v9};

/// Header of a set (v9: FlowSet).
#[binrw]
#[brw(big)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetHeader {
    /// What the set holds; from 256 the template of its data records.
    pub id: u16,
    /// Length of the set, this header included, in octets.
    pub length: u16,
}

impl SetHeader {
    /// Octets of a set header.
    pub const LEN: usize = 4;
}

/// What a set holds.
#[derive(Debug, Clone, Copy)]
pub enum SetKind {
    /// Template records.
    Template,
    /// Options template records.
    OptionsTemplate,
    /// Data records, of the template with the set's id.
    Data,
    /// Data records of a version with fixed records.
    Fixed(&'static FixedLayout),
    /// Nothing known: a set id that no RFC gives a meaning.
    Reserved,
}

/// One set of an export packet. The records of a fixed version are one set, without a set header.
#[derive(Debug, Clone, Copy)]
pub struct Set<'a> {
    /// Set id; 0 for fixed records.
    pub id: u16,
    /// What the set holds.
    pub kind: SetKind,
    /// Where the body starts, from the start of the export packet.
    pub offset: usize,
    /// The octets behind the set header.
    pub body: &'a [u8],
    /// Whether the set is of IPFIX.
    ipfix: bool,
}

impl<'a> Set<'a> {
    /// Length of the set with its header, in octets, as far as it is there.
    pub fn length(&self) -> usize {
        self.body.len() + if matches!(self.kind, SetKind::Fixed(_)) { 0 } else { SetHeader::LEN }
    }

    /// The template records of a template set or options template set.
    pub fn templates(&self) -> TemplateDefinitions<'a> {
        let options = matches!(self.kind, SetKind::OptionsTemplate);
        TemplateDefinitions::new(self.body, self.offset, self.ipfix, options)
    }
}

/// How the body of an export packet is divided.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Framing {
    /// Sets with headers; true for IPFIX's set ids.
    Sets { ipfix: bool },
    /// Fixed records, as many as the header says.
    Fixed { layout: &'static FixedLayout, count: usize },
}

/// Iterator over the sets of an export packet.
///
/// Sets are framed by their own lengths and the packet's; the header's count is never used to find
/// them. Each call consumes at least four octets or ends the iteration.
#[derive(Debug, Clone)]
pub struct Sets<'a> {
    rest: &'a [u8],
    offset: usize,
    framing: Framing,
    /// A set that was found together with a problem before it.
    held: Option<Set<'a>>,
    skipped_gap: bool,
}

impl<'a> Sets<'a> {
    pub(crate) fn new(body: &'a [u8], offset: usize, framing: Framing) -> Self {
        Self { rest: body, offset, framing, held: None, skipped_gap: false }
    }

    fn fixed(&mut self, layout: &'static FixedLayout, count: usize) -> Option<Result<Set<'a>, SetError>> {
        let (body, offset) = (self.rest, self.offset);
        self.rest = &[];
        // Nothing but the count says where the records end, so it is believed as far as there are octets; what
        // lies behind them is padding, or what the exporter had in its buffer.
        let whole = body.len() / layout.record_len;
        let found = if count == 0 { whole } else { whole.min(count) };
        let end = found * layout.record_len;
        let error = if found != count {
            Some(SetError::Count { stated: count, found, unit: "records" })
        } else if body[end..].iter().any(|&octet| octet != 0) {
            Some(SetError::Trailing { offset: offset + end, length: body.len() - end })
        } else {
            filling(offset + end, body.len() - end)
        };
        let body = &body[..end];
        let set = Set { id: 0, kind: SetKind::Fixed(layout), offset, body, ipfix: false };
        match error {
            Some(error) => {
                self.held = (found > 0).then_some(set);
                Some(Err(error))
            }
            None if found == 0 => None,
            None => Some(Ok(set)),
        }
    }

    fn header_at(&self, at: usize) -> Option<SetHeader> {
        let octets = self.rest.get(at..at + SetHeader::LEN)?;
        Some(SetHeader {
            id: u16::from_be_bytes([octets[0], octets[1]]),
            length: u16::from_be_bytes([octets[2], octets[3]]),
        })
    }

    fn kind(id: u16, ipfix: bool) -> SetKind {
        match (id, ipfix) {
            (v9::TEMPLATE_SET, false) | (ipfix::TEMPLATE_SET, true) => SetKind::Template,
            (v9::OPTIONS_TEMPLATE_SET, false) | (ipfix::OPTIONS_TEMPLATE_SET, true) => {
                SetKind::OptionsTemplate
            }
            (256.., _) => SetKind::Data,
            _ => SetKind::Reserved,
        }
    }

    /// Where the next set starts if it does so at the next multiple of four: some exporters (MikroTik)
    /// put octets behind a set that its length does not cover.
    fn next_aligned(&self, ipfix: bool) -> Option<usize> {
        let gap = (4 - self.offset % 4) % 4;
        let header = self.header_at(gap).filter(|_| gap > 0 && !self.skipped_gap)?;
        let fits = (SetHeader::LEN..=self.rest.len() - gap).contains(&header.length.into());
        (fits && !matches!(Self::kind(header.id, ipfix), SetKind::Reserved)).then_some(gap)
    }

    fn take(&mut self, length: usize) -> (&'a [u8], usize) {
        let (set, rest) = self.rest.split_at(length);
        let offset = self.offset;
        self.rest = rest;
        self.offset += length;
        (set, offset)
    }

    fn end(&mut self) -> (usize, usize) {
        let (_, offset) = (self.rest, self.offset);
        let length = self.rest.len();
        self.rest = &[];
        (offset, length)
    }

    fn set(&mut self, ipfix: bool) -> Option<Result<Set<'a>, SetError>> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(header) = self.header_at(0) else {
            let padding = self.rest.iter().all(|&octet| octet == 0);
            let (offset, length) = self.end();
            return (!padding).then_some(Err(SetError::Trailing { offset, length }));
        };
        let (id, length) = (header.id, usize::from(header.length));
        let kind = Self::kind(id, ipfix);
        let valid = (SetHeader::LEN..=self.rest.len()).contains(&length);
        if (!valid || matches!(kind, SetKind::Reserved))
            && let Some(gap) = self.next_aligned(ipfix)
        {
            self.skipped_gap = true;
            let (_, offset) = self.take(gap);
            return Some(Err(SetError::Gap { offset, length: gap }));
        }
        if length < SetHeader::LEN {
            let padding = self.rest.iter().all(|&octet| octet == 0);
            let (offset, left) = self.end();
            let error = match padding {
                true => filling(offset, left),
                false => Some(SetError::Length { id, offset, length: header.length }),
            };
            return error.map(Err);
        }
        let left = self.rest.len();
        let (octets, offset) = self.take(length.min(left));
        let body = &octets[SetHeader::LEN..];
        let set = Set { id, kind, offset: offset + SetHeader::LEN, body, ipfix };
        if length > left {
            self.held = Some(set);
            return Some(Err(SetError::Truncated { id, offset, length: header.length, left }));
        }
        Some(Ok(set))
    }
}

/// Zeros behind the last set, or the last record. Fewer than four are what aligns a packet; more are what some
/// exporters (Palo Alto) fill their datagrams with.
fn filling(offset: usize, length: usize) -> Option<SetError> {
    (length >= SetHeader::LEN).then_some(SetError::Filling { offset, length })
}

impl<'a> Iterator for Sets<'a> {
    type Item = Result<Set<'a>, SetError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(set) = self.held.take() {
            return Some(Ok(set));
        }
        match self.framing {
            Framing::Sets { ipfix } => self.set(ipfix),
            Framing::Fixed { layout, count } if !self.rest.is_empty() || count > 0 => {
                let set = self.fixed(layout, count);
                self.framing = Framing::Fixed { layout, count: 0 };
                set
            }
            Framing::Fixed { .. } => None,
        }
    }
}
