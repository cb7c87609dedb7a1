//! The closing report.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use netflow_collector::sequence::Convention;
use netflow_collector::{Report, StreamReport, WriterReport};

use crate::output::count;

/// What was received, decoded, waiting and lost; and how many flows a filter, if there is one, left out.
pub(super) fn summary(report: &Report, written: &WriterReport, left_out: Option<u64>) -> Vec<String> {
    let mut lines = vec![format!(
        "{} received: {} decoded, {}, {}; {} written",
        count(report.received, "packet"),
        report.session.packets,
        count(report.session.records, "flow"),
        count(report.session.options_records, "options record"),
        count(written.octets, "octet"),
    )];
    let mut add = |line: String| lines.push(line);
    if let Some(flows) = left_out {
        add(format!("{} not written: the filter does not let them pass (--filter)", count(flows, "flow")));
    }
    let beyond = report
        .received
        .saturating_sub(report.session.packets + report.malformed + report.dropped)
        .saturating_sub(report.not_allowed + report.too_fast);
    if beyond > 0 && !report.failed_threads.is_empty() {
        add(format!("{} went to a thread that failed", count(beyond, "packet")));
    } else if beyond > 0 {
        add(format!("{} came after the last that was asked for, and were left out", count(beyond, "packet")));
    }
    if report.not_allowed > 0 {
        add(format!(
            "{} of exporters that are not allowed (--allow) refused",
            count(report.not_allowed, "packet")
        ));
    }
    if report.too_fast > 0 {
        add(format!(
            "{} refused: more than an exporter may send (--rate-limit)",
            count(report.too_fast, "packet")
        ));
    }
    if report.malformed > 0 {
        add(format!("{} were no export packets, or cut off in the header", report.malformed));
    }
    if let Some(file) = report.ipfix_file
        && file.skipped > 0
    {
        add(format!("{} of the file belong to no message, and were skipped", count(file.skipped, "octet")));
    }
    if report.faulty > 0 {
        add(format!("{} had something wrong in them; the rest of each was decoded", report.faulty));
    }
    let session = &report.session;
    if session.undecoded_sets > 0 {
        add(format!(
            "{} came before the template: {} decoded when it came, {} waiting ({} octets), {} given up",
            count(session.undecoded_sets, "data set"),
            session.undecoded_sets.saturating_sub(report.waiting_sets + session.given_up_sets),
            report.waiting_sets,
            report.waiting_octets,
            session.given_up_sets
        ));
    }
    if session.refused_options > 0 {
        add(format!(
            "{} of options data (rates, names) not kept: an exporter had more than it may",
            count(session.refused_options, "fact")
        ));
    }
    if session.given_up_options > 0 {
        add(format!(
            "options data of {} given up, to make room for others",
            count(session.given_up_options, "exporter")
        ));
    }
    if report.dropped > 0 {
        add(format!("{} dropped: decoding did not keep up", count(report.dropped, "packet")));
    }
    match report.kernel_dropped {
        Some(0) => {}
        Some(drops) => {
            add(format!("{} dropped by the kernel: the receive buffer was full", count(drops, "packet")))
        }
        None if report.capture.is_none() && report.ipfix_file.is_none() => {
            add("the system does not tell what it dropped".into())
        }
        None => {}
    }
    if written.cut_octets > 0 {
        let mut line = format!(
            "the file ended in {} of a block that was not whole (a writer that was killed, or a full disk); they were cut off",
            count(written.cut_octets, "octet")
        );
        if written.saved_lines + written.lost_text > 0 {
            // A String takes every text.
            let _ = write!(
                line,
                ": {} of it saved, {} of an unfinished line lost",
                count(written.saved_lines, "line"),
                count(written.lost_text, "octet")
            );
        }
        add(line);
    }
    if written.open_line > 0 {
        add(format!(
            "the file ended in a line of {} without its end, which may be cut off; it was ended",
            count(written.open_line, "octet")
        ));
    }
    if written.lost_blocks > 0 {
        add(format!(
            "{} of {} octets could not be written, and are lost: {}; those that had no room to wait (--queue) too",
            count(written.lost_blocks, "block"),
            written.lost_octets,
            count(written.lost_flows, "flow")
        ));
    }
    if written.files > 0 {
        let mut line = format!("{} complete", count(written.files, "file"));
        if written.mended_files > 0 {
            // A String takes every text.
            let _ = write!(line, ", {} of them left unfinished by an earlier run", written.mended_files);
        }
        add(line);
    }
    if written.lost_files > 0 {
        add(format!("{} removed by somebody before complete", count(written.lost_files, "file")));
    }
    if written.lost_accounts > 0 {
        add(format!("{} could not be written", count(written.lost_accounts, "loss file")));
    }
    if written.unfinished_files > 0 {
        add(format!(
            "{} could not be completed: the next `nf collect` that writes there does it",
            count(written.unfinished_files, "file")
        ));
    }
    if written.expired_files > 0 {
        add(format!(
            "{} of {} octets removed, too old or too much (--expire-age, --expire-size)",
            count(written.expired_files, "old file"),
            written.expired_octets
        ));
    }
    if written.failed_commands + written.skipped_commands + written.running_commands > 0 {
        add(format!(
            "of the commands for complete files (-x) {} failed, {} were not run, {} still running",
            written.failed_commands, written.skipped_commands, written.running_commands
        ));
    }
    if let Some(line) = connections(&report.streams) {
        add(line);
    }
    for domain in &report.domains {
        let totals = &domain.sequence;
        let unit = if domain.version == 9 { "packets" } else { "records" };
        let mut line = format!(
            "exporter {} domain {} v{}: {}, {}",
            domain.exporter,
            domain.domain,
            domain.version,
            count(domain.packets, "packet"),
            count(domain.flows, "flow")
        );
        // A String takes every text.
        if domain.loss_is_known() {
            let _ = write!(line, "; {} {unit} lost by sequence numbers", totals.lost);
        } else if domain.version == 1 {
            line += "; v1 has no sequence numbers";
        } else if domain.convention == Convention::Other {
            line += "; its sequence numbers count something else, so loss is unknown";
        }
        if totals.reordered + totals.duplicates + totals.restarts > 0 {
            let _ = write!(
                line,
                " ({} late, {} twice, {})",
                totals.reordered,
                totals.duplicates,
                count(totals.restarts, "restart")
            );
        }
        if totals.missed > 0 {
            let _ = write!(line, "; {} {unit} sent before, while nobody listened", totals.missed);
        }
        add(line);
    }
    if report.untracked_packets > 0 {
        add(format!("{} more packets from exporters too many to list", report.untracked_packets));
    }
    lines
}

/// What became of connections, if there were any.
fn connections(streams: &StreamReport) -> Option<String> {
    let list = |counts: &BTreeMap<&str, u64>| {
        let counts: Vec<_> =
            counts.iter().map(|(name, connections)| format!("{connections} {name}")).collect();
        counts.join(", ")
    };
    let mut line = count(streams.connections, "connection");
    for (what, counts) in [("closed", &streams.closed), ("refused", &streams.refused)] {
        if !counts.is_empty() {
            line += &format!("; {what}: {}", list(counts));
        }
    }
    if streams.cut_octets > 0 {
        line += &format!("; {} of messages that never were whole", count(streams.cut_octets, "octet"));
    }
    (streams.connections > 0).then_some(line)
}
