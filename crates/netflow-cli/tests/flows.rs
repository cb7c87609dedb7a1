//! `nf flows`: flows of any files, chosen, sorted, and written in any form.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use common::{V5, feed, fixtures, gunzip, pcap, run_nf, scratch};

mod common;

const SECOND: i64 = 1_000_000_000;
/// 2026-03-01T03:00:00Z.
const TIME: i64 = 1_772_334_000;
const PORTS: [&str; 4] = ["--fields", "src_port,bytes", "--format", "csv"];

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A capture with a packet at each of these seconds after [`TIME`], of a flow with the second as its source port.
fn capture(folder: &Path, seconds: &[u16]) -> PathBuf {
    let packet = |second: u16| {
        let flow = V5 { from: (1, second), to: (2, 443), octets: 10 * u32::from(second), packets: 2 };
        V5::packet(second.into(), &[flow])
    };
    let packets: Vec<_> = seconds.iter().map(|&second| (second, packet(second))).collect();
    let exporter = Ipv4Addr::new(192, 0, 2, 10);
    let datagrams =
        packets.iter().map(|(second, packet)| (exporter, (TIME + i64::from(*second)) * SECOND, &packet[..]));
    let path = folder.join("capture.pcap");
    fs::write(&path, pcap(datagrams)).expect("written");
    path
}

/// A directory that a collector wrote, with a file for each minute.
fn directory(folder: &Path, seconds: &[u16], format: &str) -> PathBuf {
    let (capture, directory) = (capture(folder, seconds), folder.join("dir"));
    let of =
        ["collect", "--read", utf8(&capture), "-w", utf8(&directory), "-t", "60", "--dir-format", format];
    run_nf(of).with(0);
    directory
}

fn flows<'a>(arguments: impl IntoIterator<Item = &'a str>) -> common::Ended {
    run_nf(["flows"].into_iter().chain(arguments))
}

/// Source ports, in the order in which they are written.
fn ports(ended: &common::Ended) -> Vec<u16> {
    ended
        .out
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().and_then(|port| port.parse().ok()).expect("a port"))
        .collect()
}

#[test]
fn every_form_of_a_file_has_the_same_flows() {
    let Some(fixtures) = fixtures() else { return };
    let folder = scratch();
    let source = fixtures.join("softflowd-ipfix.pcap");
    let wanted = flows([utf8(&source), "--format", "ndjson"]).with(0).out;
    assert!(wanted.lines().count() > 10);
    for name in ["a.ndjson", "a.ndjson.gz", "a.csv", "a.csv.gz", "a.parquet"] {
        let path = folder.path().join(name);
        flows([utf8(&source), "-o", utf8(&path)]).with(0);
        let read = flows([utf8(&path), "--format", "json"]).with(0);
        match name {
            // Times are in microseconds there.
            "a.parquet" => assert_eq!(read.out.lines().count(), wanted.lines().count()),
            _ => assert!(read.out == wanted, "{name}"),
        }
        let csv = flows([utf8(&path), "-o", "csv"]).with(0).out;
        let collected = folder.path().join("collected.csv");
        if name != "a.parquet" {
            run_nf(["collect", "--read", utf8(&source), "-o", utf8(&collected)]).with(0);
            assert!(csv == fs::read_to_string(&collected).expect("written"), "{name}");
            fs::remove_file(&collected).expect("removed");
        }
    }
    assert!(gunzip(&folder.path().join("a.ndjson.gz")) == (wanted, true));
}

