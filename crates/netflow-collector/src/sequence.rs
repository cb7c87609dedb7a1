//! What sequence numbers tell about lost export packets.
//!
//! Every version of NetFlow and IPFIX numbers its packets, but not in the same unit: v9 counts packets, v5
//! flow records and IPFIX data records. Nor do exporters of one version agree: most send the number of
//! records *before* the packet, as RFC 7011 says, others include those of the packet itself, and some leave
//! out the records of options. [`SequenceTracker`] keeps the account under each of these rules and believes
//! the one under which the packets follow each other. No loss is claimed as long as none does.

use std::time::Duration;

use netflow_templates::Timestamp;

/// Gaps that are remembered, so that a late packet can close them.
const HOLES: usize = 16;
/// Packets that are remembered to know a duplicate.
const RECENT: usize = 16;
/// The rules, in the order in which they are believed when they fit equally.
const RULES: [Rule; 5] = [Rule::Before, Rule::After, Rule::AfterRecords, Rule::BeforeRecords, Rule::Packets];
const PACKETS: usize = 4;
/// What one packet that fits one rule and not another one is worth, in the score of a rule.
const EVIDENCE: i32 = 1024;
/// Scores that differ by no more than this leave more than one rule possible.
const DOUBT: i32 = 2 * EVIDENCE;
/// Packets that must have followed exactly before any loss is claimed.
const PROOF: u32 = 3;
/// Packets in a row without one that follows exactly: the rule does not hold, or not any more.
const DISPROOF: u32 = 64;
/// Packets after which an exporter that fits no rule is taken to count in another unit.
const PATIENCE: u64 = 16;
/// Units that may be lost between two packets, whatever the rate.
const ANY_GAP: u64 = 100_000;
/// How far behind a packet without records may be without meaning a restart.
const LATE: i64 = 65_536;
/// A number below this, and far behind, is that of an exporter that has just started.
const NEAR_ZERO: u32 = 1024;
/// Milliseconds that the uptime must fall by to mean a restart. Some exporters step back by a few.
const UPTIME_FALL: i64 = 5_000;
/// Packets in a row that must go on from a place a little behind to mean a restart: fewer may be late.
const RUN: u32 = 8;
/// Milliseconds that an exporter may have been up longer than it was silent, after it started again.
const UPTIME_SLACK: i64 = 600_000;
/// Milliseconds that the uptime may gain on the collector's clock; more is a restart after the uptime was so
/// high that the fall looks like a rise.
const UPTIME_GAIN: i64 = 24 * 3600 * 1000;

/// What one packet adds to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Units {
    /// Flow records in the packet, or data records that are none of options.
    pub records: u32,
    /// Data records of options in the packet.
    pub options: u32,
}

impl Units {
    /// A packet with this many flow records, and none of options.
    #[must_use]
    pub const fn records(records: u32) -> Self {
        Self { records, options: 0 }
    }

    const fn all(self) -> u32 {
        self.records.saturating_add(self.options)
    }
}

/// How an exporter counts, as far as its packets have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Convention {
    /// Too few packets have come to tell.
    #[default]
    Unknown,
    /// The number of records before the packet, those of options included: the standard.
    Before,
    /// The number of records before the packet, without those of options.
    BeforeWithoutOptions,
    /// The number of records up to and including the packet, those of options included.
    After,
    /// The number of records up to and including the packet, without those of options.
    AfterWithoutOptions,
    /// The number of packets: the standard of v9.
    Packets,
    /// Something else, such as octets, or packets where the version counts records. No loss can be told.
    Other,
}

/// What one packet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Units newly known to be lost, in the unit of the version: packets in v9, records in the others. When
    /// the convention of an exporter becomes clear, this is all that was lost until then.
    pub lost: u64,
    /// Units that were counted as lost before and are not: a late packet brought them, or the convention
    /// turned out to be another one. The sum of `lost` less the sum of `recovered` is
    /// [`SequenceTotals::lost`].
    pub recovered: u64,
    /// The packet came before.
    pub duplicate: bool,
    /// The packet is late: it fills a gap that was seen before.
    pub reordered: bool,
    /// The exporter began to count anew; what was lost meanwhile is not known.
    pub restarted: bool,
}

/// The account of one exporter and domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SequenceTotals {
    /// Units that were sent: `received` and `lost`.
    pub expected: u64,
    /// Units that arrived, without duplicates; packets in v9, records in the other versions. Packets whose
    /// records could not be counted add nothing.
    pub received: u64,
    /// Units that did not arrive.
    pub lost: u64,
    /// Packets that arrived late.
    pub reordered: u64,
    /// Packets that arrived more than once, counted from the second time on.
    pub duplicates: u64,
    /// Times that the exporter began to count anew.
    pub restarts: u64,
    /// Packets, of any kind.
    pub packets: u64,
    /// Packets whose records could not be counted, as a set had no template.
    pub uncounted: u64,
}

