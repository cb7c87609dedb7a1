//! Templates and data records in the tree.

use std::borrow::Cow;

use netflow_templates::{DataType, Field, ListItem, Plan, Record, Value};
use netflow_wire::{FieldSpecifier, TemplateDefinition, VARIABLE_LENGTH, element_id as ie, enterprise};

use super::meaning::{self, Scene};
use super::tree::{Mark, Tree, shorten};

/// Longest name that values are aligned behind.
const MAX_NAME: usize = 32;

/// A template record, field by field; `octets` are those of the packet.
pub(super) fn template(
    tree: &mut Tree,
    octets: &[u8],
    definition: &TemplateDefinition,
    plan: Option<&Plan>,
    ipfix: bool,
    new: bool,
) -> usize {
    let TemplateDefinition { template_id, scope_count, options, ref fields, offset } = *definition;
    let kind = if options { "options template" } else { "template" };
    let length = match plan.map(|plan| (plan.record_len(), plan.shortest_record())) {
        Some((Some(length), _)) => format!("records of {length} octets"),
        Some((None, shortest)) => format!("records of {shortest} octets and more"),
        None => "not kept".to_owned(),
    };
    let known = if new { "" } else { ", known already" };
    let section = match (ipfix, options) {
        (true, false) => "RFC 7011, section 3.4.1",
        (true, true) => "RFC 7011, section 3.4.2",
        (false, false) => "RFC 3954, section 5.2",
        (false, true) => "RFC 3954, section 6.1",
    };
    let count = fields.len();
    tree.heading(
        1,
        offset,
        &format!(
            "{kind} {template_id}: {}, {length}{known}  [{section}]",
            crate::output::count(count as u64, "field")
        ),
    );
    let mut at = offset;
    let mut word = |tree: &mut Tree, text: String| {
        tree.row(2, at, octets.get(at..at + 2).unwrap_or_default(), &text);
        at += 2;
    };
    word(tree, format!("template id = {template_id}"));
    match (options, ipfix) {
        (true, false) => {
            let options = count - usize::from(scope_count);
            word(tree, format!("scope length = {} octets, 4 a field", 4 * scope_count));
            word(tree, format!("option length = {} octets, 4 a field", 4 * options));
        }
        (true, true) => {
            word(tree, format!("field count = {count}"));
            word(tree, format!("scope field count = {scope_count}"));
            if scope_count == 0 {
                tree.remark(
                    Mark::Odd,
                    "an options template without scope does not say what its options are about (RFC 7011, \
                     section 3.4.2.2: the scope field count must not be zero).",
                );
            }
        }
        (false, _) => word(tree, format!("field count = {count}")),
    }
    let names = |index: usize| plan.and_then(|plan| plan.fields().get(index)).map_or("", Field::name);
    let label = |index: usize| label(names(index), index < usize::from(scope_count));
    let width = (0..count).map(|index| label(index).len()).max().unwrap_or(0).min(MAX_NAME);
    for (index, specifier) in fields.iter().enumerate() {
        let length = if ipfix && specifier.enterprise != enterprise::IANA { 8 } else { 4 };
        let octets = octets.get(at..at + length).unwrap_or_default();
        let field = plan.and_then(|plan| plan.fields().get(index));
        tree.row(2, at, octets, &format!("{:<width$}  {}", label(index), specified(specifier, field)));
        for odd in oddities(specifier, field, ipfix, at) {
            tree.remark(Mark::Odd, &odd);
        }
        at += length;
    }
    at
}

/// Name of a field, marked when it is of the scope.
fn label(name: &str, scope: bool) -> Cow<'_, str> {
    if scope { Cow::Owned(format!("scope {name}")) } else { Cow::Borrowed(name) }
}

/// Type, units and length of a field, and which element it is.
fn specified(specifier: &FieldSpecifier, field: Option<&Field>) -> String {
    let length = match specifier.length {
        VARIABLE_LENGTH => "variable length".to_owned(),
        1 => "1 octet".to_owned(),
        length => format!("{length} octets"),
    };
    let Some(field) = field else { return format!("{length}  [IE {}]", specifier.id) };
    let element = field.element();
    let units = match element.units.as_str() {
        "none" => String::new(),
        // A point in time says so itself.
        _ if element.data_type.as_str().starts_with("dateTime") => String::new(),
        units => format!(" of {units}"),
    };
    format!("{}{units}, {length}  [{}]", element.data_type, meaning::reference(element, field.name()))
}

/// What is odd about a field.
fn oddities(specifier: &FieldSpecifier, field: Option<&Field>, ipfix: bool, offset: usize) -> Vec<String> {
    let FieldSpecifier { id, length, enterprise } = *specifier;
    let mut odd = Vec::new();
    if !ipfix && length == VARIABLE_LENGTH {
        odd.push(format!(
            "length 65535 at offset {} means variable length in IPFIX (RFC 7011, section 7); v9 has no \
             such thing. The values are read as IPFIX writes them.",
            offset + 2
        ));
    }
    let unknown = field.is_none_or(|field| field.element().name == format!("{enterprise}.{id}"));
    if !ipfix && enterprise == enterprise::IANA && id & 0x8000 != 0 && unknown {
        odd.push(format!(
            "field type {id} at offset {offset} has its high bit set. That is no enterprise bit in v9, as \
             it is in IPFIX; vendors took such numbers for fields of their own, and this one is not known. \
             If the exporter meant element {} of an enterprise, the next four octets are that number, and \
             all fields behind it are shifted.",
            id & 0x7fff
        ));
    }
    if let Some(field) = field
        && let Some(expected) = wrong_length(field.element().data_type, length)
    {
        odd.push(format!(
            "{} is an {}, which has {expected}; its length here (offset {}) is {length}. Its values are \
             shown as octets.",
            field.name(),
            field.element().data_type,
            offset + 2
        ));
    }
    odd
}

