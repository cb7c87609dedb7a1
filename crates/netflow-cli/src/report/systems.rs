//! Names of autonomous systems, and which one an address is in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use maxminddb::{LookupResult, PathElement, Reader};

use super::csv;

/// What the user has given of autonomous systems.
#[derive(Default)]
pub(super) struct SystemNames {
    names: HashMap<u32, String>,
    pub(super) database: Option<Arc<Database>>,
}

/// A database of addresses, with the names of the systems that were found.
pub(super) struct Database {
    reader: Reader<Vec<u8>>,
    names: Mutex<HashMap<u32, String>>,
}

impl SystemNames {
    /// Reads a CSV file, or a database.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mmdb")) {
            let reader =
                Reader::open_readfile(path).with_context(|| format!("cannot read {}", path.display()))?;
            let kind = reader.metadata().database_type.clone();
            let database = Database { reader, names: Mutex::default() };
            ensure!(
                database.has_systems(),
                "{}: a database of {}, which has no autonomous_system_number; GeoLite2-ASN has",
                path.display(),
                kind.escape_debug()
            );
            return Ok(Self { names: HashMap::new(), database: Some(Arc::new(database)) });
        }
        let mut names = HashMap::new();
        csv::read(path, "number,name", |fields| {
            let [number, name, ..] = fields else { return None };
            let digits = number.trim_start_matches(['A', 'a']).trim_start_matches(['S', 's']);
            names.insert(digits.parse().ok()?, name.clone());
            Some(())
        })?;
        Ok(Self { names, database: None })
    }

    /// The name of a system; empty when it is not known.
    pub(super) fn name(&self, system: u32) -> String {
        let found = self.database.as_ref().and_then(|database| database.name(system));
        found.or_else(|| self.names.get(&system).cloned()).unwrap_or_default()
    }
}

impl Database {
    /// Whether it has systems at all, as far as its first entries tell.
    fn has_systems(&self) -> bool {
        let Ok(all) = self.reader.networks(Default::default()) else { return false };
        all.take(100).flatten().any(|entry| matches!(record(&entry), Some((system, _)) if system > 0))
    }

    /// The system of an address; 0 unknown.
    pub(super) fn system(&self, address: IpAddr) -> u32 {
        let Ok(found) = self.reader.lookup(address) else { return 0 };
        let Some((system, name)) = record(&found) else { return 0 };
        if let Some(name) = name.filter(|_| system > 0) {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.entry(system).or_insert_with(|| name.to_owned());
        }
        system
    }

    fn name(&self, system: u32) -> Option<String> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&system).cloned()
    }
}

/// The system of an entry, and its name.
fn record<'a>(entry: &LookupResult<'a, Vec<u8>>) -> Option<(u32, Option<&'a str>)> {
    let number = [PathElement::Key("autonomous_system_number")];
    // Some writers of such files have signed numbers only.
    let system = match entry.decode_path::<u32>(&number) {
        Ok(system) => system?,
        Err(_) => u32::try_from(entry.decode_path::<i32>(&number).ok()??).ok()?,
    };
    let name = entry.decode_path::<&str>(&[PathElement::Key("autonomous_system_organization")]);
    Some((system, name.ok().flatten()))
}
