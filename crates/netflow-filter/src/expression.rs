//! What a filter is made of.

use netflow_flow::{Column, FlowRef};

use crate::condition::{Condition, Numbers};
use crate::test::{Answer, Bounds, Test};

/// A condition on flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// All flows.
    All,
    /// What all of these let pass.
    And(Vec<Expression>),
    /// What one of these lets pass at least.
    Or(Vec<Expression>),
    /// What this does not let pass.
    Not(Box<Expression>),
    /// What has a value that passes.
    Test(Test),
}

impl Expression {
    /// Whether a flow passes.
    pub fn matches(&self, flow: FlowRef<'_>) -> bool {
        match self {
            Self::All => true,
            Self::And(all) => all.iter().all(|one| one.matches(flow)),
            Self::Or(any) => any.iter().any(|one| one.matches(flow)),
            Self::Not(not) => !not.matches(flow),
            Self::Test(test) => test.matches(flow),
        }
    }

    /// Whether any of many flows can pass, of which `bounds` says what values a column has at most; `None` when
    /// that is not known.
    pub fn may_match<'a>(&self, bounds: &dyn Fn(&'static Column) -> Option<Bounds<'a>>) -> Answer {
        match self {
            Self::All => Answer::Always,
            Self::And(all) => all.iter().map(|one| one.may_match(bounds)).min().unwrap_or(Answer::Always),
            Self::Or(any) => any.iter().map(|one| one.may_match(bounds)).max().unwrap_or(Answer::Never),
            Self::Not(not) => not.may_match(bounds).reversed(),
            Self::Test(test) => test.may_match(bounds),
        }
    }

    /// Calls `see` with each of the tests.
    pub fn tests<'a>(&'a self, see: &mut dyn FnMut(&'a Test)) {
        match self {
            Self::All => {}
            Self::And(several) | Self::Or(several) => several.iter().for_each(|one| one.tests(see)),
            Self::Not(not) => not.tests(see),
            Self::Test(test) => see(test),
        }
    }

    /// What passes here and there.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, other) => other,
            (one, Self::All) => one,
            (Self::And(mut all), Self::And(more)) => {
                all.extend(more);
                Self::And(all)
            }
            (Self::And(mut all), other) => {
                all.push(other);
                Self::And(all)
            }
            (one, Self::And(mut all)) => {
                all.insert(0, one);
                Self::And(all)
            }
            (one, other) => Self::And(vec![one, other]),
        }
    }

    /// What passes here or there.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Or(mut any), Self::Or(more)) => {
                any.extend(more);
                Self::Or(any)
            }
            (Self::Or(mut any), other) => {
                any.push(other);
                Self::Or(any)
            }
            (one, other) => Self::Or(vec![one, other]),
        }
    }

    /// What does not pass, as nfdump has it: `flags SA` are flows with both flags, `not flags SA` those with none.
    pub(crate) fn not(mut self) -> Self {
        self.turn_flags();
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    fn turn_flags(&mut self) {
        match self {
            Self::All => {}
            Self::And(several) | Self::Or(several) => several.iter_mut().for_each(Self::turn_flags),
            Self::Not(not) => not.turn_flags(),
            Self::Test(test) => {
                if let Condition::Numbers(numbers) = test.condition_mut() {
                    match *numbers {
                        Numbers::AllBits(mask) => *numbers = Numbers::AnyBit(mask),
                        Numbers::AnyBit(mask) => *numbers = Numbers::AllBits(mask),
                        Numbers::Ranges(_) => {}
                    }
                }
            }
        }
    }
}