/// Which numbers a packet stands for, given its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Before,
    After,
    AfterRecords,
    BeforeRecords,
    Packets,
}

/// The numbers of a packet: from the first one up to that of the next packet. An end that depends on the
/// number of records is absent where that is not known.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: Option<u32>,
    end: Option<u32>,
}

impl Rule {
    fn span(self, sequence: u32, units: Option<Units>) -> Span {
        let all = units.map(Units::all);
        let records = units.map(|units| units.records);
        let upwards = |count: Option<u32>| Span {
            start: Some(sequence),
            end: count.map(|count| sequence.wrapping_add(count)),
        };
        let downwards = |count: Option<u32>| Span {
            start: count.map(|count| sequence.wrapping_sub(count)),
            end: Some(sequence),
        };
        match self {
            Self::Before => upwards(all),
            Self::BeforeRecords => upwards(records),
            Self::After => downwards(all),
            Self::AfterRecords => downwards(records),
            Self::Packets => upwards(Some(1)),
        }
    }

    /// Whether this is a way of counting that the version has, so that loss is told in its unit.
    fn counts(self, version: u16) -> bool {
        (self == Self::Packets) == (version == 9)
    }
}

impl From<Rule> for Convention {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Before => Self::Before,
            Rule::BeforeRecords => Self::BeforeWithoutOptions,
            Rule::After => Self::After,
            Rule::AfterRecords => Self::AfterWithoutOptions,
            Rule::Packets => Self::Packets,
        }
    }
}

/// How a packet fits behind those before it, under one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
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
struct Account {
    /// Number that the next packet should start with, or is at least to start with.
    next: u32,
    /// Whether `next` is only a lower bound.
    open: bool,
    /// End of the last packet, if that was a stray one.
    stray: Option<u32>,
    /// Stray packets that follow each other, up to that one, and their units.
    stray_run: u32,
    stray_units: u64,
    holes: [(u32, u32); HOLES],
    used: usize,
    received: u64,
    lost: u64,
    /// Units received since counting began anew.
    run: u64,
    score: i32,
    /// Packets that followed exactly.
    follows: u32,
    /// Packets since then.
    misses: u32,
}

impl Account {
    fn ahead(&self, number: u32) -> i64 {
        i64::from(number.wrapping_sub(self.next) as i32)
    }

