//! What of a flow is compared with: `= 80`, `in [80 443]`, `> 1k`.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use netflow_flow::column;

use super::head::{Head, How};
use super::{Parser, Result};
use crate::condition::{Addresses, Condition, Numbers, Texts};
use crate::expression::Expression;
use crate::lex::{Comparison, Kind};
use crate::test::{Subject, Test};
use crate::value::{self, Values, shown};

/// What was read of the values.
#[derive(Default)]
struct Read {
    numbers: Vec<RangeInclusive<i64>>,
    bits: Option<i64>,
    prefixes: Vec<(IpAddr, u8)>,
    macs: Vec<netflow_flow::MacAddress>,
    applications: Vec<netflow_flow::ApplicationId>,
    texts: Vec<String>,
}

impl Parser<'_> {
    /// Takes a comparison and the values. The words that say what is compared begin at `start`.
    pub(super) fn compare(&mut self, head: &Head, start: usize) -> Result<Expression> {
        let Some(values) = head.subjects.first().and_then(|&subject| Values::of(subject)) else {
            return Err(self.missing("something that can be compared"));
        };
        let is_not = self.peek().is_some_and(|token| token.kind == Kind::Not)
            && self.word_at(self.at + 1).is_some_and(|word| word == "in");
        self.at += usize::from(is_not);
        let is_in = self.word().is_some_and(|word| word == "in");
        self.at += usize::from(is_in);
        let comparison = match self.peek().map(|token| &token.kind) {
            Some(&Kind::Compare(comparison)) if !is_in => {
                self.at += 1;
                Some(comparison)
            }
            _ => None,
        };
        if comparison.is_none() && !is_in && self.is_complete() {
            return self.presence(head, start);
        }
        let mut read = Read::default();
        if self.accept(&Kind::ListOpen) {
            self.list(values, head, comparison, &mut read)?;
        } else if is_in && !matches!(self.peek().map(|token| &token.kind), Some(Kind::Word(_))) {
            return Err(self.missing("a list `[80 443]` behind `in`"));
        } else {
            self.value(values, head, false, &mut read)?;
        }
        let comparison = comparison.unwrap_or(Comparison::Equal);
        let condition = self.condition(values, comparison, read, start)?;
        let tests =
            head.subjects.iter().map(|&subject| Expression::Test(Test::new(subject, condition.clone())));
        let tests = match head.all {
            true => tests.reduce(Expression::and),
            false => tests.reduce(Expression::or),
        };
        let expression = tests.unwrap_or(Expression::All);
        let expression = match is_not != (comparison == Comparison::NotEqual) {
            true => expression.not(),
            false => expression,
        };
        Ok(match &head.besides {
            Some(besides) => besides.clone().and(expression),
            None => expression,
        })
    }

    /// Whether nothing follows that could be a value.
    fn is_complete(&self) -> bool {
        self.peek().is_none_or(|token| matches!(token.kind, Kind::And | Kind::Or | Kind::Close))
    }

    /// A column that may be absent, by itself: whether there is a value.
    fn presence(&mut self, head: &Head, start: usize) -> Result<Expression> {
        let may_be_absent = |subject: &Subject| match subject {
            Subject::Column(column) => column.nullable,
            Subject::Derived(_) => false,
        };
        // `vlan` and `mpls`, as in tcpdump, and columns by their names.
        let last = self.word_at(self.at.saturating_sub(1)).unwrap_or_default();
        let may_stand_alone = column(&last).is_some() || last == "vlan" || last == "mpls";
        if !may_stand_alone || self.at == start || !head.subjects.iter().all(may_be_absent) {
            let described = head.subjects.first().and_then(|&subject| Values::of(subject));
            return Err(self.missing(described.map_or("a value", Values::described)));
        }
        let tests =
            head.subjects.iter().map(|&subject| Expression::Test(Test::new(subject, Condition::Present)));
        let tests = if head.all { tests.reduce(Expression::and) } else { tests.reduce(Expression::or) };
        Ok(tests.unwrap_or(Expression::All))
    }

    fn list(
        &mut self,
        values: Values,
        head: &Head,
        comparison: Option<Comparison>,
        read: &mut Read,
    ) -> Result<()> {
        let open = self.place(self.at - 1..self.at);
        if !matches!(comparison, None | Some(Comparison::Equal | Comparison::NotEqual | Comparison::Contains))
        {
            return Err(self.sources.error(&open, "a list is for `=`, `!=` and `in`".to_owned(), None));
        }
        if head.how == How::Flags {
            return Err(self.sources.error(&open, "flags are not compared with a list".to_owned(), None));
        }
        loop {
            if self.accept(&Kind::ListClose) {
                return Ok(());
            }
            if self.accept(&Kind::Comma) {
                continue;
            }
            match self.peek().map(|token| &token.kind) {
                Some(Kind::Word(_) | Kind::Quoted(_)) => self.value(values, head, true, read)?,
                Some(_) => return Err(self.missing("`]`")),
                None => return Err(self.sources.error(&open, "this list is not closed".to_owned(), None)),
            }
        }
    }

    /// Takes one value, which may be one of a list.
    fn value(&mut self, values: Values, head: &Head, in_list: bool, read: &mut Read) -> Result<()> {
        let at = self.at;
        let word = match self.peek().map(|token| &token.kind) {
            Some(Kind::Word(word) | Kind::Quoted(word)) => word.as_str(),
            _ => return Err(self.missing(values.described())),
        };
        self.at += 1;
        if head.how == How::Flags {
            match value::flags(word).map_err(|wrong| self.wrong(at, wrong))? {
                value::Flags::All(bits) => read.bits = Some(bits),
                value::Flags::Number(number) => read.numbers.push(number..=number),
            }
            return Ok(());
        }
        match values {
            Values::Numbers { .. } | Values::Times => {
                read.numbers.extend(values.numbers(word).map_err(|wrong| self.wrong(at, wrong))?);
            }
            Values::Addresses => {
                let (address, bits) =
                    value::prefix(word, head.how == How::Net).map_err(|wrong| self.wrong(at, wrong))?;
                // Within a list, what follows is the next address.
                let bits = match !in_list && self.mask(head) {
                    true => {
                        let mask = self.word().unwrap_or_default();
                        let bits = value::mask(address, &mask).map_err(|wrong| self.wrong(self.at, wrong))?;
                        self.at += 1;
                        bits
                    }
                    false => bits,
                };
                read.prefixes.push((address, bits));
            }
            Values::Macs => match word.parse() {
                Ok(mac) => read.macs.push(mac),
                Err(()) => {
                    let message = format!("`{}` is no MAC address: 00:1b:21:ab:cd:ef", shown(word));
                    return Err(self.wrong(at, message.into()));
                }
            },
            Values::Applications => match word.parse() {
                Ok(application) => read.applications.push(application),
                Err(()) => {
                    let message = format!("`{}` is no application: ENGINE:SELECTOR", shown(word));
                    return Err(self.wrong(at, message.into()));
                }
            },
            Values::Enumeration(column) => {
                value::enumerated(column, word).map_err(|wrong| self.wrong(at, wrong))?;
                read.texts.push(word.to_owned());
            }
            Values::Texts => read.texts.push(word.to_owned()),
        }
        Ok(())
    }

    /// Whether a mask follows: `net 10.0.0.0 255.0.0.0`, `net 10.0.0.0 mask 255.0.0.0`. The word `mask` is taken.
    fn mask(&mut self, head: &Head) -> bool {
        let is_address = |word: Option<String>| word.is_some_and(|word| word.parse::<IpAddr>().is_ok());
        if head.how != How::Net {
            return false;
        }
        if self.word().is_some_and(|word| word == "mask") && is_address(self.word_at(self.at + 1)) {
            self.at += 1;
            return true;
        }
        is_address(self.word())
    }

    fn condition(
        &self,
        values: Values,
        comparison: Comparison,
        read: Read,
        start: usize,
    ) -> Result<Condition> {
        use Comparison::{Contains, Equal, NotEqual};
        let refuse =
            |message: &str| Err(self.sources.error(&self.place(start..self.at), message.to_owned(), None));
        let is_equality = matches!(comparison, Equal | NotEqual);
        Ok(match values {
            Values::Numbers { .. } | Values::Times => {
                if comparison == Contains {
                    return refuse("`~` is for texts");
                }
                match read.bits {
                    Some(_) if !is_equality => {
                        return refuse("letters of flags are not more or less than others");
                    }
                    Some(bits) => Condition::Numbers(Numbers::AllBits(bits)),
                    None => Condition::Numbers(compared(comparison, read.numbers)),
                }
            }
            _ if !is_equality && !matches!((values, comparison), (Values::Texts, Contains)) => {
                return refuse(&format!(
                    "{} is not more or less than others, and has no parts to be found",
                    values.described()
                ));
            }
            Values::Addresses => Condition::Addresses(Addresses::of_prefixes(read.prefixes)),
            Values::Macs => Condition::Macs(sorted(read.macs)),
            Values::Applications => Condition::Applications(sorted(read.applications)),
            Values::Texts | Values::Enumeration(_) => Condition::Texts(match comparison {
                Contains => {
                    Texts::Containing(read.texts.iter().map(|text| text.to_ascii_lowercase()).collect())
                }
                _ => Texts::AnyOf(sorted(read.texts)),
            }),
        })
    }
}

/// The numbers that are so to the values: those of `=` and `!=` are the same.
fn compared(comparison: Comparison, values: Vec<RangeInclusive<i64>>) -> Numbers {
    let least = values.iter().map(|range| *range.start()).min().unwrap_or(0);
    let greatest = values.iter().map(|range| *range.end()).max().unwrap_or(0);
    match comparison {
        Comparison::Less => below(least),
        Comparison::LessOrEqual => Numbers::ranges([i64::MIN..=greatest]),
        Comparison::Greater => match greatest.checked_add(1) {
            Some(first) => Numbers::ranges([first..=i64::MAX]),
            None => Numbers::ranges([]),
        },
        Comparison::GreaterOrEqual => Numbers::ranges([least..=i64::MAX]),
        _ => Numbers::ranges(values),
    }
}

fn below(number: i64) -> Numbers {
    match number.checked_sub(1) {
        Some(last) => Numbers::ranges([i64::MIN..=last]),
        None => Numbers::ranges([]),
    }
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}
