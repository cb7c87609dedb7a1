//! `nf report`: a page out of flow files.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use common::{V5, fixtures, nf, pcap, run, run_nf, scratch};
use serde_json::json;

mod common;

const SECOND: i64 = 1_000_000_000;
/// 2023-11-14T22:13:20Z.
const START: i64 = 1_700_000_000 * SECOND;

/// A capture with packets of one flow each, a second apart.
fn capture(path: &Path, packets: u32) {
    let flow =
        |number: u32| V5 { from: (number as u8 + 1, 40_000), to: (200, 443), octets: 1_000, packets: 2 };
    let packets: Vec<_> = (0..packets).map(|number| V5::packet(number, &[flow(number)])).collect();
    let from = std::net::Ipv4Addr::new(192, 0, 2, 250);
    let timed = (0..).zip(&packets).map(|(number, packet)| (from, START + number * SECOND, &packet[..]));
    fs::write(path, pcap(timed)).expect("written");
}

#[test]
fn a_directory_of_files_becomes_a_page() {
    let folder = scratch();
    let (pcap, dir, page) =
        (folder.path().join("x.pcap"), folder.path().join("flows"), folder.path().join("r.html"));
    capture(&pcap, 10);
    run(nf(["collect", "--read"]).arg(&pcap).arg("-w").arg(&dir)).with(0);
    for input in [&pcap, &dir] {
        run(nf(["report"]).arg(input).arg("-o").arg(&page).args(["--title", "My <network>"]))
            .with(0)
            .saying("10 flows");
        let html = fs::read_to_string(&page).expect("a page");
        assert!(html.contains("<h1 id=\"title\"><bdi>My &lt;network&gt;</bdi></h1>"));
        assert!(html.contains("<b>10.0 kB</b>"), "octets of all flows");
        assert!(html.contains("<bdi>https</bdi> <small><bdi>TCP 443</bdi></small>"));
        assert!(html.contains("The 10 largest of 10"));
        assert!(html.contains("2023-11-14 22:12:21"));
        assert!(!html.contains("http:") && !html.contains("https:"));
    }
    // The table of losses beside the files.
    let html = fs::read_to_string(&page).expect("a page");
    assert!(html.contains("<span class=\"state good\">none</span> <small>of 10 records</small>"));
}

#[test]
fn systems_by_interface_say_by_how_much_they_may_lack() {
    let folder = scratch();
    let path = folder.path().join("x.ndjson");
    let bounds = |systems: u32| {
        let line = |number: u32| {
            let flow = json!({
                "exporter_addr": "192.0.2.1", "time_received": "2026-03-01T00:00:00Z",
                "src_addr": "10.0.0.1", "src_port": 40_000, "dst_addr": "10.0.0.2", "dst_port": 443, "proto": 6,
                "in_if": 7, "out_if": 8, "src_as": 1 + number, "dst_as": 64_500,
                "bytes_raw": 100, "packets_raw": 1, "sampling_rate": 1, "flows": 1,
            });
            format!("{flow}\n")
        };
        fs::write(&path, (0..systems).map(line).collect::<String>()).expect("written");
        let html = run(nf(["report", "-o", "-"]).arg(&path)).with(0).out;
        html.matches("a volume may lack up to").count()
    };
    assert_eq!(bounds(100), 0);
    // That of source systems, and that of them by input interface.
    assert_eq!(bounds(20_000), 2);
}

#[test]
fn a_filter_and_a_range_of_time_choose_and_are_said() {
    let folder = scratch();
    let pcap = folder.path().join("x.pcap");
    capture(&pcap, 10);
    let page = |arguments: &[&str]| {
        let ended = run(nf(["report", "-o", "-"]).arg(&pcap).args(arguments)).with(0);
        ended.out
    };
    let html = page(&["--filter", "src host 192.0.2.3"]);
    assert!(html.contains("<b>1.00 kB</b>") && html.contains("Flows with: src host 192.0.2.3."));
    let html = page(&["--from", "2023-11-14T22:13:25"]);
    assert!(html.contains("<b>5.00 kB</b>") && html.contains("2023-11-14 22:13:25 to "));
    let html = page(&["--filter", "port 1"]);
    assert!(html.contains("There are no flows"));
}

