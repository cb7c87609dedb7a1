use std::net::IpAddr;

use netflow_templates::Timestamp;

use super::*;
use crate::testing::{T0, at, flow, moved, pair, pair_with, reply};

fn tcp() -> Flow {
    flow(proto::TCP, "10.0.0.9:40000", "10.0.0.1:443")
}

fn udp() -> Flow {
    flow(proto::UDP, "10.0.0.9:40000", "10.0.0.1:53")
}

fn biflow() -> Flow {
    let mut biflow = tcp();
    let rare = biflow.rare_mut();
    (rare.reverse_bytes, rare.reverse_packets) = (Some(9_000), Some(12));
    biflow
}

fn kinds(connections: &[Connection]) -> Vec<Kind> {
    connections.iter().map(|connection| connection.kind).collect()
}

#[test]
fn two_directions_are_one_connection() {
    let mut request = tcp();
    (request.src_as, request.dst_as, request.in_if) = (64_500, 64_501, 7);
    let mut answer = reply(&request);
    answer.bytes_raw = 5_000;
    let connections = pair(&[request, answer]);
    assert_eq!(kinds(&connections), [Kind::Paired]);
    let connection = &connections[0];
    // 10.0.0.1:443 sorts before 10.0.0.9:40000.
    assert_eq!((connection.a.port, connection.a.sent.bytes, connection.a.asn), (443, 5_000, 64_501));
    assert_eq!((connection.b.port, connection.b.sent.bytes, connection.b.asn), (40_000, 1_000, 64_500));
    assert_eq!((connection.b.sent.in_if, connection.a.sent.out_if), (7, 7));
    assert_eq!(connection.opened_by, Side::B);
    assert_eq!(connection.total_packets(), 20);
    assert_eq!(connection.duration(), Duration::from_secs(1));
}

/// An event of a firewall, with octets of both directions.
fn event(kind: u8, id: u64, octets: (u64, u64)) -> Flow {
    let mut event = tcp();
    (event.bytes_raw, event.packets_raw) = (octets.0, 1);
    let rare = event.rare_mut();
    (rare.fw_event, rare.flow_id) = (Some(kind), Some(id));
    (rare.reverse_bytes, rare.reverse_packets) = (Some(octets.1), Some(1));
    event
}

/// Octets of server and client of the only connection.
fn octets(events: &[Flow]) -> (u64, u64) {
    let connections = pair(events);
    assert_eq!(connections.len(), 1);
    (connections[0].a.sent.bytes, connections[0].b.sent.bytes)
}

#[test]
fn the_totals_of_a_firewall_are_not_added_to_its_updates() {
    let (one, other) = (event(5, 7, (1_000, 10)), event(5, 7, (500, 20)));
    let totals = event(2, 7, (1_500, 30));
    assert_eq!(octets(&[one.clone(), other.clone()]), (30, 1_500));
    for order in [[&one, &other, &totals], [&one, &totals, &other], [&totals, &one, &other]] {
        assert_eq!(octets(&order.map(Clone::clone)), (30, 1_500));
    }
    // Updates that were lost are in the totals; totals without counters take nothing away.
    assert_eq!(octets(&[one.clone(), totals.clone()]), (30, 1_500));
    assert_eq!(octets(&[one.clone(), other.clone(), event(2, 7, (0, 0))]), (30, 1_500));
    // The same addresses and ports again are another connection of the firewall.
    assert_eq!(octets(&[one, other, totals, event(5, 8, (9, 1)), event(2, 8, (10, 2))]), (32, 1_510));
}

#[test]
fn events_of_a_firewall_are_one_connection() {
    let mut created = event(1, 7, (0, 0));
    created.packets_raw = 0;
    let rare = created.rare_mut();
    (rare.reverse_bytes, rare.reverse_packets) = (None, None);
    let (update, deleted) = (event(5, 7, (1_000, 10)), event(2, 7, (1_500, 30)));
    for flows in [[&created, &update, &deleted], [&update, &created, &deleted], [&deleted, &update, &created]]
    {
        let connections = pair(&flows.map(Clone::clone));
        assert_eq!(kinds(&connections), [Kind::Biflow]);
        assert_eq!((connections[0].a.sent.bytes, connections[0].b.sent.bytes), (30, 1_500));
    }
    let mut pairing = Pairing::new(PairingConfig::default());
    pairing.push(&created, &mut |_| panic!("it is open"));
    pairing.finish(&mut |_| panic!("there is nothing to report"));
    assert_eq!(pairing.statistics().events_only, 1);
    // What was denied is reported: that is all there will ever be.
    created.rare_mut().fw_event = Some(3);
    assert_eq!(kinds(&pair(&[created])), [Kind::OneWay]);
}

