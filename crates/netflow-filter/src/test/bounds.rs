//! What is known of many flows before one is looked at.

use netflow_flow::{Column, Kind};

use super::{Subject, Test};
use crate::condition::{Condition, Numbers, Texts};

/// The least and the greatest value that a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounds<'a> {
    /// Of numbers; of times, in nanoseconds.
    Numbers(i64, i64),
    /// Of what has a text, octet by octet.
    Texts(&'a str, &'a str),
}

/// Whether flows pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// None does.
    Never,
    /// They have to be looked at.
    Maybe,
    /// Every one does.
    Always,
}

impl Answer {
    /// The answer to the contrary.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Never => Self::Always,
            Self::Maybe => Self::Maybe,
            Self::Always => Self::Never,
        }
    }
}

impl Test {
    /// Whether any of many flows can pass, of which `bounds` says what values a column has at most.
    pub fn may_match<'a>(&self, bounds: &dyn Fn(&'static Column) -> Option<Bounds<'a>>) -> Answer {
        let Subject::Column(column) = self.subject() else { return Answer::Maybe };
        let answer = match (self.condition(), bounds(column)) {
            (Condition::Numbers(numbers), Some(Bounds::Numbers(least, greatest))) => {
                of_numbers(numbers, least, greatest)
            }
            (_, Some(Bounds::Texts(least, greatest))) => self.of_texts(column, least, greatest),
            _ => Answer::Maybe,
        };
        // Bounds are of what is there: what is absent does not pass.
        if answer == Answer::Always && column.nullable { Answer::Maybe } else { answer }
    }

    fn of_texts(&self, column: &Column, least: &str, greatest: &str) -> Answer {
        // Other software may write addresses and numbers in another way: only equal texts tell.
        if least == greatest && matches!(column.kind, Kind::Text | Kind::Enumeration | Kind::Address) {
            return if self.text(least) { Answer::Always } else { Answer::Never };
        }
        match self.condition() {
            Condition::Texts(Texts::AnyOf(texts)) => {
                let within = |text: &String| (least..=greatest).contains(&text.as_str());
                if texts.iter().any(within) { Answer::Maybe } else { Answer::Never }
            }
            _ => Answer::Maybe,
        }
    }
}

fn of_numbers(numbers: &Numbers, least: i64, greatest: i64) -> Answer {
    match numbers {
        Numbers::Ranges(ranges) => {
            if ranges.iter().any(|range| range.contains(&least) && range.contains(&greatest)) {
                Answer::Always
            } else if ranges.iter().any(|range| *range.start() <= greatest && least <= *range.end()) {
                Answer::Maybe
            } else {
                Answer::Never
            }
        }
        _ if least == greatest => match numbers.contains(least) {
            true => Answer::Always,
            false => Answer::Never,
        },
        // What is smaller than the bits together does not have them all.
        Numbers::AllBits(mask) if (0..*mask).contains(&greatest) && least >= 0 => Answer::Never,
        Numbers::AllBits(_) | Numbers::AnyBit(_) => Answer::Maybe,
    }
}
