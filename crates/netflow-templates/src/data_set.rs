//! Views of data sets: a plan over octets.
//!
//! [`DataSet::columns`] goes field by field, which is fast: the decision what an element is and how wide it
//! is falls once for a set, not for every record. [`DataSet::records`] goes record by record, for people and
//! for JSON. Neither copies nor allocates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use crate::encoding::{Value, unsigned};
use crate::list::Lists;
use crate::plan::{Field, Plan};
use crate::problem::Problem;

/// Data records of one template.
#[derive(Debug, Clone, Copy)]
pub struct DataSet<'a> {
    plan: &'a Plan,
    octets: &'a [u8],
    /// For records of variable length: for each its start, then start and end of each value of variable
    /// length, then its end. Empty for records of fixed length.
    spans: &'a [u32],
    len: usize,
    offset: usize,
    lists: Option<&'a Lists<'a>>,
}

impl<'a> DataSet<'a> {
    /// Lays `plan` over the body of a set that starts at `offset` in its export packet.
    ///
    /// `spans` is scratch memory, so that nothing is allocated for each set. What does not make up a whole
    /// record is reported to `problem`; the records before it are in the view.
    ///
    /// Records of zeros at the end of a set, behind one that is not, are padding (Nexus 7700) when they are of 40 octets
    /// at most, and no flow can be so: its template counts octets or packets, or has both addresses ([`Plan::has_no_flow_of_zeros`]). Where one
    /// could be, or nothing else is in the set, they stay in the view. Either way it is reported.
    pub fn lay(
        plan: &'a Plan,
        octets: &'a [u8],
        offset: usize,
        spans: &'a mut Vec<u32>,
        problem: &mut impl FnMut(Problem),
    ) -> Self {
        spans.clear();
        if plan.shortest_record() == 0 {
            if !octets.is_empty() {
                problem(Problem::EmptyRecord { set_id: plan.template_id(), offset });
            }
            return Self { plan, octets: &[], spans: &[], len: 0, offset, lists: None };
        }
        let (mut len, mut end, overrun) = match plan.record_len() {
            Some(stride) => (octets.len() / stride, octets.len() - octets.len() % stride, false),
            None => measure(plan, octets, spans),
        };
        let rest = &octets[end..];
        if overrun {
            problem(Problem::RecordOverrun {
                set_id: plan.template_id(),
                record: len,
                offset: offset + end,
                left: rest.len(),
            });
        } else if rest.iter().any(|&octet| octet != 0) {
            problem(Problem::Padding {
                set_id: plan.template_id(),
                offset: offset + end,
                length: rest.len(),
                record: plan.shortest_record(),
            });
        } else if may_be_padded(plan, rest) && octets.last() == Some(&0) {
            let padding = zeros_at_the_end(plan, octets, offset, spans, len, end, problem);
            (len, end) = (len - padding, end - padding * plan.shortest_record());
            spans.truncate(len * spans_width(plan));
        }
        Self { plan, octets: &octets[..end], spans, len, offset, lists: None }
    }

    /// With what it takes to decode lists.
    pub(crate) fn with_lists(self, lists: &'a Lists<'a>) -> Self {
        Self { lists: Some(lists), ..self }
    }

    fn decode(&self, field: &Field, octets: &'a [u8]) -> Value<'a> {
        let data_type = field.element().data_type;
        match self.lists {
            Some(lists) if data_type.is_list() => lists.decode(data_type, octets),
            _ => data_type.decode(octets),
        }
    }

    /// The template's plan.
    #[inline]
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no whole record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Octets of all records, one after the other.
    #[inline]
    pub fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Where the first record starts, from the start of its export packet.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The fields, each with its values in all records.
    #[inline]
    pub fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        self.plan.fields().iter().map(|field| Column { set: self, field })
    }

    /// One field, which must be of the set's template, with its values in all records.
    #[inline]
    pub fn column<'s>(&'s self, field: &'s Field) -> Column<'s> {
        Column { set: self, field }
    }

    /// The records.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'a>> + use<'a> {
        let set = *self;
        (0..self.len).map(move |row| Record { set, row })
    }

    /// Spans of one record: see `spans`.
    #[inline]
    fn row_spans(&self, row: usize) -> &'a [u32] {
        let width = spans_width(self.plan);
        &self.spans[row * width..(row + 1) * width]
    }

    #[inline]
    fn value(&self, row: usize, field: &Field) -> &'a [u8] {
        if self.spans.is_empty() {
            let start = row * self.plan.shortest_record() + field.offset;
            return &self.octets[start..start + usize::from(field.length())];
        }
        variable_value(self.octets, self.row_spans(row), field)
    }
}

