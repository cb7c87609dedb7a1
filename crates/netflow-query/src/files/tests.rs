use std::fs;

use super::*;

fn time(text: &str) -> Timestamp {
    netflow_filter::parse_time(text).unwrap()
}

fn range(from: &str, to: &str) -> TimeRange {
    TimeRange::new(Some(time(from)), Some(time(to))).unwrap()
}

/// Names, from the top directory on, and what is left to be looked at in each.
fn names(found: &FlowFiles, top: &Path) -> Vec<String> {
    let name = |file: &FoundFile| {
        let name = file.path.strip_prefix(top).unwrap().display().to_string();
        let bound =
            |time: Option<Timestamp>| time.map_or(String::new(), |time| format!("{time:.0}")[11..16].into());
        match file.range.is_all() {
            true => name,
            false => format!("{name} {}-{}", bound(file.range.from), bound(file.range.to)),
        }
    };
    found.files.iter().map(name).collect()
}

fn make(top: &Path, names: &[&str]) {
    for name in names {
        let path = top.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
}

#[test]
fn files_of_a_directory_come_in_the_order_of_their_times() {
    let folder = tempfile::tempdir().unwrap();
    make(
        folder.path(),
        &[
            "dt=2026-03-01/hour=10/nf.202603011000.parquet",
            "dt=2026-03-01/hour=9/nf.202603010900.parquet",
            "dt=2026-03-01/hour=9/nf.202603010900-1.parquet",
            "dt=2026-03-01/hour=9/_nf.202603010900.loss.ndjson",
            "dt=2026-03-01/hour=10/.nf.202603011100.parquet.tmp",
            "b10.csv",
            "b9.csv",
            "A.GZ",
            "readme.txt",
            "nfcapd.202603010900",
        ],
    );
    let found = FlowFiles::find(&[folder.path()], TimeRange::default());
    assert_eq!(
        names(&found, folder.path()),
        [
            "dt=2026-03-01/hour=9/nf.202603010900.parquet",
            "dt=2026-03-01/hour=9/nf.202603010900-1.parquet",
            "dt=2026-03-01/hour=10/nf.202603011000.parquet",
            "A.GZ",
            "b9.csv",
            "b10.csv",
        ]
    );
    assert_eq!((found.problems.len(), found.others.len(), found.outside.len()), (0, 2, 0));
    assert_eq!(found.octets(), found.files.iter().map(|file| file.octets).sum::<u64>());
    // What is written now ends the window before it.
    assert_eq!(found.files[2].window, Some((time("2026-03-01T10:00"), Some(time("2026-03-01T11:00")))));
}

#[test]
fn windows_outside_of_the_range_are_left_out_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let hours: Vec<_> = (0..24).map(|hour| format!("2026/03/01/nf.20260301{hour:02}00.parquet")).collect();
    make(folder.path(), &hours.iter().map(String::as_str).collect::<Vec<_>>());
    let found = |from, to| FlowFiles::find(&[folder.path()], range(from, to));
    let of = |from, to| names(&found(from, to), folder.path());
    let hour = |hour: usize| hours[hour].clone();
    assert_eq!(of("2026-03-01T10:00", "2026-03-01T11:00"), [hour(10)]);
    assert_eq!(
        of("2026-03-01T10:30", "2026-03-01T12:15"),
        [format!("{} 10:30-", hour(10)), hour(11), format!("{} -12:15", hour(12))]
    );
    assert_eq!(of("2026-02-01", "2026-03-01"), [""; 0]);
    // The last window may be as long as any.
    assert_eq!(of("2026-03-02", "2026-03-03"), [format!("{} 00:00-00:00", hour(23))]);
    assert_eq!(found("2026-03-01T10:00", "2026-03-01T11:00").outside.len(), 23);
    // The same files, named one by one.
    let paths: Vec<_> = hours.iter().map(|name| folder.path().join(name)).collect();
    let named = FlowFiles::find(&paths, range("2026-03-01T10:00", "2026-03-01T11:00"));
    assert_eq!(names(&named, folder.path()), [hour(10)]);
}

#[test]
fn ranges_that_meet_have_every_file_once() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &["nf.202603011000.csv", "nf.202603011005.csv", "nf.202603011010.csv"]);
    let of = |from, to| names(&FlowFiles::find(&[folder.path()], range(from, to)), folder.path());
    assert_eq!(of("2026-03-01T10:00", "2026-03-01T10:05"), ["nf.202603011000.csv"]);
    assert_eq!(of("2026-03-01T10:05", "2026-03-01T10:10"), ["nf.202603011005.csv"]);
}

#[test]
fn sequences_are_those_of_nfdump() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &["a/nf.202603011000.csv", "a/nf.202603011005.csv", "b/nf.202603011010.csv"]);
    let of = |text: &str| {
        names(&FlowFiles::sequence(&folder.path().join(text), TimeRange::default()), folder.path())
    };
    assert_eq!(of("a"), ["a/nf.202603011000.csv", "a/nf.202603011005.csv"]);
    assert_eq!(of("a/nf.202603011005.csv"), ["a/nf.202603011005.csv"]);
    assert_eq!(of("a/nf.202603011000.csv:nf.202603011004.csv"), ["a/nf.202603011000.csv"]);
    assert_eq!(
        of("a/nf.202603011005.csv:b/nf.202603011010.csv"),
        ["a/nf.202603011005.csv", "b/nf.202603011010.csv"]
    );
}

#[test]
fn problems_are_told_and_the_rest_is_found() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &["good.csv", "others/nfcapd.202603010900"]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let path = |name: &str| folder.path().join(name);
    let paths = [path("missing"), path("good.csv"), path("others"), path("empty")];
    let found = FlowFiles::find(&paths, TimeRange::default());
    assert_eq!(names(&found, folder.path()), ["good.csv"]);
    let told: Vec<_> = found.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3);
    assert!(told[0].contains("missing: No such file") && told[0].contains("is the name right?"), "{told:?}");
    assert!(told[1].contains("1 of other kinds") && told[2].contains("it is empty"), "{told:?}");
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &["a/good.csv"]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/again")).unwrap();
    let found = FlowFiles::find(&[folder.path()], TimeRange::default());
    assert_eq!((found.files.len(), found.problems.len()), (1, 0));
}

#[test]
fn numbers_in_paths_count_as_numbers() {
    let mut paths = ["a10", "a9", "a09", "b", "a", "a9b", ""].map(Path::new);
    paths.sort_by(|one, other| natural(one, other));
    assert_eq!(paths, ["", "a", "a9", "a9b", "a09", "a10", "b"].map(Path::new));
}
