//! Synthetic traffic: flows as routers see them between made-up hosts.
//!
//! Hosts and services are popular by Zipf's law and by a table of shares; sizes are log-normal with Pareto's tail;
//! a conversation is two flows, or one biflow (RFC 5103). All of it comes from a seed by integer arithmetic, so the
//! same seed makes the same flows on every machine. Time is an argument.

use std::net::IpAddr;
use std::sync::Arc;

use netflow_flow::Flow;
use netflow_templates::Timestamp;

use crate::random::{Random, below};

mod alias;
mod service;
mod world;

use service::{ICMP, ICMP_V6, SERVICES, TCP};
use world::{Host, World};

pub use service::Service;
pub use world::{MAX_HOSTS, interfaces};

/// After so many milliseconds routers export what is known of a flow that goes on.
const ACTIVE_TIMEOUT: u64 = 60_000;
/// For so many milliseconds they wait for more of a flow that has gone quiet.
const INACTIVE_TIMEOUT: u32 = 15_000;
/// Most packets of a flow: even all of the largest size, their octets are a number of 32 bits, which v5 has for them.
const MAX_PACKETS: u64 = 1 << 21;
const MILLISECOND: i64 = 1_000_000;
/// Conversations of IPv4 and IPv6 together after which they begin again, where they come apart.
const ROUND: u32 = 400;

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const RST: u16 = 0x04;
const PSH: u16 = 0x08;
const ACK: u16 = 0x10;

/// What traffic is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrafficConfig {
    /// Where all randomness comes from.
    pub seed: u64,
    /// Hosts that talk, 2 to [`MAX_HOSTS`]; a quarter are within the network.
    pub hosts: u32,
    /// Conversations of a hundred that are IPv6.
    pub ipv6_percent: u8,
    /// Whether hundreds of conversations of IPv4 come in a row, and then those of IPv6, as of a router that keeps them
    /// apart; else they come mixed.
    pub families_apart: bool,
    /// A service that four of five conversations are about.
    pub spike: Option<Service>,
    /// Both directions as one flow (RFC 5103), instead of two.
    pub biflow: bool,
    /// One packet in how many routers look at: flows have as many fewer packets. At least 1.
    pub sampling: u32,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            hosts: 10_000,
            ipv6_percent: 20,
            families_apart: false,
            spike: None,
            biflow: false,
            sampling: 1,
        }
    }
}

/// Endless flows.
///
/// ```
/// use netflow_exporter::traffic::{Traffic, TrafficConfig};
/// use netflow_templates::Timestamp;
///
/// let mut traffic = Traffic::new(&TrafficConfig::default());
/// let flow = traffic.flow(Timestamp::from_secs(1_767_225_600));
/// assert!(flow.packets_raw > 0);
/// ```
#[derive(Debug, Clone)]
pub struct Traffic {
    world: Arc<World>,
    random: Random,
    families: Families,
    biflow: bool,
    sampling: u64,
    /// No flow starts before.
    not_before: Timestamp,
    conversation: Conversation,
    /// Whether the answer of the conversation is still to come.
    answer_due: bool,
    flow: Flow,
}

/// Both sides of a conversation.
#[derive(Debug, Clone, Copy)]
struct Conversation {
    from: Host,
    to: Host,
    v6: bool,
    proto: u8,
    client_port: u16,
    server_port: u16,
    tos: u8,
    end_reason: u8,
    there: Side,
    back: Side,
    /// Milliseconds from the end of the flow to its export, and from its start to its end.
    quiet: u32,
    lasted: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Side {
    packets: u64,
    octets: u64,
    tcp_flags: u16,
    icmp_type: u8,
}

impl Traffic {
    /// Traffic that begins at its seed.
    pub fn new(config: &TrafficConfig) -> Self {
        let world = Arc::new(World::new(config.hosts, config.spike));
        let random = Random::new(config.seed, 0);
        let idle = Conversation::between(*world.inside(0), *world.outside(0));
        let mut flow = Flow::UNKNOWN;
        (flow.flows, flow.sampling_rate, flow.direction) = (1, u64::from(config.sampling.max(1)), Some(0));
        Self {
            world,
            random,
            families: Families::new(config),
            biflow: config.biflow,
            sampling: u64::from(config.sampling.max(1)),
            not_before: Timestamp::from_nanos(i64::MIN),
            conversation: idle,
            answer_due: false,
            flow,
        }
    }

    /// Other conversations between the same hosts: what another exporter sees, or another observation domain.
    #[must_use]
    pub fn beside(&self, seed: u64, stream: u64) -> Self {
        Self { random: Random::new(seed, stream), answer_due: false, ..self.clone() }
    }

    /// From now on no flow started before the router did.
    pub fn router_started(&mut self, at: Timestamp) {
        self.not_before = at;
        self.answer_due = false;
    }

    /// The next flow, for export at a time; each time is no earlier than the one before.
    #[inline]
    pub fn flow(&mut self, export: Timestamp) -> &Flow {
        if self.answer_due {
            self.answer_due = false;
            self.answer(export);
        } else {
            self.converse();
            self.answer_due = !self.biflow && self.conversation.back.packets > 0;
            self.request(export);
        }
        &self.flow
    }

