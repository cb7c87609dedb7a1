//! What is wrong with a text is said, with its place.
#![allow(clippy::unwrap_used, reason = "tests")]

use netflow_filter::{Filter, FilterError};

fn wrong(filter: &str) -> FilterError {
    match Filter::parse(filter) {
        Ok(compiled) => panic!("{filter}: {:?}", compiled.expression()),
        Err(error) => error,
    }
}

/// The sentence, and the words that it is about.
fn said(filter: &str) -> (String, String) {
    let error = wrong(filter);
    (error.to_string(), filter[error.range()].to_owned())
}

#[test]
fn errors_point_at_the_word_and_suggest() {
    for (filter, sentence, word) in [
        ("prot tcp", "`prot` is no word of a filter, and no column; did you mean `proto`?", "prot"),
        (
            "port 443 and bytse > 1k",
            "`bytse` is no word of a filter, and no column; did you mean `bytes`?",
            "bytse",
        ),
        (
            "src_adr = 10.0.0.1",
            "`src_adr` is no word of a filter, and no column; did you mean `src_addr`?",
            "src_adr",
        ),
        ("proto tpc", "`tpc` is no protocol; did you mean `tcp`?", "tpc"),
        ("xyzzy 5", "`xyzzy` is no word of a filter, and no column", "xyzzy"),
        ("port 70000", "70000 is more than there can be: 65535", "70000"),
        ("port -1", "`-1` is no port or service", "-1"),
        ("proto 300", "300 is more than there can be: 255", "300"),
        ("port htps", "`htps` is no port or service; did you mean `https`?", "htps"),
        ("bytes > 1.5", "`1.5` is no whole number below 2^63", "1.5"),
        ("bytes > lots", "`lots` is no number", "lots"),
        ("port 90-80", "90-80 ends before it begins", "90-80"),
        (
            "host www.example.org",
            "`www.example.org` is no address: names are not looked up",
            "www.example.org",
        ),
        ("ip 10.0.0.256", "`10.0.0.256` is no address", "10.0.0.256"),
        ("net 10.0.0.0/33", "`/33` is no length of a prefix: /0 to /32", "10.0.0.0/33"),
        ("net 10.0.0.0 255.0.255.0", "`255.0.255.0` is no mask of 10.0.0.0: ones, then zeros", "255.0.255.0"),
        ("flags SYN", "`SYN` is no set of flags: letters of FSRPAUEC, or X for FSRPAU", "SYN"),
        (
            "start > yesterday",
            "`yesterday` is no time: 2026-01-31T12:00, in UTC unless +02:00 or the like follows",
            "yesterday",
        ),
        ("tcp udp", "`and` or `or` is missing before `udp`", "udp"),
        ("port 80 443", "`and` or `or` is missing before `443`", "443"),
        ("10.0.0.1", "`10.0.0.1` stands alone: `host`, `port` or another word comes before it", "10.0.0.1"),
        ("tcp and", "a condition, such as `port 443`, is missing at the end", ""),
        ("and tcp", "a condition, such as `port 443`, is missing here", "and"),
        ("(tcp or udp", "this parenthesis is not closed", "("),
        ("tcp)", "this parenthesis was not opened", ")"),
        ("port", "a number is missing at the end", ""),
        ("port and tcp", "a number is missing here", "and"),
        ("src ip", "an address is missing at the end", ""),
        ("src", "`host`, `port` or the like behind `src` is missing at the end", ""),
        ("port in [80 443", "this list is not closed", "["),
        ("port in [80 and 443]", "`]` is missing here", "and"),
        ("port > [80 443]", "a list is for `=`, `!=` and `in`", "["),
        ("port in", "a list `[80 443]` behind `in` is missing at the end", ""),
        (
            "ip > 10.0.0.1",
            "an address is not more or less than others, and has no parts to be found",
            "ip > 10.0.0.1",
        ),
        ("port ~ 80", "`~` is for texts", "port ~ 80"),
        ("flags > S", "letters of flags are not more or less than others", "flags > S"),
        ("src proto tcp", "this is the same for `src` and `dst`", "src proto"),
        ("src if 3", "this has `in` and `out`, not `src` and `dst`", "src if"),
        ("in port 80", "this has `src` and `dst`, not `in` and `out`", "in port"),
        ("prev as 5", "flows have no column for adjacent autonomous systems", "prev as"),
        ("payload content 'GET'", "flows have no payload", "payload"),
        ("extras = 5", "extras holds elements under their own names, and cannot be compared", "extras"),
        ("app_name = 'quic", "the text behind ' does not end", "'quic"),
        ("tcp & udp", "`and` is &&", "&"),
        ("tcp ; udp", "';' has no meaning here", ";"),
        ("@include /etc/passwd", "no files are included here", "@include /etc/passwd"),
        ("time_quality = good", "`good` is no value of time_quality", "good"),
        ("mac 1:2", "`1:2` is no MAC address: 00:1b:21:ab:cd:ef", "1:2"),
        ("app_id = 5", "`5` is no application: ENGINE:SELECTOR", "5"),
    ] {
        assert_eq!(said(filter), (sentence.to_owned(), word.to_owned()), "{filter}");
    }
}

