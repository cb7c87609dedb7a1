use std::fs;

use netflow_flow::{Flow, Flows};
use netflow_parquet::RowGroup;

use super::*;
use crate::backlog::WhenFull;
use crate::block::Body;
use crate::flow_file::Footer;

const FORMATS: [Format; 3] = [Format::Parquet, Format::Csv, Format::FlowLines];

fn encoding(format: Format) -> Encoding {
    Encoding { format, gzip: false, flush: Duration::from_secs(10) }
}

#[test]
fn a_file_that_another_writer_has_open_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let path = folder.path().join(format!("{format:?}"));
        let first = FileWriter::open(&path, encoding(format), Backlog::default()).unwrap();
        let before = fs::read(&path).unwrap();
        let refused = FileWriter::open(&path, encoding(format), Backlog::default()).unwrap_err();
        assert_eq!(refused.source.kind(), io::ErrorKind::WouldBlock);
        assert!(refused.to_string().contains("another collector writes to it"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), before);
        first.finish();
        FileWriter::open(&path, encoding(format), Backlog::default()).unwrap().finish();
    }
}

/// A writer of `path` that no thread runs.
fn writer(path: &Path, format: Format) -> BlockWriter {
    let (file, opened) = open(path, encoding(format)).unwrap();
    let mut report = WriterReport::default();
    opened.count(&mut report);
    BlockWriter {
        file: Some(file),
        path: path.to_owned(),
        encoding: encoding(format),
        report,
        teller: Teller::new().0,
        closed: false,
        state: SharedState::default(),
        reopen: Arc::default(),
    }
}

/// A block of one flow.
fn row_group() -> Block {
    let mut flows = Flows::new();
    flows.push(&Flow::default());
    let mut group = RowGroup::new().unwrap();
    group.push(&flows).unwrap();
    Block { flows: 1, body: Body::RowGroup(group.finish().unwrap()) }
}

fn rows(path: &Path) -> u64 {
    netflow_parquet::FlowFile::open(fs::File::open(path).unwrap()).unwrap().rows()
}

#[test]
fn a_file_that_nobody_renamed_is_not_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("flows"), folder.path().join("old"));
    let mut writer = writer(&path, Format::Parquet);
    writer.write(row_group()).unwrap();
    // Opened again, the file would be found damaged.
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "something else").unwrap();
    writer.open_again();
    assert!(writer.file.is_some() && !writer.teller.is_failing());
    fs::write(&path, whole).unwrap();
    fs::rename(&path, &old).unwrap();
    writer.open_again();
    writer.write(row_group()).unwrap();
    writer.write(row_group()).unwrap();
    writer.complete();
    assert_eq!((rows(&old), rows(&path)), (1, 2));
}

#[test]
fn what_was_mended_of_a_file_that_is_opened_again_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("flows"), folder.path().join("old"));
    let mut writer = writer(&path, Format::Csv);
    fs::rename(&path, &old).unwrap();
    let mut content = fs::read(&old).unwrap();
    content.extend(b"2026");
    fs::write(&path, content).unwrap();
    writer.open_again();
    assert_eq!(writer.report.open_line, 4);
}

#[test]
fn a_file_that_cannot_be_completed_is_counted_and_one_that_is_complete_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows");
    let mut writer = writer(&path, Format::Parquet);
    writer.write(row_group()).unwrap();
    // Nothing can be written to it any more.
    let reading = |file: FlowFile, footer| match file {
        FlowFile::Parquet { file, last, .. } => {
            let file = file.map_out(|_| Target::File(fs::File::open(&path).unwrap()));
            FlowFile::Parquet { file, footer, last }
        }
        text => text,
    };
    let whole = writer.file.take().map(|file| reading(file, Footer::Whole));
    writer.file = whole;
    writer.complete();
    assert_eq!((writer.report.unfinished_files, rows(&path)), (0, 1));
    writer.open().unwrap();
    let torn = writer.file.take().map(|file| reading(file, Footer::Unsure));
    writer.file = torn;
    writer.complete();
    assert_eq!(writer.report.unfinished_files, 1);
    assert!(writer.teller.is_failing());
}

/// An output that takes nothing until it is let go, or fails.
struct Stuck(Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        assert!(self.0.recv().is_ok(), "as this test wants it");
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stuck(backlog: Backlog) -> (FileWriter, Sender<()>) {
    let (go_on, wait) = crossbeam_channel::unbounded();
    (FileWriter::to(Stuck(wait), encoding(Format::FlowLines), backlog).unwrap(), go_on)
}

/// A block of ten flows.
fn text(octets: usize) -> Block {
    Block { flows: 10, body: Body::Text(vec![b'x'; octets]) }
}

fn give(writer: &FileWriter, block: Block) {
    let (octets, flows) = (block.octets() as usize, block.flows);
    writer.blocks.give(block, octets, flows);
}

#[test]
fn an_output_that_is_stuck_keeps_no_more_than_it_may_and_what_has_no_room_is_counted() {
    const OCTETS: usize = 100_000;
    let backlog = Backlog { octets: 5 * OCTETS / 2, when_full: WhenFull::Lose };
    let (writer, go_on) = stuck(backlog);
    for blocks in 1..=1_000 {
        give(&writer, text(OCTETS));
        let state = writer.state().now();
        assert!(state.waiting_octets <= backlog.octets as u64);
        assert!(blocks < 3 || state.report.lost_flows == (blocks - 2) * 10, "{blocks}: {state:?}");
    }
    assert!(!writer.state().now().report.failed);
    (0..2).for_each(|_| go_on.send(()).unwrap());
    let (report, _) = writer.finish();
    assert_eq!((report.flows, report.lost_flows, report.lost_blocks), (20, 9_980, 998));
    assert_eq!(report.octets + report.lost_octets, 1_000 * OCTETS as u64);
}

#[test]
fn a_writer_that_failed_is_known_and_holds_nobody_up() {
    let (writer, go_on) = stuck(Backlog { octets: 10, ..Backlog::default() });
    drop(go_on);
    (0..10).for_each(|_| give(&writer, text(10)));
    let state = writer.state();
    while !state.now().report.failed {
        std::thread::yield_now();
    }
    let (report, _) = writer.finish();
    assert_eq!((report.failed, report.flows, report.lost_flows), (true, 0, 100));
}
