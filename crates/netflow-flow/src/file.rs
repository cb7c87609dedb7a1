//! Formats of flow files.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What a flow file holds. Text may be compressed with gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// A line of JSON for each export packet, laid out like the files of PyPI `netflow`.
    Packets,
    /// A line of JSON for each normalised flow.
    FlowLines,
    /// CSV: a line for each normalised flow, below a line with the names of the columns.
    Csv,
    /// Parquet: the columns of normalised flows. The crate `netflow-parquet` writes and reads it.
    Parquet,
}

impl Format {
    /// Format, and whether it is compressed, by the ending of a file's name. Names without an ending that
    /// is known are compressed export packets, as PyPI `netflow` writes whatever the name.
    pub fn of_path(path: &Path) -> Result<(Self, bool), UnknownFormat> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let (stem, gzip) = name.strip_suffix(".gz").map_or((name.as_str(), false), |stem| (stem, true));
        match Path::new(stem).extension().and_then(|ending| ending.to_str()) {
            Some("json") => Ok((Self::Packets, gzip)),
            Some("ndjson") => Ok((Self::FlowLines, gzip)),
            Some("csv") => Ok((Self::Csv, gzip)),
            Some("parquet") if !gzip => Ok((Self::Parquet, false)),
            Some(ending @ ("parquet" | "zst" | "lz4" | "bz2" | "xz")) => {
                Err(UnknownFormat(format!(".{ending}")))
            }
            _ => Ok((Self::Packets, true)),
        }
    }

    /// The format's name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Packets => "json",
            Self::FlowLines => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "json" => Ok(Self::Packets),
            "ndjson" => Ok(Self::FlowLines),
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            _ => Err(UnknownFormat(text.to_owned())),
        }
    }
}

/// A format that flows cannot be written in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no format that flows are written in; .gz, .json, .json.gz, .ndjson, .ndjson.gz, .csv, .csv.gz and \
     .parquet are"
)]
pub struct UnknownFormat(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_chooses_the_format() {
        let of = |name: &str| Format::of_path(Path::new(name));
        assert_eq!(of("1714564800.gz"), Ok((Format::Packets, true)));
        assert_eq!(of("a/b.json"), Ok((Format::Packets, false)));
        assert_eq!(of("b.JSON.gz"), Ok((Format::Packets, true)));
        assert_eq!(of("flows.ndjson"), Ok((Format::FlowLines, false)));
        assert_eq!(of("flows.csv.gz"), Ok((Format::Csv, true)));
        assert_eq!(of("dump"), Ok((Format::Packets, true)));
        assert_eq!(of("flows.parquet"), Ok((Format::Parquet, false)));
        assert!(of("flows.parquet.gz").is_err());
    }
}