#[test]
fn an_excerpt_shows_the_line_and_the_place() {
    assert_eq!(wrong("proto tcp and\n dst prot 443\n or any").excerpt(), " dst prot 443\n     ^^^^");
    assert_eq!(wrong("host 192.0.2.1 and").excerpt(), "host 192.0.2.1 and\n                  ^");
}

#[test]
fn hostile_texts_are_refused_in_time() {
    assert!(wrong(&"(".repeat(100_000)).message().starts_with("parentheses stand within each other"));
    assert!(
        wrong(&format!("{}tcp{}", "(".repeat(101), ")".repeat(101))).message().starts_with("parentheses")
    );
    Filter::parse(&format!("{}tcp{}", "(".repeat(100), ")".repeat(100))).unwrap();
    assert!(Filter::parse(&format!("{}tcp", "not ".repeat(100_000))).unwrap().matches(&tcp()));
    assert!(!Filter::parse(&format!("{}tcp", "!".repeat(100_001))).unwrap().matches(&tcp()));
    let many = format!("udp{}", " or tcp and not udp".repeat(50_000));
    assert!(Filter::parse(&many).unwrap().matches(&tcp()));
    let nested = format!("{}tcp{}", "not (udp or ".repeat(100), ")".repeat(100));
    assert!(Filter::parse(&nested).unwrap().matches(&tcp()));
    assert!(wrong(&"port 1 or ".repeat(500_000)).message().starts_with("the filter is longer than"));
    let list: String =
        (0..60_000_u32).map(|number| format!(" {}", std::net::Ipv4Addr::from(number * 7))).collect();
    assert!(!Filter::parse(&format!("ip in [{list}]")).unwrap().matches(&tcp()));
    for (many, one) in [("net 10/8 or", "net 10.0.0.0 255.0.0.0"), ("port in [https http] or", "port domain")]
    {
        assert!(
            !Filter::parse(&format!("{} {one}", format!("{many} ").repeat(30_000))).unwrap().matches(&tcp())
        );
    }
    assert!(!Filter::parse(&format!("port in [{}]", "https ".repeat(150_000))).unwrap().matches(&tcp()));
    assert!(wrong(&format!("ip in [{list}")).message().contains("not closed"));
    assert!(wrong(&format!("port {}", "9".repeat(100_000))).to_string().len() < 200);
    assert!(wrong(&"z".repeat(100_000)).to_string().len() < 200);
    assert!(wrong("port \u{1b}[31m").excerpt().starts_with("port ?[31m"));
}

fn tcp() -> netflow_flow::Flow {
    let mut flow = netflow_flow::Flow::default();
    flow.proto = 6;
    flow
}

#[test]
fn included_files_stand_where_they_are_named() {
    let mut read = |name: &str| match name {
        "ours" => Ok("# ours\nnet 10.0.0.0/8 or net 192.168.0.0/16\n".to_owned()),
        "list" => Ok("80 443".to_owned()),
        "nested" => Ok("tcp and\n@include 'two words'".to_owned()),
        "two words" => Ok("port in [@include list\n]".to_owned()),
        "endless" => Ok("@include endless".to_owned()),
        "broken" => Ok("tcp and\nprot 443".to_owned()),
        _ => Err(format!("cannot read {name}")),
    };
    let mut of = |filter: &str| Filter::parse_with(filter, &mut read);
    assert_eq!(
        of("@include ours\n").unwrap().expression(),
        of("net 10/8 or net 192.168/16").unwrap().expression()
    );
    assert_eq!(
        of("@include nested").unwrap().expression(),
        of("tcp and port in [80 443]").unwrap().expression()
    );
    assert_eq!(of("@include endless").unwrap_err().message(), "files include each other too often");
    assert_eq!(of("tcp or @include missing").unwrap_err().to_string(), "cannot read missing");
    let error = of("udp or @include broken").unwrap_err();
    assert_eq!(
        error.to_string(),
        "broken: `prot` is no word of a filter, and no column; did you mean `proto`?"
    );
    assert_eq!((error.file(), error.excerpt().as_str()), (Some("broken"), "prot 443\n^^^^"));
}
