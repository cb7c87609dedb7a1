//! The words of a condition that say what of a flow is meant.

use netflow_flow::{Kind as ColumnKind, column};

use super::{Parser, Result};
use crate::expression::Expression;
use crate::lex::Kind;
use crate::test::{Derived, Subject};
use crate::words::{self, Target};

/// What of a flow is compared.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// One, or two sides.
    pub(super) subjects: Vec<Subject>,
    /// Whether all of them have to pass, not only one.
    pub(super) all: bool,
    /// What has to hold besides.
    pub(super) besides: Option<Expression>,
    /// How it is compared.
    pub(super) how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Plain,
    /// Addresses may lack octets or have a mask behind them.
    Net,
    /// Letters of TCP flags.
    Flags,
}

pub(super) enum Found {
    Head(Head),
    All,
    Version(u8),
}

/// Which of two sides is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// One, the other or both.
    Either,
    First,
    Second,
    Both,
}

impl Head {
    fn one(subject: Subject) -> Self {
        Self { subjects: vec![subject], all: false, besides: None, how: How::Plain }
    }
}

impl Parser<'_> {
    /// Whether the next words say what is compared.
    pub(super) fn is_head(&self) -> bool {
        let is_side = self.word().is_some_and(|word| ["src", "dst"].contains(&word.as_str()));
        is_side || self.phrase().is_some() || self.word().is_some_and(|word| column(&word).is_some())
    }

    /// Takes the words that say what is compared; `None`, and none is taken, when they say nothing.
    pub(super) fn head(&mut self) -> Result<Option<Found>> {
        let start = self.at;
        if let Some((count, target)) = self.phrase() {
            self.at += count;
            return self.target(target, None, start).map(Some);
        }
        if let Some((side, names)) = self.side() {
            // nfdump's manual has `src in ip [...]`.
            let is_in = self.word().is_some_and(|word| word == "in");
            self.at += usize::from(is_in);
            let Some((count, target)) = self.phrase() else {
                // `src 192.0.2.1`, as tcpdump has it.
                if names == ("src", "dst") && self.word().is_some_and(|word| super::looks_like_value(&word)) {
                    return self
                        .target(Target::Net("src_addr", "dst_addr"), Some((side, names)), start)
                        .map(Some);
                }
                return Err(self.missing(&format!("`host`, `port` or the like behind `{}`", names.0)));
            };
            self.at += count;
            return self.target(target, Some((side, names)), start).map(Some);
        }
        let Some(column) = self.word().and_then(|word| column(&word)) else { return Ok(None) };
        self.at += 1;
        if column.kind == ColumnKind::Extras {
            let message =
                format!("{} holds elements under their own names, and cannot be compared", column.name);
            return Err(self.sources.error(&self.place(start..self.at), message, None));
        }
        Ok(Some(Found::Head(Head::one(Subject::Column(column)))))
    }

    /// The longest phrase that the next words are, and how many words it has.
    fn phrase(&self) -> Option<(usize, Target)> {
        let mut words = String::new();
        let mut found = None;
        for count in 1..=words::LONGEST {
            let Some(word) = self.word_at(self.at + count - 1) else { break };
            if count > 1 {
                words.push(' ');
            }
            words.push_str(&word);
            if let Some(phrase) = words::find(&words) {
                found = Some((count, phrase.target));
            }
        }
        found
    }

    /// Takes `src`, `dst`, `src or dst`, `src and dst`, `in`, `out` and the like.
    fn side(&mut self) -> Option<(Side, (&'static str, &'static str))> {
        const SIDES: [(&str, &str); 3] = [("src", "dst"), ("in", "out"), ("ingress", "egress")];
        let of = |word: &str| {
            let names = SIDES.into_iter().find(|names| names.0 == word || names.1 == word)?;
            Some((if names.0 == word { Side::First } else { Side::Second }, names))
        };
        let (side, names) = of(&self.word()?)?;
        self.at += 1;
        let joined = match self.peek().map(|token| &token.kind) {
            Some(Kind::And) => Some(Side::Both),
            Some(Kind::Or) => Some(Side::Either),
            _ => None,
        };
        if let Some(joined) = joined
            && let Some((other, others)) = self.word_at(self.at + 1).and_then(|word| of(&word))
            && names == others
            && side != other
            && self
                .word_at(self.at + 2)
                .is_some_and(|word| words::find(&word).is_some() || super::looks_like_value(&word))
        {
            self.at += 2;
            return Some((joined, names));
        }
        Some((side, names))
    }

    fn target(
        &mut self,
        target: Target,
        side: Option<(Side, (&'static str, &'static str))>,
        start: usize,
    ) -> Result<Found> {
        let place = self.place(start..self.at);
        let refuse = |message: String| Err(self.sources.error(&place, message, None));
        let sides = match (target, side) {
            (Target::Unknown(why), _) => return refuse(why.to_owned()),
            (Target::Sides(one, other) | Target::Net(one, other), side) => match side {
                None => Some((one, other, Side::Either)),
                Some((side, ("src", _))) => Some((one, other, side)),
                Some((_, names)) => {
                    return refuse(format!("this has `src` and `dst`, not `{}` and `{}`", names.0, names.1));
                }
            },
            (Target::Ways(one, other), side) => match side {
                Some((_, ("src", _))) => {
                    return refuse("this has `in` and `out`, not `src` and `dst`".to_owned());
                }
                side => Some((one, other, side.map_or(Side::Either, |(side, _)| side))),
            },
            (_, Some((_, names))) => {
                return refuse(format!("this is the same for `{}` and `{}`", names.0, names.1));
            }
            (_, None) => None,
        };
        if let Some((one, other, side)) = sides {
            let (one, other) = (words::subject(one), words::subject(other));
            let subjects = match side {
                Side::First => vec![one],
                Side::Second => vec![other],
                Side::Either | Side::Both => vec![one, other],
            };
            let how = if matches!(target, Target::Net(..)) { How::Net } else { How::Plain };
            return Ok(Found::Head(Head { subjects, all: side == Side::Both, besides: None, how }));
        }
        Ok(match target {
            Target::One(name) => Found::Head(Head::one(words::subject(name))),
            Target::Derived(derived) => Found::Head(Head::one(Subject::Derived(derived))),
            Target::Flags => Found::Head(Head {
                // Other protocols have no flags, whatever their exporter says.
                besides: Some(super::of_number("proto", 6)),
                how: How::Flags,
                ..Head::one(words::subject("tcp_flags"))
            }),
            Target::Mpls => Found::Head(Head::one(self.label()?)),
            Target::Version(version) => Found::Version(version),
            _ => Found::All,
        })
    }

    /// What of the MPLS stack is compared: `mpls label2`, `mpls eos`, or any of the labels.
    fn label(&mut self) -> Result<Subject> {
        let Some(word) = self.word() else { return Ok(words::subject("mpls_labels")) };
        let subject = match word.strip_prefix("label").map(str::parse) {
            Some(Ok(number @ 1..=10_u8)) => Subject::Derived(Derived::Label(number - 1)),
            Some(_) => {
                let message = "labels are label1, at the top of the stack, to label10".to_owned();
                return Err(self.sources.error(&self.place(self.at..self.at + 1), message, None));
            }
            None if word == "eos" => Subject::Derived(Derived::LastLabel),
            None if word.starts_with("exp") => {
                let message =
                    "flows have the labels of the MPLS stack, without their traffic class".to_owned();
                return Err(self.sources.error(&self.place(self.at..self.at + 1), message, None));
            }
            None => return Ok(words::subject("mpls_labels")),
        };
        self.at += 1;
        Ok(subject)
    }
}
