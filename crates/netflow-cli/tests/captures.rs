//! Captures of other projects' test data, with the values that are expected in them, are decoded to these values.
//!
//! The data are in a folder beside the workspace, with a README of their own; where they are not, there is nothing
//! to do.

use std::collections::HashSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use common::{Ended, folder, run_nf};
use serde_json::Value;

mod common;

/// What `nf` calls Cisco's elements that the captures know by other names.
const NAMES: &[(&str, &str)] = &[
    ("v9:40001", "xlateSourceIPv4Address"),
    ("v9:40002", "xlateDestinationIPv4Address"),
    ("v9:40003", "xlateSourceTransportPort"),
    ("v9:40004", "xlateDestinationTransportPort"),
    ("v9:40005", "fwEvent"),
];

#[test]
fn captures_hold_the_expected_values() {
    let Some(folder) = folder("../shared/captures") else { return };
    let (mut captures, mut values, mut wrong) = (0, 0, Vec::new());
    for path in cases(&folder) {
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).expect("a file")).expect("JSON");
        if case["unconfirmed"] == true {
            continue;
        }
        let mut check = Check { elements: &case["elements"], values: 0, wrong: Vec::new() };
        check.case(&decode(&folder, &case), &case["expect"]);
        let name = case["name"].as_str().expect("a name");
        wrong.extend(check.wrong.iter().take(5).map(|what| format!("{name}: {what}")));
        values += check.values;
        captures += 1;
    }
    assert!(captures > 0, "there are captures");
    assert!(wrong.is_empty(), "of {values} values in {captures} captures:\n{}", wrong.join("\n"));
    assert!(values > 10 * captures, "only {values} values of {captures} captures were compared");
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut cases: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    cases.sort();
    cases
}

