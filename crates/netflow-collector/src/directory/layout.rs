//! Names of files in a directory, and the directories below it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use netflow_flow::Format;

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

/// The directories below the one that files are written to, by the time that a file is for, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// None: all files in one directory.
    #[default]
    Flat,
    /// One of nfcapd's hierarchies, 1 to 8.
    Nfcapd(u8),
    /// `dt=YYYY-MM-DD/hour=H`, which query engines know as partitions. The hour has no leading zero: with one,
    /// some engines take it for a number and others for a text.
    Hive,
}

/// nfcapd's hierarchies, from 1 on (nfcapd(1), option -S).
const NFCAPD: [&str; 8] =
    ["%Y/%m/%d", "%Y/%m/%d/%H", "%Y/%W/%u", "%Y/%W/%u/%H", "%Y/%j", "%Y/%j/%H", "%Y-%m-%d", "%Y-%m-%d/%H"];
/// The most directories that a layout has, one below the other.
pub(crate) const DEEPEST: usize = 4;

impl Layout {
    /// The hierarchy with this number of nfcapd: 0 is flat, and 8 the last.
    pub fn nfcapd(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Flat),
            1..=8 => Some(Self::Nfcapd(number)),
            _ => None,
        }
    }

    /// The directory for a window, below the top one.
    pub(crate) fn directory(self, start: i64) -> PathBuf {
        let format = match self {
            Self::Flat => "",
            Self::Nfcapd(number) => NFCAPD[usize::from(number.clamp(1, 8)) - 1],
            Self::Hive => "dt=%Y-%m-%d/hour=%-H",
        };
        PathBuf::from(civil(start, format))
    }
}

fn civil(seconds: i64, format: &str) -> String {
    // Receive times are 64 bits of nanoseconds, which reach less far than jiff.
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// The time in a file's name, as nfcapd has it: with seconds only where files need them.
pub(crate) fn stamp(start: i64, length: Duration) -> String {
    let format = if length.as_secs().is_multiple_of(60) { "%Y%m%d%H%M" } else { "%Y%m%d%H%M%S" };
    civil(start, format)
}

/// A file's name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// The time, `YYYYMMDDhhmm[ss]`.
    pub(crate) stamp: String,
    /// Which of several files of the same time; the first one is not numbered.
    pub(crate) number: u32,
    /// The ending, without the dot before it.
    pub(crate) ending: String,
}

impl Name {
    /// The name of a complete file.
    pub(crate) fn finished(&self) -> String {
        format!("{FLOWS}{}", self.rest())
    }

    /// The name of a file that is being written.
    pub(crate) fn unfinished(&self) -> String {
        format!("{}{}{}", UNFINISHED.0, self.finished(), UNFINISHED.1)
    }

    /// The name of the loss file beside it.
    pub(crate) fn loss(&self) -> String {
        format!("{LOSS}{}", Self { ending: LOSS_ENDING.into(), ..self.clone() }.rest())
    }

    fn rest(&self) -> String {
        let number = if self.number > 0 { format!("-{}", self.number) } else { String::new() };
        format!("{}{number}.{}", self.stamp, self.ending)
    }

    /// Takes the name of a file that is being written apart; `None` when it is none of ours.
    pub(crate) fn of_unfinished(name: &str) -> Option<Self> {
        let name = name.strip_prefix(UNFINISHED.0)?.strip_suffix(UNFINISHED.1)?;
        Self::of_finished(name).filter(|name| name.ending != LOSS_ENDING)
    }

    /// Takes the name of a complete file apart, a flow file or a loss file; `None` when it is none of ours.
    pub(crate) fn of_finished(name: &str) -> Option<Self> {
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
    pub(crate) fn seconds(&self) -> Option<i64> {
        let format = if self.stamp.len() == 12 { "%Y%m%d%H%M" } else { "%Y%m%d%H%M%S" };
        let time = jiff::civil::DateTime::strptime(format, &self.stamp).ok()?;
        Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
    }

    /// Format, and whether it is compressed.
    pub(crate) fn format(&self) -> Option<(Format, bool)> {
        Format::of_path(Path::new(&format!("flows.{}", self.ending))).ok()
    }
}

/// The ending of files in a format.
pub(crate) fn ending(format: Format, gzip: bool) -> String {
    format!("{format}{}", if gzip { ".gz" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-01T03:04:05Z, a Sunday.
    const TIME: i64 = 1_772_334_245;

    #[test]
    fn directories_are_those_of_nfcapd() {
        let directories: Vec<_> = (0..=8)
            .map(|number| Layout::nfcapd(number).unwrap().directory(TIME).display().to_string())
            .collect();
        assert_eq!(
            directories,
            [
                "",
                "2026/03/01",
                "2026/03/01/03",
                "2026/08/7",
                "2026/08/7/03",
                "2026/060",
                "2026/060/03",
                "2026-03-01",
                "2026-03-01/03"
            ]
        );
        assert_eq!(Layout::nfcapd(9), None);
        assert_eq!(Layout::Hive.directory(TIME), Path::new("dt=2026-03-01/hour=3"));
        let deepest = (1..=8).map(|number| Layout::Nfcapd(number).directory(TIME).iter().count()).max();
        assert_eq!(deepest, Some(DEEPEST));
    }

    #[test]
    fn names_have_seconds_where_minutes_are_not_enough() {
        let seconds = |length| stamp(TIME, Duration::from_secs(length));
        assert_eq!(seconds(300), "202603010304");
        assert_eq!(seconds(60), "202603010304");
        assert_eq!(seconds(2), "20260301030405");
        assert_eq!(seconds(90), "20260301030405");
    }

    #[test]
    fn names_are_taken_apart_again() {
        for (length, number) in [(60, 0), (2, 1), (300, 4_000_000_000)] {
            for ending in ENDINGS {
                let stamp = stamp(TIME, Duration::from_secs(length));
                let name = Name { stamp, number, ending: ending.into() };
                assert_eq!(Name::of_finished(&name.finished()).as_ref(), Some(&name));
                assert_eq!(Name::of_unfinished(&name.unfinished()).as_ref(), Some(&name));
                assert_eq!(Name::of_finished(&name.unfinished()), None);
                let loss = Name::of_finished(&name.loss()).unwrap();
                assert_eq!((&loss.stamp, loss.number, &loss.ending[..]), (&name.stamp, number, LOSS_ENDING));
                let seconds = if length == 2 { TIME } else { TIME - 5 };
                assert_eq!((name.seconds(), loss.seconds()), (Some(seconds), Some(seconds)));
                let (format, gzip) = name.format().unwrap();
                assert_eq!(super::ending(format, gzip), ending);
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
            assert_eq!(Name::of_finished(name), None, "{name}");
            assert_eq!(Name::of_unfinished(&format!(".{name}.tmp")), None, "{name}");
        }
        assert_eq!(Name::of_finished("nf.202613010304.csv").and_then(|name| name.seconds()), None);
    }
}
