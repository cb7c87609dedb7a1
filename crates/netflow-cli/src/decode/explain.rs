//! What is wrong with a packet, in sentences: what was expected, what is there, and what it means for the data.

use std::ops::RangeInclusive;

use netflow_flow::protocol_name;
use netflow_templates::Problem;
use netflow_wire::{Header, SetError, SetHeader, TemplateError, WireError};

use super::header;
use super::origin::Origin;
use super::tree::Mark;
use crate::output::count;

/// Record lengths that are named for a set without template.
const MOST_FITS: usize = 8;
/// Octets by which sets are looked for before and behind one that cannot be.
const MOST_SHIFT: usize = 8;
/// Lengths of records that exporters send.
const USUAL: RangeInclusive<usize> = 12..=300;

/// What is known about the packet that has the problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) header: &'a Header,
    pub(super) octets: &'a [u8],
    /// The template that is missing, of another exporter or domain.
    pub(super) elsewhere: Option<&'a Origin>,
    /// That it is missing was told before.
    pub(super) again: bool,
}

/// Where a problem is in the packet; 0 when it is the packet as a whole.
pub(super) fn offset(problem: &Problem) -> usize {
    match *problem {
        Problem::Set(
            SetError::Length { offset, .. }
            | SetError::Truncated { offset, .. }
            | SetError::Trailing { offset, .. }
            | SetError::Filling { offset, .. }
            | SetError::Gap { offset, .. },
        )
        | Problem::Template(
            TemplateError::Truncated { offset, .. }
            | TemplateError::Id { offset, .. }
            | TemplateError::Scope { offset, .. },
        )
        | Problem::NoFields { offset, .. }
        | Problem::MissingTemplate { offset, .. }
        | Problem::ReservedSet { offset, .. }
        | Problem::EmptyRecord { offset, .. }
        | Problem::RecordOverrun { offset, .. }
        | Problem::Padding { offset, .. }
        | Problem::ZeroPadding { offset, .. }
        | Problem::ZeroRecords { offset, .. }
        | Problem::EmptyFields { offset, .. }
        | Problem::TooManyTemplates { offset, .. } => offset,
        Problem::Set(SetError::Count { .. }) => 2,
        _ => 0,
    }
}

/// Whether data were lost.
pub(super) fn mark(problem: &Problem, octets: &[u8]) -> Mark {
    let lost = problem.is_malformed()
        || is_no_record(problem, octets)
        || matches!(
            problem,
            Problem::MissingTemplate { .. }
                | Problem::ReservedSet { .. }
                | Problem::EmptyFields { .. }
                | Problem::TooManyTemplates { .. }
                | Problem::GivenUp { .. }
        );
    if lost { Mark::Fault } else { Mark::Odd }
}

/// Whether a set is too short for a single record of its template: its octets follow its header at once.
fn is_no_record(problem: &Problem, octets: &[u8]) -> bool {
    let Problem::Padding { set_id, offset, .. } = *problem else { return false };
    let header = offset.checked_sub(SetHeader::LEN).and_then(|start| octets.get(start..start + 2));
    header.is_some_and(|id| id == set_id.to_be_bytes())
        && octets.get(offset - 2..offset).is_some_and(|length| {
            usize::from(u16::from_be_bytes([length[0], length[1]])) <= octets.len() - offset + SetHeader::LEN
        })
}

