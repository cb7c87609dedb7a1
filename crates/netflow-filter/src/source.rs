//! The text of a filter, and of the files that it includes.

use std::ops::Range;

use crate::error::FilterError;
use crate::lex::{self, Kind, Token};

/// Octets of a filter, with all that it includes.
const MAX_LENGTH: usize = 1 << 20;
/// Files that include each other.
const MAX_INCLUDED: usize = 10;

/// A place in one of the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) range: Range<usize>,
}

/// The text, and the included ones by name.
pub(crate) struct Sources {
    texts: Vec<(Option<String>, String)>,
    length: usize,
}

impl Sources {
    pub(crate) fn new(text: &str) -> Self {
        Self { texts: vec![(None, text.to_owned())], length: text.len() }
    }

    /// All tokens, those of included files in the places where they are included.
    pub(crate) fn tokens(
        &mut self,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Vec<Token>, FilterError> {
        let mut tokens = Vec::new();
        self.append(0, 0, read, &mut tokens)?;
        Ok(tokens)
    }

    fn append(
        &mut self,
        source: usize,
        depth: usize,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
        tokens: &mut Vec<Token>,
    ) -> Result<(), FilterError> {
        if self.length > MAX_LENGTH {
            let end = Place { source, range: 0..0 };
            return Err(self.error(&end, format!("the filter is longer than {MAX_LENGTH} octets"), None));
        }
        let own = lex::tokens(&self.texts[source].1, source)
            .map_err(|(message, range)| self.error(&Place { source, range }, message, None))?;
        for token in own {
            let Kind::Include(name) = &token.kind else {
                tokens.push(token);
                continue;
            };
            if depth == MAX_INCLUDED {
                return Err(self.error(&token.place, "files include each other too often".to_owned(), None));
            }
            let text = read(name).map_err(|why| self.error(&token.place, why, None))?;
            self.length += text.len();
            self.texts.push((Some(name.clone()), text));
            self.append(self.texts.len() - 1, depth + 1, read, tokens)?;
        }
        Ok(())
    }

    /// The place behind everything.
    pub(crate) fn end(&self) -> Place {
        let length = self.texts[0].1.trim_end().len();
        Place { source: 0, range: length..length }
    }

    pub(crate) fn error(&self, place: &Place, message: String, suggestion: Option<String>) -> FilterError {
        let (name, text) = &self.texts[place.source];
        let error = FilterError::new(message, suggestion, text, place.range.clone());
        FilterError { file: name.as_deref().map(Into::into), ..error }
    }
}
