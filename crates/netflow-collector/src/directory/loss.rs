//! The second table: what is known to be lost, beside the flows.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use netflow_templates::Timestamp;

use crate::report::{Account, Accounts};
use crate::rotation::Window;

/// Version of the table.
const SCHEMA: &str = "nf.loss.v1";

/// A line of JSON for each exporter and observation domain that sent something in a window, for each socket at which the
/// kernel dropped something, and for what was dropped in front of decoding.
pub(super) fn lines(window: Window, length: Duration, accounts: &Accounts) -> Vec<u8> {
    let start = Timestamp::from_secs(window.start);
    let end = start.saturating_add(length);
    let head = format!("\"schema\":\"{SCHEMA}\",\"time_start\":\"{start:.0}\",\"time_end\":\"{end:.0}\"");
    let drops = &accounts.drops;
    let mut accounts: Vec<_> = accounts.exporters.iter().collect();
    accounts.sort_by_key(|account| (account.exporter, account.domain, account.version));
    let mut lines = Vec::new();
    for account in accounts {
        let Account { exporter, domain, version, packets, flows, undecoded_sets, .. } = account;
        let Account { expected, received, lost, missed, duplicates, reordered, restarts, .. } = account;
        let unit = if *version == 9 { "packets" } else { "records" };
        // Without a convention nothing is known of loss, which is not the same as none.
        let known = account.loss_is_known();
        let or_null = |number: &i64| if known { number.to_string() } else { "null".into() };
        // A vector takes every line.
        let _ = writeln!(
            lines,
            "{{{head},\"exporter_addr\":\"{exporter}\",\"observation_domain_id\":{domain},\"flow_version\":{version},\
             \"packets\":{packets},\"flows\":{flows},\"unit\":\"{unit}\",\"expected\":{},\"received\":{},\
             \"lost\":{},\"missed\":{missed},\"duplicates\":{duplicates},\"reordered\":{reordered},\"restarts\":{restarts},\
             \"undecoded_sets\":{undecoded_sets}}}",
            or_null(expected),
            or_null(received),
            or_null(lost),
        );
    }
    let mut kernel: BTreeMap<SocketAddr, u64> = BTreeMap::new();
    for &(socket, dropped) in &drops.kernel {
        *kernel.entry(socket).or_default() += dropped;
    }
    for (socket, dropped) in kernel {
        let _ = writeln!(lines, "{{{head},\"socket\":\"{socket}\",\"kernel_dropped\":{dropped}}}");
    }
    if drops.queue > 0 {
        let _ = writeln!(lines, "{{{head},\"queue_dropped\":{}}}", drops.queue);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Drops;

    #[test]
    fn drops_have_lines_of_their_own_one_for_each_address() {
        let [one, other] = ["192.0.2.1:2055", "[::]:4739"].map(|text| text.parse().unwrap());
        let drops = Drops { kernel: vec![(other, 1), (one, 2), (other, 4)], queue: 3 };
        let accounts = Accounts { exporters: Vec::new(), drops };
        let lines = lines(Window { generation: 0, start: 60 }, Duration::from_secs(60), &accounts);
        let lines = String::from_utf8(lines).unwrap();
        let head = "{\"schema\":\"nf.loss.v1\",\"time_start\":\"1970-01-01T00:01:00Z\",\"time_end\":\"1970-01-01T00:02:00Z\",";
        let expected = [
            "\"socket\":\"192.0.2.1:2055\",\"kernel_dropped\":2}",
            "\"socket\":\"[::]:4739\",\"kernel_dropped\":5}",
            "\"queue_dropped\":3}",
        ];
        assert!(lines.lines().eq(expected.map(|rest| format!("{head}{rest}"))), "{lines}");
    }
}
