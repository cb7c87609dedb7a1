//! One test of one value of a flow.

use std::net::IpAddr;

use netflow_flow::{Cell, Column, FlowRef, Kind};

use crate::condition::Condition;

mod bounds;
mod derived;

pub use bounds::{Answer, Bounds};
pub use derived::Derived;

/// What is looked at, and which values pass. A flow that has no value does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    subject: Subject,
    condition: Condition,
}

/// What of a flow is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Subject {
    /// A column.
    Column(&'static Column),
    /// A number that follows from columns.
    Derived(Derived),
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Column(one), Self::Column(other)) => one.name == other.name,
            (Self::Derived(one), Self::Derived(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Subject {}

impl Test {
    /// A test of a subject; the condition is for values of its kind, or nothing passes.
    pub fn new(subject: Subject, condition: Condition) -> Self {
        Self { subject, condition }
    }

    /// What is looked at.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Which values pass.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    pub(crate) fn condition_mut(&mut self) -> &mut Condition {
        &mut self.condition
    }

    /// The columns that are looked at.
    pub fn columns(&self) -> Vec<&'static Column> {
        match self.subject {
            Subject::Column(column) => vec![column],
            Subject::Derived(derived) => derived.columns(),
        }
    }

    /// Whether a flow passes.
    #[inline]
    pub fn matches(&self, flow: FlowRef<'_>) -> bool {
        match self.subject {
            Subject::Column(column) => self.cell(column.get(flow)),
            Subject::Derived(derived) => derived.of(flow).is_some_and(|number| self.number(number)),
        }
    }

    /// Whether a value of the column passes.
    pub fn cell(&self, cell: Cell<'_>) -> bool {
        match (&self.condition, cell) {
            (_, Cell::Null) => false,
            (Condition::Numbers(numbers), Cell::Unsigned(number)) => numbers.contains(signed(number)),
            (Condition::Numbers(numbers), Cell::Time(time)) => numbers.contains(time.as_nanos()),
            (Condition::Numbers(numbers), Cell::List(list)) => {
                list.iter().any(|&number| numbers.contains(number.into()))
            }
            (Condition::Addresses(addresses), Cell::Address(address)) => addresses.contains(address),
            (Condition::Macs(macs), Cell::Mac(mac)) => macs.binary_search(&mac).is_ok(),
            (Condition::Applications(applications), Cell::Application(application)) => {
                applications.binary_search(&application).is_ok()
            }
            (Condition::Texts(texts), Cell::Text(text)) => texts.contains(text),
            (Condition::Present, _) => true,
            _ => false,
        }
    }

    /// Whether a number passes: of a column of numbers or times (in nanoseconds), or a derived one.
    #[inline]
    pub fn number(&self, number: i64) -> bool {
        match &self.condition {
            Condition::Numbers(numbers) => numbers.contains(number),
            condition => *condition == Condition::Present,
        }
    }

    /// Whether an address passes.
    pub fn address(&self, address: IpAddr) -> bool {
        self.cell(Cell::Address(address))
    }

    /// Whether a value passes of which this is the text, as it is in Parquet.
    pub fn text(&self, text: &str) -> bool {
        let Subject::Column(column) = self.subject else { return false };
        match column.kind {
            Kind::Address => text.parse().is_ok_and(|address| self.cell(Cell::Address(address))),
            Kind::Mac => text.parse().is_ok_and(|mac| self.cell(Cell::Mac(mac))),
            Kind::Application => {
                text.parse().is_ok_and(|application| self.cell(Cell::Application(application)))
            }
            _ => self.cell(Cell::Text(text)),
        }
    }
}

/// A number as Parquet has it.
#[inline]
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
