//! The registry of information elements, and the names that fields go by.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use netflow_wire::{enterprise as pen, unassigned};

use crate::element::{DataType, Element, Semantics, Units};

mod enterprise;
mod fixed;
mod iana;
mod netflow_v9;

/// One row of a generated table.
const fn row(
    enterprise: u32,
    id: u16,
    name: &'static str,
    data_type: DataType,
    semantics: Semantics,
    units: Units,
) -> Element {
    Element { enterprise, id, name: Cow::Borrowed(name), data_type, semantics, units }
}

/// Information elements by number and by name: IANA's, those of known enterprises, and the user's.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    added: HashMap<(u32, u16), Element>,
    added_names: BTreeMap<Cow<'static, str>, (u32, u16)>,
}

/// Why a table of elements could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RegistryError {
    /// Line of the table, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Registry {
    /// The built-in registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds elements from CSV text with the columns `pen,id,name,type,semantics,units,status`, of which
    /// the last three may be missing or empty. An element that is known already is replaced. Lines that
    /// are empty, start with `#` or are the heading are passed over. Returns how many were added.
    pub fn add_csv(&mut self, text: &str) -> Result<usize, RegistryError> {
        let mut added = 0;
        for (index, row) in text.lines().enumerate() {
            let row = row.trim();
            if row.is_empty() || row.starts_with('#') || (index == 0 && row.starts_with("pen,")) {
                continue;
            }
            let wrong = |reason| RegistryError { line: index + 1, reason };
            let element = parse_row(row).map_err(wrong)?;
            // Two fields of one record would have one name.
            if let Some(other) = self.find_name(&element.name)
                && (other.enterprise, other.id) != (element.enterprise, element.id)
            {
                let Element { name, enterprise, id, .. } = other;
                return Err(wrong(format!(
                    "the name {name} is that of element {id} of enterprise {enterprise}"
                )));
            }
            self.add(element);
            added += 1;
        }
        Ok(added)
    }

    fn add(&mut self, element: Element) {
        let number = (element.enterprise, element.id);
        self.added_names.insert(element.name.clone(), number);
        if let Some(replaced) = self.added.insert(number, element)
            && self.added[&number].name != replaced.name
            && self.added_names.get(&replaced.name) == Some(&number)
        {
            self.added_names.remove(&replaced.name);
        }
    }

    /// The element with a number, if any registry has it.
    pub fn find(&self, enterprise: u32, id: u16) -> Option<Cow<'_, Element>> {
        if let Some(element) = self.added.get(&(enterprise, id)) {
            return Some(Cow::Borrowed(element));
        }
        match enterprise {
            pen::IANA => find(iana::ELEMENTS, 0, id).map(Cow::Borrowed),
            pen::REVERSE => {
                let forward = self.find(pen::IANA, id)?;
                let name = Cow::Owned(reverse_name(&forward.name));
                Some(Cow::Owned(Element { enterprise, name, ..forward.into_owned() }))
            }
            pen::UNASSIGNED => unassigned_element(id).map(Cow::Owned),
            _ => find(enterprise::ELEMENTS, enterprise, id).map(Cow::Borrowed),
        }
    }

    /// The element with a number; [`Element::unknown`] when no registry has it.
    pub fn element(&self, enterprise: u32, id: u16) -> Element {
        self.find(enterprise, id).map_or_else(|| Element::unknown(enterprise, id), Cow::into_owned)
    }

    /// The number of the element that goes by `name` in any of the namings: IANA's (also reversed),
    /// Cisco's of v9 (scopes too), those of the fixed versions, an enterprise's, or `PEN.ID`.
    pub fn find_name(&self, name: &str) -> Option<Element> {
        if let Some((enterprise, id)) = name.split_once('.') {
            return Some(self.element(enterprise.parse().ok()?, id.parse().ok()?));
        }
        if let Some((enterprise, id)) = self.added_names.get(name).copied().or_else(|| built_in(name)) {
            return Some(self.element(enterprise, id));
        }
        // Forward names start in lower case, but for a few.
        let capital = name.strip_prefix("reverse")?;
        let mut lower = capital.to_owned();
        lower.get_mut(..1)?.make_ascii_lowercase();
        let forward = |name: &str| {
            let (enterprise, id) = built_in(name)?;
            find(iana::ELEMENTS, enterprise, id).filter(|element| element.name == name)
        };
        let id = forward(&lower).or_else(|| forward(capital))?.id;
        Some(self.element(pen::REVERSE, id))
    }

    /// Cisco's name of a v9 field type, where it has one.
    pub fn v9_name(id: u16) -> Option<&'static str> {
        lookup(netflow_v9::FIELD_NAMES, id)
    }

    /// Name of a field of a fixed version (v1, v5, v7, v8).
    pub fn fixed_name(enterprise: u32, id: u16) -> Option<&'static str> {
        fixed::name(enterprise, id)
    }
}

