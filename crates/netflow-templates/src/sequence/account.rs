//! The account of one exporter under one way of counting.

use std::time::Duration;

use super::rule::Span;

/// Gaps that are remembered, so that a late packet can close them.
const HOLES: usize = 16;
/// Units that may be lost between two packets, whatever the rate.
const ANY_GAP: u64 = 100_000;
/// How far behind a packet without records may be without meaning a restart.
pub(super) const LATE: i64 = 65_536;

/// How a packet fits behind those before it, under one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It starts where the last one ended.
    Follows,
    /// Units are missing before it.
    Gap(u32),
    /// It fills (a part of) a gap.
    Late,
    /// It is ahead, by how much cannot be told.
    Ahead,
    /// It is behind and brings no units.
    Empty,
    /// It begins before the end of the last one, and ends after it.
    Overlaps,
    /// It is behind, or too far ahead.
    Stray,
}

/// The account under one rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    /// Number that the next packet should start with, or is at least to start with.
    pub(super) next: u32,
    /// Whether `next` is only a lower bound.
    pub(super) open: bool,
    /// End of the last packet, if that was a stray one.
    pub(super) stray: Option<u32>,
    /// Stray packets that follow each other, up to that one, and their units.
    pub(super) stray_run: u32,
    pub(super) stray_units: u64,
    pub(super) holes: [(u32, u32); HOLES],
    pub(super) used: usize,
    pub(super) received: u64,
    pub(super) lost: u64,
    /// Units received since counting began anew.
    pub(super) run: u64,
    pub(super) score: i32,
    /// Packets that followed exactly.
    pub(super) follows: u32,
    /// Packets since then.
    pub(super) misses: u32,
}

impl Account {
    pub(super) fn ahead(&self, number: u32) -> i64 {
        i64::from(number.wrapping_sub(self.next) as i32)
    }

    pub(super) fn fit(&self, span: Span, elapsed: Duration, whole: Duration) -> Fit {
        // What the rate up to now makes plausible, with much to spare.
        let seconds = whole.as_secs().max(1);
        let rated = u128::from(self.run) * elapsed.as_nanos() * 8 / (u128::from(seconds) * 1_000_000_000);
        let most = u64::try_from(rated).unwrap_or(u64::MAX).saturating_add(ANY_GAP).min(1 << 30) as i64;
        let Some(start) = span.start else {
            // Only where the packet ends is known.
            return match self.ahead(span.end.unwrap_or(self.next)) {
                0.. if self.ahead(span.end.unwrap_or(self.next)) <= most => Fit::Ahead,
                behind if (-LATE..0).contains(&behind) => Fit::Empty,
                _ => Fit::Stray,
            };
        };
        let ahead = self.ahead(start);
        match ahead {
            0.. if ahead > most => Fit::Stray,
            0.. if self.open => Fit::Ahead,
            0 => Fit::Follows,
            1.. => Fit::Gap(ahead as u32),
            behind => match span.end {
                _ if self.open && behind >= -LATE => Fit::Empty,
                Some(end) if end == start => {
                    if behind >= -LATE {
                        Fit::Empty
                    } else {
                        Fit::Stray
                    }
                }
                Some(end) if self.hole(start, end).is_some() => Fit::Late,
                Some(end) if behind >= -LATE && self.ahead(end) > 0 => Fit::Overlaps,
                None if behind >= -LATE => Fit::Empty,
                _ => Fit::Stray,
            },
        }
    }

    /// The gap that holds all of these numbers.
    fn hole(&self, start: u32, end: u32) -> Option<usize> {
        self.holes[..self.used].iter().position(|&(from, to)| {
            let size = to.wrapping_sub(from);
            let (first, last) = (start.wrapping_sub(from), end.wrapping_sub(from));
            first < last && last <= size
        })
    }

    fn add_hole(&mut self, from: u32, to: u32) {
        if self.used == HOLES {
            self.holes.copy_within(1.., 0);
            self.used -= 1;
        }
        self.holes[self.used] = (from, to);
        self.used += 1;
    }

    pub(super) fn apply(&mut self, fit: Fit, span: Span) {
        let units = match (span.start, span.end) {
            (Some(start), Some(end)) => end.wrapping_sub(start),
            _ => 0,
        };
        match fit {
            Fit::Follows | Fit::Gap(_) | Fit::Ahead | Fit::Overlaps => {
                if let Fit::Gap(missing) = fit {
                    self.lost += u64::from(missing);
                    self.add_hole(self.next, self.next.wrapping_add(missing));
                }
                self.go_on(span);
            }
            Fit::Late => {
                let (Some(start), Some(end)) = (span.start, span.end) else { return };
                let Some(index) = self.hole(start, end) else { return };
                let (from, to) = self.holes[index];
                self.holes.copy_within(index + 1..self.used, index);
                self.used -= 1;
                if from != start {
                    self.add_hole(from, start);
                }
                if end != to {
                    self.add_hole(end, to);
                }
                self.lost = self.lost.saturating_sub(units.into());
                self.stray = None;
            }
            Fit::Empty => return,
            Fit::Stray => {
                if self.stray.is_none() || self.stray != span.start {
                    (self.stray_run, self.stray_units) = (0, 0);
                }
                self.stray_run += 1;
                self.stray_units += u64::from(units);
                self.stray = span.end;
                return;
            }
        }
        self.received += u64::from(units);
        self.run += u64::from(units);
    }

    fn go_on(&mut self, span: Span) {
        self.open = span.end.is_none();
        self.next = span.end.or(span.start).unwrap_or(self.next);
        self.stray = None;
    }

    /// Begins to count anew with a packet.
    pub(super) fn begin(&mut self, span: Span) {
        let units = match (span.start, span.end) {
            (Some(start), Some(end)) => end.wrapping_sub(start),
            _ => 0,
        };
        self.used = 0;
        self.run = u64::from(units);
        self.received += u64::from(units);
        self.go_on(span);
    }
}
