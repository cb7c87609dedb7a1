use std::fs;

use super::*;

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
