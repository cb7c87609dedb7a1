//! A flow, looked at as a part of a connection.

use std::net::IpAddr;

use netflow_flow::{Flow, TimeQuality};
use netflow_templates::Timestamp;

use super::sent::{Sent, earlier, known, nanos};
use super::{FIN, RST};
use crate::firewall::FirewallEvent;
use crate::key::{ConnectionKey, Endpoint, Side, proto};

/// A flow, looked at as a part of a connection: what [`Pairing`](super::Pairing) keeps of it.
///
/// It takes about half the memory of a [`Flow`], so it is what threads that read flows best hand over to the one that
/// pairs them.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Both ends, the one that sorts first in front; `None` for a flow without both addresses.
    ends: Option<[Endpoint; 2]>,
    pub(crate) side: Side,
    pub(crate) proto: u8,
    /// Whether the exporter may have cut the flow, so that another piece will come.
    pub(crate) may_go_on: bool,
    pub(crate) time_quality: TimeQuality,
    pub(crate) exporter_addr: IpAddr,
    pub(crate) observation_domain_id: u32,
    /// Of the source and of the destination; 0 unknown.
    pub(crate) src_as: u32,
    pub(crate) dst_as: u32,
    /// One packet in how many; at least 1.
    pub(crate) sampling_rate: u64,
    pub(crate) received: Timestamp,
    /// From the first packet to the last, in nanoseconds; the time of receipt where unknown.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// What the source sent.
    pub(crate) sent: Sent,
    rest: Option<Box<Rest>>,
}

/// What few flows have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rest {
    /// What the destination sent, of a biflow.
    pub(crate) answered: Option<Sent>,
    /// Whether the source initiated a biflow, or the destination did, if it is told.
    pub(crate) by_source: Option<bool>,
    pub(crate) firewall: Option<FirewallEvent>,
    /// Whether it tells of a connection without counting anything: events of firewalls and of NAT.
    pub(crate) event: bool,
    /// What it was after its addresses were translated, and the side that sent it then.
    pub(crate) translated: Option<(ConnectionKey, Side)>,
}

impl Piece {
    /// What is to be paired of `flow`.
    #[inline]
    pub fn of(flow: &Flow) -> Self {
        let received = received(flow);
        let (ends, side) = match ConnectionKey::of(flow) {
            Some((key, side)) => (Some([key.a, key.b]), side),
            None => (None, Side::A),
        };
        let sent = sent(flow);
        let (mut first, mut last) = (sent.first, sent.last);
        let rest = flow.has_rare().then(|| rest(flow, &sent)).flatten();
        if let Some(answer) = rest.as_ref().and_then(|rest| rest.answered.as_ref()) {
            first = earlier(first, answer.first);
            last = last.max(answer.last);
        }
        let start = known(first).or(known(last)).unwrap_or(received.as_nanos());
        let end = known(last).or(known(first)).unwrap_or(received.as_nanos());
        Self {
            ends,
            side,
            proto: flow.proto,
            may_go_on: may_go_on(flow),
            time_quality: flow.time_quality,
            exporter_addr: flow.exporter_addr,
            observation_domain_id: flow.observation_domain_id,
            src_as: flow.src_as,
            dst_as: flow.dst_as,
            sampling_rate: flow.sampling_rate.max(1),
            received,
            // An exporter with a broken clock may end flows before they start.
            start: start.min(end),
            end: end.max(start),
            sent,
            rest,
        }
    }

    /// When the flow came in: its receipt, else its export, else its end.
    #[inline]
    pub const fn received(&self) -> Timestamp {
        self.received
    }

    /// The key of the connection that it belongs to.
    #[inline]
    pub(crate) fn key(&self) -> Option<ConnectionKey> {
        let [a, b] = self.ends?;
        Some(ConnectionKey { exporter_addr: None, observation_domain_id: None, proto: self.proto, a, b })
    }

    #[inline]
    pub(crate) fn rest(&self) -> Option<&Rest> {
        self.rest.as_deref()
    }

    /// What the destination sent, of a biflow.
    #[inline]
    pub(crate) fn answered(&self) -> Option<&Sent> {
        self.rest()?.answered.as_ref()
    }