/// The whole sentence.
pub(super) fn problem(problem: &Problem, scene: &Scene<'_>) -> String {
    let ipfix = matches!(scene.header, Header::Ipfix(_));
    match *problem {
        Problem::Set(error) => set(error, scene),
        Problem::Template(error) => template(error, scene),
        Problem::NoFields { template_id, offset } => format!(
            "template {template_id} at offset {offset}: its field count (offset {}) is 0. A template needs \
             fields; in IPFIX this would withdraw the template, v9 has no such thing. The record is \
             ignored, and a template {template_id} that was known before stays valid.",
            offset + 2
        ),
        Problem::MissingTemplate { set_id, length, offset } => missing(set_id, length, offset, scene),
        Problem::ReservedSet { set_id, length, offset } => format!(
            "set {set_id} at offset {}: ids {} to 255 are reserved, and no RFC says what such a set holds \
             ({} is for templates, {} for options templates, 256 and above for data). Its {length} octets \
             are passed over.",
            offset - SetHeader::LEN,
            if ipfix { 4 } else { 2 },
            if ipfix { 2 } else { 0 },
            if ipfix { 3 } else { 1 },
        ),
        Problem::EmptyRecord { set_id, offset } => format!(
            "set {set_id} at offset {}: by its template a record has no octets at all, so nobody can say \
             how many records the set has. It is not decoded.",
            offset - SetHeader::LEN
        ),
        Problem::RecordOverrun { set_id, record, offset, left } => format!(
            "set {set_id}, record {} at offset {offset}: by the lengths of its values of variable length \
             the record reaches beyond the {left} octets left of the set. Either a length in the record is \
             wrong, or the template is not the one that the exporter used. The records before it are \
             decoded, these {left} octets are not.",
            record + 1
        ),
        Problem::Padding { set_id, offset, length, record } if is_no_record(problem, scene.octets) => {
            format!(
                "set {set_id} at offset {}: a record of its template has at least {record} octets, but the \
                 set has {length} octets of data: not one record. The template is not the one that the \
                 exporter used, or the set was cut short. Nothing of it is decoded.",
                offset - SetHeader::LEN
            )
        }
        Problem::Padding { set_id, offset, length, record } => format!(
            "set {set_id}: behind its last whole record, at offset {offset}, {length} octets are left that \
             are not zero, as padding should be, and too few for a record of {record}. {}",
            match length {
                0..=3 => "If values above look wrong, the template is not the one that the exporter used.",
                _ => {
                    "They are more than the three that padding takes at most: values above may be wrong, \
                     since the template is not the one that the exporter used, or the set was cut short."
                }
            }
        ),
        Problem::ZeroPadding { set_id, offset, length, records } => format!(
            "set {set_id}: {length} zeros at offset {offset} are behind its last record, where seven at most \
             align the next set. {}",
            match records {
                0 => "They are too few for a record, and nothing is lost.".to_owned(),
                records => format!(
                    "They would make {}, but no flow is without octets, packets and addresses: they are taken \
                     for padding.",
                    count(records as u64, "record")
                ),
            }
        ),
        Problem::ZeroRecords { set_id, offset, records } => format!(
            "set {set_id}: {} of zeros from offset {offset} on may be padding. By the template a record could \
             be so, or the set has no other: decoded as what it says.",
            count(records as u64, "record")
        ),
        Problem::EmptyFields { template_id, offset, fields } => format!(
            "template {template_id} at offset {offset}: {fields} of its fields have length 0, so a small \
             packet could stand for a huge number of values. It is not kept, and its data will not be \
             decoded."
        ),
        Problem::TooManyTemplates { template_id, offset, templates } => format!(
            "template {template_id} at offset {offset}: the exporter's domain has {templates} templates \
             already, which is all that are kept for one. Its data will not be decoded."
        ),
        other => {
            let text = other.to_string();
            format!("{text}.")
        }
    }
}

