//! Each profile is read by our own session, and the doctor names what is odd about it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeSet;

use netflow_exporter::{Exporter, PROFILES, Profile};

use common::{Reading, STARTED, export};

/// What the doctor finds, but for fields that are not there or never filled: that is as the flows are.
fn findings(reading: Reading) -> BTreeSet<String> {
    let diagnosis = reading.doctor.finish();
    let name = |finding| {
        let finding = serde_json::to_value(finding).unwrap();
        let kind = if finding["kind"] == "quirk" { &finding["quirk"] } else { &finding["kind"] };
        kind.as_str().unwrap().to_owned()
    };
    let fields = ["lacking_fields", "never_filled"];
    diagnosis.findings.iter().map(name).filter(|name| !fields.contains(&name.as_str())).collect()
}

#[test]
fn the_doctor_names_what_is_odd_about_each_profile_and_nothing_else() {
    let mut wrong = Vec::new();
    for profile in PROFILES {
        let &Profile { name, version, .. } = profile;
        let mut exporter = Exporter::new(profile.config(STARTED)).unwrap();
        let reading = export(&mut exporter, 10_000);
        let statistics = exporter.statistics();
        assert_eq!(reading.sink.flows.len() as u64, statistics.flows, "{name} {version}");
        assert_eq!(reading.options_records(), statistics.options, "{name} {version}");
        assert_eq!(statistics.cut, 0, "{name} {version}");
        assert!(reading.packets.iter().all(|packet| packet.len() <= profile.max_packet), "{name} {version}");
        let expected: BTreeSet<_> = profile.findings.iter().map(|&name| name.to_owned()).collect();
        let found = findings(reading);
        if found != expected {
            wrong.push(format!("{name} {version}: {found:?}, and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
