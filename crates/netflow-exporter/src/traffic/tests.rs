use std::collections::HashMap;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

fn flows(config: &TrafficConfig, count: usize) -> Vec<Flow> {
    let mut traffic = Traffic::new(config);
    (0..count).map(|_| traffic.flow(NOW).clone()).collect()
}

#[test]
fn a_seed_makes_the_same_flows_again() {
    let config = |seed| TrafficConfig { seed, ..TrafficConfig::default() };
    assert_eq!(flows(&config(1), 1_000), flows(&config(1), 1_000));
    assert_ne!(flows(&config(1), 1_000), flows(&config(2), 1_000));
}

/// What a seed makes is a promise: captures and test results depend on it.
#[test]
fn the_flows_of_a_seed_are_these() {
    let mut sums = [0u64; 4];
    for flow in flows(&TrafficConfig::default(), 10_000) {
        sums[0] += flow.bytes_raw;
        sums[1] += flow.packets_raw;
        sums[2] += u64::from(flow.src_port);
        sums[3] += u64::from(flow.ip_version);
    }
    assert_eq!(sums, [307_291_081, 520_403, 246_532_557, 43_886]);
}

#[test]
fn the_answer_follows_its_request() {
    let flows = flows(&TrafficConfig::default(), 10_000);
    let answers = flows.windows(2).filter(|pair| {
        let [one, other] = pair else { unreachable!("windows of two") };
        (one.src_addr, one.src_port, one.in_if, one.proto)
            == (other.dst_addr, other.dst_port, other.out_if, other.proto)
            && one.src_as == other.dst_as
    });
    let answers = answers.count();
    assert!((4_500..5_000).contains(&answers), "{answers}");
}

#[test]
fn a_biflow_has_both_directions() {
    let config = TrafficConfig { biflow: true, ..TrafficConfig::default() };
    let flows = flows(&config, 1_000);
    assert!(flows.iter().all(|flow| flow.rare().reverse_packets.is_some()));
    let unanswered = flows.iter().filter(|flow| flow.rare().reverse_packets == Some(0)).count();
    assert!((5..100).contains(&unanswered), "{unanswered}");
}

#[test]
fn flags_sizes_and_times_are_sane() {
    for flow in flows(&TrafficConfig::default(), 100_000) {
        let (start, end) = (flow.time_flow_start.unwrap(), flow.time_flow_end.unwrap());
        assert!(start <= end && end <= NOW, "{flow:?}");
        assert!(flow.packets_raw > 0 && flow.bytes_raw <= u64::from(u32::MAX), "{flow:?}");
        let mean = flow.bytes_raw / flow.packets_raw;
        assert!((40..=1_500).contains(&mean), "{flow:?}");
        let icmp = flow.proto == ICMP || flow.proto == ICMP_V6;
        assert_eq!(flow.icmp_type.is_some(), icmp);
        assert_eq!(flow.src_port == 0, icmp);
        assert_eq!(flow.tcp_flags == 0, flow.proto != TCP);
        assert_eq!(flow.proto == ICMP_V6, icmp && flow.ip_version == 6);
        let wide = |addr: Option<IpAddr>| addr.is_some_and(|addr| addr.is_ipv6() == (flow.ip_version == 6));
        assert!(wide(flow.src_addr) && wide(flow.dst_addr) && wide(flow.next_hop), "{flow:?}");
        if flow.tcp_flags & FIN != 0 && flow.tcp_flags & SYN != 0 {
            assert!(flow.packets_raw >= 3, "{flow:?}");
        }
    }
}

#[test]
fn sizes_have_a_heavy_tail() {
    let mut octets: Vec<u64> =
        flows(&TrafficConfig::default(), 100_000).iter().map(|flow| flow.bytes_raw).collect();
    octets.sort_unstable_by(|one, other| other.cmp(one));
    let (all, top): (u64, u64) = (octets.iter().sum(), octets[..1_000].iter().sum());
    assert!(top * 3 > all, "a hundredth of the flows has at least a third of the octets: {top} of {all}");
}

#[test]
fn a_spike_is_most_of_the_traffic() {
    for &service in Service::ALL {
        let config = TrafficConfig { spike: Some(service), ..TrafficConfig::default() };
        let mut ports = HashMap::<_, u32>::new();
        for flow in flows(&config, 10_000) {
            let proto = if flow.proto == ICMP_V6 { ICMP } else { flow.proto };
            *ports.entry((proto, flow.src_port.min(flow.dst_port))).or_default() += 1;
        }
        let profile = &SERVICES[service as usize];
        let seen = ports[&(profile.proto, profile.port)];
        assert!(seen > 7_500, "{service}: {seen}");
    }
}

#[test]
fn a_share_of_conversations_is_ipv6() {
    for (percent, expected) in [(0, 0..1), (20, 1_800..2_200), (100, 10_000..10_001)] {
        let config = TrafficConfig { ipv6_percent: percent, ..TrafficConfig::default() };
        let seen = flows(&config, 10_000).iter().filter(|flow| flow.ip_version == 6).count();
        assert!(expected.contains(&seen), "{percent}: {seen}");
    }
}

#[test]
fn families_apart_have_the_same_share_and_come_in_rows() {
    for (percent, share) in [(0, 0), (20, 80), (100, 400)] {
        let config = TrafficConfig {
            ipv6_percent: percent,
            families_apart: true,
            biflow: true,
            ..TrafficConfig::default()
        };
        let versions: Vec<_> = flows(&config, 1_200).iter().map(|flow| flow.ip_version).collect();
        for round in versions.chunks(400) {
            assert!(round.is_sorted());
            assert_eq!(round.iter().filter(|&&version| version == 6).count(), share);
        }
    }
}

#[test]
fn sampled_flows_have_fewer_packets() {
    let sum = |sampling| -> u64 {
        let config = TrafficConfig { sampling, ..TrafficConfig::default() };
        flows(&config, 10_000).iter().map(|flow| flow.packets_raw).sum()
    };
    assert!(sum(100) * 10 < sum(1));
}

#[test]
fn no_flow_starts_before_its_router() {
    let mut traffic = Traffic::new(&TrafficConfig::default());
    let started = Timestamp::from_nanos(NOW.as_nanos() - 3_000_000_000);
    traffic.router_started(started);
    assert!((0..1_000).all(|_| traffic.flow(NOW).time_flow_start.unwrap() >= started));
}

#[test]
fn two_hosts_are_enough() {
    let config = TrafficConfig { hosts: 0, ..TrafficConfig::default() };
    let hosts: std::collections::HashSet<_> = flows(&config, 1_000)
        .into_iter()
        .filter(|flow| flow.ip_version == 4)
        .map(|flow| flow.src_addr)
        .collect();
    assert_eq!(hosts.len(), 2);
}