#[test]
fn a_file_may_take_the_place_of_the_one_that_is_read() {
    let folder = scratch();
    let capture = capture(folder.path(), &[5, 3, 4]);
    let path = folder.path().join("x.parquet");
    flows([utf8(&capture), "-o", utf8(&path)]).with(0);
    flows([utf8(&path), "src port > 3", "--sort", "src_port", "-o", utf8(&path)]).with(0);
    assert_eq!(ports(&flows([utf8(&path)].into_iter().chain(PORTS)).with(0)), [4, 5]);
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("listed")
        .map(|entry| entry.expect("listed").file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn the_last_argument_may_be_a_filter() {
    let folder = scratch();
    let capture = capture(folder.path(), &[1, 2, 3, 4]);
    let of = |filter: &[&str]| {
        ports(&flows([utf8(&capture)].into_iter().chain(filter.iter().copied()).chain(PORTS)).with(0))
    };
    assert_eq!(of(&["src port > 2"]), [3, 4]);
    assert_eq!(of(&["src", "port", "2"]), [2]);
    assert_eq!(of(&["--filter", "src port > 1", "bytes < 40"]), [2, 3]);
    let file = folder.path().join("filter");
    fs::write(&file, "# of interest\nsrc port 4\n").expect("written");
    assert_eq!(of(&["-F", utf8(&file)]), [4]);
    let capture = fs::read(&capture).expect("read");
    let piped = feed(["flows", "src port 3", "--fields", "src_port,bytes", "-o", "csv"], &capture).with(0);
    assert_eq!(ports(&piped), [3]);
    flows([utf8(&folder.path().join("capture.pcap")), "src port 9"])
        .with(0)
        .saying("no flow passes, of 4 flows");
}

#[test]
fn what_is_neither_a_file_nor_a_filter_is_said() {
    let folder = scratch();
    let capture = capture(folder.path(), &[1, 2]);
    let path = utf8(&capture);
    flows([path, "dts port 443"]).with(2).saying("did you mean").saying("^^^");
    flows([path, "prot"]).with(2).saying("there is no file prot, and as a filter");
    let good = flows([path, "missing.parquet"].into_iter().chain(PORTS))
        .with(1)
        .saying("missing.parquet: No such file");
    assert_eq!(ports(&good), [1, 2]);
    flows(["missing.parquet"]).with(2).saying("nothing could be read");
    flows([path, "--sort", "byte"]).with(2).saying("flows have no column 'byte'; did you mean bytes?");
    flows([path, "-o", "csv", "--fields", "src_adr"]).with(2).saying("did you mean src_addr?");
    flows([path, "--format", "xml"]).with(2).saying("'xml' is no way to print flows: text");
    flows([path, "-o", "flows.xml"]).with(2).saying("flows.xml: neither a way to print nor a file");
    flows([path, "-o", "fmt:%ts %nothing"]).with(2).saying("%nothing is nothing that a line can have");
    flows([path, "--from", "yesterday"]).with(2).saying("'yesterday' is no time");
    flows([path, "--from", "2026-03-02", "--to", "2026-03-01"]).with(2).saying("the time range is empty");
}

#[test]
fn flows_are_sorted_and_limited() {
    let folder = scratch();
    let capture = capture(folder.path(), &[3, 1, 4, 15, 9, 2, 6]);
    let parquet = folder.path().join("x.parquet");
    flows([utf8(&capture), "-o", utf8(&parquet)]).with(0);
    for file in [&capture, &parquet] {
        let of = |arguments: &[&str]| {
            ports(&flows([utf8(file)].into_iter().chain(arguments.iter().copied()).chain(PORTS)).with(0))
        };
        assert_eq!(of(&["-c", "3"]), [3, 1, 4]);
        assert_eq!(of(&["--sort", "bytes"]), [15, 9, 6, 4, 3, 2, 1]);
        assert_eq!(of(&["--sort", "bytes", "-n", "2"]), [15, 9]);
        assert_eq!(of(&["--sort", "proto,src_port:asc", "-n", "3"]), [1, 2, 3]);
        assert_eq!(of(&["-n", "0"]), [0; 0]);
    }
    // Sorted flows of a Parquet file are whole.
    let sorted = folder.path().join("sorted.parquet");
    flows([utf8(&parquet), "--sort", "src_port", "-o", utf8(&sorted)]).with(0);
    let lines = |path: &Path| {
        let out = flows([utf8(path), "--format", "ndjson"]).with(0).out;
        let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&sorted), lines(&parquet));
}

#[test]
fn flows_are_counted() {
    let folder = scratch();
    let capture = capture(folder.path(), &[3, 1, 4, 15, 9, 2, 6]);
    let parquet = folder.path().join("x.parquet");
    flows([utf8(&capture), "-o", utf8(&parquet)]).with(0);
    for files in [&[utf8(&capture)][..], &[utf8(&parquet)], &[utf8(&parquet), utf8(&capture)]] {
        let of =
            |filter: &str| flows(files.iter().copied().chain(["--count", "--filter", filter])).with(0).out;
        assert_eq!(of("any"), format!("{}\n", 7 * files.len()));
        assert_eq!(of("src port > 3 and src port < 10"), format!("{}\n", 3 * files.len()));
        assert_eq!(of("src port 77"), "0\n");
    }
    flows(["--count", "--sort", "bytes", utf8(&parquet)]).with(2);
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let folder = scratch();
    let files = ["a.parquet", "b.parquet"].map(|name| folder.path().join(name));
    for (file, ports) in files.iter().zip([&[3, 1, 4][..], &[15, 9]]) {
        flows([utf8(&capture(folder.path(), ports)), "-o", utf8(file)]).with(0);
    }
    let of = |arguments: &[&str], threads| {
        let files = files.each_ref().map(|file| utf8(file));
        flows(files.iter().chain(arguments).copied().chain(["--threads", threads])).with(0).out
    };
    for arguments in [&["--count"][..], &["--format", "csv"], &["--sort", "bytes", "--format", "json"]] {
        let one = of(arguments, "1");
        assert!(["0", "2", "5"].iter().all(|threads| of(arguments, threads) == one), "{one}");
    }
    assert_eq!(of(&["--count"], "1"), "5\n");
}

#[test]
fn lines_are_those_of_nfdump() {
    let folder = scratch();
    let capture = capture(folder.path(), &[7]);
    let text = flows([utf8(&capture)]).with(0).out;
    assert_eq!(
        text,
        "Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port   Packets    Bytes Flows\n\
         2023-11-14 22:12:21.000     00:00:03.000 TCP          192.0.2.1:7     ->        192.0.2.2:443          2       70     1\n"
    );
    let short = flows([utf8(&capture), "-q", "-o", "fmt:%sa|%dp|%flg"]).with(0).out;
    assert_eq!(short, "       192.0.2.1|   443|...AP.SF\n");
}

#[cfg(unix)]
#[test]
fn only_files_of_the_time_range_are_opened() {
    use std::os::unix::fs::symlink;
    let folder = scratch();
    let seconds: Vec<u16> = (0..300).step_by(10).collect();
    for format in ["parquet", "ndjson"] {
        let folder = tempfile::tempdir_in(folder.path()).expect("a directory");
        let directory = directory(folder.path(), &seconds, format);
        let of = |from: &str, to: &str| {
            flows([utf8(&directory), "--from", from, "--to", to].into_iter().chain(PORTS))
        };
        assert_eq!(ports(&of("2026-03-01T03:01", "2026-03-01T03:02").with(0)), [60, 70, 80, 90, 100, 110]);
        assert_eq!(ports(&of("2026-03-01T03:01:45", "2026-03-01T03:02:10").with(0)), [110, 120]);
        assert_eq!(ports(&flows([utf8(&directory)].into_iter().chain(PORTS)).with(0)), seconds);
        let window = flows(
            [utf8(&directory), "-t", "2026/03/01.03:04:00-2026/03/01.03:04:20"].into_iter().chain(PORTS),
        );
        assert_eq!(ports(&window.with(0)), [240, 250]);
        let last = format!("nf.202603010302.{format}");
        let sequence = format!("{}:{last}", utf8(&directory.join(format!("nf.202603010301.{format}"))));
        let between = flows(["-R", &sequence].into_iter().chain(PORTS)).with(0);
        assert_eq!(ports(&between), (60..180).step_by(10).collect::<Vec<_>>());
        let below =
            flows(["-M", &format!("{}:dir", utf8(&directory)), "-r", &last].into_iter().chain(PORTS)).with(0);
        assert_eq!(
            ports(&below),
            [(120..180).step_by(10).collect::<Vec<u16>>(), (120..180).step_by(10).collect()].concat()
        );

        // What cannot be opened and is of another time is not looked at.
        for minute in [0, 2, 4] {
            let path = directory.join(format!("nf.20260301030{minute}.{format}"));
            fs::remove_file(&path).expect("removed");
            symlink("/proc/self/mem", &path).expect("linked");
        }
        assert_eq!(ports(&of("2026-03-01T03:01", "2026-03-01T03:02").with(0)), [60, 70, 80, 90, 100, 110]);
        let good = of("2026-03-01T03:01", "2026-03-01T03:04").with(1).saying("nf.202603010302");
        assert_eq!(ports(&good), (60..120).chain(180..240).step_by(10).collect::<Vec<_>>());
        of("2025-01-01", "2025-01-02").with(0).saying("is of that time, going by their names");
    }
}

#[test]
fn what_is_wrong_with_files_is_said_and_the_good_ones_count() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    let capture = capture(folder.path(), &[1, 2, 3]);
    for name in ["good.parquet", "half.parquet", "good.ndjson.gz", "half.ndjson.gz", "good.csv"] {
        flows([utf8(&capture), "-o", utf8(&path(name))]).with(0);
    }
    for name in ["half.parquet", "half.ndjson.gz"] {
        let octets = fs::read(path(name)).expect("read");
        fs::write(path(name), &octets[..octets.len() - 12]).expect("written");
    }
    fs::create_dir(path("empty")).expect("made");
    fs::create_dir(path("others")).expect("made");
    fs::write(path("others/nfcapd.202603010300"), "x").expect("written");
    fs::write(path("text.csv"), "This is no table.\n").expect("written");

    let of = |names: &[&str]| {
        let paths: Vec<_> = names.iter().map(|name| path(name)).collect();
        flows(paths.iter().map(|path| utf8(path)).chain(PORTS))
    };
    let three = [1, 2, 3];
    let mixed = of(&["good.parquet", "good.csv", "good.ndjson.gz", "capture.pcap"]).with(0);
    assert_eq!(ports(&mixed), [three, three, three, three].concat());
    assert_eq!(ports(&of(&["half.parquet", "good.parquet"]).with(1).saying("half.parquet: ")), three);
    let half = of(&["half.ndjson.gz", "good.csv"]).with(1).saying("half.ndjson.gz: the file is cut off");
    assert_eq!(ports(&half)[half.out.lines().count() - 4..], three);
    assert_eq!(
        ports(&of(&["good.csv", "empty"]).with(1).saying("no flow files in").saying("it is empty")),
        three
    );
    of(&["others"]).with(2).saying("1 of other kinds");
    of(&["empty"]).with(2).saying("nothing could be read");
    assert_eq!(ports(&of(&["text.csv", "good.csv"]).with(1).saying("text.csv: it holds no flows")), three);
    // The whole directory: what can be read of it is.
    let all = of(&["."]).with(1).saying("half.parquet: ").saying("1 file of directories left out");
    assert!(ports(&all).len() >= 4 * three.len());
}

#[cfg(unix)]
#[test]
fn what_must_not_be_read_is_said_and_the_rest_counts() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = scratch();
    let directory = directory(folder.path(), &[0, 60, 120], "parquet");
    let forbidden = directory.join("nf.202603010301.parquet");
    fs::set_permissions(&forbidden, fs::Permissions::from_mode(0o0)).expect("set");
    if fs::File::open(&forbidden).is_ok() {
        return common::skip("this user may read everything");
    }
    let good = flows([utf8(&directory)].into_iter().chain(PORTS)).with(1).saying("Permission denied");
    assert_eq!(ports(&good), [0, 120]);
}