fn set(error: SetError, scene: &Scene<'_>) -> String {
    match error {
        SetError::Length { id, offset, length } => format!(
            "set {id} at offset {offset}: its length (offset {}) is {length}, but a set has at least the 4 \
             octets of its own header. Where the next set starts is not known then: the {} octets from \
             here to the end of the packet are not decoded.{}",
            offset + 2,
            scene.octets.len() - offset,
            shifted(offset, scene)
        ),
        SetError::Truncated { id, offset, length, left } => format!(
            "set {id} at offset {offset}: its length (offset {}) is {length}, but only {left} octets are \
             left in the packet. The packet was cut off on its way (snap length of a capture, a lost IP \
             fragment), or the length is wrong. Whole records in what is left are decoded.{}",
            offset + 2,
            shifted(offset, scene)
        ),
        SetError::Trailing { offset, length } => match scene.header.count() {
            Some(records) if scene.header.version() != 9 => format!(
                "{} at offset {offset}, behind the {records} records that the header counts, \
                 are not zero. If they are records, the header's count (offset 2) is too small; else the \
                 exporter sent what was in its buffer. They are not decoded.",
                count(length as u64, "octet")
            ),
            _ => format!(
                "no set is in the last {} at offset {offset}: a set header has 4. They are not zero, as \
                 padding should be, so the length of the set before may be wrong. They are ignored.",
                count(length as u64, "octet")
            ),
        },
        SetError::Filling { offset, length } if offset >= scene.octets.len() => format!(
            "{length} zeros follow the message's length ({offset}, offset 2) in its datagram: filling, which is \
             ignored."
        ),
        SetError::Filling { offset, length } => format!(
            "{length} zeros from offset {offset} on fill the end of the datagram, behind the last set (some \
             exporters send datagrams of one size). Nothing is lost."
        ),
        SetError::Gap { offset, length } => format!(
            "{} at offset {offset} between two sets. The next set was found at the next \
             multiple of four: the length of the set before does not cover its padding (some exporters do \
             so). Nothing is lost.",
            count(length as u64, "octet")
        ),
        SetError::Count { stated, found, unit: "octets" } => {
            let header = scene.header.len();
            if stated < header {
                format!(
                    "the header's length (offset 2) is {stated}, less than the header's own {header}. All \
                     {found} octets are taken for the message."
                )
            } else {
                format!(
                    "the header's length (offset 2) is {stated}, but {found} octets are there, {} too few. \
                     The message was cut off on its way (snap length of a capture, a lost IP \
                     fragment), or the length is wrong. What is there is decoded.",
                    stated - found
                )
            }
        }
        SetError::Count { stated, found, .. } => {
            let left = scene.octets.len() - scene.header.len();
            let meaning = match stated.checked_sub(found) {
                Some(missing) if found < stated => format!(
                    "{missing} too few: the packet was cut off on its way (snap length of a capture, a \
                     lost IP fragment), or the count is wrong."
                ),
                _ => "All of them are decoded.".to_owned(),
            };
            format!(
                "the header's count (offset 2) is {stated}, but the {left} octets behind the header hold \
                 {found} whole records. {meaning}"
            )
        }
        other => format!("{other}."),
    }
}

fn template(error: TemplateError, scene: &Scene<'_>) -> String {
    let word = |at: usize| {
        let octets = scene.octets.get(at..at + 2);
        octets.map_or(0, |octets| u16::from_be_bytes([octets[0], octets[1]]))
    };
    match error {
        TemplateError::Truncated { template_id, offset, left } => format!(
            "template {template_id} at offset {offset}: it says that it has {} fields (offset {}), which \
             takes at least {} octets, but its set has only {left} left from there. The field count or the \
             set's length is wrong{}.{} This template and what follows it in the set are not learned: data of \
             set {template_id} cannot be decoded.",
            word(offset + 2),
            offset + 2,
            least(offset, left, scene),
            match least(offset, left, scene) > 4 + 4 * usize::from(word(offset + 2)) {
                true => ", or an enterprise bit is set where no enterprise number follows",
                false => "",
            },
            // With room for fields the header may well be a template's.
            if left <= 4 { set_too_long(offset, scene) } else { String::new() },
        ),
        TemplateError::Id { template_id, offset } => format!(
            "template id {template_id} at offset {offset}: ids below 256 are reserved for sets (RFC 7011, \
             section 3.4.1; RFC 3954, section 5.2). If a template is before it in the set, that one may \
             have more fields than it says.{} This record and what follows it in the set are not learned.",
            set_too_long(offset, scene)
        ),
        TemplateError::Scope { template_id, offset, scope, total }
            if matches!(scene.header, Header::Ipfix(_)) =>
        {
            format!(
                "options template {template_id} at offset {offset}: {scope} of its fields are the scope \
                 (offset {}), but it has {total} in all (offset {}). It is not learned: data of set \
                 {template_id} cannot be decoded.",
                offset + 4,
                offset + 2
            )
        }
        TemplateError::Scope { template_id, offset, scope, total } => format!(
            "options template {template_id} at offset {offset}: the lengths of its scope ({scope} octets, \
             offset {}) and of its options ({total} octets, offset {}) must be multiples of 4, the length \
             of a field specifier. It is not learned: data of set {template_id} cannot be decoded.",
            offset + 2,
            offset + 4
        ),
        other => format!("{other}."),
    }
}

