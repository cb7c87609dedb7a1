//! Flows that are exported more than once.

use netflow_flow::FlowRef;

use super::Exporter;

/// Values of firewallEvent.
const CREATED: u8 = 1;
const DELETED: u8 = 2;

impl Exporter {
    /// Adds a flow as it came in and as it went out.
    pub(super) fn add_twice(&mut self, flow: FlowRef<'_>) {
        let mut copy = std::mem::take(&mut self.copy);
        flow.copy_to(&mut copy);
        for direction in [0, 1] {
            copy.direction = Some(direction);
            self.add_one((&copy).into());
        }
        self.copy = copy;
    }

    /// Adds the events of a connection: that it began, and that it ended, with its counters.
    pub(super) fn add_events(&mut self, flow: FlowRef<'_>) {
        let mut copy = std::mem::take(&mut self.copy);
        flow.copy_to(&mut copy);
        if copy.rare().fw_event.is_some() {
            self.add_one(flow);
        } else {
            self.connections = self.connections.wrapping_add(1);
            let connection = self.connections.into();
            copy.rare_mut().flow_id.get_or_insert(connection);
            let counters = (copy.bytes_raw, copy.packets_raw, copy.time_flow_end);
            let reverse = (copy.rare().reverse_bytes, copy.rare().reverse_packets);
            (copy.bytes_raw, copy.packets_raw, copy.time_flow_end) = (0, 0, copy.time_flow_start);
            (copy.rare_mut().reverse_bytes, copy.rare_mut().reverse_packets) = (None, None);
            copy.rare_mut().fw_event = Some(CREATED);
            self.add_one((&copy).into());
            (copy.bytes_raw, copy.packets_raw, copy.time_flow_end) = counters;
            (copy.rare_mut().reverse_bytes, copy.rare_mut().reverse_packets) = reverse;
            copy.rare_mut().fw_event = Some(DELETED);
            self.add_one((&copy).into());
        }
        self.copy = copy;
    }
}
