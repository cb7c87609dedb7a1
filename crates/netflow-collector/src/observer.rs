//! How a running collector is doing, for whoever asks: other threads than the one that owns it, too.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use netflow_templates::{Plan, Timestamp};

use crate::drops::Sockets;
use crate::report::{Counters, Report};
use crate::shard::ShardReport;

/// Templates of a shard that are listed at most.
pub(crate) const MAX_TEMPLATES: usize = 65_536;

/// What a shard publishes, now and then.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) report: ShardReport,
    pub(crate) templates: Vec<KnownTemplate>,
    pub(crate) template_count: usize,
    pub(crate) template_octets: usize,
}

/// The place where one shard publishes. Nothing is written there for a packet, and what waits only for a batch.
#[derive(Debug, Default)]
pub(crate) struct Board {
    published: Mutex<Published>,
    /// Batches that wait for the shard.
    pub(crate) waiting: AtomicUsize,
}

impl Board {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A template that a decoding thread knows.
#[derive(Debug, Clone)]
pub struct KnownTemplate {
    /// Address of the exporter.
    pub exporter: IpAddr,
    /// Observation domain.
    pub domain: u32,
    /// Version of the export protocol.
    pub version: u16,
    /// When it was last sent.
    pub refreshed: Timestamp,
    /// Its fields.
    pub plan: Arc<Plan>,
}

/// An address that is listened on for datagrams.
#[derive(Debug, Clone)]
pub struct SocketState {
    /// Address that it is bound to.
    pub address: SocketAddr,
    /// How many sockets there are for it.
    pub sockets: usize,
    /// Octets of receive buffer that the system granted to all of them.
    pub receive_buffer: usize,
    /// Datagrams that the kernel dropped since the buffer was full; `None` when the system does not tell.
    pub kernel_dropped: Option<u64>,
}

/// How a collector is doing.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What was counted so far. What the decoding threads say, each domain's counts for example, is as old as the
    /// [flush interval](crate::Config::flush_interval) at most.
    pub report: Report,
    /// Export packets decoded.
    pub decoded: u64,
    /// Flow records in them.
    pub flows: u64,
    /// The sockets.
    pub sockets: Vec<SocketState>,
    /// Batches that wait for each shard.
    pub queues: Vec<usize>,
    /// Batches that may wait for each.
    pub queue: usize,
    /// Templates that are known.
    pub templates: usize,
    /// Octets of memory that these take.
    pub template_octets: usize,
    /// Decoding threads that have ended.
    pub ended_shards: usize,
}

/// Says how a collector is doing; as many as are wanted, in any thread.
#[derive(Debug, Clone)]
pub struct Observer {
    pub(crate) counters: Arc<Counters>,
    pub(crate) boards: Vec<Arc<Board>>,
    pub(crate) shards: Vec<Weak<()>>,
    pub(crate) sockets: Sockets,
    pub(crate) queue: usize,
}

impl Observer {
    /// How it goes now.
    pub fn snapshot(&self) -> Snapshot {
        let mut report = Report::default();
        let (mut templates, mut template_octets) = (0, 0);
        for board in &self.boards {
            let published = board.lock();
            report.add_shard(&published.report);
            templates += published.template_count;
            template_octets += published.template_octets;
        }
        report.add_counters(&self.counters);
        report.kernel_dropped = self.sockets.kernel_drops();
        Snapshot {
            report,
            decoded: Counters::get(&self.counters.decoded),
            flows: Counters::get(&self.counters.flows),
            sockets: self.sockets.states(),
            queues: self.boards.iter().map(|board| board.waiting.load(Ordering::Relaxed)).collect(),
            queue: self.queue,
            templates,
            template_octets,
            ended_shards: self.shards.iter().filter(|shard| shard.strong_count() == 0).count(),
        }
    }

    /// The templates that are known, by exporter, domain and id; those of 65,536 for each decoding thread. They are as old
    /// as the flush interval at most, and when one was last sent is some seconds older.
    /// Empty unless [`Config::list_templates`](crate::Config::list_templates) is set.
    pub fn templates(&self) -> Vec<KnownTemplate> {
        let mut templates: Vec<_> =
            self.boards.iter().flat_map(|board| board.lock().templates.clone()).collect();
        templates.sort_by_key(|known| {
            (known.exporter, known.domain, known.version, known.plan.template_id(), known.plan.id())
        });
        templates
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    use netflow_templates::{Context, DataSet, MessageSink};
    use netflow_wire::{Header, MessageEncoder, v5};

    use crate::{Collector, Config, Inlet, Output, Rules, Source};

    /// Takes everything, and fails at the packet with sequence number 1.
    struct Taking;

    impl MessageSink for Taking {
        fn packet(&mut self, context: &Context<'_>) {
            assert_ne!(context.header.sequence(), Some(1), "as this test wants it");
        }

        fn data(&mut self, _: &Context<'_>, _: DataSet<'_>) {}
    }

    impl Output for Taking {
        fn end_packet(&mut self) {}

        fn flush(&mut self) {}
    }

    fn wait(what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn another_thread_sees_what_was_counted_and_a_shard_that_failed() {
        let mut config =
            Config::new(Source::Listen(vec![crate::Listen::udp("127.0.0.1:0".parse().unwrap())]));
        config.flush_interval = Duration::from_millis(10);
        let inlet = Inlet::open(&config).unwrap();
        let collector = Collector::start(&config, inlet, vec![Taking]).unwrap();
        let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = |sequence| {
            let header = v5::Header { sequence, ..v5::Header::default() };
            let mut packet = MessageEncoder::new(Header::V5(header));
            packet.record(&v5::Record::default());
            exporter.send_to(&packet.finish(), collector.addresses()[0]).unwrap();
        };
        let observer = collector.observer().clone();
        send(7);
        std::thread::scope(|scope| {
            scope.spawn(|| wait("the packet", || observer.snapshot().report.domains.len() == 1));
        });
        let snapshot = observer.snapshot();
        assert_eq!((snapshot.decoded, snapshot.flows, snapshot.ended_shards), (1, 1, 0));
        assert_eq!((snapshot.report.received, snapshot.report.session.packets), (1, 1));
        assert_eq!(snapshot.sockets[0].address, collector.addresses()[0]);
        assert_eq!((&snapshot.queues[..], snapshot.queue), (&[0][..], config.queue));

        collector.change_rules(Rules { allow: vec!["192.0.2.1".parse().unwrap()], ..Rules::default() });
        wait("the rules", || {
            send(8);
            observer.snapshot().report.not_allowed > 0
        });
        collector.change_rules(Rules::default());
        send(1);
        wait("the end of the shard", || {
            send(1);
            observer.snapshot().ended_shards == 1
        });
        let report = collector.stop();
        assert_eq!(report.failed_threads, ["shard-0"]);
        assert!(observer.snapshot().sockets.is_empty());
    }
}