/// The number of the built-in element that goes by a name. Where several do, the first counts: the namings are in
/// the order of [`Registry::find_name`].
fn built_in(name: &str) -> Option<(u32, u16)> {
    static NAMES: OnceLock<Vec<(&str, (u32, u16))>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let v9 = netflow_v9::FIELD_NAMES.iter().map(|&(id, name)| (name, (pen::IANA, id)));
        let elements = iana::ELEMENTS.iter().chain(enterprise::ELEMENTS);
        let elements = elements.filter_map(|element| match &element.name {
            Cow::Borrowed(name) => Some((*name, (element.enterprise, element.id))),
            Cow::Owned(_) => None,
        });
        let scopes = netflow_v9::SCOPE_NAMES.iter().map(|&(id, name)| (name, (pen::UNASSIGNED, id)));
        let mut names: Vec<_> = fixed::names().chain(v9).chain(elements).chain(scopes).collect();
        // Keeps the order of those with one name.
        names.sort_by_key(|&(name, _)| name);
        names.dedup_by_key(|&mut (name, _)| name);
        names
    });
    let index = names.binary_search_by_key(&name, |&(name, _)| name).ok()?;
    Some(names[index].1)
}

fn find(elements: &'static [Element], enterprise: u32, id: u16) -> Option<&'static Element> {
    let index =
        elements.binary_search_by_key(&(enterprise, id), |element| (element.enterprise, element.id)).ok()?;
    Some(&elements[index])
}

fn lookup(names: &[(u16, &'static str)], id: u16) -> Option<&'static str> {
    let index = names.binary_search_by_key(&id, |&(id, _)| id).ok()?;
    Some(names[index].1)
}

/// `octetDeltaCount` to `reverseOctetDeltaCount` (RFC 5103, section 6.1).
fn reverse_name(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    format!("reverse{name}")
}

fn unassigned_element(id: u16) -> Option<Element> {
    let name = lookup(netflow_v9::SCOPE_NAMES, id).or_else(|| fixed::name(pen::UNASSIGNED, id))?;
    let data_type = match id {
        unassigned::ROUTER_SC => DataType::Ipv4Address,
        _ => DataType::Unsigned64,
    };
    Some(Element {
        enterprise: pen::UNASSIGNED,
        id,
        name: Cow::Borrowed(name),
        data_type,
        semantics: Semantics::Identifier,
        units: Units::None,
    })
}

fn parse_row(row: &str) -> Result<Element, String> {
    let mut cells = row.split(',').map(|cell| cell.trim().trim_matches('"'));
    let mut cell = || cells.next().unwrap_or_default();
    let number = |text: &str, what: &str| {
        text.parse::<u32>().map_err(|_| format!("'{text}' is no {what}; the columns are pen,id,name,type"))
    };
    let enterprise = number(cell(), "enterprise number")?;
    let id = cell();
    let id = number(id, "element id")
        .and_then(|wide| u16::try_from(wide).map_err(|_| format!("element id {wide} is above 65535")))?;
    let name = cell();
    if name.is_empty() {
        return Err(format!("element {enterprise}.{id} has no name"));
    }
    let data_type = cell();
    let data_type = data_type
        .parse()
        .map_err(|()| format!("'{data_type}' is no data type of RFC 7012, such as unsigned32 or string"))?;
    let semantics = cell().parse().unwrap_or(Semantics::Default);
    let units = cell().parse().unwrap_or(Units::None);
    Ok(Element { enterprise, id, name: Cow::Owned(name.to_owned()), data_type, semantics, units })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_for_binary_search() {
        for table in [iana::ELEMENTS, enterprise::ELEMENTS] {
            assert!(table.is_sorted_by_key(|element| (element.enterprise, element.id)));
        }
        assert!(netflow_v9::FIELD_NAMES.is_sorted());
    }

    #[test]
    fn numbers_to_names() {
        let registry = Registry::new();
        let name = |enterprise, id| registry.element(enterprise, id).name.into_owned();
        assert_eq!(name(0, 1), "octetDeltaCount");
        assert_eq!(name(29305, 1), "reverseOctetDeltaCount");
        assert_eq!(name(5951, 128), "roundTripTime");
        assert_eq!(name(9, 60000), "9.60000");
        assert_eq!(name(0, 32000), "0.32000");
        assert_eq!(name(pen::UNASSIGNED, 2), "Interface");
    }

    #[test]
    fn names_to_numbers() {
        let registry = Registry::new();
        let number = |name| registry.find_name(name).map(|element| (element.enterprise, element.id));
        assert_eq!(number("octetDeltaCount"), Some((0, 1)));
        assert_eq!(number("reversePacketDeltaCount"), Some((29305, 2)));
        assert_eq!(number("IN_BYTES"), Some((0, 1)));
        assert_eq!(number("IN_OCTETS"), Some((0, 1)));
        assert_eq!(number("9.12235"), Some((9, 12235)));
        assert_eq!(number("Interface"), Some((pen::UNASSIGNED, unassigned::SCOPE_INTERFACE)));
        assert_eq!(number("ROUTER_SC"), Some((pen::UNASSIGNED, unassigned::ROUTER_SC)));
        assert_eq!(number("nonsense"), None);
    }

    #[test]
    fn every_name_leads_back_to_its_element() {
        let registry = Registry::new();
        for element in iana::ELEMENTS.iter().filter(|element| element.id < 32768) {
            let found = registry.find_name(&element.name).unwrap();
            assert_eq!((found.enterprise, found.id), (0, element.id), "{}", element.name);
        }
    }

    #[test]
    fn users_add_elements_from_csv() {
        let mut registry = Registry::new();
        let added =
            registry.add_csv("pen,id,name,type,semantics,units,status\n# ours\n64999,7,rackName,string\n");
        assert_eq!(added, Ok(1));
        assert_eq!(registry.element(64999, 7).data_type, DataType::String);
        let error = registry.add_csv("\n64999,x,rackName,string").unwrap_err();
        assert_eq!(error.to_string(), "line 2: 'x' is no element id; the columns are pen,id,name,type");
        assert!(registry.add_csv("1,2,name,text").is_err());
        let number = |registry: &Registry, name| {
            registry.find_name(name).map(|element| (element.enterprise, element.id))
        };
        assert_eq!(number(&registry, "rackName"), Some((64999, 7)));
        // Under another name; a name that is someone else's is refused.
        registry.add_csv("64999,7,rack,string\n0,1,bytes,unsigned64").unwrap();
        let error = registry.add_csv("64999,8,tcpControlBits,string").unwrap_err();
        assert_eq!(error.to_string(), "line 1: the name tcpControlBits is that of element 6 of enterprise 0");
        assert_eq!(number(&registry, "rackName"), None);
        assert_eq!(number(&registry, "rack"), Some((64999, 7)));
        assert_eq!(number(&registry, "tcpControlBits"), Some((0, 6)));
        assert_eq!(registry.find_name("octetDeltaCount").unwrap().name, "bytes");
    }
}