    /// Draws the next conversation.
    fn converse(&mut self) {
        let random = &mut self.random;
        let (kind, hosts, size, time, rest) =
            (random.number(), random.number(), random.number(), random.number(), random.number());
        let service = &SERVICES[self.world.service(kind as u32)];
        let v6 = self.families.is_v6((kind >> 40) as u32);
        let (inside, outside) = (self.world.inside(hosts as u32), self.world.outside((hosts >> 32) as u32));
        // One conversation in eight is begun from outside.
        let begun_outside = kind >> 32 & 7 == 0;
        let mut talk = match begun_outside {
            true => Conversation::between(*outside, *inside),
            false => Conversation::between(*inside, *outside),
        };
        talk.v6 = v6;
        talk.proto = service.proto;
        talk.server_port = service.port;
        talk.client_port = if service.port == 0 { 0 } else { 32_768 + (rest as u16 >> 1) };
        talk.tos = if rest >> 16 & 15 == 0 { 0x28 } else { 0 };

        // An eighth of the flows is larger, and each doubling half as likely: Pareto's tail.
        let tail = (rest >> 20 & 0xffff | 1 << 16).trailing_zeros().saturating_sub(2);
        let packets = (service.packets.draw(size) << tail).clamp(1, MAX_PACKETS / 2);
        let answered = ((packets * u64::from(service.answered)) >> 8).clamp(1, MAX_PACKETS);
        let of = |packets: u64, (least, most): (u16, u16), bits: u64| {
            packets * u64::from(u32::from(least) + below((bits as u32) << 16, u32::from(most - least) + 1))
        };
        talk.there.packets = packets;
        talk.there.octets = of(packets, service.request, rest >> 36);
        talk.back.packets = answered;
        talk.back.octets = of(answered, service.answer, rest >> 48);

        let lasted = if packets == 1 { time >> 58 } else { service.millis.draw(time) };
        talk.lasted = lasted.min(ACTIVE_TIMEOUT) as u32;
        let fate = kind as u32 >> 3 & 0x1f;
        talk.end(service.proto, fate, lasted, (time ^ size) as u32);
        if self.sampling > 1 {
            talk.there.sample(self.sampling);
            talk.back.sample(self.sampling);
        }
        self.conversation = talk;
    }

    #[inline(always)]
    fn request(&mut self, export: Timestamp) {
        let talk = &self.conversation;
        let flow = &mut self.flow;
        set_times(flow, talk, export, self.not_before);
        (flow.src_port, flow.dst_port) = (talk.client_port, talk.server_port);
        set_sides(flow, talk, &talk.from, &talk.to, &talk.there);
        if self.biflow {
            set_reverse(flow, talk);
        }
    }

    #[inline(always)]
    fn answer(&mut self, export: Timestamp) {
        let talk = &self.conversation;
        let flow = &mut self.flow;
        set_times(flow, talk, export, self.not_before);
        (flow.src_port, flow.dst_port) = (talk.server_port, talk.client_port);
        set_sides(flow, talk, &talk.to, &talk.from, &talk.back);
    }
}

/// Which conversations are IPv6.
#[derive(Debug, Clone, Copy)]
enum Families {
    /// So many of 2^24, by chance.
    Mixed(u32),
    /// Those of a round from `ipv6` on; `next` comes next.
    Apart { ipv6: u32, next: u32 },
}

impl Families {
    fn new(config: &TrafficConfig) -> Self {
        let percent = u32::from(config.ipv6_percent.min(100));
        match config.families_apart {
            false => Self::Mixed((percent << 24) / 100),
            true => Self::Apart { ipv6: ROUND - ROUND * percent / 100, next: 0 },
        }
    }

    /// Whether the next one is, by 24 random bits.
    #[inline(always)]
    fn is_v6(&mut self, bits: u32) -> bool {
        match self {
            Self::Mixed(share) => bits < *share,
            Self::Apart { ipv6, next } => {
                let place = *next;
                *next = if place + 1 == ROUND { 0 } else { place + 1 };
                place >= *ipv6
            }
        }
    }
}

impl Conversation {
    fn between(from: Host, to: Host) -> Self {
        Self {
            from,
            to,
            v6: false,
            proto: 0,
            client_port: 0,
            server_port: 0,
            tos: 0,
            end_reason: 1,
            there: Side::default(),
            back: Side::default(),
            quiet: 0,
            lasted: 0,
        }
    }

