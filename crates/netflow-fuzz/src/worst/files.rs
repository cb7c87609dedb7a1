//! Flow files.

use std::fmt::Write as _;

use netflow_flow::{GzipBlock, write_csv_head};

type Make = fn(usize) -> Vec<u8>;

/// Names and makers.
pub(super) const FILES: &[(&str, Make)] = &[
    ("a record nested deep", |size| packet(&["{\"a\":".repeat(size / 6), "}".repeat(size / 6)].concat())),
    ("an extra nested deep", |size| ["{\"a\":".to_owned(), "[".repeat(size), "]".into()].concat().into()),
    ("a record of unknown members", |size| packet(&record(members(size, |at| format!("x{at:04x}"))))),
    ("a record of unknown members with numbers", |size| {
        packet(&record(members(size, |at| format!("x_{}", at % 60_000))))
    }),
    ("a record of enterprise members", |size| {
        packet(&record(members(size, |at| format!("9.{}", at % 60_000))))
    }),
    ("a record of one member, repeated", |size| packet(&record(members(size, |_| "IN_BYTES".into())))),
    ("records of ever new shapes", |size| {
        let records = (0..size / 14).map(|at| format!("{{\"9.{at}\":1}}"));
        packet(&records.collect::<Vec<_>>().join(","))
    }),
    ("lines of ever new shapes", |size| {
        (0..size / 120).flat_map(|at| packet(&format!("{{\"9.{at}\":1}}"))).collect()
    }),
    ("records of one member", |size| packet(&vec!["{\"PROTO\":6}"; size / 12].join(","))),
    ("empty records", |size| packet(&vec!["{}"; size / 3].join(","))),
    ("a flow of unknown columns", |size| record(members(size, |at| format!("x{at:04x}"))).into()),
    ("a flow of one unknown column, repeated", |size| record(members(size, |_| "x".into())).into()),
    ("a flow of one column, repeated", |size| record(members(size, |_| "src_port".into())).into()),
    ("extras of one name", |size| extras(&members(size, |_| "x".into()))),
    ("extras, many times", |size| {
        let once = extras_of("\"x\":1");
        format!("{{{}}}\n", vec![once.as_str(); size / 20].join(",")).into()
    }),
    ("a long list", |size| format!("{{\"mpls_labels\":[{}]}}\n", vec!["16"; size / 3].join(",")).into()),
    ("escaped text", |size| format!("{{\"app_name\":\"{}\"}}\n", "\\u0000".repeat(size / 6)).into()),
    ("lines that are nothing", |size| "{}\n".repeat(size / 3).into()),
    ("lines that are wrong", |size| ["{}\n", &"{\n".repeat(size / 2)].concat().into()),
    ("a heading of commas", |size| {
        ["src_port".to_owned(), ",".repeat(size / 2), "\n".into(), ",".repeat(size / 2), "\n".into()]
            .concat()
            .into()
    }),
    ("cells of quotes", |size| csv(&["\"".repeat(size), "\n".into()].concat())),
    ("lines of one quote", |size| csv(&"\"\n".repeat(size / 2))),
    ("a cell over many lines", |size| csv(&["\"", &"\n".repeat(size), "\"\n"].concat())),
    ("gzip members of nothing", |size| {
        GzipBlock::default().compress(b"").expect("memory takes every octet").repeat(size / 20)
    }),
    ("headers of gzip members", |size| GZIP_HEADER.repeat(size / GZIP_HEADER.len())),
    ("gzip members with a wrong checksum, one within the other", |size| {
        // A stored block, as long as there is room: 65,535 octets.
        [&GZIP_HEADER[..], &[0, 0xff, 0xff, 0, 0]].concat().repeat(size / 15)
    }),
    ("damaged gzip members", |size| {
        let mut member =
            GzipBlock::default().compress(b"{\"src_port\":1}\n").expect("memory takes every octet");
        let checksum = member.len() - 8;
        member[checksum] ^= 1;
        member.repeat(size / member.len())
    }),
    ("a cell of extras", |size| {
        csv(&format!("\"{{{}}}\"", members(size, |_| "x".into()).replace('"', "\"\"")))
    }),
];

/// RFC 1952, section 2.3.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// A line of an export packet with these records.
fn packet(records: &str) -> Vec<u8> {
    format!(
        "{{\"1714564800.000000\":{{\"client\":[\"192.0.2.1\",2055],\"header\":{{\"version\":9}},\
         \"flows\":[{records}]}}}}\n"
    )
    .into()
}

fn record(members: String) -> String {
    format!("{{{members}}}")
}

fn members(size: usize, name: impl Fn(usize) -> String) -> String {
    let mut out = String::new();
    for at in 0.. {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}\"{}\":1", name(at)).expect("a string takes every octet");
        if out.len() >= size {
            break;
        }
    }
    out
}

fn extras_of(members: &str) -> String {
    format!("\"extras\":{{{members}}}")
}

fn extras(members: &str) -> Vec<u8> {
    format!("{{{}}}\n", extras_of(members)).into()
}

fn csv(lines: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_csv_head(&mut out);
    out.extend(lines.as_bytes());
    out
}