#[inline]
fn variable_value<'a>(octets: &'a [u8], spans: &[u32], field: &Field) -> &'a [u8] {
    &octets[variable_place(spans, field)]
}

#[inline]
fn variable_place(spans: &[u32], field: &Field) -> Range<usize> {
    let at = 2 * field.segment;
    if field.is_variable() {
        spans[at + 1] as usize..spans[at + 2] as usize
    } else {
        let start = spans[at] as usize + field.offset;
        start..start + usize::from(field.length())
    }
}

/// Appends some of `octets`. Short values are copied with what is behind them, which is cut off again: a copy of a
/// length that is known when this is compiled takes a fraction of the time.
#[inline]
fn append(into: &mut Vec<u8>, octets: &[u8], place: Range<usize>) {
    const SHORT: usize = 32;
    match octets[place.start..].first_chunk::<SHORT>() {
        Some(chunk) if place.len() <= SHORT => {
            let end = into.len() + place.len();
            into.extend_from_slice(chunk);
            into.truncate(end);
        }
        _ => into.extend_from_slice(&octets[place]),
    }
}

/// Sets may be padded so that the next one starts at a multiple of four octets, or of so many (RFC 7011, section
/// 3.3.1).
const ALIGNMENT: usize = 8;

/// The longest padding known is of 36 octets (Nexus 7700): longer records of zeros are records.
const LONGEST_PADDING: usize = 40;

/// Whether zeros at the end of a set can be padding. Looking at its last octet takes time: nobody else needs it yet.
fn may_be_padded(plan: &Plan, rest: &[u8]) -> bool {
    // Fixed versions, whose template has no id, say how many records they have.
    plan.template_id() != 0 && (!rest.is_empty() || plan.shortest_record() <= LONGEST_PADDING)
}

/// Tells zeros at the end of a set whose `len` records end at `end`; returns how many of these are padding.
fn zeros_at_the_end(
    plan: &Plan,
    octets: &[u8],
    offset: usize,
    spans: &[u32],
    len: usize,
    end: usize,
    problem: &mut impl FnMut(Problem),
) -> usize {
    // Where lengths vary, zeros are lengths of zero, and make the shortest record.
    let (length, width) = (plan.shortest_record(), spans_width(plan));
    let starts_at = |row: usize, start: usize| spans.is_empty() || spans[row * width] as usize == start;
    let is_zeros = |&records: &usize| {
        let start = end - (records + 1) * length;
        starts_at(len - records - 1, start) && octets[start..start + length].iter().all(|&octet| octet == 0)
    };
    // Options data may well be zeros.
    let records = if plan.is_options() { 0 } else { (0..len).take_while(is_zeros).count() };
    let start = end - records * length;
    let (set_id, offset) = (plan.template_id(), offset + start);
    if records > 0 && (records == len || !plan.has_no_flow_of_zeros()) {
        problem(Problem::ZeroRecords { set_id, offset, records });
        return 0;
    }
    if records > 0 || octets.len() - end >= ALIGNMENT {
        problem(Problem::ZeroPadding { set_id, offset, length: octets.len() - start, records });
    }
    records
}

/// Start, start and end of each value of variable length, end.
fn spans_width(plan: &Plan) -> usize {
    2 * plan.variable_fields().len() + 2
}

/// Finds the records of variable length: their number, where the last one ends, and whether the octets
/// behind it start a record that does not fit.
fn measure(plan: &Plan, octets: &[u8], spans: &mut Vec<u32>) -> (usize, usize, bool) {
    let (mut len, mut end) = (0, 0);
    let tail = plan.tail();
    while octets.len() - end >= plan.shortest_record() {
        let before = spans.len();
        let Some(next) = measure_record(plan, octets, end, tail, spans) else {
            spans.truncate(before);
            // Zeros are padding, however many there are.
            return (len, end, octets[end..].iter().any(|&octet| octet != 0));
        };
        end = next;
        len += 1;
    }
    (len, end, false)
}

