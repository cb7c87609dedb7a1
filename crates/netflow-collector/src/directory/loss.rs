//! The second table: what is known to be lost, beside the flows.

use std::io::Write as _;
use std::time::Duration;

use netflow_templates::Timestamp;

use crate::report::Account;
use crate::rotation::Window;

/// Version of the table.
const SCHEMA: &str = "nf.loss.v1";

/// A line of JSON for each exporter and observation domain that sent something in a window.
pub(super) fn lines(window: Window, length: Duration, accounts: &[Account]) -> Vec<u8> {
    let start = Timestamp::from_secs(window.start);
    let end = start.saturating_add(length);
    let mut accounts: Vec<_> = accounts.iter().collect();
    accounts.sort_by_key(|account| (account.exporter, account.domain, account.version));
    let mut lines = Vec::new();
    for account in accounts {
        let Account { exporter, domain, version, packets, flows, undecoded_sets, .. } = account;
        let Account { expected, received, lost, duplicates, reordered, restarts, .. } = account;
        let unit = if *version == 9 { "packets" } else { "records" };
        // Without a convention nothing is known of loss, which is not the same as none.
        let known = account.loss_is_known();
        let or_null = |number: &i64| if known { number.to_string() } else { "null".into() };
        // A vector takes every line.
        let _ = writeln!(
            lines,
            "{{\"schema\":\"{SCHEMA}\",\"time_start\":\"{start:.0}\",\"time_end\":\"{end:.0}\",\
             \"exporter_addr\":\"{exporter}\",\"observation_domain_id\":{domain},\"flow_version\":{version},\
             \"packets\":{packets},\"flows\":{flows},\"unit\":\"{unit}\",\"expected\":{},\"received\":{},\
             \"lost\":{},\"duplicates\":{duplicates},\"reordered\":{reordered},\"restarts\":{restarts},\
             \"undecoded_sets\":{undecoded_sets}}}",
            or_null(expected),
            or_null(received),
            or_null(lost),
        );
    }
    lines
}
