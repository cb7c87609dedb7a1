//! The pipeline: receivers, bounded channels, shards.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver as ChannelReceiver, bounded};
use netflow_capture::{CaptureError, PacketFile, PacketFileStatistics};
use netflow_socket::{ReceiverOptions, Steering, UdpReceiver};

use crate::admission::{Gate, Rules, SharedRules};
use crate::config::{Config, Listen, Source, Transport};
use crate::drops::Sockets;
use crate::feeder::Feeder;
use crate::observer::{Board, Observer};
use crate::receiver::{Pool, Receiver, Shards};
use crate::report::{Counters, Event, Report};
use crate::shard::{Clock, Limit, NO_TIME, Output, Shard, ShardReport, StreamTrackers};
use crate::state::{Start, StateDirectory};
use crate::stream::{StreamListener, StreamReceiver, StreamReport, TlsError, TlsServer, is_unknown_protocol};

/// Events that may wait to be taken.
const EVENTS: usize = 1_024;
/// Batches that may wait for each shard at least, if as many may wait at all.
const LEAST_QUEUE: usize = 32;
/// Empty batches whose memory is kept.
const POOL: usize = 32;

/// Why a collector cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// A socket cannot be bound.
    #[error("cannot listen on {address} ({transport}): {source}")]
    Bind {
        /// What it is for.
        transport: Transport,
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The kernel does not know the protocol.
    #[error("cannot listen on {address} ({transport}): this kernel has no {transport}")]
    Protocol {
        /// The protocol.
        transport: Transport,
        /// The address.
        address: SocketAddr,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A capture cannot be opened.
    #[error("cannot read {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// What was opened is neither a capture nor a file of IPFIX messages.
    #[error("cannot read {}: {}", path.display(), with_cause(source))]
    Capture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CaptureError,
    },
    /// The directory for state cannot be made or opened.
    #[error("cannot keep state in {}: {source}", path.display())]
    State {
        /// The directory.
        path: PathBuf,
        /// The system's error; `WouldBlock` when another collector has the directory.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Connections cannot be waited for.
    #[error("cannot wait for connections: {0}")]
    Poll(io::Error),
}

/// A running collector.
///
/// ```text
///  socket ─ receiver ─┐                 ┌─ shard: Session ─ Output
///                     ├─ by exporter ───┤
///  socket ─ receiver ─┘  (bounded)      └─ shard: Session ─ Output
/// ```
///
/// Every stage counts what it loses; the [`Report`] says all of it, and which threads failed. When one of
/// several shards does, the others go on.
#[derive(Debug)]
pub struct Collector {
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    events: ChannelReceiver<Event>,
    addresses: Vec<SocketAddr>,
    receive_buffers: Vec<usize>,
    rules: Arc<SharedRules>,
    tls: Option<TlsServer>,
    unsteered: Option<io::Error>,
    observer: Observer,
    receivers: Vec<JoinHandle<()>>,
    sockets: Sockets,
    streams: Option<JoinHandle<()>>,
    feeder: Option<JoinHandle<(PacketFileStatistics, bool)>>,
    shards: Vec<JoinHandle<ShardReport>>,
    state_writer: Option<JoinHandle<bool>>,
}

/// Where packets come from, opened: the sockets are bound, or the file has a start that can be read. The directory
/// for state is there.
#[derive(Debug)]
pub struct Inlet {
    sockets: Vec<UdpReceiver>,
    streams: Vec<StreamListener>,
    /// In the order of the source.
    addresses: Vec<SocketAddr>,
    file: Option<PacketFile<File>>,
    state: Option<StateDirectory>,
    tls: Option<TlsServer>,
    /// Why the kernel does not give all that an exporter sends to one of several sockets.
    refused: Option<io::Error>,
}

impl Inlet {
    /// Opens the source of `config` and its directory for state. Nothing is received before a [`Collector`] is started with it, but the
    /// kernel keeps what comes to a socket meanwhile.
    ///
    /// # Errors
    /// When a socket cannot be bound, TLS not be set up, or the capture or the directory not be opened.
    pub fn open(config: &Config) -> Result<Self, CollectorError> {
        let mut inlet = Self {
            sockets: Vec::new(),
            streams: Vec::new(),
            addresses: Vec::new(),
            file: None,
            state: None,
            tls: None,
            refused: None,
        };
        match &config.source {
            Source::Listen(listen) => {
                let options =
                    ReceiverOptions { receive_buffer: config.receive_buffer, ..ReceiverOptions::default() };
                inlet.tls = match listen.iter().any(|listen| listen.transport == Transport::Tls) {
                    true => Some(TlsServer::open(config.tls.as_ref().ok_or(TlsError::NoFiles)?)?),
                    false => None,
                };
                for &Listen { transport, address } in listen {
                    let failed = |source| match is_unknown_protocol(&source) {
                        true => CollectorError::Protocol { transport, address },
                        false => CollectorError::Bind { transport, address, source },
                    };
                    if transport == Transport::Udp {
                        let bound = UdpReceiver::bind_several(address, config.sockets, &options);
                        let (sockets, steering) = bound.map_err(failed)?;
                        inlet.addresses.extend(sockets.first().and_then(|first| first.local_address().ok()));
                        inlet.sockets.extend(sockets);
                        if let Steering::Hash(error) = steering {
                            inlet.refused = Some(error);
                        }
                    } else {
                        let tls = inlet.tls.clone().filter(|_| transport == Transport::Tls);
                        let listener = StreamListener::bind(transport, address, tls).map_err(failed)?;
                        inlet.addresses.extend(listener.socket.local_addr());
                        inlet.streams.push(listener);
                    }
                }
            }
            Source::Capture(path) => {
                let opened = File::open(path);
                let file = opened.map_err(|source| CollectorError::Open { path: path.clone(), source })?;
                let failed = |source| CollectorError::Capture { path: path.clone(), source };
                let named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ipfix"));
                inlet.file = Some(PacketFile::new(file, named).map_err(failed)?);
            }
        }
        if let Some(path) = &config.state {
            let opened = StateDirectory::open(path);
            let failed = |source| CollectorError::State { path: path.clone(), source };
            inlet.state = Some(opened.map_err(failed)?);
        }
        Ok(inlet)
    }
}

impl Collector {
    /// Starts to receive, with a decoding thread for each of `outputs`.
    ///
    /// # Errors
    /// When a thread cannot be started.
    ///
    /// # Panics
    /// If there are no outputs.
    pub fn start<O: Output>(config: &Config, inlet: Inlet, outputs: Vec<O>) -> Result<Self, CollectorError> {
        assert!(!outputs.is_empty(), "a collector needs an output");
        let Inlet { sockets, streams, addresses, file, state, tls, refused } = inlet;
        let bound: Vec<_> = sockets.into_iter().map(Arc::new).collect();
        let sockets = Sockets::new(&bound);
        let stop = Arc::new(AtomicBool::new(false));
        let counters = Arc::new(Counters::default());
        let (event_sender, events) = bounded(EVENTS);
        let limit = config.packets.map(|packets| Limit {
            packets,
            taken: Arc::new(AtomicU64::new(0)),
            decoded: Arc::new(AtomicU64::new(0)),
            stop: Arc::clone(&stop),
        });
        let pool = Pool::new(POOL);
        let handed_on = Arc::new(AtomicI64::new(NO_TIME));
        let clock = if file.is_some() { Clock::File(Arc::clone(&handed_on)) } else { Clock::Wall };
        let rules = Arc::new(SharedRules::new(config.rules.clone()));
        let boards: Vec<Arc<Board>> = outputs.iter().map(|_| Arc::default()).collect();
        let mut alive = Vec::new();
        let mut shards = Vec::new();
        let places = match outputs.len() {
            1 => config.queue,
            // Few places for many would not outlast the shortest pause.
            shards => (config.queue / shards).max(config.queue.min(LEAST_QUEUE)),
        };
        let (senders, queues): (Vec<_>, Vec<_>) = outputs.iter().map(|_| bounded(places)).unzip();
        let mut ways = Shards::new(senders, pool.clone(), boards.clone());
        let (starts, state_writer) = match state {
            Some(state) => state.begin(config, &mut ways, outputs.len(), &counters, &event_sender)?,
            None => (Start::from_nothing(&config.session, outputs.len()), None),
        };
        for (number, ((output, batches), start)) in outputs.into_iter().zip(queues).zip(starts).enumerate() {
            let (board, living) = (Arc::clone(&boards[number]), Arc::new(()));
            alive.push(Arc::downgrade(&living));
            let shard = Shard {
                session: start.session,
                output,
                batches,
                pool: pool.clone(),
                counters: Arc::clone(&counters),
                events: event_sender.clone(),
                flush_interval: config.flush_interval,
                packet_events: config.packet_events,
                limit: limit.clone(),
                clock: clock.clone(),
                keeper: start.keeper,
                trackers: StreamTrackers::default(),
                board,
                is_observed: config.observed,
                list_templates: config.list_templates,
                sockets: sockets.clone(),
                rules: Arc::clone(&rules),
            };
            let run = move || {
                let _living = living;
                shard.run()
            };
            shards.push(spawn(format!("shard-{number}"), &counters, run)?);
        }

        let feeder = match file {
            Some(file) => {
                let (stop, counted) = (Arc::clone(&stop), Arc::clone(&counters));
                let (shards, events) = (ways.clone(), event_sender.clone());
                let gate = Gate::new(Arc::clone(&rules));
                let feeder = Feeder { file, shards, gate, counters: counted, stop, events, handed_on };
                Some(spawn("capture".into(), &counters, move || feeder.run())?)
            }
            None => None,
        };
        let streams = match streams.is_empty() {
            true => None,
            false => {
                let (shards, counted) = (ways.clone(), Arc::clone(&counters));
                let (stop, events) = (Arc::clone(&stop), event_sender.clone());
                let gate = Gate::new(Arc::clone(&rules));
                let receiver =
                    StreamReceiver::new(streams, config.streams, shards, counted, stop, events, gate);
                let receiver = receiver.map_err(CollectorError::Poll)?;
                Some(spawn("connections".into(), &counters, move || receiver.run())?)
            }
        };
        let (mut receivers, mut receive_buffers) = (Vec::new(), Vec::new());
        for (number, socket) in bound.into_iter().enumerate() {
            receive_buffers.push(socket.granted_buffer());
            let receiver = Receiver {
                socket,
                sockets: sockets.clone(),
                number,
                shards: ways.clone(),
                counters: Arc::clone(&counters),
                stop: Arc::clone(&stop),
                events: event_sender.clone(),
                gate: Gate::new(Arc::clone(&rules)),
            };
            receivers.push(spawn(format!("receiver-{number}"), &counters, move || receiver.run())?);
        }
        let (counted, queue) = (Arc::clone(&counters), places);
        let observer = Observer { counters: counted, boards, shards: alive, sockets: sockets.clone(), queue };
        Ok(Self {
            stop,
            counters,
            events,
            addresses,
            receive_buffers,
            rules,
            tls,
            unsteered: refused,
            observer,
            receivers,
            sockets,
            streams,
            feeder,
            shards,
            state_writer,
        })
    }

    /// Addresses that are listened on, in the order of the source, with the port that the system chose where 0 was asked
    /// for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What became of connections, up to now.
    pub fn connections(&self) -> StreamReport {
        self.counters.streams(|report| report.clone())
    }

    /// Why the kernel refuses to give all datagrams of an exporter's address to the same one of several sockets
    /// ([`Config::sockets`]); `None` where it does, or there is one. Nothing is lost by that, but a rate limit is one for
    /// each socket then, and datagrams from several ports of an exporter may change places.
    pub fn unsteered(&self) -> Option<&io::Error> {
        self.unsteered.as_ref()
    }

    /// Octets of receive buffer that the system granted for each UDP socket. Linux counts its own bookkeeping in
    /// and so grants twice what it is asked for.
    pub fn receive_buffers(&self) -> &[usize] {
        &self.receive_buffers
    }

    /// What happens. The channel closes when the collector has come to its end.
    pub fn events(&self) -> &ChannelReceiver<Event> {
        &self.events
    }

    /// Says how the collector is doing, also to other threads.
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Changes who may send how much, and the limits of templates. Nothing is lost by that. Receivers heed it with
    /// what they receive next, decoding threads within the [flush interval](Config::flush_interval).
    pub fn change_rules(&self, rules: Rules) {
        self.rules.set(rules);
    }

    /// Reads the [files for TLS](Config::tls) again: connections that come from now on get to see them, those that are open
    /// go on. False when TLS is not listened with.
    ///
    /// # Errors
    /// When they cannot be used. Then the old ones stay.
    pub fn renew_tls(&self) -> Result<bool, TlsError> {
        self.tls.as_ref().map(TlsServer::renew).transpose().map(|renewed| renewed.is_some())
    }

    /// Export packets decoded and flow records in them, up to now.
    pub fn progress(&self) -> (u64, u64) {
        (Counters::get(&self.counters.decoded), Counters::get(&self.counters.flows))
    }

    /// Whether the collector has stopped receiving, or is to be stopped: it was told to, the capture is at its
    /// end, the number of packets was reached, or there is nobody left to receive or to decode who has not failed.
    pub fn is_stopping(&self) -> bool {
        let receiving = self.receivers.iter().any(|thread| !thread.is_finished())
            || self.streams.as_ref().is_some_and(|thread| !thread.is_finished())
            || self.feeder.as_ref().is_some_and(|thread| !thread.is_finished());
        self.stop.load(Ordering::Relaxed) || !receiving || self.shards.iter().all(JoinHandle::is_finished)
    }

    /// Names of threads that failed so far, which is an error of this program. What came to one is lost; the others go
    /// on.
    pub fn failed_threads(&self) -> Vec<String> {
        self.counters.failed_threads()
    }

    /// Tells the collector to stop, without waiting for it.
    pub fn request_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Stops receiving, decodes what was received, and says what became of it. For a capture, waits for its
    /// end.
    pub fn stop(self) -> Report {
        if self.feeder.is_none() {
            self.request_stop();
        }
        let mut report = Report::default();
        for receiver in self.receivers {
            // A failure is counted.
            let _ = receiver.join();
        }
        report.kernel_dropped = self.sockets.kernel_drops();
        if let Some(streams) = self.streams {
            // What became of connections is counted, and so is a failure.
            let _ = streams.join();
        }
        if let Some(feeder) = self.feeder
            && let Ok((statistics, failed)) = feeder.join()
        {
            match statistics {
                PacketFileStatistics::Capture(statistics) => report.capture = Some(statistics),
                PacketFileStatistics::Messages(statistics) => report.ipfix_file = Some(statistics),
            }
            report.capture_failed = failed;
        }
        for shard in self.shards {
            let Ok(shard) = shard.join() else { continue };
            report.add_shard(&shard);
        }
        if let Some(writer) = self.state_writer {
            report.state_failed = !writer.join().unwrap_or(false);
        }
        report.add_counters(&self.counters);
        report
    }
}

/// An error with what it says about its cause.
fn with_cause(error: &CaptureError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Starts a thread; `counters` know when it fails.
pub(crate) fn spawn<T: Send + 'static>(
    name: String,
    counters: &Arc<Counters>,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, CollectorError> {
    let watched = counters.watch(&name);
    let run = move || {
        let _watched = watched;
        run()
    };
    thread::Builder::new().name(name).spawn(run).map_err(CollectorError::Thread)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use netflow_capture::CaptureWriter;
    use netflow_templates::{Context, MessageSink, Timestamp};
    use netflow_wire::{Header, MessageEncoder, v5};

    use super::*;

    /// Fails at the packet with this sequence number; counts the others.
    struct Failing(u32, Arc<AtomicU64>);

    impl MessageSink for Failing {
        fn packet(&mut self, context: &Context<'_>) {
            assert_ne!(context.header.sequence(), Some(self.0), "as this test wants it");
        }

        fn data(&mut self, _: &Context<'_>, _: netflow_templates::DataSet<'_>) {}
    }

    impl Output for Failing {
        fn end_packet(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }

        fn flush(&mut self) {}
    }

    /// A capture of v5 packets without records, from exporters with consecutive addresses, each with its
    /// number as sequence number.
    fn capture(exporters: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = CaptureWriter::new(&file).unwrap();
        for number in 0..exporters {
            let header = v5::Header { sequence: number, ..v5::Header::default() };
            let payload = MessageEncoder::new(Header::V5(header)).finish();
            let exporter = (Ipv4Addr::from_bits(0x0a00_0000 + number), 2_055).into();
            let collector = (Ipv4Addr::from_bits(1), 2_055).into();
            writer.write(Timestamp::EPOCH, exporter, collector, &payload).unwrap();
        }
        drop(writer);
        file
    }

    #[test]
    fn a_shard_that_fails_is_named_and_the_others_go_on() {
        const EXPORTERS: u32 = 1_000;
        let file = capture(EXPORTERS);
        let config = Config::new(Source::Capture(file.path().to_owned()));
        let taken = Arc::new(AtomicU64::new(0));
        let outputs = (0..2).map(|_| Failing(3, Arc::clone(&taken))).collect();
        let collector = Collector::start(&config, Inlet::open(&config).unwrap(), outputs).unwrap();
        let report = collector.stop();
        assert!(matches!(&report.failed_threads[..], [name] if name.starts_with("shard-")), "{report:?}");
        assert_eq!(report.received, u64::from(EXPORTERS));
        // The hash has a random key, but never gives all exporters to one shard.
        assert_eq!(report.session.packets, report.domains.len() as u64);
        assert!(report.session.packets > 0);
        assert!(taken.load(Ordering::Relaxed) >= report.session.packets);
    }

    #[test]
    fn without_a_shard_there_is_nothing_to_collect_for() {
        let config = Config::new(Source::Listen(vec![Listen::udp("127.0.0.1:0".parse().unwrap())]));
        let outputs = vec![Failing(3, Arc::default())];
        let collector = Collector::start(&config, Inlet::open(&config).unwrap(), outputs).unwrap();
        assert!(!collector.is_stopping());
        let exporter = UdpSocket::bind("127.0.0.1:0").unwrap();
        let header = v5::Header { sequence: 3, ..v5::Header::default() };
        let packet = MessageEncoder::new(Header::V5(header)).finish();
        exporter.send_to(&packet, collector.addresses()[0]).unwrap();
        // Far longer than it takes.
        let until = Instant::now() + Duration::from_secs(120);
        while !collector.is_stopping() {
            assert!(Instant::now() < until, "the collector goes on without a shard");
            thread::yield_now();
        }
        assert_eq!(collector.stop().failed_threads, ["shard-0"]);
    }

    #[test]
    fn a_collector_that_nobody_receives_for_stops() {
        let address = "127.0.0.1:0".parse().unwrap();
        let config = Config::new(Source::Listen(vec![Listen::udp(address)]));
        let outputs = vec![Failing(3, Arc::default())];
        let mut collector = Collector::start(&config, Inlet::open(&config).unwrap(), outputs).unwrap();
        let fail = || panic!("as this test wants it");
        let failing = spawn("receiver-7".into(), &collector.counters, fail).unwrap();
        let receivers = std::mem::replace(&mut collector.receivers, vec![failing]);
        // Far longer than it takes.
        let until = Instant::now() + Duration::from_secs(120);
        while !collector.is_stopping() {
            assert!(Instant::now() < until, "the collector goes on without a receiver");
            thread::yield_now();
        }
        assert_eq!(collector.failed_threads(), ["receiver-7"]);
        collector.receivers.extend(receivers);
        assert_eq!(collector.observer().snapshot().report.failed_threads, ["receiver-7"]);
        assert_eq!(collector.stop().failed_threads, ["receiver-7"]);
    }

    /// Counts packets and those of them that came out of order, of each exporter.
    #[derive(Default)]
    struct InOrder(Arc<Mutex<HashMap<IpAddr, (u32, u32)>>>);

    impl MessageSink for InOrder {
        fn packet(&mut self, context: &Context<'_>) {
            let mut seen = self.0.lock().unwrap();
            let (packets, late) = seen.entry(context.exporter.address).or_default();
            *late += u32::from(context.header.sequence() != Some(*packets));
            *packets += 1;
        }

        fn data(&mut self, _: &Context<'_>, _: netflow_templates::DataSet<'_>) {}
    }

    impl Output for InOrder {
        fn end_packet(&mut self) {}

        fn flush(&mut self) {}
    }

    #[test]
    #[allow(clippy::print_stdout, reason = "says why nothing was tested")]
    #[cfg(target_os = "linux")]
    fn what_an_exporter_sends_from_several_ports_stays_in_order_with_several_sockets() {
        const EXPORTERS: u8 = 20;
        const PACKETS: u32 = 100;
        let address = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::new(Source::Listen(vec![Listen::udp(address)]));
        config.sockets = 3;
        let seen = Arc::default();
        let outputs = (0..3).map(|_| InOrder(Arc::clone(&seen))).collect();
        let collector = Collector::start(&config, Inlet::open(&config).unwrap(), outputs).unwrap();
        let [address] = *collector.addresses() else { panic!("one address") };
        let observer = collector.observer().clone();
        assert_eq!((observer.snapshot().sockets.len(), observer.snapshot().sockets[0].sockets), (1, 3));
        assert_eq!(collector.receive_buffers().len(), 3);
        if let Some(error) = collector.unsteered() {
            return println!("skipped: {error}");
        }
        for exporter in 1..=EXPORTERS {
            let ports = [0, 1].map(|_| UdpSocket::bind((Ipv4Addr::new(127, 0, 6, exporter), 0)).unwrap());
            for sequence in 0..PACKETS {
                let header = v5::Header { sequence, ..v5::Header::default() };
                let packet = MessageEncoder::new(Header::V5(header)).finish();
                ports[sequence as usize % 2].send_to(&packet, address).unwrap();
            }
        }
        let report = collector.stop();
        let sent = u64::from(EXPORTERS) * u64::from(PACKETS);
        assert_eq!((report.received, report.kernel_dropped), (sent, Some(0)));
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), usize::from(EXPORTERS));
        assert!(seen.values().all(|counts| *counts == (PACKETS, 0)), "{seen:?}");
    }

    #[test]
    fn nobody_is_named_when_nothing_fails() {
        let file = capture(10);
        let config = Config::new(Source::Capture(file.path().to_owned()));
        let outputs = vec![Failing(u32::MAX, Arc::default())];
        let report = Collector::start(&config, Inlet::open(&config).unwrap(), outputs).unwrap().stop();
        assert_eq!((report.failed_threads.len(), report.session.packets, report.dropped), (0, 10, 0));
    }
}
