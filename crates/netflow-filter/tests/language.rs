//! What filters let pass.
#![allow(clippy::unwrap_used, reason = "tests")]

use netflow_filter::Filter;
use netflow_flow::{Flow, MacAddress};
use netflow_templates::Timestamp;

/// A flow of HTTPS from 10.1.2.3:40000 to 192.0.2.7:443: 2000 octets, 10 packets, 2 seconds.
fn flow() -> Flow {
    let mut flow = Flow::default();
    flow.exporter_addr = [192, 0, 2, 254].into();
    flow.ip_version = 4;
    flow.src_addr = Some([10, 1, 2, 3].into());
    flow.dst_addr = Some([192, 0, 2, 7].into());
    flow.src_port = 40_000;
    flow.dst_port = 443;
    flow.proto = 6;
    flow.tcp_flags = 0b1_1010;
    flow.bytes_raw = 2_000;
    flow.packets_raw = 10;
    flow.flows = 1;
    flow.sampling_rate = 1;
    flow.time_flow_start = Some(Timestamp::from_secs(1_769_860_800));
    flow.time_flow_end = Some(Timestamp::from_secs(1_769_860_802));
    flow.in_if = 3;
    flow.out_if = 4;
    flow.src_as = 64_500;
    flow.dst_as = 64_501;
    flow.src_mask = 8;
    flow.dst_mask = 24;
    flow.direction = Some(0);
    flow.src_vlan = Some(10);
    flow.observation_domain_id = 0x0102;
    flow
}

/// That flow, changed.
fn with(change: impl Fn(&mut Flow)) -> Flow {
    let mut flow = flow();
    change(&mut flow);
    flow
}

/// Whether the flow passes; with what is wrong if the filter is none.
fn passes(filter: &str, flow: &Flow) -> bool {
    match Filter::parse(filter) {
        Ok(filter) => filter.matches(flow),
        Err(error) => panic!("{filter}: {error}\n{}", error.excerpt()),
    }
}

/// Filters with semicolons between them: those that let the flow pass, and those that do not.
fn check(passing: &str, not_passing: &str, flow: &Flow) {
    for filter in passing.split(';').filter(|filter| !filter.is_empty()) {
        assert!(passes(filter, flow), "{filter}");
        assert!(!passes(&format!("not ({filter})"), flow), "not ({filter})");
    }
    for filter in not_passing.split(';').filter(|filter| !filter.is_empty()) {
        assert!(!passes(filter, flow), "{filter}");
        assert!(passes(&format!("not ({filter})"), flow), "not ({filter})");
    }
}

#[test]
fn addresses_are_of_either_side_unless_one_is_named() {
    check(
        "ip 10.1.2.3; host 192.0.2.7; src ip 10.1.2.3; dst host 192.0.2.7; net 10.0.0.0/8; \
            src net 10.0.0.0 255.0.0.0; net 192.0.2.0 mask 255.255.255.0; src net 10.1/16; net 10; \
            ip in [1.2.3.4 192.0.2.0/24]; ip in [1.2.3.4, 10.1.2.3]; src ip in [10.0.0.0/8]; \
            dst ip [192.0.2.7]; src in ip [10.1.2.3]; src or dst ip 10.1.2.3; src and dst net 0.0.0.0/0; \
            src 10.1.2.3; src_addr = 10.1.2.3; dst_addr in [192.0.2.0/24]; inet; ipv4; \
            router ip 192.0.2.254; exporter 192.0.2.254; exporter 192.0.2.0/24; SRC IP 10.1.2.3; \
            src ip = 10.1.2.3; ip != 1.1.1.1; src ip not in [1.1.1.1 2.2.2.2]",
        "ip 10.1.2.4; src ip 192.0.2.7; dst net 10.0.0.0/8; src and dst net 10.0.0.0/8; inet6; ipv6; \
            ip 2001:db8::1; ip in []; exporter 192.0.2.7; next ip 10.1.2.3; ip != 10.1.2.3; \
            bgpnext ip 0.0.0.0; net ::/0",
        &flow(),
    );
}

#[test]
fn ports_and_protocols_have_numbers_and_names() {
    check(
        "proto tcp; proto TCP; proto 6; tcp; port 443; dst port 443; port > 1024; src port > 1024; \
            port in [80 443]; dst port in [80,443]; port in [1-1023]; port 400-500; src port >= 40k; \
            port = 443; port == 443; port eq 443; dst port lt 444; dst port le 443; dst port ge 443; \
            service https; port https; dst port in [http https 1-5]; port != ssh; tcp port 443; tcp dst port 443; tcp and port 443; port 80 or 443; host 10.1.2.3 and 192.0.2.7; \
            dst_port < 1024; ip proto tcp; proto in [tcp udp]; proto != udp; port 0x1bb; port != 80; \
            ip4 and tcp; proto < 17; portrange 440-450",
        "proto udp; udp; proto icmp; src port 443; src and dst port 443; port gt 40000; udp port 443; \
            port != 443; icmp-type 8; icmp-code 0; port in [1 2 3]; proto ipip; port not in [443]",
        &flow(),
    );
}