#[test]
fn start_times_need_not_be_equal() {
    let request = udp();
    for shift in [-50, -1, 0, 1, 50] {
        let answer = moved(&reply(&request), shift, shift + 1);
        assert_eq!(kinds(&pair(&[request.clone(), answer])), [Kind::Paired], "{shift} s apart");
    }
}

#[test]
fn other_ports_and_protocols_are_other_connections() {
    let request = tcp();
    let mut other_port = reply(&request);
    other_port.dst_port += 1;
    let mut other_protocol = reply(&request);
    other_protocol.proto = proto::UDP;
    assert_eq!(kinds(&pair(&[request, other_port, other_protocol])), [Kind::OneWay; 3]);
}

/// The same flow, told by another exporter.
fn told_by(flow: &Flow, last: u8) -> Flow {
    let mut told = flow.clone();
    told.exporter_addr = [192, 0, 2, last].into();
    told
}

#[test]
fn exporters_are_kept_apart_when_asked() {
    let here = udp();
    let there = told_by(&reply(&here), 2);
    let apart = PairingConfig { per_exporter: true, ..PairingConfig::default() };
    assert_eq!(kinds(&pair_with(apart.clone(), &[here.clone(), there.clone()])), [Kind::OneWay; 2]);
    let connections = pair_with(apart, &[here.clone(), there.clone(), reply(&here), reply(&there)]);
    assert_eq!(kinds(&connections), [Kind::Paired; 2]);
    assert!(connections.iter().all(|connection| connection.exporters().len() == 1));
}

#[test]
fn what_several_exporters_saw_is_counted_once() {
    let request = tcp();
    // The second one lost a piece on the way to the collector, and is some seconds late.
    let pieces = [moved(&request, 0, 60), moved(&request, 60, 120)];
    let answers = pieces.each_ref().map(reply);
    let mut flows = vec![told_by(&moved(&request, 7, 67), 2)];
    flows.extend(pieces);
    flows.extend(answers.iter().map(|answer| told_by(answer, 2)));
    flows.extend(answers);
    let mut pairing = Pairing::new(PairingConfig::default());
    let mut connections = Vec::new();
    flows.iter().for_each(|flow| pairing.push(flow, &mut |connection| connections.push(connection)));
    pairing.finish(&mut |connection| connections.push(connection));
    assert_eq!(kinds(&connections), [Kind::Paired]);
    let connection = &connections[0];
    assert_eq!(connection.exporter_addr, request.exporter_addr);
    assert_eq!((connection.b.sent.bytes, connection.b.sent.flows), (2_000, 2));
    assert_eq!((connection.a.sent.bytes, connection.a.sent.flows), (2_000, 2));
    assert_eq!(connection.exporters(), [2, 1].map(|last| IpAddr::from([192, 0, 2, last])));
    assert!(!connection.split);
    assert_eq!(pairing.statistics().merged, 4);
}

#[test]
fn numbers_are_those_of_who_sampled_least() {
    let request = udp();
    let mut sampled = told_by(&request, 2);
    (sampled.sampling_rate, sampled.packets_raw, sampled.bytes_raw) = (100, 1, 100);
    for flows in [[request.clone(), sampled.clone()], [sampled, request]] {
        let connection = &pair(&flows)[0];
        assert_eq!((connection.b.sent.packets, connection.sampling_rate), (10, 1));
        assert_eq!(connection.exporters().len(), 2);
    }
}

#[test]
fn an_answer_past_another_exporter_is_found_there() {
    let request = tcp();
    let connections = pair(&[request.clone(), told_by(&moved(&reply(&request), 1, 2), 2)]);
    assert_eq!(kinds(&connections), [Kind::Paired]);
    assert!(connections[0].split, "its times are of two clocks");
    assert_eq!(connections[0].a.sent.bytes, 1_000);
}

#[test]
fn many_exporters_are_counted_and_bounded() {
    let mut pairing = Pairing::new(PairingConfig::default());
    (1..=200).for_each(|last| pairing.push(&told_by(&tcp(), last), &mut |_| panic!("it is open")));
    assert_eq!(pairing.statistics().merged, 199);
    pairing.finish(&mut |connection| assert_eq!(connection.exporters().len(), 8));
}

