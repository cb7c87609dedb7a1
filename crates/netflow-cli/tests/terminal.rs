//! What comes from packets, files and file names does nothing to a terminal.

use std::fs;

use common::{Ended, run_nf, scratch};

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
