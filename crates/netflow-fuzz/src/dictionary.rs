//! Words that inputs are made of, for libFuzzer's `-dict`.

use std::fmt::Write as _;

use netflow_flow::COLUMNS;

/// The dictionary of a fuzz target; empty for a name that is no target's.
pub fn dictionary(target: &str) -> String {
    match target {
        "message" | "session" => packets(),
        "flow_file" => lines(),
        "capture_file" => captures(),
        _ => String::new(),
    }
}

/// Versions, set ids, lengths, and the elements that are decoded in a way of their own.
fn packets() -> String {
    let mut out = String::new();
    let numbers =
        [0u16, 1, 2, 3, 4, 5, 7, 8, 9, 10, 16, 20, 24, 28, 32, 48, 52, 255, 256, 257, 300, 1024, 65_535];
    numbers.iter().for_each(|number| word(&mut out, &number.to_be_bytes()));
    let elements = [
        1u16, 2, 8, 12, 21, 22, 27, 34, 48, 50, 82, 95, 96, 130, 150, 152, 154, 156, 160, 210, 236, 291, 292,
        293, 302, 305, 306,
    ];
    for element in elements {
        for length in [1u16, 4, 8, 65_535] {
            word(&mut out, &[element.to_be_bytes(), length.to_be_bytes()].concat());
        }
        word(&mut out, &[(element | 0x8000).to_be_bytes(), [0, 4], [0, 0], [0x72, 0x79]].concat());
    }
    out
}

fn lines() -> String {
    let mut out = String::new();
    COLUMNS.iter().for_each(|column| word(&mut out, format!("\"{}\":", column.name).as_bytes()));
    let words = [
        "{\"1714564800.000000\":{\"client\":[\"192.0.2.1\",2055],\"header\":{\"version\":9},\"flows\":[{",
        "\"client\":[",
        "\"header\":{",
        "\"version\":",
        "\"timestamp\":",
        "\"uptime\":",
        "\"flows\":[{",
        "\"options\":[{",
        "\"scopes\":{",
        "\"fields\":{",
        "\"IN_BYTES\":",
        "\"IPV4_SRC_ADDR\":",
        "\"sourceIPv6Address\":",
        "\"flowStartNanoseconds\":",
        "\"SAMPLING_INTERVAL\":",
        "\"interfaceName\":",
        "\"samplingInterval\":",
        "\"systemInitTimeMilliseconds\":",
        "\"sourceMacAddress\":",
        "\"9.12235\":",
        "192.0.2.1",
        "2001:db8::1",
        "00:1b:21:ab:cd:ef",
        "2024-05-01T12:00:00.000000Z",
        "13:453",
        "null",
        "true",
        "-1",
        "18446744073709551615",
        "1e308",
        "\\u0000",
        "\\ud800",
        "\"\"",
        "[[",
        "{}",
        "\n",
        ",,",
        "16 17",
    ];
    words.iter().for_each(|text| word(&mut out, text.as_bytes()));
    word(&mut out, &[0x1f, 0x8b, 8, 0]);
    out
}

/// Magic numbers, block types, EtherTypes, IP headers.
fn captures() -> String {
    let mut out = String::new();
    let words: [&[u8]; 24] = [
        &[0xd4, 0xc3, 0xb2, 0xa1],
        &[0x4d, 0x3c, 0xb2, 0xa1],
        &[0xa1, 0xb2, 0xc3, 0xd4],
        &[0xa1, 0xb2, 0x3c, 0x4d],
        &[0x0a, 0x0d, 0x0d, 0x0a],
        &[0x4d, 0x3c, 0x2b, 0x1a],
        &[0x1a, 0x2b, 0x3c, 0x4d],
        &[1, 0, 0, 0],
        &[2, 0, 0, 0],
        &[3, 0, 0, 0],
        &[6, 0, 0, 0],
        &[0, 0, 0, 6],
        &[8, 0, 0x45, 0],
        &[0x86, 0xdd, 0x60, 0],
        &[0x81, 0, 0, 7],
        &[0x88, 0xa8, 0, 7],
        &[0x20, 0],
        &[0, 1],
        &[64, 17],
        &[64, 6],
        &[44, 64],
        &[51, 64],
        &[0, 10],
        &[0xaa, 0xaa, 3, 0, 0, 0],
    ];
    words.iter().for_each(|octets| word(&mut out, octets));
    out
}

fn word(out: &mut String, octets: &[u8]) {
    out.push('"');
    for octet in octets {
        write!(out, "\\x{octet:02x}").expect("a string takes every octet");
    }
    out.push_str("\"\n");
}
