//! Numbers that follow from columns.

use netflow_flow::{Cell, Column, FlowRef, column};

use super::signed;

/// A number that follows from columns; absent where one of these is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Derived {
    /// Milliseconds from the flow's first packet to its last; 0 when these are the wrong way round.
    Duration,
    /// Bits in a second of the flow's duration; 0 when it has none.
    BitsPerSecond,
    /// Packets in a second of the flow's duration; 0 when it has none.
    PacketsPerSecond,
    /// Octets of a packet, on average; 0 when there are no packets.
    BytesPerPacket,
    /// Bits 8 to 15 of the observation domain.
    EngineType,
    /// Bits 0 to 7 of the observation domain.
    EngineId,
    /// A label of the MPLS stack, counted from its top, which is 0.
    Label(u8),
    /// The label at the bottom of the MPLS stack.
    LastLabel,
}

impl Derived {
    /// Names of the columns.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Duration => &["time_flow_start", "time_flow_end"],
            Self::BitsPerSecond => &["time_flow_start", "time_flow_end", "bytes"],
            Self::PacketsPerSecond => &["time_flow_start", "time_flow_end", "packets"],
            Self::BytesPerPacket => &["bytes", "packets"],
            Self::EngineType | Self::EngineId => &["observation_domain_id"],
            Self::Label(_) | Self::LastLabel => &["mpls_labels"],
        }
    }

    /// The columns that it follows from: of numbers and times, or one of lists.
    pub fn columns(self) -> Vec<&'static Column> {
        self.names().iter().filter_map(|name| column(name)).collect()
    }

    /// Of a flow.
    pub fn of(self, flow: FlowRef<'_>) -> Option<i64> {
        let time = |time: Option<netflow_templates::Timestamp>| time.map(|time| time.as_nanos());
        let (start, end) = (time(flow.time_flow_start()), time(flow.time_flow_end()));
        match self {
            Self::Duration => self.of_numbers(&[start?, end?]),
            Self::BitsPerSecond => self.of_numbers(&[start?, end?, signed(flow.bytes())]),
            Self::PacketsPerSecond => self.of_numbers(&[start?, end?, signed(flow.packets())]),
            Self::BytesPerPacket => self.of_numbers(&[signed(flow.bytes()), signed(flow.packets())]),
            Self::EngineType | Self::EngineId => self.of_numbers(&[flow.observation_domain_id().into()]),
            Self::Label(_) | Self::LastLabel => {
                let Cell::List(labels) = column("mpls_labels")?.get(flow) else { return None };
                self.of_list(labels)
            }
        }
    }

    /// Of a list; `None` for what is not of lists.
    pub fn of_list(self, list: &[u32]) -> Option<i64> {
        match self {
            Self::Label(at) => list.get(usize::from(at)),
            Self::LastLabel => list.last(),
            _ => None,
        }
        .map(|&number| number.into())
    }

    /// Of the values of its columns, in their order; times in nanoseconds. `None` for lists.
    pub fn of_numbers(self, numbers: &[i64]) -> Option<i64> {
        match (self, numbers) {
            (Self::Duration, &[start, end]) => Some(milliseconds(start, end)),
            (Self::BitsPerSecond, &[start, end, bytes]) => {
                Some(a_second(i128::from(bytes) * 8, milliseconds(start, end)))
            }
            (Self::PacketsPerSecond, &[start, end, packets]) => {
                Some(a_second(packets.into(), milliseconds(start, end)))
            }
            (Self::BytesPerPacket, &[bytes, packets]) => Some(bytes.checked_div(packets).unwrap_or(0)),
            (Self::EngineType, &[domain]) => Some(domain >> 8 & 0xff),
            (Self::EngineId, &[domain]) => Some(domain & 0xff),
            _ => None,
        }
    }
}

/// From the millisecond of a time to that of another.
fn milliseconds(start: i64, end: i64) -> i64 {
    (end.div_euclid(1_000_000) - start.div_euclid(1_000_000)).max(0)
}

fn a_second(count: i128, milliseconds: i64) -> i64 {
    let rate = (count * 1_000).checked_div(milliseconds.into()).unwrap_or(0);
    i64::try_from(rate).unwrap_or(i64::MAX)
}