fn measure_record(
    plan: &Plan,
    octets: &[u8],
    start: usize,
    tail: usize,
    spans: &mut Vec<u32>,
) -> Option<usize> {
    spans.push(start as u32);
    let mut at = start;
    for offset in plan.variable_fields() {
        // One octet of length, or 255 and two octets (RFC 7011, section 7).
        let prefix = at + offset;
        let short = *octets.get(prefix)?;
        let (value, length) = if short < 255 {
            (prefix + 1, usize::from(short))
        } else {
            let long = octets.get(prefix + 1..prefix + 3)?;
            (prefix + 3, usize::from(u16::from_be_bytes([long[0], long[1]])))
        };
        at = value + length;
        if at > octets.len() {
            return None;
        }
        spans.extend([value as u32, at as u32]);
    }
    let end = at + tail;
    spans.push(end as u32);
    (end <= octets.len()).then_some(end)
}

/// One field of a data set: its value in every record.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    set: &'a DataSet<'a>,
    field: &'a Field,
}

impl<'a> Column<'a> {
    /// The field.
    #[inline]
    pub fn field(&self) -> &'a Field {
        self.field
    }

    /// The data set that the field is of.
    #[inline]
    pub fn set(&self) -> &'a DataSet<'a> {
        self.set
    }

    /// The plan of the field's template.
    #[inline]
    pub fn plan(&self) -> &'a Plan {
        self.set.plan
    }

    /// Octets of the value in one record.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn octets(&self, row: usize) -> &'a [u8] {
        self.set.value(row, self.field)
    }

    /// The value in one record, decoded; lists too, in data sets that a session gives.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn value(&self, row: usize) -> Value<'a> {
        self.set.decode(self.field, self.octets(row))
    }

    /// Gives each of `rows` the octets of its record's value.
    #[inline]
    pub fn zip_octets<T>(&self, rows: &mut [T], mut put: impl FnMut(&mut T, &'a [u8])) {
        let set = self.set;
        if set.is_empty() {
            return;
        }
        if set.spans.is_empty() {
            let (start, end) = (self.field.offset, self.field.offset + usize::from(self.field.length()));
            let records = set.octets.chunks_exact(set.plan.shortest_record());
            rows.iter_mut().zip(records).for_each(|(row, record)| put(row, &record[start..end]));
        } else {
            let records = set.spans.chunks_exact(spans_width(set.plan));
            rows.iter_mut().zip(records).for_each(|(row, spans)| {
                put(row, variable_value(set.octets, spans, self.field));
            });
        }
    }

    /// Appends the octets of the value in each record to `into`, in order; `appended` follows each of them.
    #[inline]
    pub fn append_octets(&self, into: &mut Vec<u8>, mut appended: impl FnMut(&mut Vec<u8>)) {
        let set = self.set;
        if set.spans.is_empty() {
            let (length, stride) = (usize::from(self.field.length()), set.plan.shortest_record());
            for row in 0..set.len {
                let start = row * stride + self.field.offset;
                append(into, set.octets, start..start + length);
                appended(into);
            }
        } else {
            for spans in set.spans.chunks_exact(spans_width(set.plan)) {
                append(into, set.octets, variable_place(spans, self.field));
                appended(into);
            }
        }
    }

    /// Gives each of `rows` its record's value and that of another field, as `N` octets each. Both fields'
    /// lengths must be `N`, or nothing is given.
    #[inline]
    pub fn zip_arrays<T, const N: usize>(
        &self,
        other: &Self,
        rows: &mut [T],
        mut put: impl FnMut(&mut T, [u8; N], [u8; N]),
    ) {
        let set = self.set;
        if set.is_empty() || usize::from(self.field.length()) != N || usize::from(other.field.length()) != N {
            return;
        }
        let (first, second) = (self.field.offset, other.field.offset);
        if set.spans.is_empty() {
            let stride = set.plan.shortest_record();
            for (row, record) in rows.iter_mut().zip(set.octets.chunks_exact(stride)) {
                if let (Some(a), Some(b)) = (record[first..].first_chunk(), record[second..].first_chunk()) {
                    put(row, *a, *b);
                }
            }
        } else {
            let (at, then) = (2 * self.field.segment, 2 * other.field.segment);
            for (row, spans) in rows.iter_mut().zip(set.spans.chunks_exact(spans_width(set.plan))) {
                let a = set.octets[spans[at] as usize + first..].first_chunk();
                let b = set.octets[spans[then] as usize + second..].first_chunk();
                if let (Some(a), Some(b)) = (a, b) {
                    put(row, *a, *b);
                }
            }
        }
    }

    /// Gives each of `rows` its record's value as `N` octets. The field's length must be `N`, or nothing is
    /// given.
    #[inline]
    pub fn zip_array<T, const N: usize>(&self, rows: &mut [T], mut put: impl FnMut(&mut T, [u8; N])) {
        let set = self.set;
        if set.is_empty() || usize::from(self.field.length()) != N {
            return;
        }
        let start = self.field.offset;
        if set.spans.is_empty() {
            let stride = set.plan.shortest_record();
            for (row, record) in rows.iter_mut().zip(set.octets.chunks_exact(stride)) {
                if let Some(octets) = record[start..].first_chunk() {
                    put(row, *octets);
                }
            }
        } else {
            let at = 2 * self.field.segment;
            for (row, spans) in rows.iter_mut().zip(set.spans.chunks_exact(spans_width(set.plan))) {
                if let Some(octets) = set.octets[spans[at] as usize + start..].first_chunk() {
                    put(row, *octets);
                }
            }
        }
    }

    /// Gives each of `rows` its record's value as a number. False, and nothing is given, when values are
    /// longer than eight octets, or of variable length.
    #[inline]
    pub fn zip_unsigned<T>(&self, rows: &mut [T], mut put: impl FnMut(&mut T, u64)) -> bool {
        match self.field.length() {
            1 => self.zip_array(rows, |row, [octet]| put(row, octet.into())),
            2 => self.zip_array(rows, |row, octets| put(row, u16::from_be_bytes(octets).into())),
            4 => self.zip_array(rows, |row, octets| put(row, u32::from_be_bytes(octets).into())),
            8 => self.zip_array(rows, |row, octets| put(row, u64::from_be_bytes(octets))),
            3 | 5 | 6 | 7 => self.zip_octets(rows, |row, octets| put(row, unsigned(octets))),
            _ => return false,
        }
        true
    }

    /// Gives each of `rows` its record's value as an address. False, and nothing is given, when values are
    /// not of four or sixteen octets.
    #[inline]
    pub fn zip_address<T>(&self, rows: &mut [T], mut put: impl FnMut(&mut T, IpAddr)) -> bool {
        match self.field.length() {
            4 => self.zip_array(rows, |row, octets: [u8; 4]| put(row, Ipv4Addr::from(octets).into())),
            16 => self.zip_array(rows, |row, octets: [u8; 16]| put(row, Ipv6Addr::from(octets).into())),
            _ => return false,
        }
        true
    }
}

