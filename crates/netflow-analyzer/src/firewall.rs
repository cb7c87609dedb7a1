//! Events of a firewall about one connection (Cisco NSEL): reports of what was added come first, and the last event
//! has the totals, which are not to be added to them.

use netflow_flow::Flow;

use crate::pairing::Sent;

/// firewallEvent: the connection was deleted; the counters are totals.
const DELETED: u8 = 2;
/// firewallEvent: an update; the counters are what was added since the one before.
const UPDATED: u8 = 5;

/// An event about a connection that counts both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirewallEvent {
    /// Of the connection.
    id: u64,
    /// Whether the counters are totals, and not what was added.
    totals: bool,
}

impl FirewallEvent {
    /// The event that `flow` is; `None` for other flows.
    pub(crate) fn of(flow: &Flow) -> Option<Self> {
        let rare = flow.rare();
        let totals = match rare.fw_event? {
            DELETED => true,
            UPDATED => false,
            _ => return None,
        };
        rare.reverse_bytes.and(rare.flow_id).map(|id| Self { id, totals })
    }
}

/// The connection in the firewall that events are about.
#[derive(Debug)]
pub(crate) struct FirewallSession {
    id: u64,
    /// What was counted before it, on sides A and B.
    before: [Sent; 2],
    /// The totals came.
    ended: bool,
}

impl FirewallSession {
    /// Exchanges the sides.
    pub(crate) fn turn(&mut self) {
        self.before.reverse();
    }

    /// Adds what an event says of both directions: `sums` are those so far, `pieces` the event's, the source first,
    /// which is side B if `turned`.
    ///
    /// Events may come in any order: what was added comes to nothing once the totals are there.
    #[inline]
    pub(crate) fn add(
        session: &mut Option<Box<Self>>,
        FirewallEvent { id, totals }: FirewallEvent,
        turned: bool,
        mut sums: [&mut Sent; 2],
        pieces: [&Sent; 2],
    ) {
        let session = match session {
            Some(session) if session.id == id => session,
            _ => {
                let mut before = [*sums[0], *sums[1]];
                if turned {
                    before.reverse();
                }
                session.insert(Box::new(Self { id, before, ended: false }))
            }
        };
        let mut before = session.before;
        if turned {
            before.reverse();
        }
        for ((sum, piece), before) in sums.iter_mut().zip(pieces).zip(before) {
            let counted = **sum;
            sum.add(piece);
            match totals {
                false if session.ended => sum.count_as(&counted),
                false => {}
                true => {
                    let mut all = before;
                    all.add(piece);
                    // Some firmware sends no counters with the last event.
                    sum.count_as(&all);
                    sum.count_at_least(&counted);
                }
            }
        }
        session.ended |= totals;
    }
}
