//! The packets that PyPI `netflow` explains itself with are decoded to the values that it finds in them.
//!
//! The packets are softflowd's, from the tests of that library (github.com/bitkeks/python-netflow-v9-softflowd,
//! Copyright Dominik Pataky, MIT license). The expected values are what `netflow.parse_packet` of version 0.12.2
//! says of them.

use common::{Ended, feed, octets, run_nf};
use serde_json::{Value, json};

mod common;

/// v1: two directions of a ping.
const V1: &str = "000100020001189b5e80c32c2fd41848ac110002ac11000100000000000000000000000a00000348000027c700004af1\
    00000800000001000000000000000000ac110001ac11000200000000000000000000000a00000348000027c700004af1\
    00000000000001000000000000000000";
/// v5: two directions of a ping, and a multicast datagram.
const V5: &str = "00050003000379a35e80c58622a55ab00000000000000000ac110002ac11000100000000000000000000000a00000348\
    00002f4c0000527600000800000001000000000000000000ac110001ac11000200000000000000000000000a00000348\
    00002f4c0000527600000000000001000000000000000000ac110001e00000fb000000000000000000000001000000a9\
    0000e01c0000e01c14e914e9000011000000000000000000";
/// v9: templates 1024 and 2048, and eight flows.
const V9_TEMPLATES: &str = "0009000a000000035c9f55980000000100000000000000400400000e00080004000c0004001500040016000400010004\
    00020004000a0004000e000400070002000b00020004000100060001003c000100050001000000400800000e001b0010\
    001c001000150004001600040001000400020004000a0004000e000400070002000b00020004000100060001003c0001\
    00050001040001447f0000017f000001fb3c1aaafb3c18fd000190100000004b00000000000000000050942c061b0400\
    7f0000017f000001fb3c1aaafb3c18fd00000f94000000360000000000000000942c0050061f04007f0000017f000001\
    fb3c1cfcfb3c1a9b0000d3fc0000002a000000000000000000509434061b04007f0000017f000001fb3c1cfcfb3c1a9b\
    00000a490000001e000000000000000094340050061f04007f0000017f000001fb3bb82cfb3ba48b0000029600000003\
    00000000000000000050942a061904007f0000017f000001fb3bb82cfb3ba48b00000068000000020000000000000000\
    942a0050061104007f0000017f000001fb3c1900fb3c18fe0000004c0000000100000000000000000035b3c911000400\
    7f0000017f000001fb3c1900fb3c18fe0000003c000000010000000000000000b3c9003511000400";
/// v9: twelve flows of template 1024.
const V9_DATA: &str = "0009000c000000035c9f55980000000200000000040001e47f0000017f000001fb3c1a17fb3c19fd0000014800000002\
    00000000000000000035ea82110004007f0000017f000001fb3c1a17fb3c19fd0000007a000000020000000000000000\
    ea820035110004007f0000017f000001fb3c1a17fb3c19fd000000f80000000200000000000000000035c6e211000400\
    7f0000017f000001fb3c1a17fb3c19fd0000007a000000020000000000000000c6e20035110004007f0000017f000001\
    fb3c1a9efb3c1a9c0000004c0000000100000000000000000035adc1110004007f0000017f000001fb3c1a9efb3c1a9c\
    0000003c000000010000000000000000adc10035110004007f0000017f000001fb3c1b74fb3c1b720000004c00000001\
    00000000000000000035d0b3110004007f0000017f000001fb3c1b74fb3c1b720000003c000000010000000000000000\
    d0b30035110004007f0000017f000001fb3c2f59fb3c1b7100001a350000000a000000000000000000509436061b0400\
    7f0000017f000001fb3c2f59fb3c1b710000038a0000000a000000000000000094360050061b04007f0000017f000001\
    fb3c913bfb3c91380000004c0000000100000000000000000035e262110004007f0000017f000001fb3c913bfb3c9138\
    0000003c000000010000000000000000e262003511000400";
