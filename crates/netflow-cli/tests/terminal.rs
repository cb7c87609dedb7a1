//! What comes from packets, files and file names does nothing to a terminal.

use std::fs;

use common::{Ended, octets, pcap, run_nf, scratch, skip};

mod common;

/// A name that clears the screen and turns the text red, if a terminal reads it.
const NAME: &str = "\u{1b}[2J\u{9b}31mname\r\n\u{202e}";
const SHOWN: &str = r"\u{1b}[2J\u{9b}31mname\r\n\u{202e}";

#[track_caller]
fn is_harmless(ended: &Ended) {
    for text in [&ended.out, &ended.err] {
        let active = text.chars().find(|&c| c.is_control() && c != '\n' || c == '\u{202e}');
        assert_eq!(active, None, "{text:?}");
    }
}

#[test]
fn file_names_are_shown_escaped() {
    let folder = scratch();
    let file = folder.path().join(NAME);
    for command in ["analyze", "decode", "collect"] {
        let flag = if command == "collect" { "--read" } else { "--file" };
        let ended = run_nf([command.as_ref(), flag.as_ref(), file.as_os_str()]).with(2).saying(SHOWN);
        is_harmless(&ended);
    }
    fs::write(&file, "nothing that is known").expect("written");
    for command in ["analyze", "decode", "collect"] {
        let flag = if command == "collect" { "--read" } else { "--file" };
        let ended = run_nf([command.as_ref(), flag.as_ref(), file.as_os_str()]).saying(SHOWN);
        is_harmless(&ended);
    }
}

#[test]
fn names_in_flow_files_are_shown_escaped() {
    let folder = scratch();
    let file = folder.path().join("flows.json");
    let line = format!(
        r#"{{"1585497478.5":{{"client":["127.0.0.1",1],"header":{{"version":9,"count":1,"uptime":1,"timestamp":1,"sequence":1,"source_id":0}},"flows":[{{{}:1,"IPV4_SRC_ADDR":"192.0.2.1","IPV4_DST_ADDR":"192.0.2.2"}}]}}}}"#,
        serde_json::Value::from(NAME)
    );
    fs::write(&file, line).expect("written");
    let ended = run_nf(["analyze".as_ref(), "-n".as_ref(), file.as_os_str()]).saying(SHOWN);
    is_harmless(&ended);
}

/// What a command prints on a terminal, as `script` of util-linux has one; `None` without that.
#[cfg(target_os = "linux")]
fn on_terminal(arguments: &[&str]) -> Option<String> {
    let command = [&[env!("CARGO_BIN_EXE_nf")], arguments].concat().join(" ");
    let mut script = std::process::Command::new("script");
    let script = script.args(["--quiet", "--return", "--command"]).arg(format!("{command} 2>/dev/null"));
    let Ok(ended) = script.arg("/dev/null").stdin(std::process::Stdio::null()).output() else {
        skip("there is no program `script`");
        return None;
    };
    assert!(ended.status.success(), "{arguments:?}: {ended:?}");
    // The terminal's own line ends.
    Some(String::from_utf8_lossy(&ended.stdout).replace("\r\n", "\n"))
}

#[cfg(target_os = "linux")]
#[test]
fn data_are_escaped_on_a_terminal_only() {
    let folder = scratch();
    let file = folder.path().join("names.pcap");
    // Template 256 is applicationName, of eight octets: ESC [2J, then the control character CSI, then `my`.
    let packet = octets(
        "000a 0028 5e8465fd 00000000 0000002a  0002 000c 0100 0001 0060 0008  0100 000c 1b5b324a c29b 6d79",
    );
    let from = std::net::Ipv4Addr::new(192, 0, 2, 1);
    fs::write(&file, pcap([(from, 1_700_000_000_000_000_000, &packet[..])])).expect("written");
    let file = file.to_str().expect("UTF-8");
    let collect = |format| ["collect", "-o", "-", "--format", format, "--read", file];
    for (arguments, shown) in [
        (&collect("csv")[..], r"\u001b[2J\u009bmy"),
        (&collect("ndjson"), r"\u001b[2J\u009bmy"),
        (&collect("json"), r"\u001b[2J\u009bmy"),
        (&["decode", "--format", "json", file], r"\u001b[2J\u009bmy"),
        (&["decode", file], r"\u{9b}my"),
    ] {
        let Some(seen) = on_terminal(arguments) else { return };
        assert!(seen.contains(shown), "{arguments:?}: {seen:?}");
        let active = seen.chars().find(|&c| c.is_control() && c != '\n');
        assert_eq!(active, None, "{arguments:?}: {seen:?}");
        if arguments.contains(&"csv") {
            assert!(run_nf(arguments).with(0).out.contains("\u{1b}[2J\u{9b}my"), "a pipe has it as it came");
        }
    }
}