    /// Whether it tells of a connection without counting anything.
    #[inline]
    pub(crate) fn is_event(&self) -> bool {
        self.rest().is_some_and(|rest| rest.event)
    }

    /// What it was after its addresses were translated, and the side that sent it then.
    #[inline]
    pub(crate) fn translated(&self) -> Option<(ConnectionKey, Side)> {
        self.rest()?.translated
    }

    /// Takes it for one whose addresses were not translated.
    pub(crate) fn forget_translation(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.translated = None;
        }
    }

    /// The TCP flags of both directions.
    pub(crate) fn tcp_flags(&self) -> u16 {
        self.sent.tcp_flags | self.answered().map_or(0, |answer| answer.tcp_flags)
    }
}

/// When a flow came in: its receipt, else its export, else its end. (A time of 0 was never set.)
#[inline]
fn received(flow: &Flow) -> Timestamp {
    if flow.time_received != Timestamp::EPOCH {
        flow.time_received
    } else if flow.time_export != Timestamp::EPOCH {
        flow.time_export
    } else {
        flow.time_flow_end.or(flow.time_flow_start).unwrap_or(Timestamp::EPOCH)
    }
}

/// Whether the exporter may have cut the flow.
#[inline]
fn may_go_on(flow: &Flow) -> bool {
    const ACTIVE_TIMEOUT: u8 = 2;
    const FORCED: u8 = 4;
    const LACK_OF_RESOURCES: u8 = 5;
    match flow.flow_end_reason {
        Some(reason) => matches!(reason, ACTIVE_TIMEOUT | FORCED | LACK_OF_RESOURCES),
        None => flow.proto != proto::TCP || flow.tcp_flags & (FIN | RST) == 0,
    }
}

/// What a flow has that few have.
#[inline(never)]
fn rest(flow: &Flow, sent: &Sent) -> Option<Box<Rest>> {
    const DENIED: u8 = 3;
    let (rare, answered) = (flow.rare(), answered(flow));
    let tells = match rare.fw_event {
        Some(event) => event != DENIED,
        None => rare.nat_event.is_some(),
    };
    let by_source = match rare.biflow_direction.filter(|_| answered.is_some()) {
        Some(1) => Some(true),
        Some(2) => Some(false),
        _ => None,
    };
    let rest = Rest {
        by_source,
        firewall: FirewallEvent::of(flow).filter(|_| answered.is_some()),
        event: tells && sent.is_empty() && answered.is_none_or(|answer| answer.is_empty()),
        answered,
        translated: ConnectionKey::translated(flow),
    };
    let nothing = rest.answered.is_none() && !rest.event && rest.translated.is_none();
    (!nothing).then(|| Box::new(rest))
}

/// The direction that a record reports.
#[inline]
fn sent(flow: &Flow) -> Sent {
    Sent {
        bytes: flow.bytes(),
        packets: flow.packets(),
        bytes_raw: flow.bytes_raw,
        packets_raw: flow.packets_raw,
        first: nanos(flow.time_flow_start),
        last: nanos(flow.time_flow_end),
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
fn answered(flow: &Flow) -> Option<Sent> {
    let rare = flow.rare();
    if rare.reverse_bytes.is_none() && rare.reverse_packets.is_none() {
        return None;
    }
    let bytes_raw = rare.reverse_bytes.unwrap_or(0);
    let packets_raw = rare.reverse_packets.unwrap_or(0);
    let nothing = bytes_raw == 0 && packets_raw == 0;
    Some(Sent {
        bytes: bytes_raw.saturating_mul(flow.sampling_rate.max(1)),
        packets: packets_raw.saturating_mul(flow.sampling_rate.max(1)),
        bytes_raw,
        packets_raw,
        // Most exporters tell the times of the whole only.
        first: nanos(rare.reverse_start.or(flow.time_flow_start).filter(|_| !nothing)),
        last: nanos(rare.reverse_end.or(flow.time_flow_end).filter(|_| !nothing)),
        flows: u32::from(!nothing),
        in_if: flow.out_if,
        out_if: flow.in_if,
        tcp_flags: rare.reverse_tcp_flags.unwrap_or(0),
        icmp_type: None,
        icmp_code: None,
        direction: None,
    })
}
