//! `nf collect -w`: a file for each window of time, complete when it has its name, whatever happens meanwhile.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Collecting, Mounted, V5, gunzip, json_lines, nf, pcap, run_nf, scratch, wait_for};
use netflow_parquet::FlowFile;

mod common;

const SECOND: i64 = 1_000_000_000;
/// 2026-03-01T03:00:00Z.
const TIME: i64 = 1_772_334_000;

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A flow that its octets tell from all others.
fn packet(number: u32) -> Vec<u8> {
    V5::packet(number, &[V5 { from: (1, 1_000), to: (2, 443), octets: number, packets: 1 }])
}

/// A capture of packets from several exporters, at these seconds after [`TIME`]; each has its place as its number.
fn capture(folder: &Path, seconds: impl IntoIterator<Item = i64>) -> PathBuf {
    let packets: Vec<_> =
        (0u32..).zip(seconds).map(|(number, second)| (number, second, packet(number))).collect();
    let datagrams = packets.iter().map(|(number, second, packet)| {
        let exporter = Ipv4Addr::new(192, 0, 2, 10 + (number % 7) as u8);
        (exporter, (TIME + second) * SECOND, &packet[..])
    });
    let path = folder.join("capture.pcap");
    fs::write(&path, pcap(datagrams)).expect("written");
    path
}