    fn fit(&self, span: Span, elapsed: Duration, whole: Duration) -> Fit {
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

    fn apply(&mut self, fit: Fit, span: Span) {
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
    fn begin(&mut self, span: Span) {
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

/// Follows the sequence numbers of one exporter, domain and version. It takes some 1.5 KiB, whatever comes.
///
/// ```
/// use netflow_collector::sequence::{SequenceTracker, Units};
/// use netflow_templates::Timestamp;
///
/// // NetFlow v5 with 30 flow records a packet, of which the fourth packet does not arrive.
/// let mut tracker = SequenceTracker::new();
/// for packet in [0, 1, 2, 4, 5] {
///     let time = Timestamp::from_secs(1_700_000_000 + i64::from(packet));
///     tracker.observe(5, packet * 30, Some(Units::records(30)), time, None);
/// }
/// assert_eq!(tracker.totals().lost, 30);
/// ```
#[derive(Debug, Clone, Default)]
pub struct SequenceTracker {
    version: u16,
    accounts: [Account; RULES.len()],
    recent: [(u32, Option<Units>); RECENT],
    recent_used: usize,
    recent_next: usize,
    /// Whether the sequence number ever changed.
    moves: bool,
    last: Option<(u32, Timestamp, Option<Units>)>,
    /// Packets in a row with the number of the last one.
    still: u32,
    began: Timestamp,
    uptime: Option<(u32, Timestamp)>,
    claimed: u64,
    totals: SequenceTotals,
}

impl SequenceTracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next packet, in the order of arrival.
    ///
    /// * `version` is that of the packet: 5, 7, 8, 9 or 10 (IPFIX). A tracker is for one of them; with
    ///   another one it begins anew.
    /// * `sequence` is the number in the header.
    /// * `units` says how many records the packet has. It is none when that is not known, as when a set had
    ///   no template; then no loss is claimed between this packet and its neighbours. For v9 it makes no
    ///   difference.
    /// * `time` is when the packet arrived. It may stand still or be wrong, which makes a long loss and a
    ///   restart harder to tell apart.
    /// * `uptime` is that of the exporter in milliseconds, where the header has it.
    pub fn observe(
        &mut self,
        version: u16,
        sequence: u32,
        units: Option<Units>,
        time: Timestamp,
        uptime: Option<u32>,
    ) -> Step {
        if self.totals.packets > 0 && version != self.version {
            *self = Self { totals: self.totals, claimed: self.claimed, ..Self::default() };
            for account in &mut self.accounts {
                account.lost = self.totals.lost;
                account.received = self.totals.received;
            }
        }
        self.version = version;
        self.totals.packets += 1;
        self.totals.uncounted += u64::from(units.is_none());
        let spans = RULES.map(|rule| rule.span(sequence, units));
        let Some((last, last_time, last_units)) = self.last else {
            self.begin(&spans, time);
            self.remember(sequence, units, time);
            self.uptime = uptime.map(|uptime| (uptime, time));
            return self.finish(Step::default());
        };
        self.moves |= last != sequence;
        self.still = if last == sequence { self.still + 1 } else { 0 };

        let leader = self.leader();
        let elapsed = time.saturating_since(last_time);
        let whole = last_time.saturating_since(self.began);
        let mut fits = [Fit::Stray; RULES.len()];
        for ((fit, account), span) in fits.iter_mut().zip(&self.accounts).zip(&spans) {
            *fit = account.fit(*span, elapsed, whole);
        }
        let reset = self.uptime_reset(uptime, time);
        let follows = fits.contains(&Fit::Follows);
        let duplicate = self.is_duplicate(version, sequence, units) && !reset;
        let mut step = Step { duplicate, ..Step::default() };

        let fit = fits[leader];
        let account = &self.accounts[leader];
        let start = spans[leader].start;
        let far = start.is_some_and(|start| account.ahead(start).abs() > LATE);
        let near_zero = start.is_some_and(|start| start < NEAR_ZERO);
        // It goes on from the packet before, which fitted nowhere.
        let second = start.is_some() && start == account.stray;
        let again = (far && near_zero) || (second && (far || near_zero || account.stray_run >= RUN));
        step.restarted =
            !duplicate && !follows && ((reset && fit != Fit::Late) || (fit == Fit::Stray && again));

        if duplicate {
            self.totals.duplicates += 1;
        } else if step.restarted {
            self.totals.restarts += 1;
            if second {
                // The packets before were already of the new count.
                let account = &mut self.accounts[leader];
                account.received += account.stray_units;
            }
            (self.recent_used, self.recent_next) = (0, 0);
            self.begin(&spans, time);
        } else {
            self.judge(&fits, units.is_some() && last_units.is_some());
            for ((account, fit), span) in self.accounts.iter_mut().zip(fits).zip(&spans) {
                account.apply(fit, *span);
            }
            step.reordered = fits[self.leader()] == Fit::Late;
            self.totals.reordered += u64::from(step.reordered);
        }
        if !duplicate {
            self.remember(sequence, units, time);
        }
        let behind = step.reordered || duplicate;
        if let (Some(uptime), false) = (uptime, behind) {
            self.uptime = Some((uptime, time));
        }
        self.finish(step)
    }

    /// How the exporter counts, as far as it is known.
    #[must_use]
    pub fn convention(&self) -> Convention {
        let leader = self.leader();
        let rule = RULES[leader];
        if self.accounts[leader].follows < PROOF {
            if self.totals.packets > PATIENCE { Convention::Other } else { Convention::Unknown }
        } else if rule.counts(self.version) {
            rule.into()
        } else {
            Convention::Other
        }
    }

    /// The account up to now.
    #[must_use]
    pub fn totals(&self) -> SequenceTotals {
        self.totals
    }

    /// The rule that fits best.
    fn leader(&self) -> usize {
        let mut leader = if self.version == 9 { PACKETS } else { 0 };
        for index in 0..RULES.len() {
            if self.accounts[index].score > self.accounts[leader].score {
                leader = index;
            }
        }
        leader
    }

    /// Weighs the rules by how a packet fits.
    fn judge(&mut self, fits: &[Fit; RULES.len()], counted: bool) {
        let worth = |fit: Fit| match fit {
            Fit::Follows | Fit::Late => EVIDENCE,
            Fit::Overlaps | Fit::Stray => -EVIDENCE,
            Fit::Gap(_) | Fit::Ahead | Fit::Empty => 0,
        };
        let differ = fits.iter().any(|fit| worth(*fit) != worth(fits[0]));
        for (index, (account, fit)) in self.accounts.iter_mut().zip(fits).enumerate() {
            // Packets are counted without knowing their records.
            if !counted && index != PACKETS {
                continue;
            }
            if counted && differ {
                account.score += worth(*fit) - account.score / 32;
            }
            if matches!(fit, Fit::Follows | Fit::Late) {
                account.follows = account.follows.saturating_add(1);
                account.misses = 0;
            } else {
                account.misses = account.misses.saturating_add(1);
                if account.misses >= DISPROOF {
                    account.follows = 0;
                }
            }
        }
    }

    /// Whether the uptime tells that the exporter started again.
    fn uptime_reset(&self, uptime: Option<u32>, time: Timestamp) -> bool {
        let (Some(now), Some((before, then))) = (uptime, self.uptime) else { return false };
        let forward = i64::from(now.wrapping_sub(before) as i32);
        let elapsed = i64::try_from(time.saturating_since(then).as_millis()).unwrap_or(i64::MAX);
        let jumped = forward < -UPTIME_FALL || forward.saturating_sub(elapsed) > UPTIME_GAIN;
        // An exporter cannot be up for longer than it was silent; a half allows for clocks that are wrong.
        let short = i64::from(now) <= elapsed.saturating_add(UPTIME_SLACK) || now < before / 2;
        jumped && short
    }

    fn is_duplicate(&self, version: u16, sequence: u32, units: Option<Units>) -> bool {
        // A packet without records does not move the number, and an exporter may never move it.
        let moves = match units {
            _ if version == 9 => true,
            Some(units) => units.all() > 0,
            None => false,
        };
        moves && self.moves && self.still < 4 && self.recent[..self.recent_used].contains(&(sequence, units))
    }

    fn begin(&mut self, spans: &[Span; RULES.len()], time: Timestamp) {
        self.began = time;
        for (account, span) in self.accounts.iter_mut().zip(spans) {
            account.begin(*span);
        }
    }

    fn remember(&mut self, sequence: u32, units: Option<Units>, time: Timestamp) {
        self.last = Some((sequence, time, units));
        self.recent[self.recent_next] = (sequence, units);
        self.recent_next = (self.recent_next + 1) % RECENT;
        self.recent_used = (self.recent_used + 1).min(RECENT);
    }

    /// Brings the totals up to date.
    fn finish(&mut self, mut step: Step) -> Step {
        let leader = self.leader();
        let best = &self.accounts[leader];
        let (score, rule) = (best.score, RULES[leader]);
        let proven = best.follows >= PROOF && rule.counts(self.version);
        let hopeless = best.follows < PROOF && self.totals.packets > PATIENCE;
        // With the number of packets there is no doubt about how many records a packet has.
        let doubt = if rule == Rule::Packets && self.version == 9 { 0 } else { DOUBT };
        let foreign = best.follows >= PROOF && !rule.counts(self.version);
        let possible = |index: usize, account: &Account| {
            proven && (index == leader || (doubt > 0 && account.score >= score - doubt))
        };
        if proven {
            // The least that any of them says.
            let accounts = self.accounts.iter().enumerate();
            let losses = accounts
                .filter(|(index, account)| possible(*index, account))
                .map(|(_, account)| account.lost);
            self.claimed = losses.min().unwrap_or(0);
        }
        // A rule that does not hold now may hold later; what it made of the meantime is nonsense.
        if proven || hopeless || foreign {
            for (index, account) in self.accounts.iter_mut().enumerate() {
                if !possible(index, account) {
                    account.lost = self.claimed;
                    account.used = 0;
                }
            }
        }
        step.lost = self.claimed.saturating_sub(self.totals.lost);
        step.recovered = self.totals.lost.saturating_sub(self.claimed);
        self.totals.lost = self.claimed;
        self.totals.received = self.accounts[leader].received;
        self.totals.expected = self.totals.received.saturating_add(self.totals.lost);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without chance.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u32) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) % u64::from(end)) as u32
        }
    }

    #[derive(Debug, Clone, Copy)]
    struct Packet {
        sequence: u32,
        units: Units,
    }

    /// Packets of an exporter that counts by `rule`, from `start` on.
    fn exporter(rule: Rule, start: u32, all: impl IntoIterator<Item = Units>) -> Vec<Packet> {
        let mut next = start;
        all.into_iter()
            .map(|units| {
                let step = match rule {
                    Rule::Before | Rule::After => units.all(),
                    Rule::BeforeRecords | Rule::AfterRecords => units.records,
                    Rule::Packets => 1,
                };
                let before = next;
                next = next.wrapping_add(step);
                let after = matches!(rule, Rule::After | Rule::AfterRecords);
                Packet { sequence: if after { next } else { before }, units }
            })
            .collect()
    }

    fn records(counts: &[u32]) -> Vec<Units> {
        counts.iter().map(|count| Units::records(*count)).collect()
    }

    fn second(n: usize) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + n as i64)
    }

    fn feed(version: u16, packets: &[Packet]) -> SequenceTracker {
        let mut tracker = SequenceTracker::new();
        let (mut lost, mut recovered) = (0, 0);
        for (n, packet) in packets.iter().enumerate() {
            let step = tracker.observe(version, packet.sequence, Some(packet.units), second(n), None);
            lost += step.lost;
            recovered += step.recovered;
            assert_eq!(lost - recovered, tracker.totals().lost);
        }
        tracker
    }

    /// Records of random number, with some options among them.
    fn random_units(random: &mut Random, count: usize, options: bool) -> Vec<Units> {
        (0..count)
            .map(|_| Units {
                records: 1 + random.below(30),
                options: if options && random.below(10) == 0 { 1 + random.below(3) } else { 0 },
            })
            .collect()
    }

    #[test]
    fn records_before_the_message() {
        // pmacct and PyPI ipfix: from 0, options counted, templates not.
        let units = [
            Units { records: 0, options: 0 },
            Units { records: 0, options: 2 },
            Units { records: 18, options: 0 },
            Units { records: 27, options: 1 },
            Units { records: 0, options: 0 },
            Units { records: 5, options: 0 },
            Units { records: 19, options: 0 },
        ];
        let packets = exporter(Rule::Before, 0, units);
        let tracker = feed(10, &packets);
        assert_eq!(tracker.convention(), Convention::Before);
        let totals = tracker.totals();
        assert_eq!((totals.received, totals.lost, totals.expected), (72, 0, 72));
        let sequences: Vec<_> = packets.iter().map(|packet| packet.sequence).collect();
        assert_eq!(sequences, [0, 0, 2, 20, 48, 48, 53]);
    }

    #[test]
    fn softflowd_counts_after_the_message_and_no_options() {
        // The options record is in the first message; its 18 records are number 18.
        let units = [
            Units { records: 18, options: 1 },
            Units { records: 27, options: 0 },
            Units { records: 25, options: 0 },
            Units { records: 11, options: 1 },
            Units { records: 27, options: 0 },
            Units { records: 3, options: 0 },
        ];
        let packets = exporter(Rule::AfterRecords, 0, units);
        assert_eq!(packets[0].sequence, 18);
        let tracker = feed(10, &packets);
        assert_eq!(tracker.convention(), Convention::AfterWithoutOptions);
        assert_eq!((tracker.totals().received, tracker.totals().lost), (111, 0));
        // Without the fourth message.
        let mut some = packets;
        some.extend(exporter(Rule::AfterRecords, 111, records(&[7, 9, 30])));
        some.remove(3);
        assert_eq!(feed(10, &some).totals().lost, 11);
    }

    #[test]
    fn open_vswitch_v5_is_the_index_of_the_last_record() {
        let packets: Vec<_> = [(5, 6), (21, 16), (35, 14), (40, 5), (70, 30)]
            .map(|(sequence, count)| Packet { sequence, units: Units::records(count) })
            .into();
        let tracker = feed(5, &packets);
        assert_eq!(tracker.convention(), Convention::After);
        assert_eq!(tracker.totals().lost, 0);
    }

    #[test]
    fn open_vswitch_ipfix_has_one_record_a_message() {
        let packets = exporter(Rule::After, 0, vec![Units::records(1); 50]);
        assert_eq!(packets[0].sequence, 1);
        assert_eq!(feed(10, &packets).totals().lost, 0);
        // Here all rules agree, so the loss is known too.
        let some: Vec<_> = packets.iter().enumerate().filter(|(n, _)| n % 10 != 5).map(|(_, p)| *p).collect();
        assert_eq!(feed(10, &some).totals().lost, 5);
    }

    #[test]
    fn v9_counts_packets() {
        let mut random = Random(9);
        let mut packets = exporter(Rule::Packets, 1, random_units(&mut random, 100, true));
        assert_eq!(feed(9, &packets).convention(), Convention::Packets);
        packets.drain(50..53);
        packets.remove(20);
        let totals = feed(9, &packets).totals();
        assert_eq!((totals.lost, totals.received, totals.expected), (4, 96, 100));
        // The same when the records are never known, or given as one per packet.
        for units in [None, Some(Units::records(1))] {
            let mut tracker = SequenceTracker::new();
            for (n, packet) in packets.iter().enumerate() {
                tracker.observe(9, packet.sequence, units, second(n), Some(n as u32 * 1000));
            }
            assert_eq!(tracker.totals().lost, 4);
            assert_eq!(tracker.convention(), Convention::Packets);
        }
    }

    #[test]
    fn other_units_claim_nothing() {
        let mut random = Random(5);
        // nflow-generator: v5 whose number rises by 1 a packet; then octets, a constant and noise.
        let flows = random_units(&mut random, 300, false);
        let packets: Vec<_> = (0..300).map(|n| (n as u32, flows[n])).collect();
        let mut octets = 0_u32;
        let bytes: Vec<_> = flows
            .iter()
            .map(|units| {
                octets += 24 + 48 * units.records;
                (octets, *units)
            })
            .collect();
        let constant: Vec<_> = flows.iter().map(|units| (0, *units)).collect();
        let noise: Vec<_> = flows.iter().map(|units| (random.below(u32::MAX), *units)).collect();
        for (name, list) in
            [("packets", packets), ("octets", bytes), ("constant", constant), ("noise", noise)]
        {
            for skip in [0, 20] {
                let kept: Vec<_> = list
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| skip == 0 || n % skip != 7)
                    .map(|(_, (sequence, units))| Packet { sequence: *sequence, units: *units })
                    .collect();
                let tracker = feed(5, &kept);
                assert_eq!(tracker.convention(), Convention::Other, "{name}");
                let totals = tracker.totals();
                assert_eq!((totals.lost, totals.duplicates), (0, 0), "{name}");
            }
        }
        // Packets of the same size all the time.
        let list: Vec<_> = (0..300).map(|n| Packet { sequence: n, units: Units::records(16) }).collect();
        let tracker = feed(5, &list);
        assert_eq!((tracker.convention(), tracker.totals().lost), (Convention::Other, 0));
    }

    #[test]
    fn without_loss_nothing_is_lost() {
        for rule in RULES {
            for seed in 0..200 {
                let mut random = Random(seed);
                let units = random_units(&mut random, 400, seed % 2 == 0);
                // Some start just below the wrap.
                let start =
                    if seed % 3 == 0 { u32::MAX - random.below(5000) } else { random.below(u32::MAX) };
                for version in if rule == Rule::Packets { 9..=9 } else { 10..=10 } {
                    let totals = feed(version, &exporter(rule, start, units.clone())).totals();
                    let what = format!("{rule:?} {seed}");
                    assert_eq!((totals.lost, totals.reordered, totals.duplicates), (0, 0, 0), "{what}");
                    assert_eq!(totals.restarts, 0, "{what}");
                }
            }
        }
    }

    #[test]
    fn a_loss_of_five_percent_is_counted_exactly() {
        for rule in RULES {
            for seed in 0..200 {
                let mut random = Random(seed + 1000);
                let options = seed % 2 == 0;
                let units = random_units(&mut random, 1000, options);
                let start = if seed % 3 == 0 { u32::MAX - random.below(9000) } else { random.below(5) };
                let all = exporter(rule, start, units);
                let kept: Vec<_> = all
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| *n == 0 || *n == 999 || random.below(20) != 0)
                    .collect();
                let weight = |packet: &Packet| match rule {
                    Rule::Before | Rule::After => u64::from(packet.units.all()),
                    Rule::BeforeRecords | Rule::AfterRecords => u64::from(packet.units.records),
                    Rule::Packets => 1,
                };
                let sent: u64 = all.iter().map(weight).sum();
                let arrived: u64 = kept.iter().map(|(_, packet)| weight(packet)).sum();
                let list: Vec<_> = kept.iter().map(|(_, packet)| **packet).collect();
                let tracker = feed(if rule == Rule::Packets { 9 } else { 10 }, &list);
                let totals = tracker.totals();
                assert_eq!(totals.lost, sent - arrived, "{rule:?} {seed}");
                assert_eq!(
                    (totals.restarts, totals.reordered, totals.duplicates),
                    (0, 0, 0),
                    "{rule:?} {seed}"
                );
                let same = !options
                    && matches!(rule, Rule::AfterRecords | Rule::BeforeRecords | Rule::After | Rule::Before);
                if !same {
                    assert_eq!(tracker.convention(), rule.into(), "{rule:?} {seed}");
                }
            }
        }
    }

    #[test]
    fn nearly_always_full_packets_count_exactly_too() {
        // 30 records, and less only now and then: little to tell the rules apart by.
        for rule in [Rule::Before, Rule::After] {
            for seed in 0..100 {
                let mut random = Random(seed);
                let units: Vec<_> = (0..2000)
                    .map(|_| Units::records(if random.below(50) == 0 { 1 + random.below(29) } else { 30 }))
                    .collect();
                let all = exporter(rule, 0, units);
                let (mut lost, mut kept) = (0, Vec::new());
                for (n, packet) in all.iter().enumerate() {
                    if n > 200 && n < 1900 && random.below(20) == 0 {
                        lost += u64::from(packet.units.records);
                    } else {
                        kept.push(*packet);
                    }
                }
                let totals = feed(5, &kept).totals();
                // Before the rules can be told apart, a gap next to a smaller packet is short by at most one
                // packet.
                assert!(totals.lost.abs_diff(lost) <= 60, "{rule:?} {seed}: {} for {lost}", totals.lost);
            }
        }
    }

    #[test]
    fn late_packets_fill_their_gaps() {
        for rule in RULES {
            let mut random = Random(77);
            let version = if rule == Rule::Packets { 9 } else { 10 };
            let mut packets = exporter(rule, u32::MAX - 300, random_units(&mut random, 100, false));
            packets.swap(30, 31);
            let far = packets.remove(50);
            packets.insert(55, far);
            let tracker = feed(version, &packets);
            let totals = tracker.totals();
            assert_eq!((totals.lost, totals.reordered, totals.restarts), (0, 2, 0), "{rule:?}");
            // Parts of a gap of three packets, from its middle.
            let mut packets = exporter(rule, 5, random_units(&mut random, 60, false));
            let gap: Vec<_> = packets.drain(30..33).collect();
            packets.insert(33, gap[1]);
            let totals = feed(version, &packets).totals();
            let size = |packet: &Packet| if version == 9 { 1 } else { u64::from(packet.units.all()) };
            assert_eq!(totals.lost, size(&gap[0]) + size(&gap[2]), "{rule:?}");
        }
    }

    #[test]
    fn duplicates_are_told() {
        for rule in RULES {
            let mut random = Random(3);
            let version = if rule == Rule::Packets { 9 } else { 10 };
            let mut packets = exporter(rule, 100, random_units(&mut random, 60, false));
            packets.insert(21, packets[20]);
            packets.insert(45, packets[40]);
            let totals = feed(version, &packets).totals();
            assert_eq!((totals.duplicates, totals.lost, totals.reordered, totals.restarts), (2, 0, 0, 0));
        }
    }

    #[test]
    fn a_restart_is_no_loss() {
        for rule in RULES {
            for start in [40_000_000, 3000] {
                let mut random = Random(u64::from(start));
                let version = if rule == Rule::Packets { 9 } else { 10 };
                let mut packets = exporter(rule, start, random_units(&mut random, 50, false));
                packets.extend(exporter(rule, 0, random_units(&mut random, 50, false)));
                let totals = feed(version, &packets).totals();
                assert_eq!((totals.restarts, totals.lost), (1, 0), "{rule:?} {start}");
                let units: u64 = packets.iter().map(|packet| u64::from(packet.units.all())).sum();
                assert_eq!(totals.received, if version == 9 { 100 } else { units });
            }
        }
    }

    #[test]
    fn late_packets_from_before_the_first_are_no_restart() {
        // The first packet overtook fourteen, as in captures that were put together by hand.
        let numbers = [688, 674, 675, 676, 677, 678, 684, 685, 686, 687, 689, 690, 691, 692, 694, 695];
        let mut tracker = SequenceTracker::new();
        for (n, number) in numbers.into_iter().enumerate() {
            let uptime = 328_000_000 + number * 1000;
            tracker.observe(9, 147_000 + number, None, second(n), Some(uptime));
        }
        let totals = tracker.totals();
        assert_eq!((totals.lost, totals.restarts, totals.received), (1, 0, 7));
    }

    #[test]
    fn a_restart_seen_late_is_recognised_after_some_packets() {
        let mut packets = exporter(Rule::Packets, 58_000, vec![Units::default(); 50]);
        packets.extend(exporter(Rule::Packets, 30_000, vec![Units::default(); 50]));
        let totals = feed(9, &packets).totals();
        assert_eq!((totals.lost, totals.restarts, totals.received), (0, 1, 100));
    }

    #[test]
    fn a_fall_of_the_uptime_is_a_restart_unless_the_numbers_go_on() {
        let mut tracker = SequenceTracker::new();
        let mut observe = |sequence, uptime, n| {
            tracker.observe(5, sequence, Some(Units::records(10)), second(n), Some(uptime))
        };
        // fprobe: the uptime steps back by 2 ms.
        assert_eq!(observe(0, 1_048_578_001, 0), Step::default());
        assert_eq!(observe(10, 1_048_577_999, 2), Step::default());
        assert_eq!(observe(20, 1_048_578_000, 4), Step::default());
        assert_eq!(observe(30, 1_048_578_000, 6), Step::default());
        // A gap with the small step back is loss.
        assert_eq!(observe(50, 1_048_577_998, 8), Step { lost: 10, ..Step::default() });
        // The numbers go on: no restart, whatever the uptime says.
        assert_eq!(observe(60, 5, 9), Step::default());
        assert_eq!(observe(70, 2_000_000_000, 9), Step::default());
        // A small number ahead, with the uptime fallen.
        assert_eq!(observe(100, 1000, 10), Step { restarted: true, ..Step::default() });
        assert_eq!(observe(110, 200_000, 11), Step::default());
        // Fallen back to the very numbers that were seen a moment ago.
        assert_eq!(observe(100, 1000, 12), Step { restarted: true, ..Step::default() });
        // From 40 days to 1 minute, which looks like 9.7 days ahead.
        assert!(!observe(110, 3_456_000_000, 13).restarted);
        assert_eq!(observe(0, 60_000, 14), Step { restarted: true, ..Step::default() });
        assert_eq!(tracker.totals().lost, 10);
    }

    #[test]
    fn numbers_and_uptime_wrap() {
        let mut tracker = SequenceTracker::new();
        for n in 0..20_u32 {
            let sequence = (u32::MAX - 94).wrapping_add(n * 10);
            let uptime = (u32::MAX - 9_999).wrapping_add(n * 1000);
            if n != 12 {
                let step =
                    tracker.observe(5, sequence, Some(Units::records(10)), second(n as usize), Some(uptime));
                assert!(!step.restarted);
            }
        }
        assert_eq!(tracker.totals().lost, 10);
    }

    #[test]
    fn an_undecoded_packet_hides_loss_only_next_to_it() {
        for rule in [Rule::Before, Rule::After] {
            let mut random = Random(11);
            let packets = exporter(rule, 0, random_units(&mut random, 60, false));
            let mut tracker = SequenceTracker::new();
            for (n, packet) in packets.iter().enumerate() {
                if n == 22 || n == 40 {
                    continue;
                }
                let known = !(20..25).contains(&n);
                tracker.observe(10, packet.sequence, known.then_some(packet.units), second(n), None);
            }
            let totals = tracker.totals();
            assert_eq!(totals.lost, u64::from(packets[40].units.all()), "{rule:?}");
            assert_eq!((totals.restarts, totals.duplicates, totals.uncounted), (0, 0, 4));
        }
    }

    #[test]
    fn a_long_outage_is_loss_when_the_rate_explains_it() {
        // 30,000 records a second; the collector is away for ten minutes, or the number jumps at once.
        for (pause, lost, restarts) in [(600, 18_000_000, 0), (0, 0, 1)] {
            let mut tracker = SequenceTracker::new();
            for n in 0..2000_u32 {
                let late = if n >= 1000 { pause * 1000 } else { 0 };
                let time = Timestamp::from_millis(i64::from(n + late));
                let sequence = n * 30 + if n >= 1000 { 18_000_000 } else { 0 };
                tracker.observe(5, sequence, Some(Units::records(30)), time, None);
            }
            assert_eq!((tracker.totals().lost, tracker.totals().restarts), (lost, restarts));
        }
    }

    #[test]
    fn a_change_of_the_convention_is_followed() {
        let mut random = Random(21);
        let mut packets = exporter(Rule::Before, 0, random_units(&mut random, 2000, false));
        packets.extend(exporter(Rule::After, 50_000_000, random_units(&mut random, 2000, false)));
        let tracker = feed(10, &packets);
        assert_eq!(tracker.convention(), Convention::After);
        // Until that is clear, what looks like loss is bounded by a few packets of the new kind.
        assert!(tracker.totals().lost < 1500, "{}", tracker.totals().lost);
    }

    #[test]
    fn anything_can_come() {
        let mut random = Random(99);
        let mut tracker = SequenceTracker::new();
        for n in 0..200_000 {
            let sequence = match random.below(4) {
                0 => random.below(u32::MAX),
                1 => random.below(100),
                2 => u32::MAX - random.below(100),
                _ => n * 10,
            };
            let units = (random.below(3) > 0).then(|| Units {
                records: if random.below(50) == 0 { u32::MAX } else { random.below(40) },
                options: random.below(3),
            });
            let uptime = (random.below(2) > 0).then(|| random.below(u32::MAX));
            let version = if n % 5000 == 4999 { 9 } else { 10 };
            let time = Timestamp::from_nanos(i64::from(random.below(u32::MAX)) * 4_000_000_000);
            tracker.observe(version, sequence, units, time, uptime);
        }
        assert!(size_of::<SequenceTracker>() <= 2048, "{}", size_of::<SequenceTracker>());
    }
}
