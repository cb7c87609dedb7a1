use std::fs;

use netflow_flow::{Flow, Flows};
use netflow_parquet::RowGroup;

use super::*;
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
        let first = FileWriter::open(&path, encoding(format)).unwrap();
        let before = fs::read(&path).unwrap();
        let refused = FileWriter::open(&path, encoding(format)).unwrap_err();
        assert_eq!(refused.source.kind(), io::ErrorKind::WouldBlock);
        assert!(refused.to_string().contains("another collector writes to it"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), before);
        first.finish();
        FileWriter::open(&path, encoding(format)).unwrap().finish();
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
