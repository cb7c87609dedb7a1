//! Names of the files that a collector writes to a directory.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::file::Format;

/// What names of flow files start with.
const FLOWS: &str = "nf.";
/// What names of loss files start with: engines that read whole directories leave such files out.
const LOSS: &str = "_nf.";
/// The endings of flow files, and of loss files.
const ENDINGS: [&str; 7] = ["parquet", "ndjson", "ndjson.gz", "csv", "csv.gz", "json", "json.gz"];
const LOSS_ENDING: &str = "loss.ndjson";
/// What names of unfinished files start and end with: engines that read whole directories, or all files with an
/// ending, leave such files out.
const UNFINISHED: (&str, &str) = (".", ".tmp");

/// The name of a file of a window of time, `nf.YYYYMMDDhhmm[ss][-NUMBER].ENDING`, taken apart. The time is the window's
/// first second, in UTC; the file has what was received within the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The time, `YYYYMMDDhhmm[ss]`.
    pub stamp: String,
    /// Which of several files of the same time; the first one is not numbered.
    pub number: u32,
    /// The ending, without the dot before it.
    pub ending: String,
}

impl FileName {
    /// The name of the first file of a window that starts at a second since the Unix epoch and is so long.
    pub fn new(start: i64, length: Duration, format: Format, gzip: bool) -> Self {
        // Seconds only where files need them, as nfcapd has it.
        let stamp = if length.as_secs().is_multiple_of(60) { "%Y%m%d%H%M" } else { "%Y%m%d%H%M%S" };
        // Receive times are 64 bits of nanoseconds, which reach less far than jiff.
        let time = jiff::Timestamp::from_second(start).unwrap_or_default();
        let stamp = time.to_zoned(TimeZone::UTC).strftime(stamp).to_string();
        Self { stamp, number: 0, ending: format!("{format}{}", if gzip { ".gz" } else { "" }) }
    }

    /// The name of a complete file.
    pub fn finished(&self) -> String {
        format!("{FLOWS}{}", self.rest())
    }

    /// The name of a file that is being written.
    pub fn unfinished(&self) -> String {
        format!("{}{}{}", UNFINISHED.0, self.finished(), UNFINISHED.1)
    }

    /// The name of the loss file beside it.
    pub fn loss(&self) -> String {
        format!("{LOSS}{}", Self { ending: LOSS_ENDING.into(), ..self.clone() }.rest())
    }

    fn rest(&self) -> String {
        let number = if self.number > 0 { format!("-{}", self.number) } else { String::new() };
        format!("{}{number}.{}", self.stamp, self.ending)
    }

    /// Takes the name of a file that is being written apart; `None` when it is none of ours.
    pub fn of_unfinished(name: &str) -> Option<Self> {
        let name = name.strip_prefix(UNFINISHED.0)?.strip_suffix(UNFINISHED.1)?;
        Self::of_finished(name).filter(|name| name.ending != LOSS_ENDING)
    }

    /// Takes the name of a complete file apart, a flow file or a loss file; `None` when it is none of ours.
    pub fn of_finished(name: &str) -> Option<Self> {
        let (rest, loss) = match name.strip_prefix(LOSS) {
            Some(rest) => (rest, true),
            None => (name.strip_prefix(FLOWS)?, false),
        };
        let (time, ending) = rest.split_once('.')?;
        let known = if loss { ending == LOSS_ENDING } else { ENDINGS.contains(&ending) };
        let (stamp, number) = match time.split_once('-') {
            Some((stamp, number)) => (stamp, u32::from_str(number).ok().filter(|&number| number > 0)?),
            None => (time, 0),
        };
        let is_stamp = matches!(stamp.len(), 12 | 14) && stamp.bytes().all(|octet| octet.is_ascii_digit());
        let name_of_it = Self { stamp: stamp.into(), number, ending: ending.into() };
        (known && is_stamp).then_some(name_of_it)
    }

    /// The time's seconds since the Unix epoch; `None` when there is no such time.
    pub fn seconds(&self) -> Option<i64> {
        let format = if self.stamp.len() == 12 { "%Y%m%d%H%M" } else { "%Y%m%d%H%M%S" };
        let time = jiff::civil::DateTime::strptime(format, &self.stamp).ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
    }

    /// Format, and whether it is compressed.
    pub fn format(&self) -> Option<(Format, bool)> {
        Format::of_path(Path::new(&format!("flows.{}", self.ending))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01T03:04:05Z.
    const TIME: i64 = 1_772_334_245;

    #[test]
    fn names_have_seconds_where_minutes_are_not_enough() {
        let seconds = |length| FileName::new(TIME, Duration::from_secs(length), Format::Csv, false).stamp;
        assert_eq!(seconds(300), "202603010304");
        assert_eq!(seconds(60), "202603010304");
        assert_eq!(seconds(2), "20260301030405");
        assert_eq!(seconds(90), "20260301030405");
    }

    #[test]
    fn names_are_taken_apart_again() {
        for (length, number) in [(60, 0), (2, 1), (300, 4_000_000_000)] {
            for ending in ENDINGS {
                let (format, gzip) = Format::of_path(Path::new(&format!("flows.{ending}"))).unwrap();
                let first = FileName::new(TIME, Duration::from_secs(length), format, gzip);
                assert_eq!(first.ending, ending);
                let name = FileName { number, ..first };
                assert_eq!(FileName::of_finished(&name.finished()).as_ref(), Some(&name));
                assert_eq!(FileName::of_unfinished(&name.unfinished()).as_ref(), Some(&name));
                assert_eq!(FileName::of_finished(&name.unfinished()), None);
                let loss = FileName::of_finished(&name.loss()).unwrap();
                assert_eq!((&loss.stamp, loss.number, &loss.ending[..]), (&name.stamp, number, LOSS_ENDING));
                let seconds = if length == 2 { TIME } else { TIME - 5 };
                assert_eq!((name.seconds(), loss.seconds()), (Some(seconds), Some(seconds)));
                assert_eq!(name.format(), Some((format, gzip)));
            }
        }
    }

    #[test]
    fn names_of_others_are_left_alone() {
        for name in [
            "nfcapd.202603010304",
            "nf.202603010304",
            "nf.202603010304.txt",
            "nf.20260301.parquet",
            "nf.2026030103xx.parquet",
            "nf.202603010304-.parquet",
            "nf.202603010304-0.parquet",
            "nf.202603010304-1x.parquet",
            "nf.202603010304.loss.ndjson",
            "_nf.202603010304.parquet",
            "my.nf.202603010304.parquet",
            "",
        ] {
            assert_eq!(FileName::of_finished(name), None, "{name}");
            assert_eq!(FileName::of_unfinished(&format!(".{name}.tmp")), None, "{name}");
        }
        assert_eq!(FileName::of_finished("nf.202613010304.csv").and_then(|name| name.seconds()), None);
    }
}
