//! The captures of real exporters are decoded as they were when their JSON was checked against tshark.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::{fixtures, run_nf};
use serde_json::Value;

mod common;

#[test]
fn every_fixture_is_decoded_as_stored() {
    let Some(folder) = fixtures() else { return };
    for name in names(&folder) {
        let decoded = run_nf(decode(&folder, &name)).with(0);
        let stored = fs::read_to_string(folder.join(format!("{name}.json")))
            .unwrap_or_else(|error| panic!("{name}.json: {error}"));
        for (number, (now, then)) in decoded.out.lines().zip(stored.lines()).enumerate() {
            assert_eq!(now, then, "{name}: packet {}", number + 1);
        }
        assert_eq!(decoded.out.lines().count(), stored.lines().count(), "{name}: packets");
        assert_eq!(decoded.out, stored, "{name}: line ends");
    }
}

#[test]
fn every_fixture_has_what_tshark_counted() {
    let Some(folder) = fixtures() else { return };
    let counts = fs::read_to_string(folder.join("counts.json")).expect("counts.json");
    let counts: Value = serde_json::from_str(&counts).expect("counts.json is JSON");
    let counted = counts["captures"].as_object().expect("an entry for each capture");
    let names = names(&folder);
    assert_eq!(names, counted.keys().cloned().collect::<BTreeSet<_>>(), "counts.json and the captures");
    for name in names {
        let tshark = &counted[&name]["counts"];
        let nf = Counts::of(&run_nf(decode(&folder, &name)).with(0).json());
        let versions: BTreeMap<String, u64> =
            serde_json::from_value(tshark["versions"].clone()).expect("packets by version");
        assert_eq!(nf.versions, versions, "{name}: versions");
        // tshark reads no more sets of NetFlow v9 than the header counts, which may leave out templates.
        let unread = tshark["unread_octets"].as_u64().expect("a number") > 0;
        for (what, found) in &nf.numbers {
            let expected = tshark[*what].as_u64().expect("a number");
            match unread {
                true => assert!(*found >= expected, "{name}: {what}: {found}, tshark {expected}"),
                false => assert_eq!(*found, expected, "{name}: {what}"),
            }
        }
    }
}

/// What is counted in the packets that `nf decode` prints.
#[derive(Default)]
struct Counts {
    versions: BTreeMap<String, u64>,
    numbers: BTreeMap<&'static str, u64>,
}

impl Counts {
    fn of(packets: &[Value]) -> Self {
        let mut counts = Self::default();
        // Also those of which there are none.
        for what in [
            "flows",
            "option_records",
            "templates",
            "option_templates",
            "octets",
            "flow_packets",
            "from_http",
            "to_http",
        ] {
            counts.add(what, 0);
        }
        for packet in packets {
            let list = |key: &str| packet[key].as_array().map_or(&[][..], Vec::as_slice);
            assert!(list("undecoded").is_empty(), "templates come first in the fixtures");
            *counts.versions.entry(packet["version"].to_string()).or_default() += 1;
            counts.add("packets", 1);
            counts.add("option_records", list("options").len() as u64);
            for template in list("templates") {
                let kind = if template["kind"] == "options" { "option_templates" } else { "templates" };
                counts.add(kind, 1);
            }
            for flow in list("flows") {
                let number = |names: [&str; 3]| names.iter().find_map(|name| flow[*name].as_u64());
                let sum = |names| number(names).unwrap_or(0);
                counts.add("flows", 1);
                counts.add("octets", sum(["IN_OCTETS", "IN_BYTES", "octetDeltaCount"]));
                counts.add("flow_packets", sum(["IN_PACKETS", "IN_PKTS", "packetDeltaCount"]));
                let http = |names| u64::from(number(names) == Some(80));
                counts.add("from_http", http(["SRC_PORT", "L4_SRC_PORT", "sourceTransportPort"]));
                counts.add("to_http", http(["DST_PORT", "L4_DST_PORT", "destinationTransportPort"]));
            }
        }
        counts
    }

    fn add(&mut self, what: &'static str, number: u64) {
        *self.numbers.entry(what).or_default() += number;
    }
}

/// The captures of export packets.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let captures = entries.filter(|path| path.extension().is_some_and(|ending| ending == "pcap"));
    let names = captures.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let names: BTreeSet<_> = names.filter(|name| name != "traffic").collect();
    assert!(!names.is_empty(), "there are captures");
    names
}

fn decode(folder: &Path, name: &str) -> Vec<String> {
    let file = folder.join(format!("{name}.pcap")).display().to_string();
    ["decode", "-f", &file, "--format", "json"].map(str::to_owned).into()
}