/// A request whose source is translated, and what is seen of it behind that.
fn translated() -> (Flow, Flow) {
    let mut inside = tcp();
    let rare = inside.rare_mut();
    (rare.post_nat_src_addr, rare.post_nat_src_port) = (Some([198, 51, 100, 1].into()), Some(1_025));
    let mut outside = flow(proto::TCP, "198.51.100.1:1025", "10.0.0.1:443");
    outside.bytes_raw = 1_001;
    (inside, outside)
}

#[test]
fn flows_before_and_after_translation_meet() {
    let (inside, outside) = translated();
    for flows in [[inside.clone(), reply(&outside)], [reply(&outside), inside.clone()]] {
        let mut pairing = Pairing::new(PairingConfig::default());
        flows.iter().for_each(|flow| pairing.push(flow, &mut |_| panic!("it is open")));
        assert_eq!(pairing.statistics().translated, 1);
        pairing.finish(&mut |connection| {
            assert_eq!(connection.kind, Kind::Paired);
            assert_eq!((connection.b.addr, connection.b.port), (inside.src_addr.unwrap(), 40_000));
            assert_eq!((connection.b.sent.bytes, connection.a.sent.bytes), (1_000, 1_001));
            let after = connection.translation(Side::B).unwrap();
            assert_eq!((after.addr, after.port), ([198, 51, 100, 1].into(), 1_025));
            assert_eq!(connection.translation(Side::A), None);
        });
    }
    // An answer that tells what it was translated to, which is the same the other way round.
    let mut back = reply(&outside);
    back.rare_mut().post_nat_dst_addr = inside.src_addr;
    back.rare_mut().post_nat_dst_port = Some(40_000);
    assert_eq!(kinds(&pair(&[inside.clone(), back.clone()])), [Kind::Paired]);
    assert_eq!(kinds(&pair(&[back, inside])), [Kind::Paired]);
}

#[test]
fn translations_of_closed_connections_are_forgotten() {
    let (inside, outside) = translated();
    let mut pairing = Pairing::new(PairingConfig::default());
    let mut connections = Vec::new();
    for hour in 0..50 {
        let at = hour * 3_600;
        // The same outside address and port for another inside host each time.
        let mut inside = moved(&inside, at, at + 1);
        inside.src_addr = Some([10, 0, 1, hour as u8].into());
        for flow in [inside, moved(&reply(&outside), at, at + 1)] {
            pairing.push(&flow, &mut |connection| connections.push(connection));
        }
        assert!(pairing.by_alias.len() <= 1);
    }
    pairing.finish(&mut |connection| connections.push(connection));
    assert_eq!(kinds(&connections), [Kind::Paired; 50]);
}

#[test]
fn domains_are_paired_unless_kept_apart() {
    let mut request = udp();
    let mut answer = reply(&request);
    (request.observation_domain_id, answer.observation_domain_id) = (1, 2);
    let flows = [request, answer];
    let connections = pair(&flows);
    assert_eq!(kinds(&connections), [Kind::Paired]);
    assert_eq!(connections[0].observation_domain_id, 1);
    let apart = PairingConfig { separate_domains: true, ..PairingConfig::default() };
    assert_eq!(kinds(&pair_with(apart, &flows)), [Kind::OneWay; 2]);
}

#[test]
fn pieces_of_a_long_flow_are_added_up() {
    let request = tcp();
    let mut flows = Vec::new();
    for piece in 0..10 {
        flows.push(moved(&request, piece * 60, piece * 60 + 60));
        flows.push(moved(&reply(&request), piece * 60, piece * 60 + 59));
    }
    let connections = pair(&flows);
    assert_eq!(kinds(&connections), [Kind::Paired]);
    let connection = &connections[0];
    assert_eq!((connection.a.sent.flows, connection.b.sent.flows), (10, 10));
    assert_eq!(connection.total_bytes(), 20_000);
    assert_eq!(connection.duration(), Duration::from_secs(600));
}

