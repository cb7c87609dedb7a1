//! The directories below the one that files are written to.

use std::path::PathBuf;

use jiff::tz::TimeZone;

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

#[cfg(test)]
mod tests {
    use std::path::Path;

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
}
