use super::*;

/// Lines and octets of the packets, and the texts of what is bad.
fn read(text: &str) -> (Vec<(usize, Vec<u8>)>, Vec<String>) {
    let (mut paste, mut found) = (Paste::default(), Vec::new());
    text.lines().for_each(|line| paste.line(line, &mut found));
    paste.finish(&mut found);
    let (mut packets, mut bad) = (Vec::new(), Vec::new());
    for found in found {
        match found {
            Found::Packet { line, octets } => packets.push((line, octets)),
            Found::Bad(what) => bad.push(what.at(&format!("line {}", what.line))),
        }
    }
    (packets, bad)
}

/// A v5 export packet of one record, each octet another one where it may be.
fn packet() -> Vec<u8> {
    let mut packet = vec![0, 5, 0, 1];
    packet.extend(4..72);
    packet
}

fn pairs(octets: &[u8], separator: &str) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(separator)
}

#[track_caller]
fn is_packet(text: &str) {
    let (packets, bad) = read(text);
    assert!(bad.is_empty(), "{bad:?}\n{text}");
    assert_eq!(packets.len(), 1, "{text}");
    assert_eq!(packets[0].1, packet(), "{text}");
}

#[test]
fn hex_in_any_spelling() {
    for separator in ["", " ", ":", ", ", "-", ".", " 0x"] {
        is_packet(&pairs(&packet(), separator));
        is_packet(&format!("  0x{}\r", pairs(&packet(), separator).replace("ab", "AB")));
    }
}

#[test]
fn every_line_is_a_packet_but_lines_of_xxd_go_on() {
    let wrapped: Vec<_> = packet().chunks(30).map(|line| pairs(line, "")).collect();
    is_packet(&wrapped.join("\n"));
    let (packets, _) = read(&format!("{0}\n{0}", pairs(&packet(), "")));
    assert_eq!(packets.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2]);
    // A line that starts like a packet goes on with one that is not whole.
    let mut octets = packet();
    octets[30..34].copy_from_slice(&[0, 9, 0, 1]);
    let wrapped: Vec<_> = octets.chunks(30).map(|line| pairs(line, "")).collect();
    assert_eq!(read(&wrapped.join("\n")).0, [(1, octets)]);
}

#[test]
fn dumps_with_offsets_and_text() {
    let dump = |line: &dyn Fn(usize, &[u8]) -> String| {
        let lines = packet()
            .chunks(16)
            .enumerate()
            .map(|(index, octets)| line(index * 16, octets))
            .collect::<Vec<_>>();
        lines.join("\n")
    };
    let words = |octets: &[u8]| octets.chunks(2).map(|pair| pairs(pair, "")).collect::<Vec<_>>().join(" ");
    let text = |octets: &[u8]| {
        let shown = octets.iter().map(|&octet| if octet.is_ascii_graphic() { octet as char } else { '.' });
        shown.collect::<String>()
    };
    is_packet(&dump(&|offset, octets| format!("\t0x{offset:04x}:  {}", words(octets))));
    is_packet(&dump(&|offset, octets| format!("\t0x{offset:04x}:  {:<39}  {}", words(octets), text(octets))));
    is_packet(&dump(&|offset, octets| format!("{offset:08x}: {:<39}  {}", words(octets), text(octets))));
    is_packet(&dump(&|offset, octets| {
        format!("{offset:04x}   {:<47}   {}", pairs(octets, " "), text(octets))
    }));
    // The text may look like hex.
    is_packet(&dump(&|offset, octets| format!("{offset:04x}   {}  ab cd ef 01", pairs(octets, " "))));
    let middle = |octets: &[u8]| {
        let (first, second) = octets.split_at(octets.len().min(8));
        format!("{:<23}  {:<23}", pairs(first, " "), pairs(second, " "))
    };
    let hexdump = dump(&|offset, octets| format!("{offset:08x}  {}  |{}|", middle(octets), text(octets)));
    is_packet(&format!("{hexdump}\n00000048"));
    let swapped = |octets: &[u8]| {
        octets.chunks(2).map(|pair| format!("{:02x}{:02x}", pair[1], pair[0])).collect::<Vec<_>>().join(" ")
    };
    is_packet(&dump(&|offset, octets| format!("{offset:07x} {}", swapped(octets))));
    // od, with offsets that are octal or decimal.
    is_packet(&format!("{}\n0000110", dump(&|at, octets| format!("{at:07o} {}", pairs(octets, " ")))));
    is_packet(&format!("{}\n0000072", dump(&|at, octets| format!("{at:07} {}", pairs(octets, " ")))));
    is_packet(&format!("{}\n0000110", dump(&|at, octets| format!("{at:07o} {}", swapped(octets)))));
}