fn decode(folder: &Path, case: &Value) -> Ended {
    let mut arguments = vec!["decode".to_owned(), "--format".to_owned(), "json".to_owned()];
    for file in list(&case["files"]) {
        let file = folder.join(file.as_str().expect("a name"));
        if case["as_hex"] == true {
            arguments.push(common::hex(&fs::read(file).expect("a file")));
        } else {
            arguments.extend(["--file".to_owned(), file.display().to_string()]);
        }
    }
    run_nf(arguments)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether a count is as expected: a number, or the lowest and the highest one.
fn is_expected(count: usize, expected: &Value) -> bool {
    let count = count as u64;
    match (expected.as_u64(), list(expected)) {
        (Some(expected), _) => count == expected,
        (None, [low, high]) => low.as_u64() <= Some(count) && Some(count) <= high.as_u64(),
        _ => false,
    }
}

/// The check of one capture.
struct Check<'a> {
    elements: &'a Value,
    values: u32,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn that(&mut self, good: bool, wrong: impl FnOnce() -> String) {
        if !good {
            self.wrong.push(wrong());
        }
    }

    fn case(&mut self, ended: &Ended, expect: &Value) {
        let status = ended.status.code().unwrap_or(-1);
        let right = list(&expect["exit"]);
        self.that(right.contains(&status.into()), || {
            format!("exit status {status} of {right:?}: {}", ended.err)
        });
        self.that(status != 1 || !ended.err.is_empty(), || "nothing on stderr".to_owned());
        let packets = ended.json();
        let all = |key: &str| packets.iter().flat_map(|packet| list(&packet[key])).collect::<Vec<_>>();
        let (flows, options, undecoded) = (all("flows"), all("options"), all("undecoded"));

        // Sets before their template in the same packet: a decoder may give them up, or decode them.
        let other = &expect["or"];
        let agrees = |expect: &Value| {
            is_expected(flows.len(), &expect["flows"]) && is_expected(options.len(), &expect["options"])
        };
        let is_other = !agrees(expect) && agrees(other);
        let expected = |key: &str| match &other[key] {
            value if is_other && !value.is_null() => value.clone(),
            _ => expect[key].clone(),
        };

        for (key, count) in [("packets", packets.len()), ("flows", flows.len()), ("options", options.len())] {
            let expected = expected(key);
            self.that(expected.is_null() || is_expected(count, &expected), || {
                format!("{count} {key}, expected {expected}")
            });
        }
        let versions: Value = packets.iter().map(|packet| packet["version"].clone()).collect();
        let wanted = expected("versions");
        self.that(wanted.is_null() || versions == wanted, || {
            format!("versions {versions}, expected {wanted}")
        });

        let wanted = expected("undecoded");
        if list(&wanted).first().is_some_and(Value::is_u64) {
            self.that(is_expected(undecoded.len(), &wanted), || format!("undecoded {undecoded:?}"));
        } else {
            let sets = |sets: &[&Value]| {
                let set = |set: &Value| (set["set_id"].as_u64(), set["length"].as_u64());
                let mut sets: Vec<_> = sets.iter().map(|value| set(value)).collect();
                sets.sort_unstable();
                sets
            };
            let (found, wanted) = (sets(&undecoded), sets(&list(&wanted).iter().collect::<Vec<_>>()));
            self.that(found == wanted, || format!("undecoded {found:?}, expected {wanted:?}"));
        }
        let wanted = expected("templates");
        if list(&wanted).len() == packets.len() {
            for (number, (packet, wanted)) in packets.iter().zip(list(&wanted)).enumerate() {
                let mut found: Vec<_> = list(&packet["templates"])
                    .iter()
                    .map(|template| template["template_id"].as_u64())
                    .collect();
                let mut wanted: Vec<_> = list(wanted).iter().map(Value::as_u64).collect();
                found.sort_unstable();
                wanted.sort_unstable();
                self.that(found == wanted, || {
                    format!("packet {number}: templates {found:?}, expected {wanted:?}")
                });
            }
        }
        self.headers(&packets, &expected("headers"));

        if is_other || !self.wrong.is_empty() {
            return;
        }
        for record in list(&expect["records"]) {
            let number = record["n"].as_u64().expect("a number") as usize;
            let place = format!("{} {number}", record["kind"].as_str().expect("text"));
            if record["kind"] == "flow" {
                self.fields(&place, &record["fields"], &[flows[number]]);
                self.fields(&place, &record["scopes"], &[flows[number]]);
            } else {
                let (fields, scopes) = (&options[number]["fields"], &options[number]["scopes"]);
                self.fields(&place, &record["fields"], &[fields, scopes]);
                self.fields(&place, &record["scopes"], &[scopes, fields]);
            }
        }
        for (name, sum) in expect["sums"].as_object().into_iter().flatten() {
            let names = self.names(name);
            let of =
                |flow: &Value| find(&[flow], &names).iter().find_map(|value| value.as_u64()).unwrap_or(0);
            let found: u128 = flows.iter().map(|flow| u128::from(of(flow))).sum();
            let wanted = sum.as_number().and_then(serde_json::Number::as_u128);
            self.values += 1;
            self.that(Some(found) == wanted, || format!("the sum of {name} is {found}, expected {sum}"));
        }
    }

    fn headers(&mut self, packets: &[Value], wanted: &Value) {
        for (packet, wanted) in packets.iter().zip(list(wanted)) {
            for (name, value) in wanted.as_object().into_iter().flatten() {
                let names: &[&str] = match name.as_str() {
                    "sequence" => &["sequence", "sequence_number"],
                    "domain" => &["observation_domain_id", "source_id"],
                    name => &[name],
                };
                let found = names.iter().find_map(|name| packet["header"].get(name));
                // Some sources tell only the interval, without the mode's two bits.
                let masked = found.and_then(Value::as_u64).map(|found| Value::from(found & 0x3fff));
                let good =
                    found == Some(value) || name == "sampling_interval" && masked.as_ref() == Some(value);
                self.values += 1;
                self.that(good, || format!("header: {name} is {found:?}, expected {value}"));
            }
        }
    }

    /// All names of an element, without punctuation and case.
    fn names(&self, name: &str) -> HashSet<String> {
        let element = &self.elements[name];
        let given = list(&element["names"]).iter().filter_map(Value::as_str);
        let id = element["id"].as_str().expect("an id");
        let own = NAMES.iter().filter(|(of, _)| *of == id).map(|(_, name)| *name);
        // An element that nobody has a name for goes by its numbers.
        let number =
            if id.contains('.') { id.to_owned() } else { format!("0.{}", id.trim_start_matches("v9:")) };
        given.chain(own).chain([name]).map(plain).chain([number]).collect()
    }

    /// Compares fields that should be in the first of a record's parts. (An element that is there several times can
    /// have been counted over all of them.)
    fn fields(&mut self, place: &str, wanted: &Value, parts: &[&Value]) {
        for (name, value) in wanted.as_object().into_iter().flatten() {
            let parts = if value.get("repeated").is_some() { parts } else { &parts[..1] };
            let found = find(parts, &self.names(name));
            let wanted = match value.get("repeated") {
                Some(values) => list(values),
                None => std::slice::from_ref(value),
            };
            let data_type = self.elements[name]["type"].as_str().expect("a type");
            self.values += 1;
            let same =
                |(wanted, found): (&Value, &&Value)| wanted.is_null() || is_same(wanted, found, data_type);
            let good = found.len() >= wanted.len() && wanted.iter().zip(&found).all(same);
            self.that(good, || format!("{place}: {name} is {found:?}, expected {wanted:?} ({data_type})"));
        }
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A record's values of an element, the repetitions (`NAME_2`) behind the first.
fn find<'a>(parts: &[&'a Value], names: &HashSet<String>) -> Vec<&'a Value> {
    let is_one = |key: &str| names.contains(key) || names.contains(&plain(key));
    let mut found = Vec::new();
    for (key, value) in parts.iter().filter_map(|part| part.as_object()).flatten() {
        if is_one(key) {
            found.push((1, value));
        } else if let Some((stem, number)) = key.rsplit_once('_')
            && let Ok(number @ 2..) = number.parse::<u32>()
            && is_one(stem)
        {
            found.push((number, value));
        }
    }
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, value)| value).collect()
}