#[test]
fn pieces_half_an_hour_apart_find_each_other() {
    // The active timeout of many routers, with other traffic in between that moves the time on.
    let long = udp();
    let mut flows = vec![moved(&long, 0, 1_800)];
    for minute in 31..60 {
        let mut other = moved(&udp(), minute * 60, minute * 60 + 1);
        other.src_port = 1_000 + minute as u16;
        flows.push(other);
    }
    flows.push(moved(&long, 1_800, 3_600));
    let connections = pair(&flows);
    let joined = connections.iter().find(|connection| connection.b.port == 40_000).unwrap();
    assert_eq!(joined.b.sent.flows, 2);
    assert_eq!(joined.duration(), Duration::from_secs(3_600));
}

#[test]
fn a_flow_that_ended_by_itself_is_not_waited_for_longer() {
    let mut pairing = Pairing::new(PairingConfig::default());
    let mut closed = Vec::new();
    let mut ended = moved(&udp(), 0, 1_800);
    ended.flow_end_reason = Some(1);
    pairing.push(&ended, &mut |connection| closed.push(connection));
    let mut later = moved(&udp(), 2_200, 2_201);
    later.src_port = 1;
    pairing.push(&later, &mut |connection| closed.push(connection));
    assert_eq!(closed.len(), 1);
}

#[test]
fn same_ports_after_a_silence_are_a_new_connection() {
    let query = udp();
    let later = moved(&query, 120, 121);
    let flows = [query.clone(), reply(&query), later.clone(), reply(&later)];
    let connections = pair(&flows);
    assert_eq!(kinds(&connections), [Kind::Paired; 2]);
    assert_eq!(connections[0].duration(), Duration::from_secs(1));
}

#[test]
fn dns_from_a_fixed_port_pairs_each_query_with_its_answer() {
    // All queries are exported before all answers: several connections with one key are open at once.
    let query = udp();
    let queries: Vec<Flow> = (0..5).map(|n| moved(&query, n * 70, n * 70)).collect();
    let answers = queries.iter().map(|query| {
        let mut answer = reply(query);
        answer.bytes_raw = 200;
        answer.time_received = queries[4].time_received;
        answer
    });
    let flows: Vec<Flow> = queries.iter().cloned().chain(answers).collect();
    let connections = pair(&flows);
    assert_eq!(kinds(&connections), [Kind::Paired; 5]);
    assert!(connections.iter().all(|connection| connection.total_bytes() == 1_200));
}

#[test]
fn syn_after_fin_is_a_new_connection() {
    let mut first = tcp();
    first.tcp_flags = SYN | FIN | 0x10;
    let second = moved(&first, 5, 6);
    let flows = [first.clone(), second.clone(), reply(&second), reply(&first)];
    let connections = pair(&flows);
    assert_eq!(kinds(&connections), [Kind::Paired; 2]);
    assert!(connections.iter().all(|connection| connection.duration() == Duration::from_secs(1)));
    // The same, seen in the opposite order.
    assert_eq!(kinds(&pair(&[second, first])), [Kind::OneWay; 2]);
}

#[test]
fn answer_just_after_the_end_is_still_the_answer() {
    let mut request = tcp();
    request.tcp_flags = SYN | FIN | 0x10;
    at(&mut request, 0, 0);
    let answer = moved(&reply(&request), 1, 2);
    assert_eq!(kinds(&pair(&[request, answer])), [Kind::Paired]);
}

#[test]
fn biflow_is_a_connection_by_itself() {
    let connections = pair(&[biflow()]);
    assert_eq!(kinds(&connections), [Kind::Biflow]);
    let connection = &connections[0];
    assert_eq!((connection.b.sent.bytes, connection.a.sent.bytes), (1_000, 9_000));
    assert_eq!((connection.b.sent.packets, connection.a.sent.packets), (10, 12));
    assert_eq!(connection.peer(connection.heavier()).port, 443);
}

#[test]
fn biflow_does_not_take_another_flow_in() {
    assert_eq!(kinds(&pair(&[biflow(), reply(&tcp())])), [Kind::Biflow, Kind::OneWay]);
}

#[test]
fn pieces_of_a_long_biflow_are_added_up() {
    let mut first = moved(&biflow(), 0, 60);
    first.rare_mut().biflow_direction = Some(1);
    let connections = pair(&[first, moved(&biflow(), 60, 120)]);
    assert_eq!(kinds(&connections), [Kind::Biflow]);
    assert_eq!(connections[0].total_bytes(), 20_000);
    assert_eq!(connections[0].initiator, Some(Side::B));
}