#[test]
fn lines_that_hexdump_left_out_are_back() {
    let text = "00000000  00 05 00 01 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n\
                00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n\
                00000040  01 02 03 04 05 06 07 08                           |........|\n00000048\n";
    let mut expected = vec![0; 64];
    expected[1] = 5;
    expected[3] = 1;
    expected.extend(1..=8);
    assert_eq!(read(text), (vec![(1, expected)], vec![]));
}

#[test]
fn several_dumps_with_headings_are_several_packets() {
    let heading = "03:38:49.030871 IP 127.0.0.1.59729 > 127.0.0.1.2055: UDP, length 1388";
    let dump = "\t0x0000:  0005 0001 0203\n\t0x0006:  0405";
    let (packets, bad) =
        read(&format!("{heading}\n{dump}\n{heading}\n    more\n{dump}\n\n2 packets captured\n"));
    assert!(bad.is_empty(), "{bad:?}");
    let octets = vec![0, 5, 0, 1, 2, 3, 4, 5];
    assert_eq!(packets, [(2, octets.clone()), (6, octets)]);
}

#[test]
fn a_broken_dump_is_named_with_line_and_character() {
    let (packets, bad) = read("\t0x0000:  0005 0001\n\t0x0004:  00zz 0405\n");
    assert!(packets.is_empty());
    assert_eq!(bad, ["line 2, character 13: 'z' is no hexadecimal digit"]);
    let (_, bad) = read("0x0000:  0005 0001\n0x0020:  0001\n");
    assert!(
        bad[0].starts_with("line 2, character 1: the offset 0x20 does not follow the 4 octets"),
        "{bad:?}"
    );
}

#[test]
fn marks_of_quoted_mails_are_passed_over() {
    let lines: Vec<_> = packet().chunks(16).map(|line| format!("> > {}", pairs(line, " "))).collect();
    is_packet(&lines.join("\n"));
    assert_eq!(text(&lines.join("\n")), [Found::Packet { line: 1, octets: packet() }]);
}

#[test]
fn a_missing_line_is_not_taken_for_octal() {
    let (line, last) = ("00 05 ".repeat(8), "00 01");
    let (packets, bad) = read(&format!("00000000  {line}\n00000020  {last}\n"));
    assert_eq!((packets.len(), bad.len()), (0, 1));
}

#[test]
fn the_rest_of_a_broken_dump_is_passed_over() {
    let rest = "0x0010:  0005 0001\n0x0020:  0005 0001\n";
    let (packets, bad) = read(&format!("0x0000:  00zz 0001\n{rest}heading\n0x0000:  0009 0001\n"));
    assert_eq!((packets, bad.len()), (vec![(5, vec![0, 9, 0, 1])], 1));
    let (packets, bad) = read("00000000  00 05 0g\n00000010  00 05\n00000012\n");
    assert_eq!((packets.len(), bad.len()), (0, 1));
    let (packets, bad) = read(&format!("0x0010:  {0}\n0x0020:  {0}\n", "0102 ".repeat(8)));
    assert_eq!(packets.len(), 0);
    assert_eq!(bad, ["line 1, character 1: the dump starts at offset 0x10: the lines before are missing"]);
}

#[test]
fn numbers_of_lines_are_no_offsets() {
    let hex = pairs(&packet(), "");
    is_packet(&format!("1234: {hex}"));
    is_packet(&format!("\u{feff}{hex}"));
    assert_eq!(read("face: is no offset\n").1.len(), 1);
    assert_eq!(read(&format!("dead: letters\n{hex}\n")).0.len(), 1);
}

