//! Files whose writer did not finish them are gone on with.

#![allow(clippy::field_reassign_with_default, reason = "flows have private columns too")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use netflow_flow::{Flow, Flows};
use netflow_parquet::{Error, FlowFile, ParquetFile, RowGroup};

/// Flows with these numbers as ports.
fn group(ports: std::ops::Range<u16>) -> netflow_parquet::EncodedRowGroup {
    let mut flows = Flows::new();
    for src_port in ports {
        let mut flow = Flow::default();
        flow.src_port = src_port;
        flows.push(&flow);
    }
    let mut group = RowGroup::new().expect("memory");
    group.push(&flows).expect("memory");
    group.finish().expect("memory")
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).expect("a file")
}

/// The source ports in a file, and how many row groups there are.
fn ports(path: &Path) -> (Vec<u16>, usize) {
    let mut file = FlowFile::open(File::open(path).expect("a file")).expect("a good file");
    let (mut ports, mut flows) = (Vec::new(), Vec::new());
    let groups = file.row_groups();
    while file.read(&mut flows).expect("good flows") {
        ports.extend(flows.drain(..).map(|flow: Flow| flow.src_port));
    }
    (ports, groups)
}

/// A file of three row groups, and where each of them ends.
fn written(folder: &Path) -> (PathBuf, Vec<u64>) {
    let path = folder.join("flows.parquet");
    let mut file = ParquetFile::new(File::create(&path).expect("a file")).expect("room");
    let mut ends = vec![file.length()];
    for start in [0, 100, 200] {
        file.append(&group(start..start + 100)).expect("room");
        ends.push(file.length());
    }
    file.finish().expect("room");
    (path, ends)
}

#[test]
fn what_was_appended_is_found_wherever_the_writer_was_killed() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, ends) = written(folder.path());
    let whole = fs::read(&path).expect("written");
    let last = ends[3];
    let near = ends.iter().flat_map(|end| end.saturating_sub(9)..end + 34);
    for cut in near.chain((0..last).step_by(4_999)).chain([whole.len() as u64 - 1, whole.len() as u64]) {
        let cut = cut.min(whole.len() as u64);
        fs::write(&path, &whole[..cut as usize]).expect("room");
        let (mut file, torn) = ParquetFile::resume(open(&path)).expect("a file that can be gone on with");
        let kept = ends.iter().rposition(|&end| end <= cut).unwrap_or(0);
        assert_eq!((file.row_groups(), file.rows()), (kept, kept as u64 * 100), "{cut}");
        // What follows the last row group may be the beginning of a footer, which is no loss.
        let wanted = if cut > last { 0 } else { cut - if cut < 4 { 0 } else { ends[kept] } };
        assert_eq!(torn, wanted, "{cut}");
        let length = file.length();
        file.out_mut().set_len(length).expect("cut");
        file.append(&group(1_000..1_001)).expect("room");
        file.finish().expect("room");
        let (ports, groups) = ports(&path);
        let wanted: Vec<_> = (0..kept as u16 * 100).chain([1_000]).collect();
        assert_eq!((ports, groups), (wanted, kept + 1), "{cut}");
    }
}

#[test]
fn octets_that_did_not_reach_the_disk_are_cut_off() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, ends) = written(folder.path());
    let whole = fs::read(&path).expect("written");
    // The first octets of a note are there, and some or nothing of what follows them.
    let within_the_head = (ends[2]..ends[2] + 40).collect::<Vec<_>>();
    for from in [&within_the_head[..], &[ends[3] - 100]].concat() {
        let mut zeroed = whole[..ends[3] as usize].to_vec();
        zeroed[from as usize..].fill(0);
        fs::write(&path, &zeroed).expect("room");
        let (file, torn) = ParquetFile::resume(open(&path)).expect("a file that can be gone on with");
        assert_eq!((file.row_groups(), torn), (2, ends[3] - ends[2]), "{}", from - ends[2]);
        file.finish().expect("room");
        assert_eq!(ports(&path).0, (0..200).collect::<Vec<_>>());
        // Nothing but these first octets and zeros.
        zeroed.truncate(ends[2] as usize + 28);
        fs::write(&path, &zeroed).expect("room");
        let (file, torn) = ParquetFile::resume(open(&path)).expect("a file that can be gone on with");
        assert_eq!((file.row_groups(), torn), (2, 28));
    }
}

#[test]
fn a_damaged_row_group_with_good_ones_behind_it_is_not_cut_off() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, ends) = written(folder.path());
    let whole = fs::read(&path).expect("written");
    let without_footer = &whole[..*ends.last().expect("row groups") as usize];
    // In the note's first octets, in its lengths, in its text, in the row group.
    for at in [ends[1], ends[1] + 9, ends[1] + 17, ends[1] + 40, ends[2] - 10] {
        for content in [&whole[..], without_footer, &whole[..whole.len() - 1]] {
            let mut damaged = content.to_vec();
            damaged[at as usize] ^= 1;
            fs::write(&path, &damaged).expect("room");
            let error = ParquetFile::resume(open(&path)).expect_err("a good row group follows").to_string();
            assert!(error.contains(&format!("behind octet {}", ends[1])), "{error}");
            assert!(fs::read(&path).expect("still there") == damaged, "{at}");
        }
    }
    // With the last row group nothing good is lost, unless a footer still says where it is.
    let mut damaged = without_footer.to_vec();
    damaged[ends[2] as usize + 40] ^= 1;
    fs::write(&path, &damaged).expect("room");
    let (file, torn) = ParquetFile::resume(open(&path)).expect("a file that can be gone on with");
    assert_eq!((file.row_groups(), torn), (2, ends[3] - ends[2]));
}

#[test]
fn a_file_can_be_read_between_footers() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("flows.parquet");
    let mut file = ParquetFile::new(File::options().append(true).create(true).open(&path).expect("a file"))
        .expect("room");
    for number in 0..3 {
        file.append(&group(number..number + 1)).expect("room");
        file.write_footer().expect("room");
        assert_eq!(ports(&path), ((0..=number).collect(), usize::from(number) + 1));
        let length = file.length();
        file.out_mut().set_len(length).expect("cut");
    }
}

#[test]
fn files_of_others_are_not_gone_on_with() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, ends) = written(folder.path());
    let whole = fs::read(&path).expect("written");
    // The first note is damaged, as if there were none.
    let mut foreign = whole.clone();
    foreign[ends[0] as usize] ^= 1;
    fs::write(&path, &foreign).expect("room");
    assert!(matches!(ParquetFile::resume(open(&path)), Err(Error::Unsupported(_))));
    assert_eq!(fs::read(&path).expect("still there"), foreign);
    fs::write(&path, &foreign[..foreign.len() - 1]).expect("room");
    assert!(ParquetFile::resume(open(&path)).is_err());
    fs::write(&path, "notes of somebody").expect("room");
    assert!(matches!(ParquetFile::resume(open(&path)), Err(Error::NotParquet)));
}