#[test]
fn biflow_without_an_answer_is_one_way() {
    let mut unanswered = biflow();
    let rare = unanswered.rare_mut();
    (rare.reverse_bytes, rare.reverse_packets) = (Some(0), Some(0));
    assert_eq!(kinds(&pair(&[unanswered])), [Kind::OneWay]);
}

#[test]
fn ping_and_its_answer_are_one_connection() {
    let mut request = flow(proto::ICMP, "10.0.0.9:0", "10.0.0.1:2048");
    request.icmp_type = Some(8);
    let mut answer = flow(proto::ICMP, "10.0.0.1:0", "10.0.0.9:0");
    answer.icmp_type = Some(0);
    let connections = pair(&[request, answer]);
    assert_eq!(kinds(&connections), [Kind::Paired]);
    assert_eq!((connections[0].a.port, connections[0].b.port), (0, 0));
    assert_eq!(connections[0].b.sent.icmp_type, Some(8));
}

#[test]
fn unanswered_flow_is_one_way() {
    let connections = pair(&[tcp()]);
    assert_eq!(kinds(&connections), [Kind::OneWay]);
    assert!(connections[0].a.sent.is_empty());
    assert_eq!(connections[0].a.sent.flows, 0);
}

#[test]
fn long_flow_exported_at_its_end_finds_its_other_half() {
    // The answer was exported every minute, the request once, an hour after it began.
    let request = tcp();
    let mut flows: Vec<Flow> =
        (0..60).map(|minute| moved(&reply(&request), minute * 60, minute * 60 + 60)).collect();
    flows.push(moved(&request, 0, 3_600));
    let connections = pair(&flows);
    assert_eq!(kinds(&connections), [Kind::Paired]);
    assert_eq!((connections[0].a.sent.flows, connections[0].b.sent.flows), (60, 1));
}

#[test]
fn flows_out_of_order_by_minutes_are_paired() {
    let mut flows = Vec::new();
    for n in 0..600 {
        let mut request = moved(&udp(), n, n + 1);
        request.src_port = n as u16;
        flows.push(reply(&request));
        flows.push(request);
    }
    // Blocks of four minutes in reverse, as from threads that write when they are done.
    let mut shuffled: Vec<Flow> = flows.chunks(480).rev().flatten().cloned().collect();
    assert_eq!(kinds(&pair(&shuffled)), [Kind::Paired; 600]);
    // And every answer four minutes late, all over the stream.
    shuffled.clear();
    for n in 0..flows.len() + 480 {
        shuffled.extend(flows.get(n).filter(|_| n % 2 == 1).cloned());
        shuffled.extend(n.checked_sub(480).filter(|n| n % 2 == 0).and_then(|n| flows.get(n)).cloned());
    }
    assert_eq!(shuffled.len(), 1_200);
    assert_eq!(kinds(&pair(&shuffled)), [Kind::Paired; 600]);
}

#[test]
fn files_in_the_wrong_order_are_paired_and_closed() {
    let mut pairing = Pairing::new(PairingConfig::default());
    let (mut paired, mut most) = (0, 0);
    for hour in [5, 4, 3, 2, 1] {
        for n in 0..100_000 {
            let second = hour * 3_600 + n / 30;
            let mut request = moved(&udp(), second, second);
            (request.src_port, request.in_if) = (n as u16, n as u32);
            for flow in [&request, &reply(&request)] {
                pairing.push(flow, &mut |connection| {
                    paired += usize::from(connection.kind == Kind::Paired);
                });
            }
            most = most.max(pairing.open_connections());
        }
    }
    pairing.finish(&mut |connection| paired += usize::from(connection.kind == Kind::Paired));
    assert_eq!(paired, 5 * 100_000);
    // Those of five minutes, and those of the flows that it takes to notice.
    assert!(most < 300 * 30 + 51_000, "{most} open");
}

#[test]
fn flows_without_times_use_the_time_of_receipt() {
    let mut request = tcp();
    (request.time_flow_start, request.time_flow_end) = (None, None);
    let mut later = reply(&request);
    assert_eq!(kinds(&pair(&[request.clone(), later.clone()])), [Kind::Paired]);
    later.time_received = later.time_received.saturating_add(Duration::from_secs(400));
    let connections = pair(&[request.clone(), later.clone()]);
    assert_eq!(kinds(&connections), [Kind::OneWay; 2]);
    assert_eq!(connections[0].start(), None);
    (request.time_received, later.time_received) = (Timestamp::EPOCH, Timestamp::EPOCH);
    (request.time_export, later.time_export) = (Timestamp::EPOCH, Timestamp::EPOCH);
    assert_eq!(kinds(&pair(&[request, later])), [Kind::Paired]);
}

