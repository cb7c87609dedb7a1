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
    assert_eq!(text(&lines.join("\n")).0, [Found::Packet { line: 1, octets: packet() }]);
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
        text(&format!("{}\n {}\n", &hex[..90], &hex[90..])).0,
        [Found::Packet { line: 1, octets: packet() }]
    );
    assert_eq!(text("0x0000:  0005 0001\n0x0000:  0005 0002\n").0.len(), 2);
    assert!(matches!(text("0x0010:  0005 0001\n0x0020:  0005 0002\n").0[..], [Found::Bad(_)]));
}

#[test]
fn packets_in_lines_of_one_argument_are_packets_of_their_own() {
    let packet = packet();
    let wrapped = |octets: &[u8], width| {
        octets.chunks(width).map(|line| pairs(line, "")).collect::<Vec<_>>().join("\n")
    };
    let found = |text_of: &str| {
        text(text_of).0.into_iter().map(|found| match found {
            Found::Packet { line, octets } => (line, octets),
            Found::Bad(bad) => panic!("{bad:?}"),
        })
    };
    for width in [72, 36, 30, 7] {
        let lines = wrapped(&packet, width);
        let second = lines.lines().count() + 1;
        let two: Vec<_> = found(&format!("{lines}\n{lines}")).collect();
        assert_eq!(two, [(1, packet.clone()), (second, packet.clone())], "{width}");
    }
    // One that is cut off, before one that is longer.
    let two: Vec<_> = found(&format!("{}\n{}", pairs(&packet[..50], ""), pairs(&packet, ""))).collect();
    assert_eq!(two, [(1, packet[..50].to_vec()), (2, packet.clone())]);
    // A line that starts like a packet, in the middle of one.
    let mut octets = packet;
    octets[36..38].copy_from_slice(&[0, 9]);
    assert_eq!(found(&wrapped(&octets, 36)).collect::<Vec<_>>(), [(1, octets)]);
}

#[test]
fn base64_may_be_wrapped() {
    let encoded =
        "AAUAAQQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZH";
    for width in [60, 64, 72, 76] {
        let (first, second) = encoded.split_at(width);
        is_packet(&format!("{first}\n{second}"));
        is_packet(&format!("payload:\n\n{first}\r\n{second}\r\n").replacen("payload:\n", "", 1));
        let (packets, bad) = read(&format!("{first}\n{second}\n{first}\n{second}\n"));
        assert_eq!((packets, bad.len()), (vec![(1, packet()), (3, packet())], 0));
    }
}

/// The words of a dump of `packet`, as a machine shows them whose words have so many octets.
fn machine_words(octets: &[u8], size: usize, big_endian: bool) -> String {
    let word = |octets: &[u8]| {
        let mut word = octets.to_vec();
        word.resize(size, 0);
        if !big_endian {
            word.reverse();
        }
        pairs(&word, "")
    };
    octets.chunks(size).map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn words_of_a_machine_of_either_order_are_read() {
    // The last one is not a whole word.
    for octets in [packet(), packet()[..71].to_vec(), packet()[..65].to_vec()] {
        for size in [2, 4, 8] {
            for big_endian in [false, true] {
                let lines = |line: &dyn Fn(usize, String) -> String, end: String| {
                    let words = octets.chunks(16).map(|octets| machine_words(octets, size, big_endian));
                    let lines = words.enumerate().map(|(at, words)| line(at * 16, words));
                    lines.chain([end]).collect::<Vec<_>>().join("\n")
                };
                let end = octets.len();
                for text in [
                    lines(&|at, words| format!("{at:07o} {words}"), format!("{end:07o}")),
                    lines(&|at, words| format!("{at:07x} {words}"), format!("{end:07x}")),
                    lines(&|at, words| format!("{at:06x} {words}"), format!("{end:06x}")),
                    lines(
                        &|at, words| format!("{at:07x}    {}", words.replace(' ', "    ")),
                        format!("{end:07x}"),
                    ),
                ] {
                    assert_eq!(read(&text), (vec![(1, octets.clone())], vec![]), "{text}");
                }
            }
        }
    }
    // xxd -e has a colon.
    let lines = packet().chunks(16).map(|octets| machine_words(octets, 4, false)).collect::<Vec<_>>();
    let lines = (0..).zip(lines).map(|(at, words)| format!("{:08x}: {words}  text", at * 16));
    is_packet(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn dumps_that_are_not_hex_are_refused_with_what_to_do() {
    for text in [
        "0000000 002400 000400 000000\n0000006\n",
        "0000000 000 005 000 001\n0000004\n",
        "0000000  1280   256     0\n0000006\n",
        "0000000  \\0 005  \\0 001   a   b\n0000006\n",
    ] {
        let (packets, bad) = read(text);
        assert_eq!((packets.len(), bad.len()), (0, 1), "{text}");
        assert!(bad[0].contains("`od -An -tx1` gives hex"), "{bad:?}");
    }
}

#[test]
fn a_missing_line_of_seven_digits_is_not_taken_for_octal() {
    let line = |octets: &[u8]| machine_words(octets, 2, false);
    let packet = packet();
    // A record of v5 behind its header, of which the second line is missing; then with the offset at the end.
    let (first, third) = (line(&packet[..16]), line(&packet[32..48]));
    for end in ["", "0000030\n", "0000048\n"] {
        let (packets, bad) = read(&format!("0000000 {first}\n0000020 {third}\n{end}"));
        assert_eq!((packets.len(), bad.len()), (0, 1), "{end:?} {packets:?}");
    }
    // Octal, where all of it is there, or where the end says so.
    let message = [&[0, 10, 0, 24][..], &[1; 12], &[1, 0, 0, 8, 1, 2, 3, 4]].concat();
    let dump = format!("0000000 {}\n0000020 {}\n", line(&message[..16]), line(&message[16..]));
    assert_eq!(read(&dump).0, [(1, message.clone())]);
    assert_eq!(read(&format!("{dump}0000030\n")).0, [(1, message)]);
    let cut = format!("0000000 {first}\n0000020 {}\n0000040\n", line(&packet[16..32]));
    assert_eq!(read(&cut).0, [(1, packet[..32].to_vec())]);
}

#[test]
fn text_that_is_passed_over_is_counted() {
    let passed_over = |text: &str| {
        let (mut paste, mut found) = (Paste::default(), Vec::new());
        text.lines().for_each(|line| paste.line(line, &mut found));
        paste.finish(&mut found);
        (paste.passed_over().lines, paste.passed_over().first, found.len())
    };
    let dump = "heading\nof two lines\n0x0000:  0005 0001\n";
    assert_eq!(passed_over(&format!("{dump}{dump}")), (0, 0, 2), "headings are not counted");
    assert_eq!(passed_over(&format!("{dump}\n2 packets captured\nand more\n")), (2, 5, 1));
    let hex = pairs(&packet(), "");
    assert_eq!(passed_over(&format!("start\ngot {hex}\nidle\ngot {hex}\nend\n")), (3, 1, 2));
    // Hex with a mistake in it is told, wherever it is.
    let wrong = hex.replacen("0506", "05g6", 1);
    let (packets, bad) = read(&format!("{dump}\n{wrong}\n{hex}\n"));
    assert_eq!(
        (packets.len(), &bad[..]),
        (2, &["line 5, character 13: 'g' is no hexadecimal digit".to_owned()][..])
    );
}
