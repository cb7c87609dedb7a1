//! What goes in one direction, held in little memory.

use netflow_templates::Timestamp;

use crate::connection::Traffic;

/// A time that is not known, in nanoseconds.
const UNKNOWN: i64 = i64::MIN;

/// A [`Traffic`] in the making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(super) bytes_raw: u64,
    pub(super) packets_raw: u64,
    /// Nanoseconds.
    pub(super) first: i64,
    pub(super) last: i64,
    pub(crate) flows: u32,
    pub(super) in_if: u32,
    pub(super) out_if: u32,
    pub(crate) tcp_flags: u16,
    pub(super) icmp_type: Option<u8>,
    pub(super) icmp_code: Option<u8>,
    pub(super) direction: Option<u8>,
}

impl Sent {
    pub(crate) const NOTHING: Self = Self {
        bytes: 0,
        packets: 0,
        bytes_raw: 0,
        packets_raw: 0,
        first: UNKNOWN,
        last: UNKNOWN,
        flows: 0,
        in_if: 0,
        out_if: 0,
        tcp_flags: 0,
        icmp_type: None,
        icmp_code: None,
        direction: None,
    };

    /// Whether nothing was counted.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.packets_raw == 0 && self.bytes_raw == 0
    }

    /// Adds another piece of the same direction.
    #[inline]
    pub(crate) fn add(&mut self, piece: &Self) {
        self.bytes = self.bytes.saturating_add(piece.bytes);
        self.packets = self.packets.saturating_add(piece.packets);
        self.bytes_raw = self.bytes_raw.saturating_add(piece.bytes_raw);
        self.packets_raw = self.packets_raw.saturating_add(piece.packets_raw);
        self.first = earlier(self.first, piece.first);
        self.last = self.last.max(piece.last);
        self.flows = self.flows.saturating_add(piece.flows);
        self.tcp_flags |= piece.tcp_flags;
        if self.icmp_type.is_none() {
            (self.icmp_type, self.icmp_code) = (piece.icmp_type, piece.icmp_code);
        }
        self.direction = self.direction.or(piece.direction);
        self.learn_interfaces(piece);
    }

    /// Takes over the counters of another.
    pub(crate) fn count_as(&mut self, other: &Self) {
        (self.bytes, self.packets) = (other.bytes, other.packets);
        (self.bytes_raw, self.packets_raw) = (other.bytes_raw, other.packets_raw);
    }

    /// Takes over the counters of another that are larger.
    pub(crate) fn count_at_least(&mut self, other: &Self) {
        (self.bytes, self.packets) = (self.bytes.max(other.bytes), self.packets.max(other.packets));
        self.bytes_raw = self.bytes_raw.max(other.bytes_raw);
        self.packets_raw = self.packets_raw.max(other.packets_raw);
    }

    /// Takes over the interfaces that are not known yet.
    #[inline]
    pub(crate) fn learn_interfaces(&mut self, piece: &Self) {
        if self.in_if == 0 {
            self.in_if = piece.in_if;
        }
        if self.out_if == 0 {
            self.out_if = piece.out_if;
        }
    }

    /// Whether `piece` reports the same packets, seen at the other end of their way through the exporter.
    ///
    /// An exporter that meters both where packets come in and where they leave exports each flow twice.
    #[inline]
    pub(crate) fn is_repeated_by(&self, piece: &Self) -> bool {
        let other_end = matches!((self.direction, piece.direction), (Some(one), Some(other)) if one != other);
        other_end && !before(self.last, piece.first) && !before(piece.last, self.first)
    }

    #[inline]
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            bytes: self.bytes,
            packets: self.packets,
            bytes_raw: self.bytes_raw,
            packets_raw: self.packets_raw,
            first: time(self.first),
            last: time(self.last),
            flows: self.flows,
            in_if: self.in_if,
            out_if: self.out_if,
            tcp_flags: self.tcp_flags,
            icmp_type: self.icmp_type,
            icmp_code: self.icmp_code,
            direction: self.direction,
        }
    }
}

/// A time in nanoseconds.
#[inline]
pub(super) fn nanos(time: Option<Timestamp>) -> i64 {
    time.map_or(UNKNOWN, |time| time.as_nanos().max(UNKNOWN + 1))
}

/// A time in nanoseconds, if it is known.
#[inline]
pub(super) fn known(nanos: i64) -> Option<i64> {
    (nanos != UNKNOWN).then_some(nanos)
}

fn time(nanos: i64) -> Option<Timestamp> {
    known(nanos).map(Timestamp::from_nanos)
}

/// The earlier of two times, of which either may be unknown.
#[inline]
pub(super) fn earlier(one: i64, other: i64) -> i64 {
    match (one, other) {
        (UNKNOWN, time) | (time, UNKNOWN) => time,
        _ => one.min(other),
    }
}

/// Whether both are known, and the one comes first.
#[inline]
fn before(one: i64, other: i64) -> bool {
    one != UNKNOWN && other != UNKNOWN && one < other
}
