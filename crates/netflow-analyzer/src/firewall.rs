//! Events of a firewall about one connection (Cisco NSEL): reports of what was added come first, and the last event
//! has the totals, which are not to be added to them.

use netflow_flow::Flow;

use crate::pairing::Sent;

/// firewallEvent: the connection was deleted; the counters are totals.
const DELETED: u8 = 2;
/// firewallEvent: an update; the counters are what was added since the one before.
const UPDATED: u8 = 5;

/// What an event does to the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Added,
    Totals,
}

/// An event about a connection that counts both directions; `None` for other flows.
#[inline]
fn event(flow: &Flow) -> Option<(u64, Event)> {
    let rare = flow.rare();
    let event = match rare.fw_event? {
        DELETED => Event::Totals,
        UPDATED => Event::Added,
        _ => return None,
    };
    rare.reverse_bytes.and(rare.flow_id).map(|id| (id, event))
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

    /// Adds what a record says of both directions: `sums` are those so far, `pieces` the record's, the source first,
    /// which is side B if `turned`. False when the record is no such event; nothing is added then.
    ///
    /// Events may come in any order: what was added comes to nothing once the totals are there.
    #[inline]
    pub(crate) fn add(
        session: &mut Option<Box<Self>>,
        flow: &Flow,
        turned: bool,
        mut sums: [&mut Sent; 2],
        pieces: [&Sent; 2],
    ) -> bool {
        let Some((id, event)) = event(flow) else { return false };
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
            match event {
                Event::Added if session.ended => sum.count_as(&counted),
                Event::Added => {}
                Event::Totals => {
                    let mut totals = before;
                    totals.add(piece);
                    // Some firmware sends no counters with the last event.
                    sum.count_as(&totals);
                    sum.count_at_least(&counted);
                }
            }
        }
        session.ended |= event == Event::Totals;
        true
    }
}