/// All files below a directory, by their paths from there.
fn files(directory: &Path) -> BTreeSet<String> {
    fn below(top: &Path, directory: &Path, found: &mut BTreeSet<String>) {
        // Somebody may be removing it just now.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                below(top, &path, found);
            } else {
                found.insert(utf8(path.strip_prefix(top).expect("below")).to_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    below(directory, directory, &mut found);
    found
}

/// Those that are complete files of flows.
fn complete(directory: &Path) -> Vec<PathBuf> {
    let is_complete = |path: &&String| path.rsplit('/').next().is_some_and(|name| name.starts_with("nf."));
    files(directory).iter().filter(is_complete).map(|path| directory.join(path)).collect()
}

fn is_hidden(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with('.'))
}

/// Receive time and number of all flows in a file, each of which must be whole.
fn flows(path: &Path) -> Vec<(String, u32)> {
    if utf8(path).ends_with(".parquet") {
        let mut file = FlowFile::open(File::open(path).expect("a file")).expect("a complete file");
        let (mut all, mut some) = (Vec::new(), Vec::new());
        while file.read(&mut some).expect("good flows") {
            all.extend(some.drain(..).map(|flow| (flow.time_received.to_string(), flow.bytes_raw as u32)));
        }
        return all;
    }
    let text = match utf8(path).ends_with(".gz") {
        true => {
            let (text, good) = gunzip(path);
            assert!(good, "{}", path.display());
            text
        }
        false => fs::read_to_string(path).expect("a file"),
    };
    assert!(text.is_empty() || text.ends_with('\n'), "{}", path.display());
    let number = |octets: &serde_json::Value| octets.as_u64().expect("octets") as u32;
    if utf8(path).contains(".ndjson") {
        let flow = |line: serde_json::Value| {
            (line["time_received"].as_str().expect("a time").to_owned(), number(&line["bytes_raw"]))
        };
        return json_lines(&text).into_iter().map(flow).collect();
    }
    if utf8(path).contains(".csv") {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let head = lines.next().expect("a heading");
        let column = |name| head.iter().position(|column| *column == name).expect("a column");
        let (time, octets) = (column("time_received"), column("bytes_raw"));
        return lines.map(|cells| (cells[time].to_owned(), cells[octets].parse().expect("octets"))).collect();
    }
    let mut all = Vec::new();
    for line in json_lines(&text) {
        for (time, packet) in line.as_object().expect("an object") {
            let flows = packet["flows"].as_array().expect("a list");
            all.extend(flows.iter().map(|flow| (time.clone(), number(&flow["IN_OCTETS"]))));
        }
    }
    all
}

fn numbers(directory: &Path) -> Vec<u32> {
    let mut numbers: Vec<_> =
        complete(directory).iter().flat_map(|path| flows(path)).map(|flow| flow.1).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn files_of_a_capture_follow_the_times_of_its_packets() {
    let folder = scratch();
    // Twenty packets a minute for an hour, the last ones of some minutes a little late.
    let seconds = (0..1_200).map(|number| number * 3 - if number % 50 == 21 { 5 } else { 0 });
    let capture = capture(folder.path(), seconds);
    for format in ["ndjson", "parquet"] {
        let directory = folder.path().join(format);
        let arguments = ["collect", "--read", utf8(&capture), "-w", utf8(&directory), "-t", "60"];
        run_nf(arguments.into_iter().chain(["--format", format, "--threads", "4"])).with(0);
        let names: Vec<_> = (0..60).map(|minute| format!("nf.2026030103{minute:02}.{format}")).collect();
        let found: Vec<_> = complete(&directory)
            .iter()
            .map(|path| utf8(path.strip_prefix(&directory).expect("below")).to_owned())
            .collect();
        assert_eq!(found, names);
        assert!(!files(&directory).iter().any(|path| is_hidden(path)));
        for (minute, path) in complete(&directory).iter().enumerate() {
            // A packet that is late is in the file of its time, or in the next one.
            let (mut own, mut others) = (0, 0);
            for (time, _) in flows(path) {
                match time.starts_with(&format!("2026-03-01T03:{minute:02}:")) {
                    true => own += 1,
                    false => others += 1,
                }
            }
            assert!(own >= 18 && others <= 1, "{minute}: {own}, {others}");
        }
        assert_eq!(numbers(&directory), (0..1_200).collect::<Vec<_>>());
    }
}

#[test]
fn directories_below_are_those_asked_for() {
    let folder = scratch();
    let capture = capture(folder.path(), [0, 8_000, 90_000]);
    for (arguments, wanted) in [
        (&["-t", "3600"][..], ["nf.202603010300.csv", "nf.202603010500.csv", "nf.202603020400.csv"]),
        (
            &["-t", "1h", "-S", "2"],
            [
                "2026/03/01/03/nf.202603010300.csv",
                "2026/03/01/05/nf.202603010500.csv",
                "2026/03/02/04/nf.202603020400.csv",
            ],
        ),
        (
            &["--partition", "hive"],
            [
                "dt=2026-03-01/hour=3/nf.202603010300.csv",
                "dt=2026-03-01/hour=5/nf.202603010510.csv",
                "dt=2026-03-02/hour=4/nf.202603020400.csv",
            ],
        ),
        (&["-t", "7"], ["nf.20260301025957.csv", "nf.20260301051318.csv", "nf.20260302035956.csv"]),
    ] {
        let directory = folder.path().join(arguments.join(""));
        let base = ["collect", "--read", utf8(&capture), "-w", utf8(&directory), "--format", "csv"];
        run_nf(base.iter().chain(arguments)).with(0).saying("3 files complete");
        let found: Vec<_> = files(&directory).into_iter().filter(|path| path.ends_with("csv")).collect();
        assert_eq!(found, wanted, "{arguments:?}");
    }
}

#[test]
fn a_file_that_is_complete_is_never_overwritten() {
    let folder = scratch();
    let directory = folder.path().join("flows");
    let capture = capture(folder.path(), [0, 1, 2]);
    let collect = || run_nf(["collect", "--read", utf8(&capture), "-w", utf8(&directory)]).with(0);
    collect();
    let first = fs::read(directory.join("nf.202603010300.parquet")).expect("complete");
    collect();
    collect();
    assert_eq!(fs::read(directory.join("nf.202603010300.parquet")).expect("still there"), first);
    assert_eq!(flows(&directory.join("nf.202603010300-2.parquet")).len(), 3);
    assert_eq!(complete(&directory).len(), 3);
}

#[test]
fn a_clock_that_was_set_back_loses_and_overwrites_nothing() {
    let folder = scratch();
    let directory = folder.path().join("flows");
    // An hour back after the first minutes, and on from there past them.
    let seconds = (0..300).chain((0..4_200).step_by(5).map(|second| second - 3_600));
    let count = seconds.clone().count() as u32;
    let capture = capture(folder.path(), seconds);
    run_nf(["collect", "--read", utf8(&capture), "-w", utf8(&directory), "-t", "60", "--threads", "2"])
        .with(0);
    assert_eq!(numbers(&directory), (0..count).collect::<Vec<_>>());
    let names = files(&directory);
    assert!(
        names.contains("nf.202603010210.parquet") && names.contains("nf.202603010303-1.parquet"),
        "{names:?}"
    );
}

#[test]
fn what_was_lost_is_beside_the_flows() {
    let folder = scratch();
    let directory = folder.path().join("flows");
    // One exporter; of its hundred packets, each of one record, some are missing in the second minute.
    let kept = (0..100u32).filter(|number| !(60..65).contains(number));
    let packets: Vec<_> = kept.map(|number| (number, packet(number))).collect();
    let datagrams = packets.iter().map(|(number, packet)| {
        (Ipv4Addr::new(192, 0, 2, 9), (TIME + i64::from(*number)) * SECOND, &packet[..])
    });
    let capture = folder.path().join("capture.pcap");
    fs::write(&capture, pcap(datagrams)).expect("written");
    run_nf(["collect", "--read", utf8(&capture), "-w", utf8(&directory), "-t", "60"]).with(0);
    let loss = |name: &str| json_lines(&fs::read_to_string(directory.join(name)).expect("there")).remove(0);
    let (first, second) = (loss("_nf.202603010300.loss.ndjson"), loss("_nf.202603010301.loss.ndjson"));
    for (row, received, lost, start) in
        [(&first, 60, 0, "2026-03-01T03:00:00Z"), (&second, 35, 5, "2026-03-01T03:01:00Z")]
    {
        assert_eq!((row["received"].as_i64(), row["lost"].as_i64()), (Some(received), Some(lost)), "{row}");
        assert_eq!(
            (row["expected"].as_i64(), row["unit"].as_str()),
            (Some(received + lost), Some("records"))
        );
        assert_eq!(
            (row["exporter_addr"].as_str(), row["time_start"].as_str()),
            (Some("192.0.2.9"), Some(start))
        );
        assert_eq!((row["schema"].as_str(), row["flows"].as_i64()), (Some("nf.loss.v1"), Some(received)));
    }
}

#[test]
fn what_the_kernel_dropped_is_in_the_table_of_losses_once() {
    let folder = scratch();
    let directory = folder.path().join("flows");
    let collecting = Collecting::start(["-w", utf8(&directory), "-t", "2", "--buffer", "0"]);
    let address = collecting.address.clone();
    // While it stands still nothing is taken out of a small buffer.
    for round in 0..3 {
        collecting.process.signal("STOP");
        for number in 0..1_000 {
            collecting.send(&V5::packet(round * 1_000 + number, &[]));
        }
        collecting.process.signal("CONT");
        wait_for("a table", || {
            let tables =
                fs::read_dir(&directory).ok()?.filter(|entry| entry.as_ref().is_ok_and(is_table)).count();
            (tables as u32 > round).then_some(())
        });
    }
    let ended = collecting.stop("INT").with(0);
    let said = ended.err.split(" dropped by the kernel").next().and_then(|said| said.rsplit('\n').next());
    let said: String = said.expect("a line").chars().filter(char::is_ascii_digit).collect();
    let tables = fs::read_dir(&directory).expect("there").filter(|entry| entry.as_ref().is_ok_and(is_table));
    let rows = tables
        .flat_map(|entry| json_lines(&fs::read_to_string(entry.expect("it is there").path()).expect("text")));
    let rows: Vec<_> = rows.filter(|row| row.get("socket").is_some()).collect();
    assert!(rows.iter().all(|row| row["socket"] == address.as_str() && row["schema"] == "nf.loss.v1"));
    let dropped: u64 = rows.iter().filter_map(|row| row["kernel_dropped"].as_u64()).sum();
    assert_eq!((rows.len() >= 2, said.parse()), (true, Ok(dropped)), "{}", ended.err);
}

/// Whether it is a table of losses.
fn is_table(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    name.to_str().is_some_and(|name| name.starts_with('_') && name.ends_with(".loss.ndjson"))
}

#[test]
fn old_files_go() {
    let folder = scratch();
    let directory = folder.path().join("flows");
    let capture = capture(folder.path(), (0..20).map(|minute| minute * 60));
    let base = ["collect", "--read", utf8(&capture), "-w", utf8(&directory), "-t", "60", "-S", "6"];
    fs::create_dir(&directory).expect("a directory");
    fs::write(directory.join("nf.202501010000.parquet"), "of another year").expect("written");
    fs::write(directory.join("notes"), "of somebody").expect("written");
    run_nf(base.iter().chain(&["--expire-age", "5m"])).with(0).saying("too old or too much");
    let left = complete(&directory);
    assert!((6..20).contains(&left.len()), "{left:?}");
    assert!(directory.join("notes").exists() && !directory.join("nf.202501010000.parquet").exists());
    // All that is too much, but for the last.
    run_nf(base.iter().chain(&["--expire-size", "1"])).with(0);
    assert!(numbers(&directory).contains(&19));
}

#[test]
fn a_command_runs_for_each_complete_file() {
    let folder = scratch();
    let (directory, seen) = (folder.path().join("my flows"), folder.path().join("seen"));
    let capture = capture(folder.path(), [0, 60, 120]);
    let command =
        format!("sh -c 'test -f \"$1/$2\" && echo \"$2 $3 $4 $5\" >> {}' _ %d %f %t %u %i", utf8(&seen));
    let base = ["collect", "--read", utf8(&capture), "-w", utf8(&directory), "-t", "60", "-S", "7"];
    run_nf(base.iter().chain(&["--format", "csv", "-I", "edge", "-x", &command])).with(0);
    let text = fs::read_to_string(&seen).expect("the command ran");
    let lines: BTreeSet<_> = text.lines().collect();
    let wanted = [0, 1, 2].map(|minute| {
        let (stamp, seconds) = (format!("20260301030{minute}"), TIME + minute * 60);
        format!("2026-03-01/nf.{stamp}.csv {stamp} {seconds} edge")
    });
    assert_eq!(lines, wanted.iter().map(String::as_str).collect());
    // What fails is said, and hinders nothing.
    let ended = run_nf(base.iter().chain(&["-x", "/no/such/command %f"])).with(0);
    ended.saying("/no/such/command").saying("3 failed");
    run_nf(base.iter().chain(&["-x", "say 'hello"])).with(2).saying("a quote is not closed");
}

#[test]
fn several_outputs_have_the_same_flows() {
    let folder = scratch();
    let capture = capture(folder.path(), 0..500);
    let of = |name: &str| folder.path().join(name);
    let (parquet, csv, directory) = (of("a.parquet"), of("b.csv.gz"), of("flows"));
    let base =
        ["collect", "--read", utf8(&capture), "--threads", "3", "-o", utf8(&parquet), "-o", utf8(&csv)];
    let ended = run_nf(base.iter().chain(&["-o", "-", "--format", "ndjson", "-w", utf8(&directory)])).with(0);
    let number = |line: serde_json::Value| line["bytes_raw"].as_u64().expect("octets") as u32;
    let mut on_stdout: Vec<_> = ended.json().into_iter().map(number).collect();
    on_stdout.sort_unstable();
    assert_eq!(on_stdout, (0..500).collect::<Vec<_>>());
    assert_eq!(numbers(&directory), on_stdout);
    for file in [&parquet, &csv] {
        let mut all: Vec<_> = flows(file).into_iter().map(|flow| flow.1).collect();
        all.sort_unstable();
        assert_eq!(all, on_stdout, "{}", file.display());
    }
    // Parquet is appended to as well.
    run_nf(["collect", "--read", utf8(&capture), "-o", utf8(&parquet)]).with(0);
    assert_eq!(flows(&parquet).len(), 1_000);
    run_nf(["collect", "--read", utf8(&capture), "-o", "a.csv", "-o", "a.csv"])
        .with(2)
        .saying("written to twice");
}

#[test]
fn nobody_at_the_pipe_does_not_stop_the_files() {
    let folder = scratch();
    let directory = folder.path().join("flows");
    let capture = capture(folder.path(), 0..20_000);
    let arguments =
        ["collect", "--read", utf8(&capture), "-w", utf8(&directory), "-o", "-", "--format", "ndjson"];
    let mut child = nf(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nf starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(numbers(&directory).len(), 20_000);
}

/// Sends numbered packets for a while, some hundred a second.
fn send(collecting: &Collecting, next: &mut u32, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        for _ in 0..5 {
            collecting.send(&packet(*next));
            *next += 1;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Kills collectors, each at another moment, and looks at what they left. `NF_KILLS` says how many.
#[test]
fn killed_at_any_moment_it_loses_the_tail_of_one_file_alone() {
    let kills = std::env::var("NF_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    for format in ["parquet", "csv.gz"] {
        let folder = scratch();
        let directory = folder.path().join("flows");
        let base = ["-w", utf8(&directory), "-t", "2", "-S", "2", "--format", format, "--flush", "1"];
        let mut seen: HashMap<PathBuf, Vec<u8>> = HashMap::new();
        let mut runs = Vec::new();
        let mut next = 0;
        for kill in 0..=kills {
            let collecting = Collecting::start(base.iter().chain(&["--threads", "2"]));
            let first = next;
            // Moments that are spread over a window, without chance.
            send(&collecting, &mut next, Duration::from_millis(300 + kill * 1_277 % 3_000));
            runs.push(first..next);
            if kill < kills {
                collecting.process.signal("KILL");
                collecting.process.end();
            } else {
                collecting.stop("TERM").with(0);
            }
            for path in complete(&directory) {
                let content = fs::read(&path).expect("there");
                let before = seen.entry(path.clone()).or_insert_with(|| content.clone());
                assert!(*before == content, "{} was changed", path.display());
            }
        }
        assert!(!files(&directory).iter().any(|path| is_hidden(path)), "{:?}", files(&directory));
        let all = numbers(&directory);
        let got: BTreeSet<_> = all.iter().copied().collect();
        assert_eq!(got.len(), all.len(), "{format}: flows are there twice");
        for (run, numbers) in runs.iter().enumerate() {
            let missing: Vec<_> = numbers.clone().filter(|number| !got.contains(number)).collect();
            let tail = numbers.end - missing.len() as u32..numbers.end;
            assert!(missing.iter().copied().eq(tail), "{format}, run {run}: {missing:?} of {numbers:?}");
        }
        assert!(runs.last().is_some_and(|numbers| numbers.clone().all(|number| got.contains(&number))));
    }
}

#[test]
fn files_are_complete_while_it_runs() {
    let folder = scratch();
    let directory = folder.path().join("flows");
    let collecting = Collecting::start(["-w", utf8(&directory), "-t", "2", "--format", "ndjson"]);
    let mut next = 0;
    // The second window ends also though nothing comes any more.
    send(&collecting, &mut next, Duration::from_millis(2_500));
    wait_for("all flows in complete files", || (numbers(&directory).len() == next as usize).then_some(()));
    assert!(complete(&directory).len() >= 2);
    collecting.stop("INT").with(0);
}

#[test]
fn a_directory_that_is_removed_is_made_again() {
    let folder = scratch();
    let directory = folder.path().join("flows");
    let mut collecting = Collecting::start(["-w", utf8(&directory), "-t", "600", "--format", "json"]);
    let mut next = 0;
    wait_for("a file", || {
        send(&collecting, &mut next, Duration::from_millis(100));
        (!files(&directory).is_empty()).then_some(())
    });
    fs::remove_dir_all(&directory).expect("removed");
    wait_for("a file again", || {
        send(&collecting, &mut next, Duration::from_millis(100));
        (!files(&directory).is_empty()).then_some(())
    });
    collecting.process.wait_until_it_says("cannot write to");
    collecting.stop("INT").with(1).saying("removed by somebody");
    assert!(numbers(&directory).contains(&(next - 1)));
}

#[test]
fn a_full_disk_harms_nothing_that_was_written() {
    for (format, options) in [("ndjson", "size=1m"), ("parquet", "size=1m"), ("csv", "nr_inodes=8")] {
        let folder = scratch();
        let Some(mounted) = Mounted::tmpfs(folder.path(), options) else { return };
        let directory = mounted.0.join("flows");
        let mut collecting =
            Collecting::start(["-w", utf8(&directory), "-t", "2", "--format", format, "--flush", "1"]);
        fs::write(mounted.0.join("ballast"), vec![0; 600 << 10]).expect("room");
        let mut next = 0;
        wait_for("the message", || {
            send(&collecting, &mut next, Duration::from_millis(100));
            collecting.process.said().contains("the disk is full").then_some(())
        });
        let before: BTreeMap<_, _> = complete(&directory)
            .into_iter()
            .map(|path| (path.clone(), fs::read(path).expect("there")))
            .collect();
        // Room again, for files too.
        fs::remove_file(mounted.0.join("ballast")).expect("removed");
        for path in before.keys().take(3) {
            fs::remove_file(path).expect("removed");
        }
        collecting.process.wait_until_it_says("writing goes on");
        send(&collecting, &mut next, Duration::from_millis(100));
        let ended = collecting.stop("INT");
        assert!(
            ended.err.contains("could not be written") || ended.err.contains("files complete"),
            "{}",
            ended.err
        );
        for (path, content) in before.iter().skip(3) {
            assert!(fs::read(path).expect("still there") == *content, "{} was changed", path.display());
        }
        // All of them can be read.
        numbers(&directory);
    }
}

#[test]
fn a_directory_that_cannot_be_written_to_is_named_at_once() {
    let folder = scratch();
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    run_nf(["collect", "-p", "0", "-w", utf8(&file)]).with(2).saying("-w takes a directory");
    let Some(mounted) = Mounted::tmpfs(folder.path(), "size=64k,ro") else { return };
    let directory = mounted.0.join("flows");
    run_nf(["collect", "-p", "0", "-w", utf8(&directory)]).with(2).saying("read-only");
}
