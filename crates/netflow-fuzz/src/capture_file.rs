//! Captures: pcap and pcapng, fragments, TCP streams.

use netflow_capture::{CaptureReader, Transport};

/// Longest payload of a UDP datagram, or a jumbogram's as far as a frame can hold it.
const LONGEST_PAYLOAD: usize = 1 << 20;

/// Reads a capture to its end.
pub fn capture_file(data: &[u8]) {
    let Ok(mut reader) = CaptureReader::new(data) else { return };
    let (mut datagrams, mut truncated, mut octets, mut frame) = (0, 0, 0, 0);
    let ended = loop {
        match reader.next_datagram() {
            Ok(Some(datagram)) => {
                datagrams += 1;
                truncated += u64::from(datagram.truncated);
                octets += datagram.payload.len();
                assert!(datagram.payload.len() <= LONGEST_PAYLOAD);
                assert!(datagram.frame >= frame, "frames are counted upwards");
                frame = datagram.frame;
                if datagram.transport == Transport::Tcp {
                    assert!(datagram.payload.starts_with(&[0, 10]) && datagram.payload.len() >= 16);
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.to_string()),
        }
    };
    assert!(matches!(reader.next_datagram(), Ok(None)), "nothing comes after the end, {ended:?}");
    let statistics = reader.statistics();
    assert_eq!((statistics.datagrams, statistics.truncated), (datagrams, truncated));
    assert!(reader.offset() <= data.len() as u64);
    // Every octet is handed out once at most; fragments that the capture cut stand for octets that are not there.
    assert!(octets <= data.len() + statistics.fragments as usize * 65_535);
    assert!(statistics.frames <= data.len() as u64 / 12);
}
