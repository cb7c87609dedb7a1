//! Reading gzip files past damage: behind a member that cannot be read, the next one is looked for.

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Octets that are kept of a member, in which the next one may begin: members that are written here are much
/// smaller.
const KEPT: usize = 4 << 20;
/// Octets that are read at once.
const CHUNK: usize = 1 << 16;
/// Octets of text by which a member is known as one.
const TRIED: usize = 4 << 10;
/// Octets that are read again of a file at most, for each octet of it and beyond the first ones: a file that is made
/// of damage must not take for ever.
const AGAIN: u64 = 4;
const AGAIN_AT_FIRST: u64 = 1 << 20;

/// Compressed data that could not be read. It is the source of an error of [`Members`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Where the member starts that is damaged.
    pub(crate) from: u64,
    /// Where the next one starts, with which reading goes on; `None` when there is none.
    pub(crate) to: Option<u64>,
    /// What the decompressor says.
    pub(crate) reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Damage {}

/// The text of all members of a gzip file.
///
/// Damage is an error of kind `InvalidData` with a [`Damage`] in it. When it says where the next member starts,
/// that one is read next. A file that ends within a member is `UnexpectedEof`, and ends then.
pub(crate) struct Members<R>(State<R>);

enum State<R> {
    Between(Window<R>),
    // In a box, for its size.
    Within(Box<GzDecoder<Window<R>>>),
    Ended,
}

impl<R: Read> Members<R> {
    pub(crate) fn new(input: R) -> Self {
        let (held, at, base, start, again, ended) = (Vec::new(), 0, 0, 0, 0, false);
        Self(State::Between(Window { input, held, at, base, start, again, ended }))
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, text: &mut [u8]) -> io::Result<usize> {
        if text.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.0, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(mut window) => match window.fill_buf() {
                    Ok([]) => return Ok(0),
                    Ok(_) => {
                        window.start = window.position();
                        self.0 = State::Within(Box::new(GzDecoder::new(window)));
                    }
                    Err(error) => {
                        self.0 = State::Between(window);
                        return Err(error);
                    }
                },
                State::Within(mut member) => match member.read(text) {
                    Ok(0) => self.0 = State::Between(member.into_inner()),
                    Ok(length) => {
                        self.0 = State::Within(member);
                        return Ok(length);
                    }
                    Err(error) if is_damage(&error) => {
                        let mut window = member.into_inner();
                        let (from, to) = (window.start, window.find_member()?);
                        if to.is_some() {
                            self.0 = State::Between(window);
                        } else if error.kind() == io::ErrorKind::UnexpectedEof {
                            return Err(error);
                        }
                        let damage = Damage { from, to, reason: error.to_string() };
                        return Err(io::Error::new(io::ErrorKind::InvalidData, damage));
                    }
                    Err(error) => {
                        self.0 = State::Within(member);
                        return Err(error);
                    }
                },
            }
        }
    }
}

fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | InvalidInput | InvalidData)
}

/// An input of which what was read last is kept.
struct Window<R> {
    input: R,
    held: Vec<u8>,
    /// The next octet, in `held`.
    at: usize,
    /// Where `held` starts in the input.
    base: u64,
    /// Where the member starts that is being read.
    start: u64,
    /// Octets that were read more than once.
    again: u64,
    /// The input has no more octets.
    ended: bool,
}