    /// How it ends: TCP flags, ICMP types, the reason that a router has to export it, and how long it waited.
    #[inline(always)]
    fn end(&mut self, proto: u8, fate: u32, lasted: u64, bits: u32) {
        const ACTIVE: u8 = 2;
        const END_SEEN: u8 = 3;
        // Until the next packet, or the next look for flows that are over.
        self.quiet = below(bits, 1_000);
        if lasted > ACTIVE_TIMEOUT {
            self.end_reason = ACTIVE;
        } else if proto != TCP {
            self.quiet += INACTIVE_TIMEOUT;
        }
        match (proto, fate) {
            // A scan, or a server that is down: no answer, or a refusal.
            (TCP, 0) => {
                self.lasted = 0;
                self.quiet += INACTIVE_TIMEOUT;
                self.end_reason = 1;
                self.there = Side { packets: 1, octets: 60, tcp_flags: SYN, icmp_type: 0 };
                self.back = Side::default();
            }
            (TCP, 1) => {
                self.lasted = self.lasted.min(200);
                self.end_reason = END_SEEN;
                self.there = Side { packets: 1, octets: 60, tcp_flags: SYN, icmp_type: 0 };
                self.back = Side { packets: 1, octets: 40, tcp_flags: RST | ACK, icmp_type: 0 };
            }
            (TCP, _) if self.end_reason == ACTIVE => {
                self.there.tcp_flags = PSH | ACK;
                self.back.tcp_flags = PSH | ACK;
            }
            (TCP, _) => {
                self.end_reason = END_SEEN;
                let end = if fate < 4 { RST } else { FIN };
                // There is room for what the flags say.
                self.there.at_least(4, 52);
                self.back.at_least(3, 52);
                self.there.tcp_flags = SYN | PSH | ACK | end;
                self.back.tcp_flags = SYN | PSH | ACK | FIN;
            }
            (ICMP, _) => {
                self.proto = if self.v6 { ICMP_V6 } else { ICMP };
                (self.there.icmp_type, self.back.icmp_type) = if self.v6 { (128, 129) } else { (8, 0) };
            }
            // A question that nobody answered.
            (_, 0) => self.back = Side::default(),
            _ => {}
        }
    }
}

impl Side {
    fn at_least(&mut self, packets: u64, octets_each: u64) {
        if self.packets < packets {
            self.octets += (packets - self.packets) * octets_each;
            self.packets = packets;
        }
    }

    /// What is left when one packet in `rate` is looked at. A side of which no packet was seen is still there with
    /// one: what is not seen is no flow.
    fn sample(&mut self, rate: u64) {
        if self.packets > 0 {
            let seen = (self.packets / rate).max(1);
            self.octets = self.octets / self.packets * seen;
            self.packets = seen;
        }
    }
}

#[inline(always)]
fn set_times(flow: &mut Flow, talk: &Conversation, export: Timestamp, not_before: Timestamp) {
    // In whole milliseconds, as most versions have them.
    let now = export.as_nanos() - export.as_nanos().rem_euclid(MILLISECOND);
    let end = (now - i64::from(talk.quiet) * MILLISECOND).max(not_before.as_nanos());
    let start = (end - i64::from(talk.lasted) * MILLISECOND).max(not_before.as_nanos());
    flow.time_export = export;
    flow.time_flow_end = Some(Timestamp::from_nanos(end));
    flow.time_flow_start = Some(Timestamp::from_nanos(start));
}

/// What depends on the direction, and what both share.
#[inline(always)]
fn set_sides(flow: &mut Flow, talk: &Conversation, src: &Host, dst: &Host, side: &Side) {
    flow.ip_version = if talk.v6 { 6 } else { 4 };
    flow.proto = talk.proto;
    flow.ip_tos = talk.tos;
    flow.flow_end_reason = Some(talk.end_reason);
    flow.bytes_raw = side.octets;
    flow.packets_raw = side.packets;
    flow.tcp_flags = side.tcp_flags;
    let is_icmp = talk.proto == ICMP || talk.proto == ICMP_V6;
    flow.icmp_type = is_icmp.then_some(side.icmp_type);
    flow.icmp_code = is_icmp.then_some(0);
    flow.src_addr = Some(src.address(talk.v6));
    flow.dst_addr = Some(dst.address(talk.v6));
    flow.src_as = src.asn;
    flow.dst_as = dst.asn;
    flow.src_mask = src.mask(talk.v6);
    flow.dst_mask = dst.mask(talk.v6);
    flow.in_if = src.interface;
    flow.out_if = dst.interface;
    flow.src_vlan = Some(src.vlan);
    flow.dst_vlan = Some(dst.vlan);
    let next_hop: IpAddr = dst.next_hop(talk.v6);
    flow.next_hop = Some(next_hop);
}

/// The answer, beside the request.
fn set_reverse(flow: &mut Flow, talk: &Conversation) {
    let answered = talk.back.packets > 0;
    let (start, end) = (flow.time_flow_start, flow.time_flow_end);
    let rare = flow.rare_mut();
    // 1: the source is the initiator.
    rare.biflow_direction = Some(1);
    rare.reverse_bytes = Some(talk.back.octets);
    rare.reverse_packets = Some(talk.back.packets);
    rare.reverse_tcp_flags = Some(talk.back.tcp_flags);
    rare.reverse_start = if answered { start } else { None };
    rare.reverse_end = if answered { end } else { None };
}

#[cfg(test)]
mod tests;