/// IPFIX: four templates, an options template, an options record and 19 flows.
const IPFIX_TEMPLATES: &str = "000a05202d45a4700000001300000000000200400400000e00080004000c000400160004001500040001000400020004\
    000a0004000e000400070002000b00020004000100060001003c000100050001000200340401000b00080004000c0004\
    00160004001500040001000400020004000a0004000e000400200002003c000100050001000200400800000e001b0010\
    001c001000160004001500040001000400020004000a0004000e000400070002000b00020004000100060001003c0001\
    00050001000200340801000b001b0010001c001000160004001500040001000400020004000a0004000e0004008b0002\
    003c0001000500010003001e010000050001008f000400a000080131000401320004013000020100001a00000a590000\
    0171352e672100000001000000000001040000547f000001ac110002ff7ed688ff7ed73a000015c70000000d00000000\
    0000000001bbe1a6061b0400ac1100027f000001ff7ed688ff7ed73a0000074f000000130000000000000000e1a601bb\
    061f04000401004cac110002ac110001ff7db9e0ff7dc1d0000000fc00000003000000000000000008000400ac110001\
    ac110002ff7db9e0ff7dc1d0000000fc0000000300000000000000000000040008010220fde66f14e0f1960900000242\
    ac110002ff0200000000000000000001ff110001ff7dfad6ff7e0e95000001b000000006000000000000000087000600\
    fde66f14e0f196090000affeaffeaffefdabcdef123456789000000000000001ff7e567fff7e664a0000020800000005\
    000000000000000080000600fde66f14e0f196090000000000000001fde66f14e0f196090000affeaffeaffeff7e567f\
    ff7e664a0000020800000005000000000000000081000600fe800000000000000042aafffe73bbfafde66f14e0f19609\
    0000affeaffeaffeff7e6aaaff7e6aaa0000004800000001000000000000000087000600fde66f14e0f1960900000242\
    ac110002fe800000000000000042aafffe73bbfaff7e6aaaff7e6aaa0000004000000001000000000000000088000600\
    fe800000000000000042acfffe110002fe800000000000000042aafffe73bbfaff7e7eaaff7e7eaa0000004800000001\
    000000000000000087000600fe800000000000000042aafffe73bbfafe800000000000000042acfffe110002ff7e7eaa\
    ff7e7eaa0000004000000001000000000000000088000600fe800000000000000042aafffe73bbfafe80000000000000\
    0042acfffe110002ff7e92aaff7e92aa0000004800000001000000000000000087000600fe800000000000000042acff\
    fe110002fe800000000000000042aafffe73bbfaff7e92aaff7e92aa0000004000000001000000000000000088000600\
    08000044fde66f14e0f196090000affeaffeaffefd41b7143f8600000000000000000001ff7ec2a0ff7ec2a00000004a\
    000000010000000000000000d20100351100060004000054ac1100027f000001ff7ed62eff7ed6870000003600000001\
    0000000000000000c4960035110004007f000001ac110002ff7ed62eff7ed68700000076000000010000000000000000\
    0035c4961100040008000044fde66f14e0f196090000affeaffeaffefd41b7143f8600000000000000000001ff7ef359\
    ff7ef3590000004a000000010000000000000000b1e700351100060004000054ac1100027f000001ff7f06e4ff7f06e8\
    00000036000000010000000000000000a8f90035110004007f000001ac110002ff7f06e4ff7f06e8000000a600000001\
    00000000000000000035a8f911000400";
/// IPFIX: three flows of the templates 2049 and 2048.
const IPFIX_DATA: &str = "000a00d02d45a47000000016000000000801007cfe800000000000000042acfffe110002fde66f14e0f1960900000000\
    00000001ff7f0755ff7f07550000004800000001000000000000000087000600fdabcdef123456789000000000000001\
    fe800000000000000042acfffe110002ff7f0755ff7f0755000000400000000100000000000000008800060008000044\
    fde66f14e0f196090000affeaffeaffe2a044e42020000000000000000000223ff7f06e9ff7f22d50000014000000004\
    0000000000000000e54c01bb06020600";
/// No version of anything.
const INVALID: &str = "ffffffffffffffffffffffffffffffffffffffffff";

fn decode(packets: &[&str]) -> Ended {
    run_nf(["decode", "--format", "json"].iter().chain(packets))
}

/// The sum of a field over flows.
fn sum(flows: &Value, name: &str) -> u64 {
    let flows = flows.as_array().expect("a list");
    flows.iter().map(|flow| flow[name].as_u64().unwrap_or_else(|| panic!("{name} in {flow}"))).sum()
}

fn count(list: &Value) -> usize {
    list.as_array().expect("a list").len()
}

#[test]
fn version_1() {
    let packets = decode(&[V1]).with(0).json();
    let header = json!({"version": 1, "count": 2, "uptime": 71835, "timestamp": 1585496876, "timestamp_nano": 802429000});
    assert_eq!(packets[0]["header"], header);
    let there = json!({
        "IPV4_SRC_ADDR": "172.17.0.2", "IPV4_DST_ADDR": "172.17.0.1", "NEXT_HOP": "0.0.0.0", "INPUT": 0, "OUTPUT": 0,
        "IN_PACKETS": 10, "IN_OCTETS": 840, "FIRST_SWITCHED": 10183, "LAST_SWITCHED": 19185, "SRC_PORT": 0,
        "DST_PORT": 2048, "PROTO": 1, "TOS": 0, "TCP_FLAGS": 0
    });
    let mut back = there.clone();
    back["IPV4_SRC_ADDR"] = "172.17.0.1".into();
    back["IPV4_DST_ADDR"] = "172.17.0.2".into();
    back["DST_PORT"] = 0.into();
    assert_eq!(packets[0]["flows"], json!([there, back]));
}