impl<R: Read> Window<R> {
    fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Reads on, and forgets what is too long ago; false at the end.
    fn read_more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let wanted = (self.start.saturating_sub(self.base) as usize).max(self.at.saturating_sub(KEPT));
        // Not each time: what is kept has to be moved.
        if wanted >= KEPT || wanted == self.held.len() {
            self.held.drain(..wanted);
            self.base += wanted as u64;
            self.at -= wanted;
        }
        let length = self.held.len();
        self.held.resize(length + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.held[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.held.truncate(length + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        Ok(!self.ended)
    }

    /// Goes to the next member behind the start of the one that is damaged, and says where it is.
    fn find_member(&mut self) -> io::Result<Option<u64>> {
        let back = self.position() - (self.start + 1).max(self.base).min(self.position());
        if self.may_read_again(back) {
            self.again += back;
            self.at -= back as usize;
        }
        loop {
            // What was looked at is not kept.
            self.start = self.position();
            while self.held.len() < self.at + HEADER {
                if !self.read_more()? {
                    return Ok(None);
                }
                // It may have moved.
            }
            let octets = &self.held[self.at..];
            match octets.windows(HEADER).position(is_header) {
                None => self.at += octets.len() - (HEADER - 1),
                Some(found) => {
                    self.at += found;
                    self.start = self.position();
                    if self.is_member()? {
                        return Ok(Some(self.start));
                    }
                    self.at += 1;
                }
            }
        }
    }

    /// Whether text can be read here.
    fn is_member(&mut self) -> io::Result<bool> {
        let here = self.position();
        if !self.may_read_again(CHUNK as u64) {
            return Ok(true);
        }
        let mut text = vec![0; TRIED];
        let mut length = 0;
        // No more than is kept, or it could not be gone back to.
        let mut member = GzDecoder::new(Read::take(&mut *self, KEPT as u64));
        let good = loop {
            match member.read(&mut text[length..]) {
                // The end of the member, or enough of it.
                Ok(0) => break true,
                Ok(more) => length += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Damaged as well, or the end of the file: there may be lines before that.
                Err(error) if is_damage(&error) => break is_text(&text[..length]),
                Err(error) => return Err(error),
            }
        };
        self.again += self.position() - here;
        // What was read since is kept, as it follows the start of the member.
        self.at = (here - self.base) as usize;
        Ok(good)
    }

    fn may_read_again(&self, octets: u64) -> bool {
        self.again + octets <= AGAIN_AT_FIRST + AGAIN * (self.base + self.held.len() as u64)
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(octets)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for Window<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.held.len() {
            self.read_more()?;
        }
        Ok(&self.held[self.at..])
    }

    fn consume(&mut self, length: usize) {
        self.at += length;
    }
}

/// Octets of a member's header, without what is optional (RFC 1952, section 2.3).
const HEADER: usize = 10;

/// Whether octets are the header of a member: reserved flags are zero, and how and where it was compressed is known.
fn is_header(octets: &[u8]) -> bool {
    matches!(octets, [0x1f, 0x8b, 8, 0..0x20, _, _, _, _, 0 | 2 | 4, 0..=13 | 255])
}

/// Whether octets are at least some text, which may end within a character.
fn is_text(octets: &[u8]) -> bool {
    let text = match std::str::from_utf8(octets) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&octets[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.contains(|c: char| c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GzipBlock;

    /// The text that can be read, with `#` for each damage, and the damages.
    fn read(file: &[u8]) -> (String, Vec<Damage>, Option<io::ErrorKind>) {
        let mut members = Members::new(file);
        let (mut text, mut damages, mut end) = (Vec::new(), Vec::new(), None);
        loop {
            match members.read_to_end(&mut text) {
                Ok(_) => break,
                Err(error) => match error.get_ref().and_then(|source| source.downcast_ref::<Damage>()) {
                    Some(damage) => {
                        text.push(b'#');
                        damages.push(damage.clone());
                    }
                    None => end = Some(error.kind()),
                },
            }
        }
        (String::from_utf8_lossy(&text).into_owned(), damages, end)
    }

    /// Lines that do not compress to nothing.
    fn lines(number: u32) -> String {
        let mut random = number.wrapping_mul(2_654_435_761) | 1;
        let line = |_| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            format!("{{\"member\":{number},\"value\":{random}}}\n")
        };
        (0..200).map(line).collect()
    }

    fn file(members: u32) -> (Vec<u8>, Vec<usize>) {
        let (mut file, mut starts) = (Vec::new(), Vec::new());
        for number in 0..members {
            starts.push(file.len());
            file.extend(GzipBlock::default().compress(lines(number).as_bytes()).unwrap());
        }
        (file, starts)
    }

    #[test]
    fn members_behind_a_damaged_one_are_read() {
        let (good, starts) = file(4);
        assert_eq!(read(&good), ((0..4).map(lines).collect(), vec![], None));
        // Any octet of the second member: its header, its data, its trailer.
        for at in
            (starts[1]..starts[2]).step_by(7).chain(starts[1]..starts[1] + 12).chain(starts[2] - 8..starts[2])
        {
            let mut file = good.clone();
            file[at] ^= 0x55;
            let (text, damages, end) = read(&file);
            assert_eq!(end, None, "{at}");
            assert!(text.starts_with(&lines(0)) && text.ends_with(&(lines(2) + &lines(3))), "{at}");
            // The time in the header, and the system, do not matter.
            if !(starts[1] + 3..starts[1] + 10).contains(&at) {
                let [damage] = &damages[..] else { panic!("{at}: {damages:?}") };
                assert_eq!((damage.from, damage.to), (starts[1] as u64, Some(starts[2] as u64)), "{at}");
            }
        }
    }

    #[test]
    fn a_part_that_is_missing_takes_no_more_than_its_members() {
        let (good, starts) = file(5);
        let file = [&good[..starts[1] + 100], &good[starts[2] + 50..]].concat();
        let (text, damages, end) = read(&file);
        assert_eq!((damages.len(), end), (1, None));
        assert!(text.starts_with(&lines(0)) && text.ends_with(&(lines(3) + &lines(4))));
    }

    #[test]
    fn the_last_member_may_be_damaged_or_cut_off() {
        let (good, starts) = file(3);
        let mut damaged = good.clone();
        damaged[starts[2] + 500] ^= 0x55;
        let (text, damages, end) = read(&damaged);
        assert!(text.starts_with(&(lines(0) + &lines(1))) && end.is_none());
        assert_eq!((damages[0].from, damages[0].to), (starts[2] as u64, None));
        let (text, damages, end) = read(&good[..good.len() - 5]);
        assert_eq!((damages, end), (vec![], Some(io::ErrorKind::UnexpectedEof)));
        assert_eq!(text, (0..3).map(lines).collect::<String>());
        // The one before is damaged as well.
        damaged.truncate(good.len() - 5);
        damaged[starts[1] + 500] ^= 0x55;
        damaged[starts[2] + 500] ^= 0x55;
        let (text, damages, end) = read(&damaged);
        assert_eq!((damages.len(), end), (1, Some(io::ErrorKind::UnexpectedEof)));
        assert!(text.starts_with(&lines(0)) && text.ends_with(&lines(2)));
    }

    #[test]
    fn what_looks_like_a_header_in_the_data_is_no_member() {
        let (good, starts) = file(3);
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
        let mut file = good.clone();
        for at in [200, 300, 400] {
            file[starts[1] + at..][..header.len()].copy_from_slice(&header);
        }
        let (text, damages, _) = read(&file);
        assert_eq!(damages.len(), 1, "{damages:?}");
        assert!(text.ends_with(&lines(2)));
    }

    #[test]
    fn a_member_of_much_and_of_no_text_is_none() {
        let (good, starts) = file(2);
        let mut hostile = good[..starts[1]].to_vec();
        hostile[500] ^= 0x55;
        hostile.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        // Stored blocks without an octet.
        hostile.extend([0, 0, 0, 0xff, 0xff].repeat((9 << 20) / 5));
        hostile.extend(&good[starts[1]..]);
        let (text, damages, end) = read(&hostile);
        assert_eq!((damages.len(), end), (1, None), "{damages:?}");
        assert_eq!(damages[0].to, Some((hostile.len() - (good.len() - starts[1])) as u64));
        assert!(text.ends_with(&lines(1)));
    }

    #[test]
    fn of_a_file_of_headers_little_is_read_again() {
        // Each of them is a stored block that reaches to the end, with a wrong checksum there.
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255, 0, 0xff, 0xff, 0, 0];
        let file = header.repeat(2 << 20 >> 4);
        struct Counted<'a>(Members<&'a [u8]>, u64);
        let mut counted = Counted(Members::new(&file), 0);
        let mut text = [0; 1 << 16];
        loop {
            match counted.0.read(&mut text) {
                Ok(0) => break,
                Ok(length) => counted.1 += length as u64,
                Err(_) => {}
            }
        }
        let most = AGAIN_AT_FIRST + (AGAIN + 2) * file.len() as u64;
        assert!(counted.1 <= most, "{} octets of text of {}", counted.1, file.len());
    }
}