/// Octets that a template record takes at least that does not fit into the `left` octets of its set. In IPFIX fields
/// with the enterprise bit take eight octets, others four.
fn least(offset: usize, left: usize, scene: &Scene<'_>) -> usize {
    let record = scene.octets.get(offset..offset + left).unwrap_or_default();
    let fields = record.get(2..4).map_or(0, |octets| usize::from(u16::from_be_bytes([octets[0], octets[1]])));
    let (mut taken, mut seen) = (4, 0);
    while let Some(high) = record.get(taken).filter(|_| seen < fields) {
        let enterprise = matches!(scene.header, Header::Ipfix(_)) && high & 0x80 != 0;
        taken += if enterprise { 8 } else { 4 };
        seen += 1;
    }
    taken + 4 * (fields - seen)
}

/// A hint, when sets follow each other to the packet's end a few octets before or behind the one that cannot be.
fn shifted(offset: usize, scene: &Scene<'_>) -> String {
    let fits = |start: usize| {
        let mut at = start;
        while let Some(&[id_high, id_low, high, low]) = scene.octets.get(at..at + SetHeader::LEN) {
            let (id, length) = (u16::from_be_bytes([id_high, id_low]), u16::from_be_bytes([high, low]));
            let valid = match scene.header {
                Header::Ipfix(_) => matches!(id, 2 | 3 | 256..),
                _ => matches!(id, 0 | 1 | 256..),
            };
            if !valid || usize::from(length) <= SetHeader::LEN {
                return false;
            }
            at += usize::from(length);
        }
        at > start && at == scene.octets.len()
    };
    let first = scene.header.len();
    let before = if offset == first { "the header" } else { "what is before" };
    let shifts = (1..=MOST_SHIFT)
        .flat_map(|shift| [(offset + shift, shift, true), (offset.wrapping_sub(shift), shift, false)]);
    let found = shifts.into_iter().find(|&(start, ..)| fits(start));
    let Some((start, shift, more)) = found else { return String::new() };
    let shift = count(shift as u64, "octet");
    let what =
        if more { format!("{before} has {shift} too many") } else { format!("{before} lacks {shift}") };
    format!(" From offset {start} on, though, sets follow each other to the end of the packet: {what}.")
}

/// A hint, when the octets where a template should be could be the header of the next set.
fn set_too_long(offset: usize, scene: &Scene<'_>) -> String {
    let Some(&[id_high, id_low, high, low]) = scene.octets.get(offset..offset + SetHeader::LEN) else {
        return String::new();
    };
    let (id, length) = (u16::from_be_bytes([id_high, id_low]), u16::from_be_bytes([high, low]));
    let fits = usize::from(length) >= SetHeader::LEN && usize::from(length) <= scene.octets.len() - offset;
    match (id, fits) {
        (0..=3 | 256.., true) => format!(
            " Or the length of the set that it is in is too large: these octets could be the header of the \
             next set, {id}, of {length} octets."
        ),
        _ => String::new(),
    }
}

