//! What was wrong with an export packet whose other parts were decoded.

use netflow_wire::{SetError, SetHeader, TemplateError};

/// Something wrong within an export packet: a value that is counted and shown, never a reason to lose the
/// rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Sets are framed wrongly.
    #[error(transparent)]
    Set(#[from] SetError),
    /// A template record cannot be read; the rest of its set is lost.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A v9 template has no fields.
    #[error("template {template_id} at offset {offset} has no fields")]
    NoFields {
        /// Template id.
        template_id: u16,
        /// Where the record starts in the export packet.
        offset: usize,
    },
    /// No template is known for a data set. The set waits for it, within bounds.
    #[error("set {set_id} at offset {}: no template is known for its {length} octets", header_of(*.offset))]
    MissingTemplate {
        /// Set id, which is the template's.
        set_id: u16,
        /// Length of the set with its header, in octets.
        length: usize,
        /// Where the set's body starts in the export packet.
        offset: usize,
    },
    /// A set has an id that no RFC gives a meaning (4 to 255).
    #[error("set {set_id} at offset {} has a reserved id; its {length} octets were passed over", header_of(*.offset))]
    ReservedSet {
        /// Set id.
        set_id: u16,
        /// Length of the set with its header, in octets.
        length: usize,
        /// Where the set's body starts in the export packet.
        offset: usize,
    },
    /// A template's records have no octets at all.
    #[error("set {set_id} at offset {}: the template's records have no octets", header_of(*.offset))]
    EmptyRecord {
        /// Set id.
        set_id: u16,
        /// Where the set's body starts in the export packet.
        offset: usize,
    },
    /// A value of variable length reaches beyond its set.
    #[error(
        "set {set_id}, record {} at offset {offset} reaches beyond the {left} octets left of the set",
        .record + 1
    )]
    RecordOverrun {
        /// Set id.
        set_id: u16,
        /// Number of the record in its set, from 0.
        record: usize,
        /// Where the record starts in the export packet.
        offset: usize,
        /// Octets left in the set.
        left: usize,
    },
    /// Octets behind the last record are not zero: the records may be of another template.
    #[error(
        "set {set_id}: {length} octets at offset {offset} are neither padding nor a record of {record}; \
         the template may not be the exporter's"
    )]
    Padding {
        /// Set id.
        set_id: u16,
        /// Where the octets start in the export packet.
        offset: usize,
        /// How many they are.
        length: usize,
        /// Length of the template's shortest record.
        record: usize,
    },
    /// Zeros behind the last record of a set are more than the seven octets that align the next one. Those that would make
    /// records are not taken for any: see [`DataSet::lay`](crate::DataSet::lay).
    #[error(
        "set {set_id}: {length} zeros at offset {offset} are padding{}",
        if *.records > 0 { ", though they would make records" } else { "" }
    )]
    ZeroPadding {
        /// Set id.
        set_id: u16,
        /// Where the zeros start in the export packet.
        offset: usize,
        /// How many they are.
        length: usize,
        /// Records of the template that they would make.
        records: usize,
    },
    /// The last records of a set are zeros throughout, which padding would be too; they were decoded.
    #[error("set {set_id}: {records} records of zeros from offset {offset} on may be padding")]
    ZeroRecords {
        /// Set id.
        set_id: u16,
        /// Where the first of them starts in the export packet.
        offset: usize,
        /// How many they are.
        records: usize,
    },
    /// A template has so many fields of length zero that a data set of it could stand for far more values
    /// than it has octets. It was not kept.
    #[error("template {template_id} at offset {offset} was not kept: {fields} of its fields have no octets")]
    EmptyFields {
        /// Template id.
        template_id: u16,
        /// Where the record starts in the export packet.
        offset: usize,
        /// Fields of length zero.
        fields: usize,
    },
    /// An exporter sent more templates than are kept for one.
    #[error("template {template_id} at offset {offset} was not kept: the exporter has {templates} already")]
    TooManyTemplates {
        /// Template id.
        template_id: u16,
        /// Where the record starts in the export packet.
        offset: usize,
        /// Templates kept for its observation domain.
        templates: usize,
    },
    /// Data sets waited for a template that did not come, and were given up.
    #[error("{sets} data sets of {octets} octets in all were given up: {}", if *.too_old { "their template did not come in time" } else { "too many waited for templates" })]
    GivenUp {
        /// Data sets.
        sets: u64,
        /// Their octets, with the set headers.
        octets: u64,
        /// True when they were too old, false when others needed the room.
        too_old: bool,
    },
    /// Options data said more than is kept of one exporter. What was known before is.
    #[error(
        "set {set_id} at offset {}: {refused} of the things that options data say were not kept: there are too many",
        header_of(*.offset)
    )]
    OptionsRefused {
        /// Set id.
        set_id: u16,
        /// Where the first record starts in the export packet.
        offset: usize,
        /// Rates, names and descriptions of elements that were not kept.
        refused: u64,
    },
    /// An exporter described an element (RFC 5610) in a way that is not, or not wholly, believed.
    #[error("set {set_id}, record at offset {offset}: element {enterprise}.{id} is described, but {fault}")]
    ElementDescription {
        /// Set id.
        set_id: u16,
        /// Where the record starts in the export packet.
        offset: usize,
        /// Private enterprise number of the element.
        enterprise: u32,
        /// Number of the element.
        id: u16,
        /// What is wrong with the description.
        fault: DescriptionFault,
    },
    /// What exporters said in options data was given up for the exporter of this packet: they were heard least
    /// recently, and there is no room for all.
    #[error("options data of {exporters} exporters were given up: they took {octets} octets of memory")]
    OptionsGivenUp {
        /// Exporters.
        exporters: u64,
        /// Octets of memory that this freed.
        octets: u64,
    },
}

