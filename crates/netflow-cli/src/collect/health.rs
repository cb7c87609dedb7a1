//! What keeps a running collector from its work.

use std::fmt;
use std::time::Duration;

use netflow_collector::SharedState;

use crate::output::count;

/// An output that is so long at one block is stuck.
const STUCK: Duration = Duration::from_secs(10);

/// How an output is doing: its name for people, and what its threads say.
#[derive(Debug, Clone)]
pub(super) struct OutputState {
    pub(super) name: String,
    pub(super) states: Vec<SharedState>,
}

/// Something that keeps a collector from its work. As text it is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A thread of the collector failed.
    Thread(String),
    /// A thread that writes to this output failed.
    Writer(String),
    /// The output takes nothing.
    Stuck {
        output: String,
        /// Seconds since it took something.
        seconds: u64,
        /// Octets that wait for it.
        waiting: u64,
    },
    /// The last that was written to the output failed.
    Failing(String),
}

impl Trouble {
    /// Whether it is the same one, however long it lasts.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stuck { output, .. }, Self::Stuck { output: other, .. }) => output == other,
            _ => self == other,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread(name) => write!(
                f,
                "the thread {name} failed, which is an error of nf: what comes to it is lost until nf is started again; the others go on"
            ),
            Self::Writer(output) => write!(
                f,
                "the thread that writes to {output} failed, which is an error of nf: nothing more is written there until nf is started again"
            ),
            Self::Stuck { output, seconds, waiting } => write!(
                f,
                "{output} has taken nothing for {seconds} s: {} wait, and what has no room (--queue) is lost, and counted",
                count(*waiting, "octet")
            ),
            Self::Failing(output) => write!(f, "cannot write to {output}"),
        }
    }
}

/// All that is wrong now; `failed` has the names of threads.
pub(super) fn troubles(failed: Vec<String>, outputs: &[OutputState]) -> Vec<Trouble> {
    let mut troubles: Vec<_> = failed.into_iter().map(Trouble::Thread).collect();
    for OutputState { name, states } in outputs {
        let states: Vec<_> = states.iter().map(SharedState::now).collect();
        if states.iter().any(|state| state.report.failed) {
            troubles.push(Trouble::Writer(name.clone()));
            continue;
        }
        let stuck = states.iter().find(|state| state.busy.is_some_and(|busy| busy >= STUCK));
        if let Some((state, busy)) = stuck.and_then(|state| Some((state, state.busy?))) {
            let (seconds, waiting) = (busy.as_secs(), state.waiting_octets);
            troubles.push(Trouble::Stuck { output: name.clone(), seconds, waiting });
        }
        if states.iter().any(|state| state.failing) {
            troubles.push(Trouble::Failing(name.clone()));
        }
    }
    troubles
}

/// Whether there is no output left that anything is written to.
pub(super) fn all_failed(outputs: &[OutputState]) -> bool {
    let failed = |output: &OutputState| output.states.iter().any(|state| state.now().report.failed);
    outputs.iter().all(failed)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use netflow_collector::{Backlog, Collector, Config, Encoding, FileWriter, FlowOutput, Inlet, Source};
    use netflow_flow::Format;

    use super::*;

    /// An output whose thread fails.
    struct Failing;

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("as this test wants it");
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_that_failed_is_a_trouble_with_a_sentence() {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/softflowd-v5.pcap");
        let encoding = Encoding { format: Format::FlowLines, gzip: false, flush: Duration::from_secs(1) };
        let writer = FileWriter::to(Failing, encoding, Backlog::default()).unwrap();
        let outputs = [OutputState { name: "x.ndjson".into(), states: vec![writer.state()] }];
        assert!(troubles(Vec::new(), &outputs).is_empty() && !all_failed(&outputs));

        let config = Config::new(Source::Capture(fixture.into()));
        let output = FlowOutput::new(vec![writer.branch().unwrap()], Default::default());
        let collector = Collector::start(&config, Inlet::open(&config).unwrap(), vec![output]).unwrap();
        let report = collector.stop();
        assert!(report.session.records > 0 && report.failed_threads.is_empty());
        let (written, _) = writer.finish();
        assert_eq!((written.failed, written.lost_flows), (true, report.session.records));
        assert_eq!(troubles(Vec::new(), &outputs), [Trouble::Writer("x.ndjson".into())]);
        assert!(all_failed(&outputs));

        let told: Vec<_> =
            troubles(vec!["shard-0".into()], &outputs).iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("the thread shard-0 failed") && told[1].contains("x.ndjson"), "{told:?}");
    }
}
