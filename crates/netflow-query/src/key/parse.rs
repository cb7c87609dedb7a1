//! Keys out of what a user writes: `src`, `src/24,dst_port`, `service`, `record`.

use std::sync::Arc;

use netflow_flow::{COLUMNS, Column, Kind, column};

use super::names::{WORDS, Word};
use super::{Key, Of, Ports};

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is nothing between two commas, or nothing at all.
    #[error("a key is missing: `src`, or several with commas between them, such as `src,dst_port`")]
    Missing,
    /// No column and no word is called so.
    #[error("nothing is called '{word}'{}", suggestion(.like))]
    Unknown {
        /// The word.
        word: String,
        /// One that is like it.
        like: Option<&'static str>,
    },
    /// What is behind the slash is no length of a prefix.
    #[error(
        "'{word}' has no prefix length behind the slash: /0 to /32, /128 for IPv6, or both, as in {example}/24/64"
    )]
    Prefix {
        /// The word.
        word: String,
        /// What is before the slash.
        example: String,
    },
    /// Only addresses have prefixes.
    #[error("'{word}': only addresses have prefixes")]
    NoAddress {
        /// The word.
        word: String,
    },
    /// A column that cannot be grouped by.
    #[error("flows cannot be grouped by {column}")]
    NotAKey {
        /// The column.
        column: &'static str,
    },
}

fn suggestion(like: &Option<&'static str>) -> String {
    like.map_or_else(
        || "; any column can be a key, and words such as src, dst, ip, port, service, as, if, proto, exporter".to_owned(),
        |like| format!("; is it '{like}'?"),
    )
}