/// Where the set starts whose body is at an offset: sentences count from the set's header.
fn header_of(body: usize) -> usize {
    body.saturating_sub(SetHeader::LEN)
}

impl Problem {
    /// Whether octets of the packet are malformed, so that something in it was lost. The others are worth a
    /// note, or concern templates that are not known.
    pub fn is_malformed(&self) -> bool {
        match self {
            Self::Set(error) => !matches!(error, SetError::Gap { .. } | SetError::Filling { .. }),
            Self::Template(_)
            | Self::NoFields { .. }
            | Self::EmptyRecord { .. }
            | Self::RecordOverrun { .. } => true,
            Self::MissingTemplate { .. }
            | Self::ReservedSet { .. }
            | Self::Padding { .. }
            | Self::ZeroPadding { .. }
            | Self::ZeroRecords { .. }
            | Self::EmptyFields { .. }
            | Self::TooManyTemplates { .. }
            | Self::GivenUp { .. }
            | Self::OptionsRefused { .. }
            | Self::OptionsGivenUp { .. }
            | Self::ElementDescription { .. } => false,
        }
    }
}

/// What is wrong with an exporter's description of an element (RFC 5610).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionFault {
    /// Elements of IANA, and reverse elements, are what IANA says.
    #[error("elements of this enterprise are not the exporter's to describe")]
    Enterprise,
    /// The registry has the element, with another data type. The registry's counts.
    #[error("it is known with another data type")]
    Known,
    /// The data type has a number that none has. Nothing of the description counts.
    #[error("there is no data type {0}")]
    DataType(u64),
    /// The name is another element's, or has what no name has. The element goes by its number.
    #[error("it cannot have this name")]
    Name,
    /// The exporter described the element otherwise before. The newer description counts.
    #[error("it was described otherwise before")]
    Contradiction,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_count_from_the_set_header_and_records_from_one() {
        let (set_id, length, offset) = (5, 36, 52);
        for (problem, start) in [
            (Problem::ReservedSet { set_id, length, offset }, "set 5 at offset 48 has a reserved id"),
            (Problem::MissingTemplate { set_id, length, offset }, "set 5 at offset 48: no template"),
            (Problem::EmptyRecord { set_id, offset }, "set 5 at offset 48: "),
            (Problem::OptionsRefused { set_id, offset, refused: 1 }, "set 5 at offset 48: 1 of"),
            (Problem::RecordOverrun { set_id, record: 0, offset, left: 3 }, "set 5, record 1 at offset 52 "),
        ] {
            assert!(problem.to_string().starts_with(start), "{problem}");
        }
    }
}
