//! Short texts put where they belong, with octets behind them that what follows replaces.

use netflow_templates::Timestamp;

/// Octets that are behind what is copied, and behind the place where it goes: so all short texts are copied alike.
pub(super) const PAD: usize = 32;

/// Octets that a number takes at most.
pub(super) const NUMBER: usize = 20;
/// Octets that a time takes at most.
pub(super) const TIME: usize = 32;

const NANOS: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// Copies a text to a place, and says where it ends.
#[inline(always)]
pub(super) fn put(out: &mut [u8], at: usize, from: &[u8], start: usize, length: usize) -> usize {
    let mut done = 0;
    loop {
        let text = &from[start + done..start + done + PAD];
        out[at + done..at + done + PAD].copy_from_slice(text);
        done += PAD;
        if done >= length {
            return at + length;
        }
    }
}

/// Writes a number to a place, and says where it ends.
#[inline(always)]
pub(super) fn put_number(out: &mut [u8], at: usize, number: u64) -> usize {
    if number < 1_000 {
        put_short(out, at, number)
    } else if number < 1_000_000 {
        let at = put_short(out, at, number / 1_000);
        put_three(out, at, number % 1_000)
    } else {
        put_long(out, at, number)
    }
}

#[inline(never)]
fn put_long(out: &mut [u8], at: usize, number: u64) -> usize {
    let (high, low) = (number / 1_000_000, number % 1_000_000);
    let at = if high < 1_000_000 { put_number(out, at, high) } else { put_long(out, at, high) };
    let at = put_three(out, at, low / 1_000);
    put_three(out, at, low % 1_000)
}

/// A number below 1000.
#[inline(always)]
fn put_short(out: &mut [u8], at: usize, number: u64) -> usize {
    let text = SHORT[number as usize];
    out[at..at + 4].copy_from_slice(&text);
    at + usize::from(text[3])
}

/// A number below 1000, with its zeros in front.
#[inline(always)]
fn put_three(out: &mut [u8], at: usize, number: u64) -> usize {
    out[at..at + 4].copy_from_slice(&THREE[number as usize]);
    at + 3
}

/// A number below 100, with its zero in front.
#[inline(always)]
fn put_two(out: &mut [u8], at: usize, number: u64) {
    out[at..at + 2].copy_from_slice(&THREE[number as usize][1..3]);
}

/// The numbers below 1000 in three digits, and a zero.
static THREE: [[u8; 4]; 1_000] = {
    let (mut texts, mut number) = ([[b'0'; 4]; 1_000], 0);
    while number < 1_000 {
        let digits = [number / 100, number / 10 % 10, number % 10];
        texts[number] = [b'0' + digits[0] as u8, b'0' + digits[1] as u8, b'0' + digits[2] as u8, b'0'];
        number += 1;
    }
    texts
};

/// The numbers below 1000, and how many digits they have.
static SHORT: [[u8; 4]; 1_000] = {
    let (mut texts, mut number) = ([[0; 4]; 1_000], 0);
    while number < 1_000 {
        let [a, b, c, _] = THREE[number];
        texts[number] = match number {
            0..10 => [c, 0, 0, 1],
            10..100 => [b, c, 0, 2],
            _ => [a, b, c, 3],
        };
        number += 1;
    }
    texts
};

/// Writes times. Those that follow each other are mostly of one day.
#[derive(Debug)]
pub(super) struct Clock {
    quotes: bool,
    day: u64,
    /// The beginning of the day, from the year to the quote.
    text: [u8; TIME],
}

impl Clock {
    /// With quotes around, or without.
    pub(super) fn new(quotes: bool) -> Self {
        let mut clock = Self { quotes, day: 0, text: [0; TIME] };
        clock.set(Timestamp::from_nanos(0));
        clock
    }

    fn set(&mut self, time: Timestamp) {
        let start = usize::from(self.quotes);
        self.text = [b'"'; TIME];
        self.text[start..start + 30].copy_from_slice(&time.to_rfc3339());
    }

    /// Writes nanoseconds, as the bits of an `i64`, to a place, and says where they end.
    #[inline(always)]
    pub(super) fn put(&mut self, out: &mut [u8], at: usize, nanos: u64) -> usize {
        if nanos > i64::MAX as u64 {
            return self.put_early(out, at, nanos);
        }
        let (second, nanos) = (nanos / NANOS, nanos % NANOS);
        let day = second / DAY;
        if day != self.day {
            self.turn(day);
        }
        let (second, micros) = (second % DAY, nanos / 1_000);
        let place = &mut out[at..at + TIME];
        place.copy_from_slice(&self.text);
        let start = usize::from(self.quotes);
        let digits = &mut place[start..start + 30];
        put_two(digits, 11, second / 3_600);
        put_two(digits, 14, second / 60 % 60);
        put_two(digits, 17, second % 60);
        put_three(digits, 20, micros / 1_000);
        put_three(digits, 23, micros % 1_000);
        digits[26..29].copy_from_slice(&THREE[(nanos % 1_000) as usize][..3]);
        at + 30 + 2 * start
    }

    /// One before 1970.
    #[cold]
    fn put_early(&mut self, out: &mut [u8], at: usize, nanos: u64) -> usize {
        self.day = u64::MAX;
        self.set(Timestamp::from_nanos(nanos as i64));
        out[at..at + TIME].copy_from_slice(&self.text);
        at + 30 + 2 * usize::from(self.quotes)
    }

    #[cold]
    fn turn(&mut self, day: u64) {
        self.day = day;
        self.set(Timestamp::from_nanos((day * DAY * NANOS) as i64));
    }
}
