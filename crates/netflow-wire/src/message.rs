//! Export packets (IPFIX: messages).

use crate::set::Framing;
use crate::{Header, SetError, Sets, WireError, v1, v5, v7, v8};

/// One export packet: a header and the sets behind it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    header: Header,
    octets: &'a [u8],
    framing: Framing,
}

impl<'a> Message<'a> {
    /// Reads the header of the export packet at the start of `octets`.
    ///
    /// A datagram is one export packet; in a stream or file, IPFIX messages follow each other, and
    /// [`len`](Self::len) says where the next one starts. Only a header that cannot be read is an error:
    /// what is wrong behind it is told by [`sets`](Self::sets), after what is right.
    pub fn parse(octets: &'a [u8]) -> Result<Self, WireError> {
        let header = Header::parse(octets)?;
        let fixed = |layout, count: u16| Framing::Fixed { layout, count: count.into() };
        let (framing, length) = match header {
            Header::V1(h) => (fixed(&v1::LAYOUT, h.count), octets.len()),
            Header::V5(h) => (fixed(&v5::LAYOUT, h.count), octets.len()),
            Header::V7(h) => (fixed(&v7::LAYOUT, h.count), octets.len()),
            Header::V8(h) => {
                let aggregation = h.aggregation;
                let layout = v8::layout(aggregation).ok_or(WireError::UnknownAggregation { aggregation })?;
                (fixed(layout, h.count), octets.len())
            }
            Header::V9(_) => (Framing::Sets { ipfix: false }, octets.len()),
            Header::Ipfix(h) => {
                // A length below the header's own says nothing: the datagram is all there is.
                let stated = usize::from(h.length);
                let length = if stated < header.len() { octets.len() } else { stated.min(octets.len()) };
                (Framing::Sets { ipfix: true }, length)
            }
        };
        Ok(Self { header, octets: &octets[..length], framing })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Octets of the export packet, header included.
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Length of the export packet, in octets: in a stream, the next one starts there.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Never: an export packet has a header. Here because [`len`](Self::len) is.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// What follows an export packet of `length` octets in its datagram: another IPFIX message, or what is none.
    /// `None` when that is nothing, or the zeros that some exporters fill datagrams with.
    pub fn following(datagram: &[u8], length: usize) -> Option<&[u8]> {
        datagram.get(length..).filter(|rest| length > 0 && rest.iter().any(|&octet| octet != 0))
    }

    /// What is odd about a datagram whose first message this is: zeros fill it behind the message's length (IPFIX).
    pub fn filling(&self, datagram: &[u8]) -> Option<SetError> {
        let rest = datagram.get(self.len()..).filter(|rest| !rest.is_empty())?;
        let filling = SetError::Filling { offset: self.len(), length: rest.len() };
        rest.iter().all(|&octet| octet == 0).then_some(filling)
    }

    /// The sets, with what is wrong between them.
    pub fn sets(&self) -> Sets<'a> {
        let header = self.header.len();
        Sets::new(&self.octets[header..], header, self.framing)
    }

    /// What is wrong with the header's length, when it is IPFIX and the octets are fewer.
    pub fn length_error(&self) -> Option<SetError> {
        match self.header {
            Header::Ipfix(h) if usize::from(h.length) != self.octets.len() => {
                Some(SetError::Count { stated: h.length.into(), found: self.octets.len(), unit: "octets" })
            }
            _ => None,
        }
    }
}