#[test]
fn flags_are_letters_or_a_number() {
    // SYN, PSH, ACK.
    let flow = flow();
    check(
        "flags S; flags 26; flags = 26; flags != R; flags > 2; tcp_flags = 26",
        "flags F; flags 2; flags 0; tcp_flags = 2",
        &flow,
    );
    for (filter, is_passed) in [
        ("flags SA", true),
        ("flags as", true),
        ("flags PSA", true),
        ("flags SF", false),
        ("flags X", false),
        ("flags S and not flags FRU", true),
        ("flags S and not flags A", false),
        // Behind `not`, wherever it stands, none of the letters is set.
        ("not flags SF", false),
        ("not flags FR", true),
        ("not (flags SF or udp)", false),
        ("not (flags FR or udp)", true),
        ("not not flags SF", false),
        ("not (not flags SA)", true),
        ("flags != SF", false),
    ] {
        assert_eq!(passes(filter, &flow), is_passed, "{filter}");
    }
    // Some exporters say flags of other protocols.
    check("not flags S", "flags S; flags 26", &with(|flow| flow.proto = 17));
    assert!(passes("flags EC and flags X", &with(|flow| flow.tcp_flags = 0xff)));
}

#[test]
fn counters_have_scales_and_rates() {
    check(
        "packets > 9; packets 10; bytes > 1k; bytes < 1M; bytes = 2k; bytes >= 2K; bpp 200; bps 8000; \
            bps = 8k; pps 5; duration 2000; duration > 1s; duration < 1m; flows 1; flow 1; in bytes 2000; \
            octets 2000; bytes < 1.5T; bytes 1.999k-2.001k; bytes_raw = 2000",
        "packets > 10; bytes > 2k; bpp > 200; pps > 5; bps < 8k; duration > 2000; out bytes > 0; \
            flows > 1; out packets 0",
        &flow(),
    );
    let sampled = with(|flow| flow.sampling_rate = 100);
    check("bytes 200k; packets 1000; bps 800k; pps 500; bpp 200; bytes_raw 2000", "bytes 2000", &sampled);
    let at_once = with(|flow| flow.time_flow_end = flow.time_flow_start);
    check("duration 0; bps 0; pps 0", "duration > 0", &at_once);
    let timeless = with(|flow| flow.time_flow_end = None);
    check("", "duration 0; bps 0; pps < 1", &timeless);
    let empty = with(|flow| flow.packets_raw = 0);
    check("bpp 0", "bpp > 0", &empty);
    let endless = with(|flow| flow.bytes_raw = u64::MAX);
    check("bytes > 8000000T; bytes = 9223372036854775807", "bytes < 1T", &endless);
}

#[test]
fn times_are_in_utc() {
    check(
        "start > 2026-01-01T00:00; start 2026-01-31T12:00; start = 2026-01-31T13:00+01:00; \
            end > 2026-01-31T12:00:01; start < 2026/01/31.12:00:01; time_flow_start >= 2026-01-31; \
            start >= 1769860800; start > '2026-01-31 11:59'",
        "start > 2026-01-31T12:00; end < 2026-01-31T12:00:02; received > 2026-01-01",
        &flow(),
    );
}

#[test]
fn routing_and_switching() {
    let mut flow = flow();
    flow.rare_mut().src_mac = Some(MacAddress([0, 0x1b, 0x21, 1, 2, 3]));
    flow.rare_mut().mpls_labels.extend([20, 30, 40]);
    flow.rare_mut().in_if_name.push_str("GigabitEthernet0/1");
    flow.rare_mut().app_name.push_str("quic");
    flow.rare_mut().in_vrf = Some(7);
    flow.rare_mut().nat_event = Some(1);
    flow.rare_mut().fw_event = Some(3);
    flow.rare_mut().post_nat_src_addr = Some([198, 51, 100, 1].into());
    flow.rare_mut().post_nat_dst_port = Some(8443);
    flow.rare_mut().reverse_bytes = Some(70);
    check(
        "as 64500; src as 64500; dst as > 64500; as in [1 64501]; if 3; in if 3; out if 4; if > 3; \
            mask 24; src mask 8; vlan 10; src vlan 10; vlan; src_vlan; tos 0; src tos 0; flowdir ingress; \
            flowdir 0; engine-type 1; engine-id 2; observation domain id 258; mac 00:1b:21:01:02:03; \
            src mac 0:1b:21:1:2:3; mpls label1 20; mpls label3 > 39; mpls eos 40; mpls 30; mpls; \
            in_if_name = GigabitEthernet0/1; if name ~ gigabit; in if name contains Ethernet; \
            app_name = quic; app_name in [http 'quic']; ingress vrf 7; vrf 7; nat event add; nat event 1; \
            asa event deny; asa event > 2; xip 198.51.100.1; src nip 198.51.100.1; nat ip 198.51.100.1; \
            src nat ip 198.51.100.1; xnet 198.51.100.0/24; xport 8443; dst nport 8443; out bytes 70; \
            time_quality = missing; mpls_labels = 40; app_name != http",
        "as 1; out if name ~ x or src as 2; in if 4; dst vlan 10; dst_vlan; mac 00:00:00:00:00:00; \
            mpls label4 0; mpls 50; egress vrf 7; nat event delete; src xport 8443; app_name = QUIC; \
            app_name ~ http; in_if_name = ''; time_quality = exact",
        &flow,
    );
    check("", "mpls; mpls 0; app_name ~ ''; vlan 0; asa event 0", &Flow::default());
}

#[test]
fn and_binds_more_than_or_and_not_more_than_both() {
    check(
        "tcp or udp and port 1; (tcp or udp) and port 443; not udp and tcp; not (udp or icmp); \
            not not tcp; ! udp && tcp || port 1; !udp; any; tcp # or udp\nand port 443; \
            not udp or tcp; udp or (tcp and (port 80 or (port 443)))",
        "(tcp or udp) and port 1; not tcp or udp; not any; tcp and not tcp",
        &flow(),
    );
}

#[test]
fn nothing_lets_all_pass() {
    for filter in ["", " ", "# nothing", "any"] {
        assert!(Filter::parse(filter).unwrap().is_all(), "{filter}");
    }
}
