//! A flow, looked at as a part of a connection.

use netflow_flow::Flow;
use netflow_templates::Timestamp;

use super::sent::Sent;
use super::{FIN, RST};
use crate::connection::Traffic;
use crate::key::{ConnectionKey, Side, proto};

/// A flow, looked at as a part of a connection.
pub(crate) struct Piece<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) side: Side,
    pub(crate) received: Timestamp,
    /// From the first packet to the last, in nanoseconds; the time of receipt where unknown.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// What the source sent.
    pub(crate) sent: Sent,
    /// What the destination sent, of a biflow.
    pub(crate) answered: Option<Sent>,
    pub(crate) biflow: bool,
    /// Whether it tells of a connection without counting anything: events of firewalls and of NAT.
    pub(crate) event: bool,
    /// What it was after its addresses were translated, and the side that sent it then.
    pub(crate) translated: Option<(ConnectionKey, Side)>,
}

impl<'a> Piece<'a> {
    #[inline]
    pub(crate) fn of(flow: &'a Flow, side: Side, received: Timestamp) -> Self {
        let answered = answered(flow);
        let (mut first, mut last) = (flow.time_flow_start, flow.time_flow_end);
        if let Some(answer) = &answered {
            first = [first, answer.first].into_iter().flatten().min();
            last = last.max(answer.last);
        }
        let start = first.or(last).unwrap_or(received).as_nanos();
        let end = last.or(first).unwrap_or(received).as_nanos();
        let sent = sent(flow);
        const DENIED: u8 = 3;
        let tells = match flow.rare().fw_event {
            Some(event) => event != DENIED,
            None => flow.rare().nat_event.is_some(),
        };
        Self {
            flow,
            side,
            received,
            // An exporter with a broken clock may end flows before they start.
            start: start.min(end),
            end: end.max(start),
            event: tells && sent.is_empty() && answered.is_none_or(|answer| answer.is_empty()),
            biflow: answered.is_some(),
            sent: sent.into(),
            answered: answered.map(Sent::from),
            translated: ConnectionKey::translated(flow),
        }
    }

    /// Whether the exporter may have cut the flow, so that another piece will come.
    #[inline]
    pub(crate) fn may_go_on(&self) -> bool {
        const ACTIVE_TIMEOUT: u8 = 2;
        const FORCED: u8 = 4;
        const LACK_OF_RESOURCES: u8 = 5;
        match self.flow.flow_end_reason {
            Some(reason) => matches!(reason, ACTIVE_TIMEOUT | FORCED | LACK_OF_RESOURCES),
            None => self.flow.proto != proto::TCP || self.flow.tcp_flags & (FIN | RST) == 0,
        }
    }

    /// The TCP flags of both directions.
    pub(crate) fn tcp_flags(&self) -> u16 {
        self.sent.tcp_flags | self.answered.as_ref().map_or(0, |answer| answer.tcp_flags)
    }
}

/// The direction that a record reports.
#[inline]
fn sent(flow: &Flow) -> Traffic {
    Traffic {
        bytes: flow.bytes(),
        packets: flow.packets(),
        bytes_raw: flow.bytes_raw,
        packets_raw: flow.packets_raw,
        first: flow.time_flow_start,
        last: flow.time_flow_end,
        flows: 1,
        in_if: flow.in_if,
        out_if: flow.out_if,
        tcp_flags: flow.tcp_flags,
        icmp_type: flow.icmp_type,
        icmp_code: flow.icmp_code,
        direction: flow.direction,
    }
}

/// The reverse direction of a record that has one.
#[inline]
fn answered(flow: &Flow) -> Option<Traffic> {
    let rare = flow.rare();
    if rare.reverse_bytes.is_none() && rare.reverse_packets.is_none() {
        return None;
    }
    let bytes_raw = rare.reverse_bytes.unwrap_or(0);
    let packets_raw = rare.reverse_packets.unwrap_or(0);
    let nothing = bytes_raw == 0 && packets_raw == 0;
    Some(Traffic {
        bytes: bytes_raw.saturating_mul(flow.sampling_rate.max(1)),
        packets: packets_raw.saturating_mul(flow.sampling_rate.max(1)),
        bytes_raw,
        packets_raw,
        // Most exporters tell the times of the whole only.
        first: if nothing { None } else { rare.reverse_start.or(flow.time_flow_start) },
        last: if nothing { None } else { rare.reverse_end.or(flow.time_flow_end) },
        flows: u32::from(!nothing),
        in_if: flow.out_if,
        out_if: flow.in_if,
        tcp_flags: rare.reverse_tcp_flags.unwrap_or(0),
        icmp_type: None,
        icmp_code: None,
        direction: None,
    })
}
