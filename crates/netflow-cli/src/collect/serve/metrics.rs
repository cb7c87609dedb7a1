//! Facts as metrics, in the text format of Prometheus (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use netflow_collector::{DomainReport, Snapshot, StreamReport, WriterReport, WriterState};

use super::{Facts, json};
use crate::collect::health::OutputState;

/// Exporters' domains with metrics of their own: those that came first, so that they stay. All others are one.
const MAX_DOMAINS: usize = 1_000;

/// All that is known of a collector.
pub(super) fn text(facts: &Facts) -> String {
    let snapshot = facts.observer.snapshot();
    let outputs = facts.outputs.iter().map(|output: &OutputState| {
        (output.name.clone(), output.states.iter().map(|state| state.now()).collect())
    });
    let started = facts.started.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let left_out = facts.left_out.as_ref().map(|left_out| left_out.load(Ordering::Relaxed));
    render(&snapshot, &outputs.collect::<Vec<_>>(), left_out, started)
}

/// Metrics that are written.
#[derive(Default)]
struct Page(String);

impl Page {
    /// A metric with its samples: labels and value.
    fn metric<L: AsRef<[(&'static str, String)]>, V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        // A String takes every text.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            self.0 += name;
            for (number, (label, text)) in labels.as_ref().iter().enumerate() {
                let _ =
                    write!(self.0, "{}{label}=\"{}\"", if number == 0 { '{' } else { ',' }, escaped(text));
            }
            if !labels.as_ref().is_empty() {
                self.0.push('}');
            }
            let _ = writeln!(self.0, " {value}");
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.metric(name, "counter", help, [([], value)]);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.metric(name, "gauge", help, [([], value)]);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn render(
    snapshot: &Snapshot,
    outputs: &[(String, Vec<WriterState>)],
    left_out: Option<u64>,
    started: f64,
) -> String {
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    page.metric("nf_build_info", "gauge", "The running version; always 1.", [([("version", version)], 1)]);
    page.gauge("nf_start_time_seconds", "When the collector started, as Unix time.", started);
    packets(&mut page, snapshot);
    connections(&mut page, &snapshot.report.streams);
    sets(&mut page, snapshot);
    exporters(&mut page, &snapshot.report.domains, snapshot.report.untracked_packets);
    written(&mut page, outputs);
    if let Some(flows) = left_out {
        page.counter(
            "nf_filtered_flows_total",
            "Flows not written since the filter does not let them pass.",
            flows,
        );
    }
    page.0
}

fn packets(page: &mut Page, snapshot: &Snapshot) {
    let report = &snapshot.report;
    page.counter("nf_received_packets_total", "Datagrams received.", report.received);
    page.counter("nf_received_bytes_total", "Octets of these datagrams.", report.received_octets);
    page.counter("nf_decoded_packets_total", "Export packets decoded.", snapshot.decoded);
    page.counter("nf_flows_total", "Flow records decoded.", snapshot.flows);
    let what = "Datagrams that were no export packets, or cut off in the header.";
    page.counter("nf_malformed_packets_total", what, report.malformed);
    let what = "Export packets with something wrong in them; the rest of each was decoded.";
    page.counter("nf_faulty_packets_total", what, report.faulty);
    let refused = [("not_allowed", report.not_allowed), ("rate_limit", report.too_fast)];
    page.metric(
        "nf_refused_packets_total",
        "counter",
        "Datagrams of exporters that are not allowed, or sent more than they may.",
        refused.map(|(reason, packets)| ([("reason", reason.to_owned())], packets)),
    );
    let what = "Datagrams dropped since decoding did not keep up.";
    page.counter("nf_queue_dropped_packets_total", what, report.dropped);
    page.counter("nf_queue_dropped_bytes_total", "Octets of these datagrams.", report.dropped_octets);
    let socket = |address: std::net::SocketAddr| [("socket", address.to_string())];
    let drops = snapshot.sockets.iter().filter_map(|of| Some((socket(of.address), of.kernel_dropped?)));
    page.metric(
        "nf_kernel_dropped_packets_total",
        "counter",
        "Datagrams that the kernel dropped since the receive buffer was full.",
        drops,
    );
    page.metric(
        "nf_receive_buffer_bytes",
        "gauge",
        "Receive buffer that the system granted; Linux counts its own bookkeeping in.",
        snapshot.sockets.iter().map(|of| (socket(of.address), of.receive_buffer)),
    );
    let queues = snapshot.queues.iter().enumerate();
    page.metric(
        "nf_queue_batches",
        "gauge",
        "Batches of datagrams that wait for a decoding thread.",
        queues.map(|(number, batches)| ([("shard", number.to_string())], batches)),
    );
    page.gauge("nf_queue_capacity_batches", "Batches that may wait for each.", snapshot.queue);
    let alive = snapshot.queues.len().saturating_sub(snapshot.ended_shards);
    page.gauge("nf_decoding_threads", "Decoding threads that run.", alive);
    let failed = report.failed_threads.len();
    page.gauge("nf_failed_threads", "Threads that failed, those of outputs aside.", failed);
}

fn connections(page: &mut Page, streams: &StreamReport) {
    page.counter("nf_connections_total", "Connections (TCP, TLS, SCTP) that came.", streams.connections);
    page.gauge("nf_open_connections", "Connections that are open.", streams.open);
    let what = "Connections that were taken: those that came and were not refused.";
    let refused = streams.refused.values().sum();
    page.counter("nf_accepted_connections_total", what, streams.connections.saturating_sub(refused));
    let by_reason = |counts: &BTreeMap<&'static str, u64>| {
        let samples = counts.iter().map(|(reason, count)| ([("reason", (*reason).to_owned())], *count));
        samples.collect::<Vec<_>>()
    };
    let what = "Connections refused before a message of them was taken.";
    page.metric("nf_refused_connections_total", "counter", what, by_reason(&streams.refused));
    let what = "Connections that ended after that.";
    page.metric("nf_closed_connections_total", "counter", what, by_reason(&streams.closed));
    let what = "Octets of messages that never became whole.";
    page.counter("nf_cut_message_bytes_total", what, streams.cut_octets);
}

fn sets(page: &mut Page, snapshot: &Snapshot) {
    let (report, session) = (&snapshot.report, &snapshot.report.session);
    page.counter("nf_options_records_total", "Records of options data decoded.", session.options_records);
    let what = "Problems within packets, data without a template aside.";
    page.counter("nf_problems_total", what, session.problems);
    page.counter(
        "nf_undecoded_sets_total",
        "Data sets that came before their template.",
        session.undecoded_sets,
    );
    let what = "Data sets that were decoded when their template came.";
    page.counter("nf_late_sets_total", what, session.late_sets);
    let what = "Data sets that waited too long, or had no room.";
    page.counter("nf_given_up_sets_total", what, session.given_up_sets);
    page.gauge("nf_waiting_sets", "Data sets that wait for their template.", report.waiting_sets);
    page.gauge("nf_waiting_bytes", "Octets of these.", report.waiting_octets);
    page.gauge("nf_templates", "Templates known.", snapshot.templates);
    page.gauge("nf_template_bytes", "Octets of memory that these take.", snapshot.template_octets);
    page.counter("nf_learned_templates_total", "Templates that were new or changed.", session.templates);
}

fn exporters(page: &mut Page, domains: &[DomainReport], untracked: u64) {
    let mut domains: Vec<&DomainReport> = domains.iter().collect();
    page.gauge("nf_exporters", "Exporters' observation domains that sent something.", domains.len());
    domains.sort_by_key(|of| (of.first_received, of.exporter, of.domain, of.version));
    let (listed, others) = domains.split_at(domains.len().min(MAX_DOMAINS));
    page.gauge("nf_unlisted_exporters", "Of these, those without metrics of their own.", others.len());
    let what = "Export packets of exporters without metrics of their own.";
    page.counter("nf_unlisted_exporter_packets_total", what, untracked + sum(others, |of| of.packets));
    let what = "Flow records of exporters without metrics of their own.";
    page.counter("nf_unlisted_exporter_flows_total", what, sum(others, |of| of.flows));

    let labels = |of: &DomainReport| {
        [
            ("exporter", of.exporter.to_string()),
            ("domain", of.domain.to_string()),
            ("version", of.version.to_string()),
        ]
    };
    let mut counter = |name: &str, help: &str, value: fn(&DomainReport) -> u64| {
        page.metric(name, "counter", help, listed.iter().map(|of| (labels(of), value(of))));
    };
    counter("nf_exporter_packets_total", "Export packets of an exporter's domain.", |of| of.packets);
    counter("nf_exporter_flows_total", "Its flow records.", |of| of.flows);
    counter("nf_exporter_undecoded_sets_total", "Its data sets that came before their template.", |of| {
        of.undecoded_sets
    });
    counter("nf_exporter_duplicate_packets_total", "Its packets that came more than once.", |of| {
        of.sequence.duplicates
    });
    counter("nf_exporter_reordered_packets_total", "Its packets that came late.", |of| of.sequence.reordered);
    counter("nf_exporter_restarts_total", "Times that it began to count anew.", |of| of.sequence.restarts);
    let lost = listed.iter().filter(|of| of.loss_is_known()).map(|of| {
        let [exporter, domain, version] = labels(of);
        ([exporter, domain, version, ("unit", json::unit(of).to_owned())], of.sequence.lost)
    });
    page.metric(
        "nf_exporter_lost_units",
        "gauge",
        "What is missing by its sequence numbers: packets in v9, records else. Less when it still comes.",
        lost,
    );
    let missed = listed.iter().filter(|of| of.loss_is_known()).map(|of| {
        let [exporter, domain, version] = labels(of);
        ([exporter, domain, version, ("unit", json::unit(of).to_owned())], of.sequence.missed)
    });
    page.metric(
        "nf_exporter_missed_units",
        "gauge",
        "What it sent between an earlier run and this one, by its sequence numbers.",
        missed,
    );
    page.metric(
        "nf_exporter_last_received_timestamp_seconds",
        "gauge",
        "When its last packet was received, as Unix time.",
        listed.iter().map(|of| (labels(of), of.last_received.as_nanos() as f64 / 1e9)),
    );
}

fn sum(domains: &[&DomainReport], value: fn(&DomainReport) -> u64) -> u64 {
    domains.iter().map(|domain| value(domain)).sum()
}

fn written(page: &mut Page, outputs: &[(String, Vec<WriterState>)]) {
    let output = |name: &str| [("output", name.to_owned())];
    let sums: Vec<_> = outputs
        .iter()
        .map(|(name, states)| {
            let mut sum = WriterReport::default();
            states.iter().for_each(|state| sum.add(&state.report));
            (name, sum)
        })
        .collect();
    let mut counter = |name: &str, help: &str, value: fn(&WriterReport) -> u64| {
        page.metric(name, "counter", help, sums.iter().map(|(name, sum)| (output(name), value(sum))));
    };
    counter("nf_output_bytes_total", "Octets written to an output.", |sum| sum.octets);
    counter("nf_output_flows_total", "Flows in them.", |sum| sum.flows);
    let what = "Blocks that could not be written, or had no room to wait for that.";
    counter("nf_output_lost_blocks_total", what, |sum| sum.lost_blocks);
    counter("nf_output_lost_bytes_total", "Octets of these blocks.", |sum| sum.lost_octets);
    counter(
        "nf_output_lost_flows_total",
        "Flows that could not be written, had no room to wait for that, or whose file was removed.",
        |sum| sum.lost_flows,
    );
    counter("nf_output_files_total", "Files of a directory that are complete.", |sum| sum.files);
    counter("nf_output_expired_files_total", "Files removed, too old or too many.", |sum| sum.expired_files);
    counter("nf_output_failed_commands_total", "Commands for complete files that failed.", |sum| {
        sum.failed_commands + sum.skipped_commands
    });
    page.metric(
        "nf_output_failing",
        "gauge",
        "1 when the last that was written failed.",
        outputs
            .iter()
            .map(|(name, states)| (output(name), u8::from(states.iter().any(|state| state.failing)))),
    );
    page.metric(
        "nf_output_failed",
        "gauge",
        "1 when a thread that writes to an output failed.",
        sums.iter().map(|(name, sum)| (output(name), u8::from(sum.failed))),
    );
    let waiting = |states: &[WriterState]| states.iter().map(|state| state.waiting_octets).sum::<u64>();
    page.metric(
        "nf_output_waiting_bytes",
        "gauge",
        "Octets of blocks that wait to be written.",
        outputs.iter().map(|(name, states)| (output(name), waiting(states))),
    );
    let files = outputs.iter().filter_map(|(name, states)| {
        let file = states.iter().find_map(|state| state.file.as_ref())?;
        Some(([("output", name.clone()), ("file", file.display().to_string())], 1))
    });
    page.metric("nf_output_file_info", "gauge", "The file that is written; always 1.", files);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.metric("x", "gauge", "X.", [([("file", "a\"b\\c\nd".to_owned())], 1)]);
        assert_eq!(page.0, "# HELP x X.\n# TYPE x gauge\nx{file=\"a\\\"b\\\\c\\nd\"} 1\n");
    }

    #[test]
    fn a_metric_without_samples_is_left_out() {
        let mut page = Page::default();
        page.metric("x", "gauge", "X.", Vec::<([(&'static str, String); 0], u8)>::new());
        assert_eq!(page.0, "");
    }
}
