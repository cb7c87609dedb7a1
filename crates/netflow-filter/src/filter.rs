//! A filter, ready to be used.

use std::fmt;
use std::str::FromStr;

use netflow_flow::{Column, FlowRef};

use crate::error::FilterError;
use crate::expression::Expression;
use crate::parse;
use crate::source::Sources;

/// A condition on flows, compiled from its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    expression: Expression,
    text: String,
}

impl Filter {
    /// The filter that lets all flows pass.
    pub const ALL: Self = Self { expression: Expression::All, text: String::new() };

    /// Compiles a text; an empty one lets all flows pass. No file is read: `@include` is an error.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::parse_with(text, &mut |_| Err("no files are included here".to_owned()))
    }

    /// Compiles a text that may include files: `read` gives the text of the one with a name, or says why not.
    pub fn parse_with(
        text: &str,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, FilterError> {
        let expression = parse::parse(&mut Sources::new(text), read)?;
        Ok(Self { expression, text: text.to_owned() })
    }

    /// The filter that lets pass what this one does, and a condition besides.
    #[must_use]
    pub fn and(mut self, other: Expression) -> Self {
        self.expression = std::mem::replace(&mut self.expression, Expression::All).and(other);
        self
    }

    /// Whether a flow passes.
    #[inline]
    pub fn matches<'a>(&self, flow: impl Into<FlowRef<'a>>) -> bool {
        self.expression.matches(flow.into())
    }

    /// Whether all flows pass, whatever they are.
    pub fn is_all(&self) -> bool {
        self.expression == Expression::All
    }

    /// What it is made of.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// The columns that it looks at, each once.
    pub fn columns(&self) -> Vec<&'static Column> {
        let mut columns: Vec<&'static Column> = Vec::new();
        self.expression.tests(&mut |test| {
            for column in test.columns() {
                if columns.iter().all(|other| other.name != column.name) {
                    columns.push(column);
                }
            }
        });
        columns
    }

    /// The text that it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

/// The text that it was compiled from.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
