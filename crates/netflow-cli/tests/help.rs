//! What `nf` says about itself.

use std::fs;

use common::{run_nf, scratch};

mod common;

const COMMANDS: [&str; 7] = ["collect", "analyze", "decode", "doctor", "replay", "completions", "man"];

#[test]
fn every_command_says_its_exit_statuses() {
    let folder = scratch();
    run_nf(["man".as_ref(), "--out".as_ref(), folder.path().as_os_str()]).with(0);
    for command in COMMANDS {
        let help = run_nf([command, "--help"]).with(0).out;
        let page = fs::read_to_string(folder.path().join(format!("nf-{command}.1"))).expect("a page");
        for text in [help, page] {
            assert!(text.contains("Exit status: 0"), "{command}: {text}");
        }
    }
}

#[test]
fn manual_pages_name_only_pages_that_exist() {
    let folder = scratch();
    run_nf(["man".as_ref(), "--out".as_ref(), folder.path().as_os_str()]).with(0);
    let index = fs::read_to_string(folder.path().join("nf.1")).expect("a page");
    let mut named = 0;
    for line in index.lines().filter(|line| line.starts_with("nf\\-")) {
        let page = line.replace('\\', "").replace("(1)", ".1");
        assert!(folder.path().join(&page).exists(), "{page}");
        named += 1;
    }
    assert!(named >= COMMANDS.len(), "{index}");
}

#[test]
fn the_doctor_without_a_file_says_that_it_can_listen() {
    run_nf(["doctor"]).with(2).saying("--listen").saying("-p PORT").saying("FILE");
}
