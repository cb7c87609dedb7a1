//! Losses, from the tables that the collector writes beside its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netflow_flow::FileName;
use netflow_query::FoundFile;
use netflow_report::{Exporter, Loss, LossWindow};
use netflow_templates::Timestamp;
use serde_json::Value;

use super::tally::Heard;

/// What the tables say of exporters' domains.
#[derive(Debug, Default)]
pub(super) struct Losses {
    of: BTreeMap<(IpAddr, u32), Loss>,
    /// What could not be read.
    pub(super) problems: Vec<String>,
}

impl Losses {
    /// Reads the tables of the same windows as files of flows.
    pub(super) fn beside(files: &[FoundFile]) -> Self {
        let mut losses = Self::default();
        let tables: BTreeSet<PathBuf> = files.iter().filter_map(|file| table(&file.path)).collect();
        for table in tables {
            match fs::read(&table) {
                Ok(text) => losses.table(&table, &String::from_utf8_lossy(&text)),
                // Files of flows may have none.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => losses.problems.push(format!("{}: {error}", table.display())),
            }
        }
        for loss in losses.of.values_mut() {
            loss.windows.sort_by_key(|window| window.start);
        }
        losses
    }

    fn table(&mut self, path: &Path, text: &str) {
        let mut bad = 0;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if self.line(line).is_none() {
                bad += 1;
            }
        }
        if bad > 0 {
            self.problems.push(format!("{}: {bad} lines are of no table of losses", path.display()));
        }
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let line: Value = serde_json::from_str(line).ok()?;
        let number =
            |name: &str| line.get(name).and_then(Value::as_i64).map(|number| number.max(0).unsigned_abs());
        let exporter = line.get("exporter_addr")?.as_str()?.parse().ok()?;
        let domain = u32::try_from(number("observation_domain_id")?).ok()?;
        let start: Timestamp = line.get("time_start")?.as_str()?.parse().ok()?;
        let loss = self.of.entry((exporter, domain)).or_default();
        line.get("unit")?.as_str()?.clone_into(&mut loss.unit);
        let add = |sum: &mut u64, name| *sum = sum.saturating_add(number(name).unwrap_or(0));
        add(&mut loss.duplicates, "duplicates");
        add(&mut loss.reordered, "reordered");
        add(&mut loss.restarts, "restarts");
        add(&mut loss.undecoded_sets, "undecoded_sets");
        // Without a convention of its sequence numbers nothing is known.
        if let (Some(expected), Some(lost)) = (number("expected"), number("lost")) {
            loss.expected = Some(loss.expected.unwrap_or(0).saturating_add(expected));
            loss.lost = loss.lost.saturating_add(lost);
            match loss.windows.last_mut().filter(|window| window.start == start) {
                Some(window) => {
                    window.expected = window.expected.saturating_add(expected);
                    window.lost = window.lost.saturating_add(lost);
                }
                None => loss.windows.push(LossWindow { start, expected, lost }),
            }
        }
        Some(())
    }

    /// The exporters that were heard, and those that lost everything.
    pub(super) fn exporters(self, heard: &BTreeMap<(IpAddr, u32), Heard>) -> Vec<Exporter> {
        let keys: BTreeSet<_> = heard.keys().chain(self.of.keys()).copied().collect();
        keys.into_iter()
            .map(|(address, domain)| {
                let said = heard.get(&(address, domain)).cloned().unwrap_or_default();
                Exporter {
                    address,
                    domain,
                    versions: said.versions.into_iter().collect(),
                    templates: said.templates.into_iter().collect(),
                    amount: said.amount,
                    sampling: said
                        .sampling
                        .into_iter()
                        .map(|(rate, source)| (rate, said_in(&source).into()))
                        .collect(),
                    loss: self.of.get(&(address, domain)).cloned(),
                }
            })
            .collect()
    }
}

/// The table beside a file of flows.
fn table(path: &Path) -> Option<PathBuf> {
    let name = FileName::of_finished(path.file_name()?.to_str()?)?;
    // Several files of one window share the first one's table, if they have none of their own.
    let own = path.with_file_name(name.loss());
    let first = || path.with_file_name(FileName { number: 0, ..name.clone() }.loss());
    Some(if own.exists() { own } else { first() })
}

/// Where a sampling rate was said.
fn said_in(source: &str) -> &str {
    match source {
        "record" => "in its records",
        "options" => "in options data",
        "options_other_domain" => "in options data of another domain",
        "header" => "in packet headers",
        "override" => "set by the user",
        "assumed" => "assumed: nothing says a rate",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"schema":"nf.loss.v1","time_start":"2026-03-01T03:00:00Z","time_end":"2026-03-01T03:05:00Z","exporter_addr":"192.0.2.1","observation_domain_id":3,"flow_version":9,"packets":90,"flows":900,"unit":"packets","expected":100,"received":90,"lost":10,"duplicates":1,"reordered":2,"restarts":3,"undecoded_sets":4}"#;

    #[test]
    fn losses_of_windows_are_added_up() {
        let mut losses = Losses::default();
        let next = LINE.replace("T03:00:00Z", "T03:05:00Z").replace("\"lost\":10", "\"lost\":0");
        losses.table(Path::new("x"), &format!("{LINE}\n{next}\nnonsense\n"));
        assert_eq!(losses.problems.len(), 1);
        let exporters = losses.exporters(&BTreeMap::new());
        let loss = exporters[0].loss.as_ref().unwrap();
        assert_eq!((exporters[0].domain, loss.expected, loss.lost, loss.duplicates), (3, Some(200), 10, 2));
        assert_eq!(loss.windows.iter().map(|window| window.lost).collect::<Vec<_>>(), [10, 0]);
    }

    #[test]
    fn loss_that_is_not_known_is_not_none() {
        let mut losses = Losses::default();
        let unknown = LINE.replace(":100,", ":null,").replace("\"lost\":10", "\"lost\":null");
        losses.table(Path::new("x"), &unknown);
        assert_eq!(losses.exporters(&BTreeMap::new())[0].loss.as_ref().unwrap().expected, None);
    }
}