/// One data record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    set: DataSet<'a>,
    row: usize,
}

impl<'a> Record<'a> {
    /// Fields and octets, in the template's order.
    pub fn octets(&self) -> impl Iterator<Item = (&'a Field, &'a [u8])> + use<'a> {
        let Self { set, row } = *self;
        set.plan.fields().iter().map(move |field| (field, set.value(row, field)))
    }

    /// Fields and decoded values, in the template's order.
    pub fn values(&self) -> impl Iterator<Item = (&'a Field, Value<'a>)> + use<'a> {
        let set = self.set;
        self.octets().map(move |(field, octets)| (field, set.decode(field, octets)))
    }

    /// Fields and where their values are, from the start of the export packet, in the template's order. The
    /// octets of length of a value of variable length are between the value before it and itself.
    pub fn places(&self) -> impl Iterator<Item = (&'a Field, Range<usize>)> + use<'a> {
        let Self { set, row } = *self;
        set.plan.fields().iter().map(move |field| {
            let (start, length) = if set.spans.is_empty() {
                (row * set.plan.shortest_record() + field.offset, usize::from(field.length()))
            } else {
                let (spans, at) = (set.row_spans(row), 2 * field.segment);
                match field.is_variable() {
                    true => (spans[at + 1] as usize, (spans[at + 2] - spans[at + 1]) as usize),
                    false => (spans[at] as usize + field.offset, field.length().into()),
                }
            };
            (field, set.offset + start..set.offset + start + length)
        })
    }

    /// The scope fields and their values; none in a flow record.
    pub fn scopes(&self) -> impl Iterator<Item = (&'a Field, Value<'a>)> + use<'a> {
        self.values().take(self.set.plan.scope_count())
    }

    /// The fields behind the scope and their values.
    pub fn fields(&self) -> impl Iterator<Item = (&'a Field, Value<'a>)> + use<'a> {
        self.values().skip(self.set.plan.scope_count())
    }

    /// Where the record starts and ends, from the start of its export packet.
    pub fn range(&self) -> Range<usize> {
        let (start, end) = if self.set.spans.is_empty() {
            let stride = self.set.plan.shortest_record();
            (self.row * stride, (self.row + 1) * stride)
        } else {
            let spans = self.set.row_spans(self.row);
            (spans[0] as usize, spans[spans.len() - 1] as usize)
        };
        self.set.offset + start..self.set.offset + end
    }
}

