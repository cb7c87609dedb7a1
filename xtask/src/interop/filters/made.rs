//! Flows whose values lie on both sides of what filters ask for.

use serde_json::{Value, json};

/// What flows are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Traffic of all kinds.
    Traffic,
    /// Traffic through a translator of addresses, and its events.
    Translations,
    /// Events of a firewall.
    Events,
}

/// How many there are.
const FLOWS: usize = 2_000;

/// Draws, the same ones every time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, most: usize) -> usize {
        // Numerical Recipes' generator, of which the upper half is used.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Flows as lines of JSON.
pub(super) fn flows(what: What) -> String {
    let mut draws = Draws(1);
    (0..FLOWS).map(|_| format!("{}\n", flow(what, &mut draws))).collect()
}

fn flow(what: What, draws: &mut Draws) -> Value {
    let v6 = what == What::Traffic && draws.below(5) == 0;
    let mut address = || match v6 {
        true => format!("2001:db8:{}::{}", draws.one(&["0", "1", "8000"]), draws.one(&[1, 2, 3])),
        false => {
            let net = draws.one(&["10.0", "10.16", "172.16", "192.168"]);
            format!("{net}.{}.{}", draws.below(3), draws.one(&[0, 1, 127, 128, 255]))
        }
    };
    let (src_addr, dst_addr) = (address(), address());
    // nfdump 1.7.1 takes no type and code of ICMP for IPv6 from NetFlow v9.
    let proto = draws.one(&[6, 6, 6, 6, 17, 17, 17, if v6 { 6 } else { 1 }, 47, 50, 4]);
    let packets = draws.one(&[1, 2, 10, 999, 1_000, 1_001, 5_000, 1_000_000]);
    let begins = draws.below(600_000) as u64;
    let duration = draws.one(&[0, 0, 1, 500, 1_000, 1_500, 299_999, 300_000]);
    let time = |milliseconds: u64| {
        let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
        format!(
            "2026-01-01T{:02}:{:02}:{:02}.{rest:03}Z",
            12 + seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        )
    };
    let has_ports = proto == 6 || proto == 17;
    let mut flow = json!({
        "exporter_addr": "192.0.2.9",
        "exporter_port": 2055,
        "observation_domain_id": draws.one(&[0, 1, 0x0203, 0x0302]),
        "flow_version": 9,
        "time_export": time(3_600_000),
        "time_received": time(3_600_000),
        "time_flow_start": time(begins),
        "time_flow_end": time(begins + duration),
        "time_quality": "exact",
        "bytes_raw": packets * draws.one(&[40, 60, 64, 100, 1_000, 1_500]),
        "packets_raw": packets,
        "flows": 1,
        "sampling_rate": 1,
        "ip_version": if v6 { 6 } else { 4 },
        "src_addr": src_addr,
        "dst_addr": dst_addr,
        "proto": proto,
        "tcp_flags": if has_ports { draws.one(&[0, 2, 4, 16, 18, 20, 24, 27, 31, 63]) } else { 0 },
        "src_port": if has_ports { draws.one(&[0, 22, 53, 80, 443, 1_023, 1_024, 1_025, 40_000]) } else { 0 },
        "dst_port": if has_ports { draws.one(&[22, 53, 80, 443, 1_023, 1_024, 1_025, 65_535]) } else { 0 },
        "ip_tos": draws.one(&[0, 16, 184, 255]),
        "in_if": draws.below(5),
        "out_if": draws.below(5),
        "src_as": draws.one(&[0, 1, 64_512, 4_200_000_000_u64]),
        "dst_as": draws.one(&[0, 2, 64_512, 64_513]),
        "src_mask": draws.one(&[0, 8, 24]),
        "dst_mask": draws.one(&[0, 16, 24]),
    });
    let mut set = |name: &str, value: Value| flow[name] = value;
    match what {
        What::Traffic => {
            if proto == 1 {
                let (kind, code) = draws.one(&[(8, 0), (0, 0), (3, 1), (3, 3), (11, 0)]);
                set("icmp_type", json!(kind));
                set("icmp_code", json!(code));
            }
            set("next_hop", json!(if v6 { "2001:db8::fe" } else { draws.one(&["192.0.2.1", "192.0.2.2"]) }));
            set(
                "bgp_next_hop",
                json!(if v6 { "2001:db8::ff" } else { draws.one(&["192.0.2.3", "192.0.2.4"]) }),
            );
            set("direction", json!(draws.below(2)));
            set("src_vlan", json!(draws.one(&[1, 5, 100])));
            set("dst_vlan", json!(draws.one(&[1, 5, 101])));
            set(
                "src_mac",
                json!(draws.one(&["00:1b:21:00:00:01", "00:1b:21:00:00:02", "00:1b:21:00:00:03"])),
            );
            set("dst_mac", json!(draws.one(&["00:1b:21:00:00:01", "00:1b:21:00:00:02"])));
            set("mpls_labels", draws.one(&[&[][..], &[20], &[20, 30], &[40, 50, 60]]).into());
            set("forwarding_status", json!(draws.one(&[64, 128])));
        }
        What::Translations | What::Events => {
            set("post_nat_src_addr", json!(format!("198.51.100.{}", draws.below(4))));
            set("post_nat_dst_addr", json!(format!("203.0.113.{}", draws.below(4))));
            set("post_nat_src_port", json!(draws.one(&[1_025, 2_000, 3_000])));
            set("post_nat_dst_port", json!(draws.one(&[443, 8_443])));
            set("in_vrf", json!(draws.one(&[5, 6])));
            set("out_vrf", json!(draws.one(&[5, 7])));
        }
    }
    match what {
        What::Traffic => {}
        // nfdump keeps both kinds of events in one place.
        What::Translations => set("nat_event", json!(draws.one(&[1, 2]))),
        What::Events => set("fw_event", json!(draws.one(&[1, 2, 3]))),
    }
    flow
}