impl Key {
    /// Keys with commas between them: columns by their names, and words for them, addresses with a prefix length.
    /// `service` takes its ports from `ports`.
    pub fn parse(text: &str, ports: &dyn Fn() -> Arc<Ports>) -> Result<Vec<Self>, KeyError> {
        let mut keys = Vec::new();
        for word in text.split(',') {
            let word = word.trim();
            if word.is_empty() {
                return Err(KeyError::Missing);
            }
            for key in Self::parse_word(word, ports)? {
                // The same twice says nothing more.
                if !keys.iter().any(|known: &Self| known.name == key.name) {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }

    fn parse_word(word: &str, ports: &dyn Fn() -> Arc<Ports>) -> Result<Vec<Self>, KeyError> {
        let (name, bits) = match word.split_once('/') {
            Some((name, bits)) => (name, Some(bits)),
            None => (word, None),
        };
        let lower = name.to_ascii_lowercase();
        let known = WORDS.iter().find(|(word, _)| *word == lower).map(|&(_, known)| known);
        let known = known.or_else(|| column(&lower).map(|column| Word::Column(column.name)));
        let Some(known) = known else {
            return Err(KeyError::Unknown { word: word.to_owned(), like: like(&lower) });
        };
        let (Some(bits), of_columns) = (bits, known) else {
            return Self::of_word(known, &lower, ports);
        };
        let columns = match of_columns {
            Word::Column(name) => column(name).map(|column| [column, column]),
            Word::Ends(name) => ends(name),
            Word::Keys(_) | Word::Service => None,
        };
        let columns = columns.filter(|[column, _]| column.kind == Kind::Address);
        let columns = columns.ok_or_else(|| KeyError::NoAddress { word: word.to_owned() })?;
        let wrong = || KeyError::Prefix { word: word.to_owned(), example: name.to_owned() };
        let bits = prefix(bits).ok_or_else(wrong)?;
        Ok(vec![Self { name: word.to_ascii_lowercase(), of: Of::Prefix(columns, bits) }])
    }

    fn of_word(word: Word, name: &str, ports: &dyn Fn() -> Arc<Ports>) -> Result<Vec<Self>, KeyError> {
        match word {
            Word::Service => Ok(vec![Self::service(ports())]),
            Word::Keys(names) => Self::parse(names, ports),
            Word::Ends(source) => {
                let columns = ends(source).ok_or(KeyError::Missing)?;
                Ok(vec![Self { name: name.to_owned(), of: Of::Ends(columns) }])
            }
            Word::Column(name) => {
                let column = column(name).ok_or(KeyError::Missing)?;
                Self::column(column).map(|key| vec![key]).ok_or(KeyError::NotAKey { column: column.name })
            }
        }
    }
}

/// The columns of both ends, by that of the source.
fn ends(source: &str) -> Option<[&'static Column; 2]> {
    let source = column(source)?;
    Some([source, Key::other_end(source)?])
}

/// Bits of a prefix, of IPv4 and of IPv6. One number up to 32 is of IPv4, and IPv6 is cut to what a site has then;
/// a larger one is of IPv6, and IPv4 stays whole.
fn prefix(text: &str) -> Option<[u8; 2]> {
    let number = |text: &str, most: u8| text.parse().ok().filter(|bits: &u8| *bits <= most);
    match text.split_once('/') {
        Some((four, six)) => Some([number(four, 32)?, number(six, 128)?]),
        None => match number(text, 128)? {
            four @ 0..=32 => Some([four, 48]),
            six => Some([32, six]),
        },
    }
}

/// The known word that is most like another one, if one is.
fn like(word: &str) -> Option<&'static str> {
    let known = WORDS.iter().map(|&(word, _)| word).chain(COLUMNS.iter().map(|column| column.name));
    let (distance, known) = known
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .min_by_key(|&(distance, _)| distance)?;
    (distance <= (word.len() / 3).max(1)).then_some(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<String>, String> {
        let ports = || Arc::new(Ports::new(|_, _| false));
        let keys = Key::parse(text, &ports).map_err(|error| error.to_string())?;
        Ok(keys
            .iter()
            .map(|key| format!("{key}{}", if key.is_of_both_ends() { " of both ends" } else { "" }))
            .collect())
    }

    #[test]
    fn keys_are_columns_and_words_for_them() {
        assert_eq!(parse("srcip, dst_port").unwrap(), ["src_addr", "dst_port"]);
        assert_eq!(parse("ip,port").unwrap(), ["ip of both ends", "port of both ends"]);
        assert_eq!(parse("SRC/24,service").unwrap(), ["src/24", "service"]);
        assert_eq!(parse("record").unwrap(), ["proto", "src_addr", "src_port", "dst_addr", "dst_port"]);
        for &(word, _) in WORDS {
            assert!(parse(word).is_ok(), "{word}");
        }
    }

    #[test]
    fn prefixes_are_of_both_families() {
        assert_eq!(
            ["24", "64", "24/56", "0", "128"].map(prefix),
            [Some([24, 48]), Some([32, 64]), Some([24, 56]), Some([0, 48]), Some([32, 128])]
        );
        assert_eq!(["", "x", "129", "33/64", "24/129", "24/", "-1"].map(prefix), [None; 7]);
    }

    #[test]
    fn what_is_wrong_is_said_with_a_suggestion() {
        assert_eq!(parse("scr").unwrap_err(), "nothing is called 'scr'; is it 'src'?");
        assert_eq!(parse("dstprot").unwrap_err(), "nothing is called 'dstprot'; is it 'dstport'?");
        assert!(parse("zzzzzzzz").unwrap_err().contains("any column can be a key"));
        assert!(parse("src/129").unwrap_err().starts_with("'src/129' has no prefix length"));
        assert!(parse("src/x").unwrap_err().contains("src/24/64"));
        assert_eq!(parse("proto/8").unwrap_err(), "'proto/8': only addresses have prefixes");
        assert_eq!(parse("extras").unwrap_err(), "flows cannot be grouped by extras");
        assert!(parse("src,,dst").unwrap_err().starts_with("a key is missing"));
    }
}