#[test]
fn flows_of_fixed_versions_are_paired() {
    for version in [1, 5, 7] {
        let mut request = tcp();
        (request.flow_version, request.template_id) = (version, None);
        assert_eq!(kinds(&pair(&[request.clone(), reply(&request)])), [Kind::Paired]);
    }
}

#[test]
fn aggregates_are_counted() {
    let mut aggregate = tcp();
    aggregate.dst_addr = None;
    let mut pairing = Pairing::new(PairingConfig::default());
    pairing.push(&aggregate, &mut |_| {});
    pairing.finish(&mut |_| panic!("no connection"));
    assert_eq!((pairing.statistics().flows, pairing.statistics().without_addresses), (1, 1));
}

#[test]
fn sampled_counters_are_corrected_and_kept() {
    let mut request = tcp();
    request.sampling_rate = 100;
    let connection = &pair(&[request.clone(), reply(&request)])[0];
    assert_eq!((connection.a.sent.bytes, connection.a.sent.bytes_raw), (100_000, 1_000));
    assert_eq!((connection.total_packets(), connection.sampling_rate), (2_000, 100));
}

#[test]
fn flow_seen_at_both_interfaces_counts_once() {
    let mut ingress = tcp();
    (ingress.direction, ingress.in_if) = (Some(0), 3);
    let mut egress = tcp();
    (egress.direction, egress.out_if) = (Some(1), 4);
    let mut pairing = Pairing::new(PairingConfig::default());
    pairing.push(&ingress, &mut |_| {});
    pairing.push(&egress, &mut |_| {});
    assert_eq!(pairing.statistics().repeated, 1);
    pairing.finish(&mut |connection| {
        let sent = connection.b.sent;
        assert_eq!((sent.bytes, sent.flows, sent.in_if, sent.out_if), (1_000, 1, 3, 4));
    });
}

#[test]
fn talking_to_itself_is_one_way() {
    let itself = flow(proto::UDP, "127.0.0.1:53", "127.0.0.1:53");
    let connections = pair(&[itself.clone(), itself]);
    assert_eq!(kinds(&connections), [Kind::OneWay]);
    assert_eq!(connections[0].a.sent.flows, 2);
}

#[test]
fn what_is_open_stays_bounded() {
    let mut pairing = Pairing::new(PairingConfig {
        wait: Duration::from_secs(60),
        tcp_idle_timeout: Duration::from_secs(60),
        ..PairingConfig::default()
    });
    let (mut connections, mut most) = (0_u64, 0);
    let mut request = tcp();
    for n in 0..500_000_u32 {
        // A thousand connections a second.
        let time = Timestamp::from_millis(T0 * 1_000 + i64::from(n));
        request.src_addr = Some(std::net::Ipv4Addr::from(0x0b00_0000 + n).into());
        (request.time_flow_start, request.time_flow_end) = (Some(time), Some(time));
        request.time_received = time;
        for flow in [&request, &reply(&request)] {
            pairing.push(flow, &mut |connection| {
                assert_eq!(connection.kind, Kind::Paired);
                connections += 1;
            });
        }
        most = most.max(pairing.open_connections());
    }
    assert!(most < 63_000, "{most} open");
    pairing.finish(&mut |_| connections += 1);
    assert_eq!(connections, 500_000);
    assert_eq!(pairing.statistics().most_open, most as u64);
    assert_eq!(pairing.statistics().paired, 500_000);
}

#[test]
fn too_many_open_close_the_oldest() {
    let mut pairing = Pairing::new(PairingConfig { max_open: 100, ..PairingConfig::default() });
    let mut closed = Vec::new();
    for n in 0..1_000 {
        let mut scan = moved(&tcp(), i64::from(n) / 10, i64::from(n) / 10);
        scan.dst_port = n;
        pairing.push(&scan, &mut |connection| closed.push(connection.a.port));
        assert!(pairing.open_connections() <= 100);
    }
    assert_eq!(pairing.statistics().closed_early, 900);
    assert_eq!(closed.len(), 900);
    assert!(closed.iter().all(|&port| port < 910), "the youngest stay open");
}