#[cfg(test)]
mod tests {
    use netflow_wire::{FieldSpecifier, VARIABLE_LENGTH};

    use super::*;
    use crate::{Naming, Registry};

    fn plan(fields: &[(u16, u16)]) -> Plan {
        let fields: Vec<_> = fields.iter().map(|&(id, length)| FieldSpecifier::iana(id, length)).collect();
        Plan::compile(&Registry::new(), Naming::Ipfix, 256, false, 0, &fields)
    }

    /// Values of all records as text, and the problems.
    fn read(plan: &Plan, octets: &[u8]) -> (Vec<Vec<String>>, Vec<Problem>) {
        let (mut spans, mut problems) = (Vec::new(), Vec::new());
        let set = DataSet::lay(plan, octets, 20, &mut spans, &mut |problem| problems.push(problem));
        let records =
            set.records().map(|record| record.values().map(|(_, value)| value.to_string()).collect());
        let records: Vec<Vec<String>> = records.collect();
        for column in set.columns() {
            let mut rows = vec![String::new(); set.len()];
            let decode = |octets| column.field().element().data_type.decode(octets).to_string();
            column.zip_octets(&mut rows, |row, octets| *row = decode(octets));
            let index = plan.fields().iter().position(|field| field == column.field()).unwrap();
            for (row, record) in rows.iter().zip(&records) {
                assert_eq!(row, &record[index], "columns and records agree");
            }
        }
        (records, problems)
    }

    #[test]
    fn fixed_records_and_padding() {
        let plan = plan(&[(4, 1), (7, 2)]);
        let (records, problems) = read(&plan, &[6, 0, 80, 17, 0, 53, 0, 0]);
        assert_eq!(records, [["6", "80"], ["17", "53"]]);
        assert!(problems.is_empty());
        let (records, problems) = read(&plan, &[6, 0, 80, 9]);
        assert_eq!(records.len(), 1);
        assert_eq!(problems, [Problem::Padding { set_id: 256, offset: 23, length: 1, record: 3 }]);
    }

    #[test]
    fn short_and_long_variable_lengths() {
        let plan = plan(&[(82, VARIABLE_LENGTH), (4, 1)]);
        let mut octets = vec![2, b'g', b'e', 6];
        octets.extend([255, 1, 44]);
        octets.extend([b'x'; 300]);
        octets.push(17);
        octets.extend([0, 1, 0]);
        let (records, problems) = read(&plan, &octets);
        assert_eq!(records[0], ["ge", "6"]);
        assert_eq!(records[1], [&"x".repeat(300), "17"]);
        assert_eq!(records[2], ["", "1"]);
        assert!(problems.is_empty());
    }

    #[test]
    fn a_value_that_overruns_its_set_ends_it() {
        let plan = plan(&[(82, VARIABLE_LENGTH), (4, 1)]);
        let (records, problems) = read(&plan, &[1, b'a', 6, 200, b'b', 7]);
        assert_eq!(records, [["a", "6"]]);
        assert_eq!(problems, [Problem::RecordOverrun { set_id: 256, record: 1, offset: 23, left: 3 }]);
    }

    #[test]
    fn records_without_octets_do_not_loop() {
        let (records, problems) = read(&plan(&[(4, 0)]), &[0; 8]);
        assert!(records.is_empty());
        assert_eq!(problems, [Problem::EmptyRecord { set_id: 256, offset: 20 }]);
    }

    #[test]
    fn ranges_are_offsets_in_the_export_packet() {
        let (mut spans, plan) = (Vec::new(), plan(&[(82, VARIABLE_LENGTH), (4, 1)]));
        let set = DataSet::lay(&plan, &[1, b'a', 6, 0, 7], 20, &mut spans, &mut |_| {});
        let ranges: Vec<_> = set.records().map(|record| record.range()).collect();
        assert_eq!(ranges, [20..23, 23..25]);
        let places = |record: Record<'_>| record.places().map(|(_, place)| place).collect::<Vec<_>>();
        let all: Vec<_> = set.records().map(places).collect();
        assert_eq!(all, [[21..22, 22..23], [24..24, 24..25]]);
        let (mut spans, plan) = (Vec::new(), self::plan(&[(7, 2), (4, 1)]));
        let set = DataSet::lay(&plan, &[0, 80, 6, 0, 53, 17], 20, &mut spans, &mut |_| {});
        assert_eq!(set.records().map(places).last(), Some(vec![23..25, 25..26]));
    }
}