#[test]
fn arrays_of_source_code() {
    let elements = |prefix: &str, octets: &[u8]| {
        octets
            .chunks(12)
            .map(|line| format!("{prefix}{},", pairs(line, ", 0x")))
            .collect::<Vec<_>>()
            .join("\n")
    };
    is_packet(&format!(
        "unsigned char packet[] = {{\n{}\n}};\nunsigned int packet_len = 72;",
        elements("  0x", &packet())
    ));
    let wireshark = "/* Frame (72 bytes) */\nstatic const unsigned char pkt1[72] = {\n";
    let lines = packet()
        .chunks(8)
        .map(|line| format!("0x{}, /* ..}}{{.. */", pairs(line, ", 0x")))
        .collect::<Vec<_>>();
    is_packet(&format!("{wireshark}{}\n}};\n", lines.join("\n")));
    is_packet(&format!("let packet = [0x{}];", pairs(&packet(), ", 0x")));
    is_packet(elements("0x", &packet()).trim_end_matches(','));
    is_packet(&format!("received {:?}", packet()));
}

#[test]
fn string_literals() {
    let escaped = |octets: &[u8]| octets.iter().map(|octet| format!("\\x{octet:02x}")).collect::<String>();
    is_packet(&format!("\"{}\"", escaped(&packet())));
    is_packet(&escaped(&packet()));
    let wireshark: Vec<_> = packet().chunks(16).map(|line| format!("\"{}\"", escaped(line))).collect();
    is_packet(&wireshark.join(" \\\n"));
    // As Python prints it, in a log.
    let (packets, _) = read(r#"recv: b'\x00\t\x00\x02A\\\'\n\r"' from 192.0.2.1"#);
    assert_eq!(packets[0].1, b"\x00\t\x00\x02A\\'\n\r\"");
}

#[test]
fn hex_and_base64_in_a_line_of_a_log() {
    let hex = pairs(&packet(), "");
    is_packet(&format!("2026-11-21T03:38:49Z host nf[123]: bad packet from 192.0.2.1 ({hex}), 72 octets"));
    is_packet(&format!("flow: raw=\"{}\" end", pairs(&packet(), " ")));
    is_packet(&format!("id=deadbeefdeadbeefdeadbeefdeadbeef packet={hex}"));
    is_packet(
        "{\"payload\": \"AAUAAQQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZH\"}",
    );
}

#[test]
fn hashes_in_a_log_are_no_packets() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let packet = pairs(&packet(), "");
    let (packets, bad) = read(&format!("verified {hash}\ngot {packet}\nverified {hash} [1, 2, 3, 4]\n"));
    assert_eq!(packets.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2]);
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn what_is_no_packet_is_named() {
    let bad = |text: &str| read(text).1;
    assert_eq!(bad("0005001g"), ["line 1, character 8: 'g' is no hexadecimal digit"]);
    assert_eq!(bad("\n0005zz\n"), ["line 2, character 5: 'z' is no hexadecimal digit"]);
    assert_eq!(
        bad("00050"),
        ["line 1, character 5: an odd number of hexadecimal digits: the last octet has only one"]
    );
    assert_eq!(bad("-"), ["line 1: no hexadecimal digits"]);
    let (packets, bad) = read(&format!("{0}\n0005zz\n{0}\n", pairs(&packet(), "")));
    assert_eq!((packets.len(), bad.len()), (2, 1));
}

#[test]
fn text_in_one_argument_is_one_packet_unless_it_is_a_dump() {
    let hex = pairs(&packet(), " ");
    assert_eq!(
        text(&format!("{}\n {}\n", &hex[..90], &hex[90..])),
        [Found::Packet { line: 1, octets: packet() }]
    );
    assert_eq!(text("0x0000:  0005 0001\n0x0000:  0005 0002\n").len(), 2);
    assert!(matches!(text("0x0010:  0005 0001\n0x0020:  0005 0002\n")[..], [Found::Bad(_)]));
}
