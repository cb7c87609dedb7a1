//! Choosing rows by a filter, column by column.
//!
//! What a test says of a text or an address is found once for an entry of a dictionary; numbers are compared as they
//! lie. What is no longer in question is not looked at: columns are read when the first row needs them.

use netflow_filter::{Answer, Bounds, Expression, Filter};
use netflow_flow::{Column, column};
use netflow_parquet::FlowFile;

use crate::batch::Batch;
use crate::error::Error;
use crate::scan::Selector;
use crate::selection::Selection;

mod rows;
mod tested;

use rows::Rows;
use tested::Tested;

/// Chooses the rows that a filter lets pass: the very same as [`Filter::matches`] of their flows.
#[derive(Debug)]
pub struct Matching {
    expression: Expression,
    root: Node,
    columns: Vec<&'static Column>,
}

/// An expression with what its tests remember.
#[derive(Debug)]
enum Node {
    All,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Test(Box<Tested>),
}

impl Matching {
    /// By a filter.
    pub fn new(filter: &Filter) -> Self {
        let expression = filter.expression().clone();
        let mut columns = filter.columns();
        // Where a file has no sums that are corrected for sampling.
        let mut add = |of: &str, names: [&str; 2]| {
            if columns.iter().any(|column| column.name == of) {
                columns.extend(names.into_iter().filter_map(column));
            }
        };
        add("bytes", tested::BYTES);
        add("packets", tested::PACKETS);
        columns.sort_unstable_by_key(|column| column.name);
        columns.dedup_by_key(|column| column.name);
        Self { root: Node::new(&expression), expression, columns }
    }
}

impl Selector for Matching {
    fn columns(&self) -> Vec<&'static Column> {
        self.columns.clone()
    }

    fn may_match(&self, file: &FlowFile, group: usize) -> bool {
        let bounds = |column: &'static Column| match file.bounds(group, column)? {
            netflow_parquet::Bounds::Numbers(least, greatest) => Some(Bounds::Numbers(least, greatest)),
            netflow_parquet::Bounds::Texts(least, greatest) => Some(Bounds::Texts(least, greatest)),
            _ => None,
        };
        self.expression.may_match(&bounds) != Answer::Never
    }

    fn select(&mut self, batch: &mut Batch, selection: &mut Selection) -> Result<(), Error> {
        let all = Rows::all(batch.rows());
        let mut chosen = Rows::none();
        self.root.choose(batch, &all, &mut chosen)?;
        if chosen != all {
            chosen.put_into(selection.set_rows());
        }
        Ok(())
    }
}

impl Node {
    fn new(expression: &Expression) -> Self {
        let several = |several: &[Expression]| several.iter().map(Self::new).collect();
        match expression {
            Expression::All => Self::All,
            Expression::And(all) => Self::And(several(all)),
            Expression::Or(any) => Self::Or(several(any)),
            Expression::Not(not) => Self::Not(Box::new(Self::new(not))),
            Expression::Test(test) => Self::Test(Box::new(Tested::new(test))),
        }
    }

    /// Makes `chosen` those of the rows in question that pass.
    fn choose(&mut self, batch: &mut Batch, among: &Rows, chosen: &mut Rows) -> Result<(), Error> {
        match self {
            Self::All => *chosen = among.clone(),
            Self::And(all) => {
                let mut left = among.clone();
                for one in all {
                    if left.is_empty() {
                        break;
                    }
                    one.choose(batch, &left, chosen)?;
                    std::mem::swap(&mut left, chosen);
                }
                *chosen = left;
            }
            Self::Or(any) => {
                let (mut left, mut passing) = (among.clone(), Rows::none());
                for one in any {
                    if left.is_empty() {
                        break;
                    }
                    one.choose(batch, &left, chosen)?;
                    passing.add(chosen);
                    left.remove(chosen);
                }
                *chosen = passing;
            }
            Self::Not(not) => {
                let mut left = among.clone();
                not.choose(batch, among, chosen)?;
                left.remove(chosen);
                *chosen = left;
            }
            Self::Test(test) => test.choose(batch, among, chosen)?,
        }
        Ok(())
    }
}
