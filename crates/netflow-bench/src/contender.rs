//! Who decodes.

use crate::corpus::{Corpus, Kind, Totals};

mod by_hand;
mod netflow_parser;
mod netgauze;
mod nf;

pub use nf::nf;

/// Something that decodes a corpus and says what it came to. What it learned from one pass over the corpus
/// it may use in the next.
pub struct Contender {
    /// What it is.
    pub name: &'static str,
    /// How many times as fast nf is to be.
    pub wanted: Option<f64>,
    decode: Box<dyn FnMut(&Corpus) -> Totals>,
}

impl Contender {
    fn new(name: &'static str, decode: impl FnMut(&Corpus) -> Totals + 'static) -> Self {
        Self { name, wanted: None, decode: Box::new(decode) }
    }

    fn wanted(self, ratio: f64) -> Self {
        Self { wanted: Some(ratio), ..self }
    }

    /// Decodes the whole corpus once.
    pub fn decode(&mut self, corpus: &Corpus) -> Totals {
        (self.decode)(corpus)
    }
}

/// All that can decode a corpus, nf first.
pub fn contenders(kind: Kind) -> Vec<Contender> {
    let others = match kind {
        Kind::V5 => vec![netflow_parser::v5().wanted(1.0), by_hand::v5()],
        Kind::V9 => vec![netflow_parser::v9().wanted(12.0), netgauze::v9().wanted(7.0), by_hand::v9()],
        Kind::Ipfix => {
            vec![netflow_parser::ipfix().wanted(10.0), netgauze::ipfix().wanted(5.0), by_hand::ipfix()]
        }
        Kind::Varlen | Kind::VarlenShort => {
            vec![netflow_parser::ipfix().wanted(10.0), netgauze::ipfix().wanted(6.0), by_hand::ipfix_varlen()]
        }
    };
    std::iter::once(nf()).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_decode_the_same() {
        for kind in Kind::ALL {
            let corpus = Corpus::new(kind, 3_000);
            assert_eq!(corpus.totals.records, 3_000);
            for mut contender in contenders(kind) {
                // netgauze reads a length of three octets as one of four, and loses what follows.
                if (kind, contender.name) == (Kind::Varlen, netgauze::NAME) {
                    continue;
                }
                assert_eq!(contender.decode(&corpus), corpus.totals, "{} {kind}", contender.name);
            }
        }
    }
}
