//! Measuring: all contenders in turn, many times, and the median of each.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::contender::Contender;
use crate::corpus::{Corpus, Kind, Totals};

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Samples of each contender; the median counts.
    pub samples: usize,
    /// How long a sample takes at least.
    pub shortest_sample: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Self { samples: 7, shortest_sample: Duration::from_millis(150) }
    }
}

/// What was measured with one corpus.
#[derive(Debug)]
pub struct Table {
    kind: Kind,
    totals: Totals,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    wanted: Option<f64>,
    totals: Totals,
    /// Nanoseconds for each record of the corpus that was decoded.
    nanos: f64,
}

/// Measures the contenders with one corpus.
pub fn measure(corpus: &Corpus, contenders: &mut [Contender], effort: Effort) -> Table {
    // The first pass is for the templates, the memory and the totals.
    let totals: Vec<_> = contenders.iter_mut().map(|contender| contender.decode(corpus)).collect();
    let mut samples = vec![Vec::new(); contenders.len()];
    for _ in 0..effort.samples {
        for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
            samples.push(sample(corpus, contender, effort.shortest_sample));
        }
    }
    let rows = contenders.iter().zip(totals).zip(samples).map(|((contender, totals), mut samples)| {
        samples.sort_unstable_by(f64::total_cmp);
        let nanos = samples[samples.len() / 2] / totals.records as f64;
        Row { name: contender.name, wanted: contender.wanted, totals, nanos }
    });
    Table { kind: corpus.kind, totals: corpus.totals, rows: rows.collect() }
}

/// Nanoseconds for one pass over the corpus.
fn sample(corpus: &Corpus, contender: &mut Contender, shortest: Duration) -> f64 {
    let start = Instant::now();
    let mut passes = 0;
    loop {
        black_box(contender.decode(black_box(corpus)));
        passes += 1;
        let elapsed = start.elapsed();
        if elapsed >= shortest {
            return elapsed.as_nanos() as f64 / f64::from(passes);
        }
    }
}

impl Table {
    /// The heading of the columns.
    pub const HEADING: &str =
        "corpus              contender                M rec/s  ns/rec  nf is   wanted  decoded";

    /// Whether nf, which is the first, decoded every record as it was made.
    pub fn is_right(&self) -> bool {
        self.rows.first().is_some_and(|row| row.totals == self.totals)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nf = self.rows.first().map_or(f64::NAN, |row| row.nanos);
        for row in &self.rows {
            let speed = 1e3 / row.nanos;
            write!(
                f,
                "{:18}  {:22}  {speed:8.2}  {:6.1}  {:5.2}x",
                self.kind,
                row.name,
                row.nanos,
                row.nanos / nf
            )?;
            match row.wanted {
                Some(wanted) => write!(f, "  {:>6}", format!("{wanted}x"))?,
                None => write!(f, "  {:>6}", "")?,
            }
            let lost = self.totals.records.saturating_sub(row.totals.records);
            write!(f, "  {}", row.totals.records)?;
            if lost > 0 {
                write!(f, ", LOSES {:.1}%", 100.0 * lost as f64 / self.totals.records as f64)?;
            }
            if row.totals != self.totals {
                write!(f, ", SUMS DIFFER")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