#[test]
fn version_5() {
    let packets = decode(&[V5]).with(0).json();
    let header = json!({
        "version": 5, "count": 3, "uptime": 227747, "timestamp": 1585497478, "timestamp_nano": 581262000,
        "sequence": 0, "engine_type": 0, "engine_id": 0, "sampling_interval": 0
    });
    assert_eq!(packets[0]["header"], header);
    let ping = |from: &str, to: &str, port: u16| {
        json!({
            "IPV4_SRC_ADDR": from, "IPV4_DST_ADDR": to, "NEXT_HOP": "0.0.0.0", "INPUT": 0, "OUTPUT": 0,
            "IN_PACKETS": 10, "IN_OCTETS": 840, "FIRST_SWITCHED": 12108, "LAST_SWITCHED": 21110, "SRC_PORT": 0,
            "DST_PORT": port, "TCP_FLAGS": 0, "PROTO": 1, "TOS": 0, "SRC_AS": 0, "DST_AS": 0, "SRC_MASK": 0,
            "DST_MASK": 0
        })
    };
    let flows = &packets[0]["flows"];
    assert_eq!(flows[0], ping("172.17.0.2", "172.17.0.1", 2048));
    assert_eq!(flows[1], ping("172.17.0.1", "172.17.0.2", 0));
    assert_eq!(flows[2]["IPV4_DST_ADDR"], "224.0.0.251");
    assert_eq!((&flows[2]["SRC_PORT"], &flows[2]["IN_OCTETS"]), (&json!(5353), &json!(169)));
    assert_eq!(count(flows), 3);
}

#[test]
fn version_9_with_its_templates() {
    let packets = decode(&[V9_TEMPLATES]).with(0).json();
    let header = json!({"version": 9, "count": 10, "uptime": 3, "timestamp": 1553946008, "sequence": 1, "source_id": 0});
    assert_eq!(packets[0]["header"], header);
    let templates = packets[0]["templates"].as_array().expect("a list");
    let ids: Vec<_> = templates.iter().map(|template| template["template_id"].as_u64()).collect();
    assert_eq!(ids, [Some(1024), Some(2048)]);
    assert_eq!(templates[1]["fields"][0], json!({"id": 27, "pen": 0, "name": "IPV6_SRC_ADDR", "length": 16}));
    let flows = &packets[0]["flows"];
    assert_eq!(
        flows[0],
        json!({
            "IPV4_SRC_ADDR": "127.0.0.1", "IPV4_DST_ADDR": "127.0.0.1", "LAST_SWITCHED": 4215020202u32,
            "FIRST_SWITCHED": 4215019773u32, "IN_BYTES": 102416, "IN_PKTS": 75, "INPUT_SNMP": 0, "OUTPUT_SNMP": 0,
            "L4_SRC_PORT": 80, "L4_DST_PORT": 37932, "PROTOCOL": 6, "TCP_FLAGS": 27, "IP_PROTOCOL_VERSION": 4,
            "SRC_TOS": 0
        })
    );
    assert_eq!((&flows[7]["L4_SRC_PORT"], &flows[7]["L4_DST_PORT"]), (&json!(46025), &json!(53)));
    assert_eq!((count(flows), sum(flows, "IN_BYTES"), sum(flows, "IN_PKTS")), (8, 164207, 208));
}

#[test]
fn data_before_their_template_in_one_packet() {
    // The header, then the data set, then the two template sets.
    let packet = octets(V9_TEMPLATES);
    let mixed = [&packet[..20], &packet[20 + 2 * 64..], &packet[20..20 + 2 * 64]].concat();
    let mixed = decode(&[&common::hex(&mixed)]).with(0).json();
    assert_eq!(mixed[0]["flows"], decode(&[V9_TEMPLATES]).json()[0]["flows"]);
    assert_eq!(count(&mixed[0]["flows"]), 8);
    assert!(mixed[0].get("late").is_none(), "the data waited for no later packet");
    assert_eq!(mixed[0]["undecoded"], json!([]));
}