/// What is missing, which records would fit, and what to do.
fn missing(set_id: u16, length: usize, offset: usize, scene: &Scene<'_>) -> String {
    let domain = format!(
        "{} {}",
        if matches!(scene.header, Header::V9(_)) { "source id" } else { "domain" },
        scene.header.observation_domain()
    );
    let start = offset - SetHeader::LEN;
    if scene.again {
        return format!(
            "set {set_id} at offset {start}: no template {set_id} is known for {domain}, as before."
        );
    }
    let body = scene.octets.get(offset..offset + length.saturating_sub(SetHeader::LEN)).unwrap_or_default();
    let fits = fitting_records(body);
    let fits = match fits.is_empty() {
        true => String::new(),
        false => format!(" By its size these could be records of fixed length: {} octets.", fits.join(", ")),
    };
    let elsewhere = scene.elsewhere.map(|origin| {
        format!(
            " A template {set_id} is known of {} ({}): if both are the same exporter's, --template-scope \
             exporter uses it.",
            origin.whose(),
            origin.place
        )
    });
    format!(
        "set {set_id} at offset {}: no template {set_id} is known for {domain} of this exporter, so its {} \
         octets of data are not decoded (they wait for it).{fits}{} Exporters send templates again every \
         few minutes: capture for longer, set a shorter template refresh interval at the exporter, or take \
         the template from another file with --template-from FILE.",
        start,
        body.len(),
        elsewhere.unwrap_or_default()
    )
}

/// Numbers and lengths of records of fixed length that fill a set but for up to three zeros of padding.
fn fitting_records(body: &[u8]) -> Vec<String> {
    let padding = |rest: usize| rest < 4 && body[body.len() - rest..].iter().all(|&octet| octet == 0);
    let counts = 1..=body.len() / USUAL.start();
    let fitting = counts.filter(|records| {
        let length = body.len() / records;
        USUAL.contains(&length) && padding(body.len() - records * length)
    });
    let name = |records: usize| match records {
        1 => format!("1 record of {}", body.len()),
        records => format!("{records} of {}", body.len() / records),
    };
    fitting.take(MOST_FITS).map(name).collect()
}

/// Why nothing could be decoded, and what to look at.
pub(super) fn unreadable(error: &WireError, octets: &[u8]) -> String {
    match *error {
        WireError::Truncated { needed, left, .. } => {
            let version = octets.get(..2).map(|version| u16::from_be_bytes([version[0], version[1]]));
            let name = version.map_or("export packet".to_owned(), header::name);
            format!(
                "the {name} ends within its header: {needed} octets are needed, {left} are there. The rest \
                 was cut off on its way, or not copied."
            )
        }
        WireError::UnknownVersion { .. } if ipv4_protocol(octets).is_some() => format!(
            "this looks like an IPv4 packet of {}, and no export packet is found in it: these come over \
             UDP (IPFIX also over TCP), and fragments are only put together from a capture file.",
            ipv4_protocol(octets).unwrap_or_default()
        ),
        WireError::UnknownVersion { version } => format!(
            "the first two octets are {version:#06x}, version {version}, where NetFlow has 1, 5, 7, 8 or 9 \
             and IPFIX 10. Check that the octets start with the UDP payload: headers of the network before \
             it are only recognised when they are whole."
        ),
        WireError::UnknownAggregation { aggregation } => format!(
            "the header's aggregation scheme (offset 22) is {aggregation}; 1 to 14 are known. The length \
             of its records is not known then, and nothing is decoded."
        ),
        WireError::Foreign(foreign) => {
            format!(
                "this is {foreign}, not NetFlow or IPFIX: the sender exports something else to this port."
            )
        }
        ref other => format!("{other}."),
    }
}

/// What an IPv4 packet carries, when octets start like one.
fn ipv4_protocol(octets: &[u8]) -> Option<String> {
    let &[0x45..=0x4f, _, _, _, _, _, _, _, _, protocol, ..] = octets.get(..20)? else { return None };
    Some(protocol_name(protocol).map_or_else(|| format!("protocol {protocol}"), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_fit_leave_only_padding() {
        assert_eq!(fitting_records(&[1; 48]), ["1 record of 48", "2 of 24", "3 of 16", "4 of 12"]);
        // Three octets over, which are not zero.
        assert_eq!(fitting_records(&[1; 27]), ["1 record of 27"]);
        let mut padded = [1; 28];
        padded[25..].fill(0);
        assert_eq!(fitting_records(&padded), ["1 record of 28", "2 of 14"]);
        assert_eq!(fitting_records(&[1; 1428])[..2], ["6 of 238", "7 of 204"]);
        assert!(fitting_records(&[1; 4]).is_empty());
    }
}
