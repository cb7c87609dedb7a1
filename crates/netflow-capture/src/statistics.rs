//! What a reader of a capture saw.

/// What a reader saw up to now. All numbers are counts since the start of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureStatistics {
    /// Frames read.
    pub frames: u64,
    /// Datagrams handed out.
    pub datagrams: u64,
    /// Of them, those of which the capture kept only the beginning.
    pub truncated: u64,
    /// Frames of which the capture kept only the beginning, whatever they carry.
    pub cut_frames: u64,
    /// Frames of interfaces whose link type is not known here; the last such type is
    /// [`Self::unsupported_link_type`].
    pub unsupported_link: u64,
    /// Link type that was met last among the unsupported ones.
    pub unsupported_link_type: Option<u32>,
    /// Frames longer than any network frame, which were stepped over.
    pub oversized: u64,
    /// Frames that hold no IP packet.
    pub not_ip: u64,
    /// IP packets that carry neither UDP nor TCP.
    pub other_protocol: u64,
    /// IP packets with headers that contradict each other or the length of the packet.
    pub malformed: u64,
    /// Fragments of IP packets.
    pub fragments: u64,
    /// Packets put together from fragments.
    pub reassembled: u64,
    /// Packets of which fragments are still missing. At the end of a capture they are lost.
    pub fragments_waiting: u64,
    /// Packets given up, since fragments of them came too late, too many were waiting, or the fragments
    /// contradict each other.
    pub fragments_dropped: u64,
    /// TCP segments.
    pub tcp_segments: u64,
    /// TCP segments that brought nothing new.
    pub tcp_retransmitted: u64,
    /// TCP segments with content that is not IPFIX.
    pub tcp_foreign: u64,
    /// Places in TCP streams of IPFIX where octets are missing.
    pub tcp_gaps: u64,
    /// Times that a message header was found again in a TCP stream, after a gap or after octets that are no
    /// message.
    pub tcp_resynchronised: u64,
}
