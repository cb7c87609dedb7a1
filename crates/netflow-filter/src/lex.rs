//! From text to words and signs.

use std::ops::Range;

use winnow::Parser;
use winnow::ascii::{Caseless, multispace1, till_line_ending};
use winnow::combinator::{alt, delimited, dispatch, fail, peek, preceded, repeat};
use winnow::error::{ContextError, ErrMode};
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{any, one_of, take_till, take_while};

use crate::source::Place;

/// A word or a sign, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Word(String),
    /// What stood between quotes.
    Quoted(String),
    Compare(Comparison),
    And,
    Or,
    Not,
    Open,
    Close,
    ListOpen,
    ListClose,
    Comma,
    /// Name of a file that is to stand here.
    Include(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// A text within the text.
    Contains,
}

type Input<'a> = LocatingSlice<&'a str>;
type Result<T> = winnow::Result<T, ErrMode<ContextError>>;

/// All tokens of a text; or what is wrong with it, and where.
pub(crate) fn tokens(text: &str, source: usize) -> std::result::Result<Vec<Token>, (String, Range<usize>)> {
    let mut input = LocatingSlice::new(text);
    let mut tokens = Vec::new();
    loop {
        // Spaces and comments: as many as there are, or none.
        let _: Result<()> = blank(&mut input);
        let start = input.current_token_start();
        let Some(next) = input.peek_token() else { return Ok(tokens) };
        match token.with_span().parse_next(&mut input) {
            Ok((kind, range)) => tokens.push(Token { kind, place: Place { source, range } }),
            Err(_) => return Err(unknown(next, start, text)),
        }
    }
}

fn unknown(next: char, start: usize, text: &str) -> (String, Range<usize>) {
    let (message, end) = match next {
        '\'' | '"' => (format!("the text behind {next} does not end"), text.len()),
        '@' => ("only `@include FILE` begins with @".to_owned(), start + 1),
        '&' => ("`and` is &&".to_owned(), start + 1),
        '|' => ("`or` is ||".to_owned(), start + 1),
        _ => (format!("{next:?} has no meaning here"), start + next.len_utf8()),
    };
    (message, start..end)
}

fn blank(input: &mut Input<'_>) -> Result<()> {
    repeat(0.., alt((multispace1.void(), ('#', till_line_ending).void()))).parse_next(input)
}

fn token(input: &mut Input<'_>) -> Result<Kind> {
    dispatch! {peek(any);
        '(' => any.value(Kind::Open),
        ')' => any.value(Kind::Close),
        '[' => any.value(Kind::ListOpen),
        ']' => any.value(Kind::ListClose),
        ',' => any.value(Kind::Comma),
        '&' => "&&".value(Kind::And),
        '|' => "||".value(Kind::Or),
        '\'' | '"' => quoted.map(|text| Kind::Quoted(text.to_owned())),
        '@' => preceded((Caseless("@include"), one_of([' ', '\t']), take_while(0.., [' ', '\t'])), path)
            .map(|path| Kind::Include(path.to_owned())),
        '!' => alt((sign, any.value(Kind::Not))),
        '=' | '<' | '>' | '~' => sign,
        next if is_of_word(next) => take_while(1.., is_of_word).map(word),
        _ => fail,
    }
    .parse_next(input)
}

fn sign(input: &mut Input<'_>) -> Result<Kind> {
    take_while(1..=2, ['=', '!', '<', '>', '~']).verify_map(compared).parse_next(input)
}

fn compared(signs: &str) -> Option<Kind> {
    use Comparison::*;
    Some(Kind::Compare(match signs {
        "=" | "==" => Equal,
        "!=" | "<>" => NotEqual,
        "<" => Less,
        "<=" => LessOrEqual,
        ">" => Greater,
        ">=" => GreaterOrEqual,
        "~" | "=~" => Contains,
        _ => return None,
    }))
}

fn quoted<'a>(input: &mut Input<'a>) -> Result<&'a str> {
    alt((delimited('\'', take_till(0.., '\''), '\''), delimited('"', take_till(0.., '"'), '"')))
        .parse_next(input)
}

fn path<'a>(input: &mut Input<'a>) -> Result<&'a str> {
    alt((quoted, take_till(1.., char::is_whitespace))).parse_next(input)
}

/// Addresses, times, names of interfaces and numbers are words, too.
fn is_of_word(next: char) -> bool {
    next.is_alphanumeric() || "_.:/+-*%$".contains(next)
}

fn word(word: &str) -> Kind {
    use Comparison::*;
    match word.to_ascii_lowercase().as_str() {
        "and" => Kind::And,
        "or" => Kind::Or,
        "not" => Kind::Not,
        "eq" => Kind::Compare(Equal),
        "ne" => Kind::Compare(NotEqual),
        "lt" => Kind::Compare(Less),
        "le" => Kind::Compare(LessOrEqual),
        "gt" => Kind::Compare(Greater),
        "ge" => Kind::Compare(GreaterOrEqual),
        "contains" => Kind::Compare(Contains),
        _ => Kind::Word(word.to_owned()),
    }
}
