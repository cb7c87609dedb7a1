//! From words and signs to an expression.
//!
//! `or` binds less than `and`, and `and` less than `not`, as in nfdump and unlike tcpdump, where both bind alike.

use std::ops::Range;

use netflow_flow::COLUMNS;

use crate::condition::{Condition, Numbers};
use crate::error::FilterError;
use crate::expression::Expression;
use crate::lex::{Kind, Token};
use crate::source::{Place, Sources};
use crate::test::Test;
use crate::value::{self, Wrong, nearest, shown};
use crate::words;

mod compare;
mod head;

use head::Head;

/// Parentheses within parentheses.
const MAX_DEPTH: usize = 100;

pub(crate) type Result<T> = std::result::Result<T, FilterError>;

/// Compiles a text.
pub(crate) fn parse(
    sources: &mut Sources,
    read: &mut dyn FnMut(&str) -> std::result::Result<String, String>,
) -> Result<Expression> {
    let tokens = sources.tokens(read)?;
    if tokens.is_empty() {
        return Ok(Expression::All);
    }
    let mut parser = Parser { sources, tokens: &tokens, at: 0, depth: 0, last: None };
    let expression = parser.any_of()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.unexpected_behind()),
    }
}

struct Parser<'a> {
    sources: &'a Sources,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    /// What the last value was compared with: `port 80 or 443`.
    last: Option<Head>,
}

impl<'a> Parser<'a> {
    fn any_of(&mut self) -> Result<Expression> {
        let mut expression = self.all_of()?;
        while self.accept(&Kind::Or) {
            let next = self.all_of()?;
            expression = expression.or(next);
        }
        Ok(expression)
    }

    fn all_of(&mut self) -> Result<Expression> {
        let mut expression = self.one()?;
        while self.accept(&Kind::And) {
            let next = self.one()?;
            expression = expression.and(next);
        }
        Ok(expression)
    }

    fn one(&mut self) -> Result<Expression> {
        let mut is_not = false;
        while self.accept(&Kind::Not) {
            is_not = !is_not;
        }
        let expression = match self.peek() {
            Some(Token { kind: Kind::Open, place }) => self.parenthesis(place)?,
            _ => self.primitive()?,
        };
        Ok(if is_not { expression.not() } else { expression })
    }

    fn parenthesis(&mut self, open: &'a Place) -> Result<Expression> {
        if self.depth == MAX_DEPTH {
            let message = format!("parentheses stand within each other more than {MAX_DEPTH} times");
            return Err(self.sources.error(open, message, None));
        }
        self.at += 1;
        self.depth += 1;
        let expression = self.any_of()?;
        self.depth -= 1;
        if self.accept(&Kind::Close) {
            return Ok(expression);
        }
        match self.peek() {
            None => Err(self.sources.error(open, "this parenthesis is not closed".to_owned(), None)),
            Some(_) => Err(self.unexpected_behind()),
        }
    }

    fn primitive(&mut self) -> Result<Expression> {
        let start = self.at;
        let Some(word) = self.word() else { return Err(self.missing("a condition, such as `port 443`,")) };
        // `tcp`, `tcp port 80`, `udp src port 53`.
        if words::find(&word).is_none()
            && let Some(number) = value::protocol(&word)
        {
            self.at += 1;
            return self.qualified(of_number("proto", number));
        }
        let head = match self.head()? {
            Some(head::Found::Head(head)) => head,
            Some(head::Found::All) => return Ok(Expression::All),
            Some(head::Found::Version(version)) => {
                return self.qualified(of_number("ip_version", version.into()));
            }
            None => match self.last.clone() {
                Some(last) if looks_like_value(&word) => last,
                _ => return Err(self.unknown_word(start)),
            },
        };
        let expression = self.compare(&head, start)?;
        self.last = Some(head);
        Ok(expression)
    }

    /// What a protocol or a version lets pass; tcpdump has more follow it without `and`.
    fn qualified(&mut self, expression: Expression) -> Result<Expression> {
        let is_more = matches!(self.peek(), Some(Token { kind: Kind::Word(_), .. })) && self.is_head();
        Ok(if is_more { expression.and(self.primitive()?) } else { expression })
    }

    fn unknown_word(&self, at: usize) -> FilterError {
        let token = &self.tokens[at];
        let Kind::Word(word) = &token.kind else { return self.missing("a condition") };
        let phrases = words::PHRASES.iter().map(|phrase| phrase.words);
        let known = phrases
            .chain(COLUMNS.iter().map(|column| column.name))
            .chain(["tcp", "udp", "icmp", "src", "dst"]);
        let near = nearest(word, known).map(|near| format!("`{near}`"));
        let message = match looks_like_value(word) {
            true => format!("`{}` stands alone: `host`, `port` or another word comes before it", shown(word)),
            false => format!("`{}` is no word of a filter, and no column", shown(word)),
        };
        self.sources.error(&token.place, message, near)
    }

    /// What stands behind a complete condition is none of `and`, `or`, `)`.
    fn unexpected_behind(&self) -> FilterError {
        let Some(token) = self.tokens.get(self.at) else { return self.missing("more") };
        let message = match &token.kind {
            Kind::Close => "this parenthesis was not opened".to_owned(),
            Kind::Word(word) => format!("`and` or `or` is missing before `{}`", shown(word)),
            _ => "`and`, `or` or the end is expected here".to_owned(),
        };
        self.sources.error(&token.place, message, None)
    }

    /// Something is missing at this place.
    fn missing(&self, what: &str) -> FilterError {
        match self.tokens.get(self.at) {
            Some(token) => self.sources.error(&token.place, format!("{what} is missing here"), None),
            None => self.sources.error(&self.sources.end(), format!("{what} is missing at the end"), None),
        }
    }

    fn wrong(&self, at: usize, wrong: Wrong) -> FilterError {
        self.sources.error(&self.place(at..at + 1), wrong.message, wrong.suggestion)
    }

    /// Where some tokens stand, as far as they are in the text of the first.
    fn place(&self, tokens: Range<usize>) -> Place {
        let Some(first) = self.tokens.get(tokens.start) else { return self.sources.end() };
        let last = self
            .tokens
            .get(tokens.end.saturating_sub(1))
            .filter(|last| last.place.source == first.place.source);
        let end = last.map_or(first.place.range.end, |last| last.place.range.end);
        Place { source: first.place.source, range: first.place.range.start..end.max(first.place.range.end) }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn accept(&mut self, kind: &Kind) -> bool {
        let is_next = self.peek().is_some_and(|token| token.kind == *kind);
        self.at += usize::from(is_next);
        is_next
    }

    /// The next word in small letters.
    fn word(&self) -> Option<String> {
        self.word_at(self.at)
    }

    fn word_at(&self, at: usize) -> Option<String> {
        match &self.tokens.get(at)?.kind {
            Kind::Word(word) => Some(word.to_ascii_lowercase()),
            _ => None,
        }
    }
}

/// Whether a word is a number, an address or the like.
fn looks_like_value(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) || word.contains(':')
}

/// A test of a column for one number.
fn of_number(column: &str, number: i64) -> Expression {
    let condition = Condition::Numbers(Numbers::ranges([number..=number]));
    Expression::Test(Test::new(words::subject(column), condition))
}
