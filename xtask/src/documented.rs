//! The tests that `docs/` names: the documents are true as long as these exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Documents whose tables have names of tests in their last column.
const DOCUMENTS: [&str; 2] = ["docs/exporter-quirks.md", "docs/features.md"];

/// For each row of the tables in `text`, heads left out, the names in the last column.
fn named(text: &str) -> Vec<(&str, Vec<&str>)> {
    let lines: Vec<_> = text.lines().collect();
    let is_row = |line: &str| line.starts_with('|');
    let is_rule = |line: &str| is_row(line) && line.bytes().all(|octet| b"|-: ".contains(&octet));
    let rows = lines.iter().enumerate().filter(|&(number, line)| {
        let is_head = lines.get(number + 1).is_some_and(|next| is_rule(next));
        is_row(line) && !is_rule(line) && !is_head
    });
    rows.map(|(_, row)| {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        (*row, last.split('`').skip(1).step_by(2).collect())
    })
    .collect()
}

/// Names of the test functions in the sources below a folder, those that macros such as `proptest!` make included.
fn tests(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            for test in text.split("#[test]").skip(1) {
                let name = test.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
                names.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in a workspace");
    let mut known = BTreeSet::new();
    tests(&root.join("crates"), &mut known);
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).expect("a document");
        let rows = named(&text);
        assert!(rows.len() > 10, "{document} has tables");
        for (row, names) in rows {
            assert!(!names.is_empty(), "{document}: no test is named in {row}");
            for name in names {
                assert!(known.contains(name), "{document} names the test {name}, which does not exist");
            }
        }
    }
}

#[test]
fn names_are_those_of_the_last_column() {
    let text = "| A `x` | Test |\n|---|---|\n| `y` | `a_test`, `other` |\n| z | – |\n\ntext `w`";
    let names: Vec<_> = named(text).into_iter().map(|(_, names)| names).collect();
    assert_eq!(names, [vec!["a_test", "other"], vec![]]);
}