#[test]
fn data_whose_template_comes_in_a_later_packet() {
    let ended = decode(&[V9_DATA, V5, V9_TEMPLATES]).with(0).saying("1 data set came without a template");
    let packets = ended.json();
    assert_eq!(packets[0]["flows"], json!([]));
    let undecoded = packets[0]["undecoded"].as_array().expect("a list");
    assert_eq!(
        (undecoded.len(), &undecoded[0]["set_id"], &undecoded[0]["length"]),
        (1, &json!(1024), &json!(484))
    );
    assert!(undecoded[0]["reason"].is_string());
    // Its flows are told with the packet that brought the template, apart from that one's own.
    let late = packets[2]["late"].as_array().expect("a list");
    assert_eq!((late.len(), &late[0]["packet"]), (1, &json!(0)));
    assert_eq!(count(&packets[2]["flows"]), 8);
    let in_order = decode(&[V9_TEMPLATES, V9_DATA]).with(0).json();
    assert_eq!(late[0]["flows"], in_order[1]["flows"]);
    assert_eq!((count(&late[0]["flows"]), sum(&late[0]["flows"], "IN_BYTES")), (12, 8843));
}

#[test]
fn data_whose_template_never_comes() {
    let packets = decode(&[V9_DATA, IPFIX_DATA]).with(0).saying("came without a template").json();
    assert_eq!(packets[0]["undecoded"][0]["set_id"], 1024);
    let sets: Vec<_> = packets[1]["undecoded"].as_array().expect("a list").iter().collect();
    assert_eq!((&sets[0]["set_id"], &sets[0]["length"]), (&json!(2049), &json!(124)));
    assert_eq!((&sets[1]["set_id"], &sets[1]["length"]), (&json!(2048), &json!(68)));
}

#[test]
fn ipfix_with_its_templates() {
    let packets = decode(&[IPFIX_TEMPLATES, IPFIX_DATA]).with(0).json();
    let header = json!({
        "version": 10, "length": 1312, "export_time": 759538800, "sequence_number": 19, "observation_domain_id": 0
    });
    assert_eq!(packets[0]["header"], header);
    let kinds: Vec<_> =
        packets[0]["templates"].as_array().expect("a list").iter().map(|t| &t["kind"]).collect();
    assert_eq!(kinds, ["data", "data", "data", "data", "options"]);
    assert_eq!(
        packets[0]["options"],
        json!([{
            "scopes": {"meteringProcessId": 2649},
            "fields": {
                "systemInitTimeMilliseconds": "2020-04-01T09:59:25.729Z", "samplingPacketInterval": 1,
                "samplingPacketSpace": 0, "selectorAlgorithm": 1
            }
        }])
    );
    let flows = &packets[0]["flows"];
    assert_eq!(
        flows[0],
        json!({
            "sourceIPv4Address": "127.0.0.1", "destinationIPv4Address": "172.17.0.2",
            "flowStartSysUpTime": 4286502536u32, "flowEndSysUpTime": 4286502714u32, "octetDeltaCount": 5575,
            "packetDeltaCount": 13, "ingressInterface": 0, "egressInterface": 0, "sourceTransportPort": 443,
            "destinationTransportPort": 57766, "protocolIdentifier": 6, "tcpControlBits": 27, "ipVersion": 4,
            "ipClassOfService": 0
        })
    );
    assert_eq!(flows[16]["sourceIPv6Address"], "fde6:6f14:e0f1:9609:0:affe:affe:affe");
    assert_eq!(
        (count(flows), sum(flows, "octetDeltaCount"), sum(flows, "packetDeltaCount")),
        (19, 10370, 66)
    );
    let flows = &packets[1]["flows"];
    assert_eq!(
        (&flows[0]["icmpTypeCodeIPv6"], &flows[1]["icmpTypeCodeIPv6"]),
        (&json!(34560), &json!(34816))
    );
    assert_eq!(flows[2]["destinationIPv6Address"], "2a04:4e42:200::223");
    assert_eq!((count(flows), sum(flows, "octetDeltaCount")), (3, 456));
}

#[test]
fn packets_between_invalid_ones() {
    let ended = decode(&[INVALID, V9_TEMPLATES, V9_DATA, INVALID]).with(1).saying("65535");
    assert_eq!(ended.err.lines().count(), 2, "a line for each invalid packet: {}", ended.err);
    let flows: Vec<_> = ended.json().iter().map(|packet| count(&packet["flows"])).collect();
    assert_eq!(flows, [8, 12]);
}

#[test]
fn a_packet_with_zeros_behind_its_header() {
    let packet = format!("{}{}", &V9_TEMPLATES[..40], "00".repeat(24));
    let packets = decode(&[&packet]).with(0).json();
    assert_eq!((&packets[0]["flows"], &packets[0]["templates"]), (&json!([]), &json!([])));
}

#[test]
fn hex_from_stdin_is_the_same_as_on_the_command_line() {
    let lines = format!("{V9_TEMPLATES}\n\n{V9_DATA}\n");
    let from_stdin = feed(["decode", "--format", "json", "-"], lines.as_bytes()).with(0);
    assert_eq!(from_stdin.out, decode(&[V9_TEMPLATES, V9_DATA]).out);
}
