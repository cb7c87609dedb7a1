//! What fuzzing does for long, done for a moment: all seeds, some mutations, all worst cases in small.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::Path;

use netflow_fuzz::{Everything, Random, TARGETS, corpus, dictionary, mutate, usage, worst};
use netflow_templates::{Exporter, Session, Timestamp};

fn check(target: &str, mutations: usize) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = corpus::seeds(target, &corpus::fixtures()).unwrap();
    assert!(!seeds.is_empty(), "{target} has seeds");
    seeds.iter().for_each(|(_, seed)| run(seed));
    let mut random = Random::new(7);
    for _ in 0..mutations {
        let (_, seed) = random.choose(&seeds);
        run(&mutate::mutated_octets(seed, &mut random));
    }
}

#[test]
fn messages_are_framed_and_written_again() {
    check("message", 3_000);
}

#[test]
fn sessions_keep_within_their_limits() {
    check("session", 60);
}

#[test]
fn flow_files_are_read_and_written_again() {
    check("flow_file", 200);
}

#[test]
fn captures_are_read_to_their_end() {
    check("capture_file", 400);
}

#[test]
fn every_target_has_a_dictionary() {
    for (target, _) in TARGETS {
        let dictionary = dictionary::dictionary(target);
        assert!(dictionary.lines().count() > 10);
        assert!(dictionary.lines().all(|line| line.starts_with("\"\\x") && line.ends_with('"')), "{target}");
    }
}

/// Decodes mutated packets in one session.
fn decode_mutated(packets: &[Vec<u8>], count: usize) {
    let mut random = Random::new(11);
    let (mut session, mut everything) = (Session::new(), Everything::default());
    let mut decoded = 0;
    for number in 0..count {
        let packet = mutate::mutated(packets, &mut random);
        let exporter = Exporter { address: [192, 0, 2, random.octet() & 7].into(), port: 2055 };
        let received = Timestamp::from_secs(1_714_564_800 + number as i64);
        if session.decode(exporter, received, &packet, &mut everything).is_ok() {
            everything.end_packet();
            decoded += usize::from(everything.discard() > 0);
        }
    }
    assert!(decoded * 4 > count, "{decoded} of {count}: mutations leave most packets readable");
    assert!(session.statistics().records > 0 && session.statistics().problems > 0);
}

#[test]
fn mutated_packets_are_decoded_as_far_as_they_go() {
    let packets = corpus::packets(&corpus::fixtures()).unwrap();
    decode_mutated(&packets.into_iter().flat_map(|(_, packets)| packets).collect::<Vec<_>>(), 3_000);
}

#[test]
fn mutated_packets_of_other_collections_are_decoded_as_far_as_they_go() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures");
    let packets = corpus::packets(&folder).unwrap();
    if packets.is_empty() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    decode_mutated(&packets.into_iter().flat_map(|(_, packets)| packets).collect::<Vec<_>>(), 1_000);
}

#[test]
fn worst_cases_are_read_to_their_end() {
    for (name, maker) in worst::inputs() {
        // Some need thousands of packets before, which take long without optimisation; one is nothing by itself.
        let others = ["many domains", "other domains", "no room", "full", "waited"];
        if others.iter().any(|other| name.contains(other)) {
            continue;
        }
        for &of in maker.uses() {
            let input = maker.make(4_000);
            let cost = input.run(of, usage::cpu_time).unwrap();
            assert!((1_000..20_000).contains(&cost.octets), "{name}: {} octets", cost.octets);
            assert!(cost.written < 1_000 * cost.octets, "{name}: {} octets of {}", cost.written, cost.octets);
        }
    }
}
