//! Which way of counting an exporter has, and what was lost under it.

use super::account::{Account, Fit, LATE};
use super::position::{AccountPosition, Position};
use super::rule::{PACKETS, RULES, Rule, Span};
use super::{Convention, SequenceTotals, Step, Units};
use crate::Timestamp;

/// Packets that are remembered to know a duplicate.
const RECENT: usize = 16;
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

/// Follows the sequence numbers of one exporter, domain and version. It takes some 1.5 KiB, whatever comes.
///
/// ```
/// use netflow_templates::Timestamp;
/// use netflow_templates::sequence::{SequenceTracker, Units};
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
    /// When the last packet came before the position from which this goes on, until the first packet.
    resumed: Option<Timestamp>,
    claimed: u64,
    totals: SequenceTotals,
}

impl SequenceTracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the numbers stand; `None` before the first packet.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let (_, time, _) = self.last?;
        let accounts = self.accounts.each_ref().map(|account| AccountPosition {
            next: account.next,
            open: account.open,
            score: account.score,
            follows: account.follows,
            run: account.run,
        });
        Some(Position { version: self.version, time, began: self.began, uptime: self.uptime, accounts })
    }

    /// A tracker whose totals are zero, and that knows how the exporter counts. What it sent since then is
    /// [missed](SequenceTotals::missed) and not lost; when it started again meanwhile, that is not known.
    #[must_use]
    pub fn resume(position: &Position) -> Self {
        let Position { version, time, began, uptime, accounts } = *position;
        let accounts = accounts.map(|AccountPosition { next, open, score, follows, run }| Account {
            next,
            open,
            score,
            follows,
            run,
            ..Account::default()
        });
        Self { version, accounts, began, uptime, resumed: Some(time), ..Self::default() }
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
        if (self.totals.packets > 0 || self.resumed.is_some()) && version != self.version {
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
            self.totals.missed += self.missed(&spans, time, uptime);
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

    /// What was sent between the position that was resumed and the first packet.
    fn missed(&mut self, spans: &[Span; RULES.len()], time: Timestamp, uptime: Option<u32>) -> u64 {
        let Some(last) = self.resumed.take() else { return 0 };
        let leader = self.leader();
        let account = &self.accounts[leader];
        if account.follows < PROOF || !RULES[leader].counts(self.version) || self.uptime_reset(uptime, time) {
            return 0;
        }
        let (elapsed, whole) = (time.saturating_since(last), last.saturating_since(self.began));
        match account.fit(spans[leader], elapsed, whole) {
            Fit::Gap(units) => units.into(),
            _ => 0,
        }
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
