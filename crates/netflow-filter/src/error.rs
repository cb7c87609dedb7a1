//! What is wrong with the text of a filter.

use std::fmt;
use std::ops::Range;

/// A text that is no filter, and where it stops to be one.
///
/// Its text is one sentence; [`excerpt`](Self::excerpt) shows the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    pub(crate) message: Box<str>,
    pub(crate) suggestion: Option<Box<str>>,
    pub(crate) range: Range<usize>,
    pub(crate) file: Option<Box<str>>,
    pub(crate) line: Box<str>,
    /// Characters of `line`.
    pub(crate) at: Range<usize>,
}

/// Characters of a line that are shown around the place.
const SHOWN: usize = 72;

impl FilterError {
    /// What is wrong, without what was perhaps meant.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What was perhaps meant.
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }

    /// Octets of the text that it is about; empty, and behind them all, when something is missing at the end.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The included file that it is about; `None` when it is the text itself.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Two lines: what is around the place, and marks below it. Control characters are shown as `?`.
    pub fn excerpt(&self) -> String {
        let characters: Vec<char> = self.line.chars().collect();
        let from = if self.at.end <= SHOWN { 0 } else { self.at.start.saturating_sub(SHOWN / 2) };
        let to = characters.len().min(from + SHOWN);
        let shown = |c: &char| if c.is_control() { '?' } else { *c };
        let text: String = characters[from.min(to)..to].iter().map(shown).collect();
        let marks = (self.at.end.min(to.max(self.at.start + 1))).saturating_sub(self.at.start).max(1);
        format!("{text}\n{}{}", " ".repeat(self.at.start - from), "^".repeat(marks))
    }

    /// At a place in a text.
    pub(crate) fn new(message: String, suggestion: Option<String>, text: &str, range: Range<usize>) -> Self {
        let start = range.start.min(text.len());
        let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[first..].lines().next().unwrap_or_default();
        let before = text[first..start].chars().count();
        let marked = text[start..range.end.max(start).min(text.len())].chars().count();
        let at = before..before + marked.max(1);
        Self {
            message: message.into(),
            suggestion: suggestion.map(Into::into),
            range,
            file: None,
            line: line.into(),
            at,
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.escape_debug())?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FilterError {}
