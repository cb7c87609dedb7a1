//! IPFIX messages out of the octets of a connection (RFC 7011, section 10.4): each says how long it is.

use netflow_wire::ipfix;

/// Octets of a message that say its version and length.
const HEAD: usize = 4;

/// Why the octets of a connection are no IPFIX messages. Where the next message starts cannot be told then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// What should be a message has another version.
    #[error("version {0} where an IPFIX message (version 10) has to start")]
    Version(u16),
    /// A message that is shorter than its header.
    #[error("an IPFIX message of {0} octets, which is less than its header has")]
    Length(u16),
}

/// Cuts octets into messages, however they come. It keeps the beginning of one message at most, and nothing between
/// messages.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    partial: Vec<u8>,
}

impl Framer {
    /// Hands each message that `octets` complete to `message`.
    ///
    /// # Errors
    /// When a message cannot start as they do. What came before it has been handed on.
    pub(crate) fn push(&mut self, octets: &[u8], mut message: impl FnMut(&[u8])) -> Result<(), FrameError> {
        let mut rest = octets;
        while !self.partial.is_empty() && !rest.is_empty() {
            let wanted = message_length(&self.partial)?.unwrap_or(HEAD);
            let (taken, behind) = rest.split_at(rest.len().min(wanted - self.partial.len()));
            self.keep(taken, wanted);
            rest = behind;
            if message_length(&self.partial)? == Some(self.partial.len()) {
                message(&std::mem::take(&mut self.partial));
            }
        }
        while let Some(length) = message_length(rest)?
            && length <= rest.len()
        {
            let (whole, behind) = rest.split_at(length);
            message(whole);
            rest = behind;
        }
        if !rest.is_empty() {
            self.keep(rest, message_length(rest)?.unwrap_or(HEAD));
        }
        Ok(())
    }

    /// Octets of a message that is not whole.
    pub(crate) fn partial(&self) -> usize {
        self.partial.len()
    }

    /// Appends to the partial message of `wanted` octets. Memory doubles, but never beyond that length.
    fn keep(&mut self, octets: &[u8], wanted: usize) {
        let then = self.partial.len() + octets.len();
        if then > self.partial.capacity() {
            let capacity = then.max(2 * self.partial.len()).min(wanted.max(then));
            self.partial.reserve_exact(capacity - self.partial.len());
        }
        self.partial.extend_from_slice(octets);
    }
}

/// Length of the message that starts here, once enough of it is there to tell.
fn message_length(octets: &[u8]) -> Result<Option<usize>, FrameError> {
    let [version_high, version_low, rest @ ..] = octets else { return Ok(None) };
    let version = u16::from_be_bytes([*version_high, *version_low]);
    if version != ipfix::VERSION {
        return Err(FrameError::Version(version));
    }
    let [length_high, length_low, ..] = rest else { return Ok(None) };
    let length = u16::from_be_bytes([*length_high, *length_low]);
    if usize::from(length) < ipfix::HEADER_LEN {
        return Err(FrameError::Length(length));
    }
    Ok(Some(length.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message of so many octets, all but its head with a value of its own.
    fn message(length: u16, value: u8) -> Vec<u8> {
        let mut message = vec![value; length.into()];
        message[..2].copy_from_slice(&ipfix::VERSION.to_be_bytes());
        message[2..4].copy_from_slice(&length.to_be_bytes());
        message
    }

    /// What comes of `octets` when they are read in pieces of these lengths, over and over.
    fn framed(octets: &[u8], pieces: &[usize]) -> (Vec<Vec<u8>>, usize, Result<(), FrameError>) {
        let (mut framer, mut messages, mut rest) = (Framer::default(), Vec::new(), octets);
        for &piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (taken, behind) = rest.split_at(piece.clamp(1, rest.len()));
            rest = behind;
            let pushed = framer.push(taken, |message| messages.push(message.to_vec()));
            assert!(framer.partial.capacity() <= 1 << 16, "{}", framer.partial.capacity());
            if pushed.is_err() {
                return (messages, framer.partial(), pushed);
            }
        }
        (messages, framer.partial(), Ok(()))
    }

    proptest! {
        #[test]
        fn however_octets_come_they_are_the_same_messages(
            lengths in prop::collection::vec(prop_oneof![16..60u16, 16..=u16::MAX], 0..6),
            pieces in prop::collection::vec(prop_oneof![1..5usize, 1..70_000usize], 1..8),
            behind in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let messages: Vec<_> =
                lengths.iter().enumerate().map(|(number, &length)| message(length, number as u8)).collect();
            let octets = [messages.concat(), behind].concat();
            let at_once = framed(&octets, &[usize::MAX]);
            prop_assert!(at_once.0.starts_with(&messages));
            let in_pieces = framed(&octets, &pieces);
            prop_assert_eq!(&in_pieces.0, &at_once.0);
            prop_assert_eq!(in_pieces.2, at_once.2);
        }

        #[test]
        fn whatever_comes_no_octet_is_lost_and_none_is_made_up(
            octets in prop::collection::vec(prop_oneof![Just(0u8), Just(10), Just(16), any::<u8>()], 0..200),
            pieces in prop::collection::vec(1..9usize, 1..5),
        ) {
            let (messages, partial, result) = framed(&octets, &pieces);
            let whole = messages.concat();
            prop_assert!(octets.starts_with(&whole));
            for message in &messages {
                prop_assert_eq!(&message[..2], &[0, 10]);
                prop_assert_eq!(message.len(), usize::from(u16::from_be_bytes([message[2], message[3]])));
            }
            if result.is_ok() {
                prop_assert_eq!(whole.len() + partial, octets.len());
            }
        }
    }

    #[test]
    fn what_cannot_be_a_message_is_told() {
        let mut framer = Framer::default();
        assert_eq!(framer.push(b"GET / HTTP/1.1\r\n", |_| {}), Err(FrameError::Version(0x4745)));
        for length in 0..16 {
            let mut messages = 0;
            let octets = [message(16, 0), vec![0, 10, 0, length]].concat();
            let pushed = Framer::default().push(&octets, |_| messages += 1);
            assert_eq!((pushed, messages), (Err(FrameError::Length(length.into())), 1));
        }
        assert_eq!(Framer::default().push(&[0, 9], |_| {}), Err(FrameError::Version(9)));
    }

    #[test]
    fn nothing_is_kept_between_messages() {
        let mut framer = Framer::default();
        for octets in message(60_000, 1).chunks(7) {
            framer.push(octets, |_| {}).unwrap();
        }
        assert_eq!((framer.partial(), framer.partial.capacity()), (0, 0));
    }
}