/// The lengths that a type has, when this is none of them (RFC 7011, section 6).
fn wrong_length(data_type: DataType, length: u16) -> Option<&'static str> {
    use DataType as T;
    let (fits, expected) = match data_type {
        T::Ipv4Address => (length == 4, "4 octets"),
        T::Ipv6Address => (length == 16, "16 octets"),
        T::MacAddress => (length == 6, "6 octets"),
        T::Float32 => (length == 4, "4 octets"),
        T::Float64 => (matches!(length, 4 | 8), "4 or 8 octets"),
        // Longer numbers than the type has are read all the same, up to 8 octets.
        T::Unsigned8 => (length <= 8, "1 octet"),
        T::Unsigned16 => (length <= 8, "2 octets at most"),
        T::Unsigned32 => (length <= 8, "4 octets at most"),
        T::Unsigned64 => (length <= 8, "8 octets at most"),
        T::DateTimeMicroseconds | T::DateTimeNanoseconds => (length == 8, "8 octets"),
        _ => return None,
    };
    (!fits && length > 0 && length != VARIABLE_LENGTH).then_some(expected)
}

/// A data record, value by value.
pub(super) fn record(tree: &mut Tree, scene: &Scene<'_>, record: &Record<'_>, plan: &Plan) {
    let labels = plan.fields().iter().enumerate();
    let labels: Vec<_> =
        labels.map(|(index, field)| label(field.name(), index < plan.scope_count())).collect();
    let width = labels.iter().map(|label| label.len()).max().unwrap_or(0).min(MAX_NAME);
    let protocol = record.values().find_map(|(field, value)| match (field.element().id, value) {
        (ie::PROTOCOL_IDENTIFIER, Value::Unsigned(number)) => Some(number),
        _ => None,
    });
    let scene = Scene { protocol, ..*scene };
    let mut at = record.range().start;
    for (index, (((field, value), (_, octets)), (_, place))) in
        record.values().zip(record.octets()).zip(record.places()).enumerate()
    {
        let prefix = match place.start - at {
            0 => Vec::new(),
            1 => vec![octets.len() as u8],
            _ => [&[255], &(octets.len() as u16).to_be_bytes()[..]].concat(),
        };
        let label = format!("{:<width$} =", labels[index]);
        let reference = meaning::reference(field.element(), field.name());
        let length = match prefix.len() {
            0 => String::new(),
            _ => {
                format!(", length {} in {}", octets.len(), crate::output::count(prefix.len() as u64, "octet"))
            }
        };
        let own = [&prefix, octets].concat();
        if field.is_padding() {
            let zero = if octets.iter().all(|&octet| octet == 0) { "" } else { ", not zero" };
            tree.row(3, at, &own, &format!("{label} padding{zero}  [{reference}{length}]"));
        } else if let Value::List(list) = &value {
            tree.row(
                3,
                at,
                &own,
                &format!(
                    "{label} list of {}, {}  [{reference}, RFC 6313{length}]",
                    list.items.len(),
                    list.semantic
                ),
            );
            for (index, item) in list.items.iter().enumerate() {
                item_lines(tree, &format!("[{index}]"), item, 4);
            }
        } else {
            let text = shown(&value, octets.len());
            let meaning = meaning::of(&scene, field, &value, octets);
            tree.row(3, at, &own, &format!("{label} {text}{meaning}  [{reference}{length}]"));
        }
        at = place.end;
    }
}

/// A value of some octets, shortened when it is long; text in quotes, so that one sees where it ends.
fn shown(value: &Value<'_>, octets: usize) -> String {
    let text = shorten(&value.to_string(), octets);
    if let Value::String(_) = value { format!("\"{text}\"") } else { text }
}

/// An item of a list, and of the lists in it.
fn item_lines(tree: &mut Tree, name: &str, item: &ListItem<'_>, depth: usize) {
    match item {
        ListItem::Value(value) => value_lines(tree, name, value, depth),
        ListItem::Record(fields) => {
            tree.more(depth, name);
            for (name, value) in fields {
                value_lines(tree, name, value, depth + 1);
            }
        }
    }
}

fn value_lines(tree: &mut Tree, name: &str, value: &Value<'_>, depth: usize) {
    let Value::List(list) = value else {
        let length = if let Value::Octets(octets) = value { octets.len() } else { value.to_string().len() };
        return tree.more(depth, &format!("{name} = {}", shown(value, length)));
    };
    tree.more(depth, &format!("{name} = list of {}, {}", list.items.len(), list.semantic));
    for (index, item) in list.items.iter().enumerate() {
        item_lines(tree, &format!("[{index}]"), item, depth + 1);
    }
}