/// Whether a value is the expected one, whatever it is written like.
fn is_same(wanted: &Value, found: &Value, data_type: &str) -> bool {
    if wanted == found {
        return true;
    }
    match (wanted, found) {
        // An element whose name and type are a vendor's secret is shown as hex.
        (Value::Number(number), Value::String(hex)) if data_type.contains("signed") => {
            u64::from_str_radix(hex, 16).ok() == number.as_u64()
        }
        (Value::Number(wanted), Value::Number(found)) => match (wanted.as_f64(), found.as_f64()) {
            (Some(wanted), Some(found)) => (wanted - found).abs() <= 1e-6 * wanted.abs().max(1.0),
            _ => false,
        },
        (Value::String(wanted), Value::String(found)) => {
            let digits = |text: &str| text.replace(':', "");
            let address = |text: &str| text.parse::<IpAddr>().ok();
            let octets = || match address(wanted) {
                Some(IpAddr::V4(wanted)) => common::hex(&wanted.octets()),
                Some(IpAddr::V6(wanted)) => common::hex(&wanted.octets()),
                None => common::hex(wanted.as_bytes()),
            };
            address(wanted).is_some() && address(wanted) == address(found)
                || wanted.trim_end_matches('\0').trim() == found.trim_end_matches('\0').trim()
                || digits(wanted) == digits(found)
                || data_type.starts_with("dateTime") && is_same_time(wanted, found)
                || octets() == found.trim_end_matches("00")
                || *found == octets()
        }
        _ => false,
    }
}

/// Whether two times are less than a microsecond apart: NTP fractions are rounded this way or that.
fn is_same_time(wanted: &str, found: &str) -> bool {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond);
    time(wanted).zip(time(found)).is_some_and(|(wanted, found)| (wanted - found).abs() <= 1_000)
}