#[test]
fn what_is_wrong_is_said_before_reading() {
    let folder = scratch();
    let pcap = folder.path().join("x.pcap");
    capture(&pcap, 1);
    let wrong = |arguments: &[&str], what: &str| {
        run(nf(["report", "-o", "-"]).arg(&pcap).args(arguments)).with(2).saying(what);
    };
    wrong(&["--filter", "src hots 192.0.2.1"], "hots");
    wrong(&["--from", "yesterday"], "'yesterday' is no time");
    wrong(&["--from", "2026-01-02", "--to", "2026-01-01"], "the time range is empty");
    wrong(&["--as-names", "/nonexistent.csv"], "/nonexistent.csv");
    wrong(&["--as-names", "/nonexistent.mmdb"], "/nonexistent.mmdb");
    wrong(&["--snmp", "/nonexistent.csv"], "/nonexistent.csv");
}

#[test]
fn good_files_count_beside_bad_ones() {
    let folder = scratch();
    let (good, bad) = (folder.path().join("good.pcap"), folder.path().join("bad.ndjson"));
    capture(&good, 3);
    fs::write(&bad, "nonsense\n").expect("written");
    let ended = run(nf(["report", "-o", "-"]).args([&good, &bad]).arg("/nonexistent")).with(1);
    assert!(ended.out.contains("<b>3.00 kB</b>"));
    assert!(ended.out.contains("class=\"warnings\"") && ended.out.contains("/nonexistent"));
    run_nf(["report", "-o", "-", "/nonexistent"]).with(2);
}

#[test]
fn names_are_those_that_the_user_gives() {
    let folder = scratch();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let flows = file(
        "f.ndjson",
        "{\"exporter_addr\":\"192.0.2.250\",\"time_received\":\"2026-01-01T00:00:00Z\",\"bytes_raw\":6000,\"packets_raw\":6,\
         \"sampling_rate\":10,\"flows\":1,\"src_addr\":\"192.0.2.1\",\"dst_addr\":\"192.0.2.2\",\"proto\":17,\"src_port\":53,\
         \"dst_port\":4000,\"in_if\":7,\"out_if\":8,\"src_as\":64496,\"dst_as\":64497}\n",
    );
    let systems = file("as.csv", "number,name\nAS64496,\"Example, the <first>\"\n64497,Other\n");
    let interfaces = file("if.csv", "192.0.2.250,7,uplink to transit\n");
    let counters =
        file("snmp.csv", "exporter,ifindex,time,in,out\n192.0.2.250,7,2026-01-01T00:01:00,16000,0\n");
    let page = |arguments: &[&str]| {
        let mut command = nf(["report", "-o", "-"]);
        command.arg(&flows).arg("--as-names").arg(&systems).arg("--if-names").arg(&interfaces);
        run(command.args(arguments)).with(0).out
    };
    let html = page(&[]);
    assert!(html.contains("AS64496") && html.contains("Example, the &lt;first&gt;"));
    assert!(html.contains("uplink to transit") && html.contains("interface 8"));
    assert!(html.contains("<b>60.0 kB</b>") && html.contains("Corrected for sampling of 1:10."));
    let html = page(&["--raw"]);
    assert!(
        html.contains("<b>6.00 kB</b>") && html.contains("As exported: not corrected for sampling of 1:10.")
    );
    let html = page(&["--snmp", &counters.display().to_string()]);
    assert!(html.contains("Scaled to the interfaces&#39; counters (SNMP)."));
    assert!(html.contains("Volumes of flows are multiplied by"));
}

#[test]
fn a_page_that_cannot_be_written_is_said_and_leaves_the_old_one() {
    let folder = scratch();
    let pcap = folder.path().join("x.pcap");
    capture(&pcap, 1);
    run(nf(["report", "-o"]).arg(folder.path()).arg(&pcap)).with(2).saying("cannot write");
    if Path::new("/dev/full").exists() {
        run(nf(["report", "-o", "/dev/full"]).arg(&pcap)).with(2).saying("cannot write /dev/full");
    }
    // Whoever reads it has enough.
    let mut child = nf(["report", "-o", "-"]).arg(&pcap).stdout(Stdio::piped()).spawn().expect("nf starts");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn the_page_of_every_fixture_is_small_and_loads_nothing() {
    let folder = scratch();
    let Some(fixtures) = fixtures() else { return };
    for entry in fs::read_dir(fixtures).expect("fixtures") {
        let path = entry.expect("a fixture").path();
        if path.extension().is_none_or(|ending| ending != "pcap") || path.ends_with("traffic.pcap") {
            continue;
        }
        let page = folder.path().join("r.html");
        let ended = run(nf(["report"]).arg(&path).arg("-o").arg(&page));
        assert!(!ended.err.contains("panicked"), "{}: {}", path.display(), ended.err);
        let Ok(html) = fs::read_to_string(&page) else { continue };
        assert!(html.len() < 2_000_000, "{}", path.display());
        assert!(!html.contains("http:") && !html.contains("https:"), "{}", path.display());
        fs::remove_file(page).expect("removed");
    }
}
