//! Whatever the text is, it is a filter or an error with a place in it.
#![allow(clippy::unwrap_used, reason = "tests")]

use netflow_filter::{Answer, Bounds, Filter};
use netflow_flow::Flow;
use proptest::prelude::*;

/// What filters are made of, and what is at their ends.
const PIECES: &[&str] = &[
    "and",
    "or",
    "not",
    "!",
    "(",
    ")",
    "[",
    "]",
    ",",
    "=",
    "!=",
    "<",
    ">=",
    "~",
    "in",
    "src",
    "dst",
    "out",
    "ip",
    "net",
    "port",
    "proto",
    "flags",
    "as",
    "if",
    "mpls",
    "label1",
    "eos",
    "bytes",
    "bps",
    "start",
    "mac",
    "vlan",
    "nat",
    "event",
    "app_name",
    "mask",
    "tcp",
    "icmp",
    "ip6",
    "any",
    "10.0.0.1",
    "10.0.0.0/8",
    "255.0.0.0",
    "2001:db8::/32",
    "443",
    "80-90",
    "1.5M",
    "9223372036854775807",
    "18446744073709551616",
    "2026-01-31T12:00",
    "00:1b:21:ab:cd:ef",
    "SA",
    "'a b'",
    "\"",
    "'",
    "# x\n",
    "\n",
    "@include a",
    "@",
    "exporter",
    "time_quality",
    "13:453",
    "&&",
    "||",
    "&",
    "\u{e4}",
    "\0",
    "extras",
    "observation",
    "domain",
    "id",
    "next",
    "ingress",
    "vrf",
    "0x1f",
    "-",
    "10s",
];

fn check(text: &str) {
    let mut read = |name: &str| if name == "a" { Ok("tcp or".to_owned()) } else { Err("none".to_owned()) };
    match Filter::parse_with(text, &mut read) {
        Ok(filter) => {
            let flow = Flow::default();
            let passes = filter.matches(&flow);
            // It lets pass the same flows when it is read again, and the others behind `not`.
            assert_eq!(Filter::parse_with(text, &mut read).unwrap(), filter);
            let may = filter.expression().may_match(&|column| match column.get(&flow) {
                netflow_flow::Cell::Unsigned(number) => Some(Bounds::Numbers(number as i64, number as i64)),
                _ => None,
            });
            assert!(if passes { may != Answer::Never } else { may != Answer::Always }, "{text}");
        }
        Err(error) => {
            assert!(!error.message().is_empty());
            if error.file().is_none() {
                assert!(text.get(error.range()).is_some(), "{text:?} {:?}", error.range());
            }
            assert_eq!(error.excerpt().lines().count(), 2, "{text:?} {:?}", error.excerpt());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pieces_in_any_order(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..14)) {
        check(&pieces.join(" "));
        check(&pieces.concat());
    }

    #[test]
    fn any_characters(text in "\\PC{0,40}|[ -~\n]{0,60}") {
        check(&text);
    }
}
