//! Markup in which nothing from outside can be markup.

use std::fmt::{self, Display, Write as _};

/// Markup that is being written. Whatever is not a literal of this crate goes in escaped: see [`html!`].
#[derive(Debug, Default)]
pub(crate) struct Html(String);

/// Appends markup to an [`Html`]; the arguments, anything that is `Display`, are escaped.
macro_rules! html {
    ($out:expr, $markup:literal $(, $value:expr)* $(,)?) => {
        $out.write(format_args!($markup $(, $crate::html::Escaped(&$value))*))
    };
}
pub(crate) use html;

impl Html {
    /// Appends what [`html!`] made; not to be called otherwise.
    pub(crate) fn write(&mut self, markup: fmt::Arguments<'_>) {
        // A String takes everything.
        let _ = self.0.write_fmt(markup);
    }

    /// Appends a file of this crate.
    pub(crate) fn literal(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Text as it is shown: what would be markup is escaped, in elements and in attributes in quotes.
pub(crate) struct Escaped<'a, T: ?Sized>(pub(crate) &'a T);

impl<T: Display + ?Sized> Display for Escaped<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper(f), "{}", self.0)
    }
}

struct Escaper<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_special) {
            let (plain, tail) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = tail.chars();
            match characters.next() {
                Some('&') => self.0.write_str("&amp;")?,
                Some('<') => self.0.write_str("&lt;")?,
                Some('>') => self.0.write_str("&gt;")?,
                Some('"') => self.0.write_str("&quot;")?,
                Some('\'') => self.0.write_str("&#39;")?,
                Some(other) => write!(self.0, "{}", other.escape_unicode())?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Markup, control characters, and those that turn the direction of writing.
fn is_special(character: char) -> bool {
    matches!(character, '&' | '<' | '>' | '"' | '\'')
        || character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_never_markup() {
        let mut out = Html::default();
        html!(out, "<a title=\"{}\">{}</a>", "\" onclick='x' \"", "</a><script>alert(1)</script>&lt;");
        assert_eq!(
            out.into_string(),
            "<a title=\"&quot; onclick=&#39;x&#39; &quot;\">&lt;/a&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;lt;</a>"
        );
    }

    #[test]
    fn characters_that_act_on_what_stands_around_them_are_shown() {
        let mut out = Html::default();
        html!(out, "{}", "a\u{202e}b\0c\x1b\n\u{e4}");
        assert_eq!(out.into_string(), "a\\u{202e}b\\u{0}c\\u{1b}\\u{a}\u{e4}");
    }
}