#[test]
fn hostile_times_are_bounded() {
    // One key with times all over: neither the search nor the memory may grow.
    let mut pairing = Pairing::new(PairingConfig::default());
    let mut count = 0;
    for n in 0..2_000_i64 {
        let mut odd = udp();
        let time = Timestamp::from_nanos(n.wrapping_mul(0x5851_f42d_4c95_7f2d));
        (odd.time_flow_start, odd.time_flow_end) = (Some(time), Some(Timestamp::EPOCH));
        odd.time_received = if n % 3 == 0 { time } else { odd.time_received };
        pairing.push(&odd, &mut |_| count += 1);
        assert!(pairing.open_connections() <= SAME_KEY);
    }
    pairing.finish(&mut |_| count += 1);
    assert!(count > 0);
    assert_eq!(pairing.open_connections(), 0);
}

#[test]
fn every_flow_is_in_exactly_one_connection() {
    // A few keys, times and sizes from a simple generator: nothing is lost and nothing counted twice.
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut pairing = Pairing::new(PairingConfig { max_open: 50, ..PairingConfig::default() });
    let (mut bytes_in, mut flows_in, mut bytes_out, mut flows_out) = (0, 0, 0, 0);
    let mut take = |connection: Connection| {
        bytes_out += connection.total_bytes();
        flows_out += u64::from(connection.a.sent.flows + connection.b.sent.flows);
    };
    for n in 0..20_000 {
        let mut flow = if random(2) == 0 { tcp() } else { udp() };
        flow.src_port = 1_000 + random(40) as u16;
        flow.bytes_raw = random(10_000);
        flow.tcp_flags = random(32) as u16;
        let start = n / 10 - random(500) as i64;
        at(&mut flow, start, start + random(400) as i64);
        flow.time_received = Timestamp::from_secs(T0 + n / 10);
        let flow = if random(2) == 0 { reply(&flow) } else { flow };
        bytes_in += flow.bytes_raw;
        flows_in += 1;
        pairing.push(&flow, &mut take);
    }
    pairing.finish(&mut take);
    assert_eq!((bytes_in, flows_in), (bytes_out, flows_out));
    assert!(pairing.statistics().closed_early > 0);
}

#[test]
fn columns_are_those_of_flows() {
    assert!(COLUMNS.iter().all(|name| netflow_flow::column(name).is_some()));
}

#[test]
fn small_connections_are_counted_and_not_handed_out() {
    let mut large = udp();
    large.packets_raw = 11;
    let (other, lone) = (tcp(), flow(proto::UDP, "10.0.0.9:40001", "10.0.0.1:53"));
    let flows = [reply(&other), other, reply(&large), large, lone];
    let config = PairingConfig { least_packets: 21, ..PairingConfig::default() };
    let (mut pairing, mut connections) = (Pairing::new(config), Vec::new());
    pairing.push_all(&flows, &mut |connection| connections.push(connection));
    pairing.finish(&mut |connection| connections.push(connection));
    assert_eq!(
        connections.iter().map(|one| (one.proto, one.total_packets())).collect::<Vec<_>>(),
        [(17, 22)]
    );
    let statistics = pairing.statistics();
    assert_eq!((statistics.paired, statistics.one_way, statistics.too_small), (2, 1, 1));
}

#[test]
fn many_flows_at_a_time_are_paired_as_one_by_one() {
    // Keys come back at once, and when their connections are closed; one flow has no address.
    let mut flows: Vec<Flow> = (0..5_000_i64)
        .map(|n| {
            let one = flow(proto::UDP, &format!("10.0.0.9:{}", 40_000 + n / 3 * 8 % 301), "10.0.0.1:53");
            moved(&if n % 3 == 0 { reply(&one) } else { one }, n / 2, n / 2 + 1)
        })
        .collect();
    flows[77].src_addr = None;
    let mut one_by_one = Vec::new();
    let mut pairing = Pairing::new(PairingConfig::default());
    flows.iter().for_each(|flow| pairing.push(flow, &mut |connection| one_by_one.push(connection)));
    let (mut many, mut connections) = (Pairing::new(PairingConfig::default()), Vec::new());
    flows.chunks(100).for_each(|flows| many.push_all(flows, &mut |connection| connections.push(connection)));
    assert!(connections.len() > 500, "{}", connections.len());
    assert_eq!(connections, one_by_one);
    assert_eq!(many.statistics(), pairing.statistics());
}
