use super::*;

/// Keeps what it is given: when, whose, and the octets.
#[derive(Debug, Default)]
struct Kept(Vec<(Timestamp, usize, Vec<u8>)>);

impl PacketSink for Kept {
    fn send(&mut self, at: Timestamp, packet: &Outgoing<'_>) -> io::Result<()> {
        self.0.push((at, packet.stream, packet.octets.to_vec()));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn config(version: Version) -> GenerateConfig {
    GenerateConfig {
        version,
        profile: None,
        max_records: None,
        refresh: None,
        traffic: TrafficConfig::default(),
        exporters: 1,
        domains: 1,
        distinct_domains: false,
        pace: Pace::Flows(1_000.0),
        flows: Some(1_000),
        duration: None,
        start: Timestamp::from_secs(1_767_225_600),
        faults: FaultConfig::default(),
        uptime_wrap: None,
        restart: None,
    }
}

fn made(config: GenerateConfig) -> (Vec<(Timestamp, usize, Vec<u8>)>, Totals) {
    let (mut generator, mut sink, mut clock) =
        (Generator::new(config).unwrap(), Kept::default(), SimulatedClock::default());
    let stop = AtomicBool::new(false);
    while generator.run(&mut sink, &mut clock, &stop, Duration::from_millis(70)).unwrap() {}
    generator.finish(&mut sink, &mut clock).unwrap();
    (sink.0, generator.totals())
}

#[test]
fn no_flow_waits_for_more_than_a_second() {
    let config =
        GenerateConfig { pace: Pace::Flows(5.0), flows: Some(50), exporters: 2, ..config(Version::V5) };
    let (packets, totals) = made(config);
    assert_eq!((totals.flows, packets.len()), (50, 25));
    assert!(packets.windows(2).all(|pair| pair[1].0.saturating_since(pair[0].0) <= Duration::from_secs(1)));
}

#[test]
fn packets_as_fast_as_it_goes_are_of_one_length_for_long() {
    for version in [Version::V5, Version::V9, Version::Ipfix] {
        let config = GenerateConfig { pace: Pace::Clock, flows: Some(20_000), ..config(version) };
        let (packets, totals) = made(config);
        assert_eq!(totals.flows, 20_000);
        let changes = packets.windows(2).filter(|pair| pair[0].2.len() != pair[1].2.len()).count();
        assert!(changes * 5 < packets.len(), "{version}: {changes} of {}", packets.len());
    }
}

#[test]
fn a_duration_is_so_many_flows() {
    let config =
        GenerateConfig { flows: None, duration: Some(Duration::from_secs(3)), ..config(Version::V9) };
    let (packets, totals) = made(config);
    assert!((3_000..3_030).contains(&totals.flows), "{totals:?}");
    assert_eq!(packets.len() as u64, totals.export_packets);
}

#[test]
fn packets_are_paced_by_their_number() {
    let config = GenerateConfig { pace: Pace::Packets(10.0), flows: Some(900), ..config(Version::V5) };
    let (packets, _) = made(config);
    let (first, last) = (packets[0].0, packets[packets.len() - 2].0);
    assert_eq!(last.saturating_since(first), Duration::from_millis(100) * (packets.len() as u32 - 2));
}

#[test]
fn pieces_of_a_run_make_what_it_makes_in_one_go() {
    let (packets, totals) = made(config(Version::Ipfix));
    let (mut generator, mut sink, mut clock) =
        (Generator::new(config(Version::Ipfix)).unwrap(), Kept::default(), SimulatedClock::default());
    assert!(!generator.run(&mut sink, &mut clock, &AtomicBool::new(false), Duration::MAX).unwrap());
    generator.finish(&mut sink, &mut clock).unwrap();
    assert!(packets == sink.0);
    assert_eq!(totals, generator.totals());
}

#[test]
fn domains_are_distinct_where_addresses_do_not_tell_exporters_apart() {
    let domains = |distinct_domains| {
        let config = GenerateConfig { exporters: 2, domains: 2, distinct_domains, ..config(Version::V9) };
        let (packets, _) = made(config);
        let mut domains: Vec<_> = packets.iter().map(|(_, _, octets)| octets[19]).collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    };
    assert_eq!((domains(false), domains(true)), (vec![0, 1], vec![0, 1, 2, 3]));
}

#[test]
fn a_request_to_stop_ends_it() {
    let mut generator = Generator::new(GenerateConfig { flows: None, ..config(Version::V5) }).unwrap();
    let stop = AtomicBool::new(true);
    let more = generator.run(&mut Kept::default(), &mut SimulatedClock::default(), &stop, Duration::MAX);
    assert!(!more.unwrap());
    assert_eq!(generator.totals().flows, 0);
}

#[test]
fn a_sink_that_fails_ends_it() {
    #[derive(Debug)]
    struct Full;
    impl PacketSink for Full {
        fn send(&mut self, _: Timestamp, _: &Outgoing<'_>) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut generator = Generator::new(config(Version::V9)).unwrap();
    let stop = AtomicBool::new(false);
    let error = generator.run(&mut Full, &mut SimulatedClock::default(), &stop, Duration::MAX).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn an_exporter_without_a_template_for_ipv6_has_no_such_traffic() {
    let profile = Profile::find("juniper-srx", None).unwrap();
    let traffic = TrafficConfig { ipv6_percent: 100, ..TrafficConfig::default() };
    let config = GenerateConfig { profile: Some(profile), traffic, ..config(profile.version) };
    let (_, totals) = made(config);
    assert_eq!((totals.flows, totals.left_out), (1_000, 0));
}

/// An exporter that takes ICMP alone.
fn of_icmp() -> &'static Profile {
    let usual = Profile::find("juniper-srx", None).unwrap();
    let mut template = usual.templates[0].clone();
    template.takes.icmp = Some(true);
    Box::leak(Box::new(Profile { templates: Box::leak(Box::new([template])), ..*usual }))
}

#[test]
fn flows_that_no_template_takes_are_counted() {
    let profile = of_icmp();
    let (_, totals) =
        made(GenerateConfig { profile: Some(profile), flows: Some(10), ..config(profile.version) });
    assert_eq!(totals.flows, 10);
    assert!(totals.left_out > 0);
}

#[test]
fn an_exporter_that_would_never_export_is_refused() {
    let usual = of_icmp();
    let mut template = usual.templates[0].clone();
    template.takes.family = Some(6);
    template.takes.icmp = None;
    let profile = Box::leak(Box::new(Profile { templates: Box::leak(Box::new([template])), ..*usual }));
    let traffic = TrafficConfig { ipv6_percent: 0, ..TrafficConfig::default() };
    let config = GenerateConfig { profile: Some(profile), traffic, ..config(profile.version) };
    assert_eq!(Generator::new(config).unwrap_err(), ConfigError::NothingTaken);
}
