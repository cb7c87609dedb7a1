use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;

use netflow_templates::sequence::{SequenceTracker, Units};
use netflow_templates::{Context, DataSet, Exporter, MessageSink, SnapshotPacket};
use netflow_wire::{FieldSpecifier, Header, MessageEncoder, TemplateDefinition, v9};
use proptest::prelude::*;

use super::file::{scan, write};
use super::writer::Snapshot;
use super::*;
use crate::receiver::Pool;

const NOW: Timestamp = Timestamp::from_secs(1_714_564_800);
const SCOPE: TemplateScope = TemplateScope::Domain;

/// Counts records.
#[derive(Default)]
struct Records(usize);

impl MessageSink for Records {
    fn data(&mut self, _: &Context<'_>, set: DataSet<'_>) {
        self.0 += set.len();
    }
}

fn exporter(number: u32) -> Exporter {
    Exporter { address: Ipv4Addr::from_bits(0xc000_0200 + number).into(), port: 2_055 }
}

fn packet(fill: impl FnOnce(&mut MessageEncoder)) -> Vec<u8> {
    let mut packet = MessageEncoder::new(Header::V9(v9::Header::default()));
    fill(&mut packet);
    packet.finish()
}

fn template() -> Vec<u8> {
    let fields = vec![FieldSpecifier::iana(1, 4)];
    let definition =
        TemplateDefinition { template_id: 256, scope_count: 0, options: false, fields, offset: 0 };
    packet(|packet| _ = packet.template(&definition))
}

fn data(id: u16) -> Vec<u8> {
    packet(|packet| _ = packet.begin_set(id).octets(&[0, 0, 0, 80]))
}

fn ways(shards: usize) -> Shards {
    Shards::new((0..shards).map(|_| bounded(1).0).collect(), Pool::new(1), Vec::new())
}

/// What one shard knows that has heard some exporters: a template, a set that waits, a position.
fn snapshot(exporters: impl Iterator<Item = u32>) -> Vec<u8> {
    let (mut session, mut octets) = (Session::new(), Vec::new());
    let mut positions = HashMap::new();
    for exporter in exporters.map(exporter) {
        for packet in [template(), data(257)] {
            session.decode(exporter, NOW, &packet, &mut Records::default()).unwrap();
        }
        let mut tracker = SequenceTracker::new();
        tracker.observe(9, 7, Some(Units::records(1)), NOW, None);
        positions.insert((exporter.address, 0, 9), tracker.position().unwrap());
    }
    let (sender, snapshots) = bounded(1);
    Keeper::new(0, sender, std::time::Duration::MAX, positions).finish(&session, std::iter::empty());
    octets.append(&mut snapshots.recv().unwrap().octets);
    octets
}

fn content(snapshots: &[&[u8]]) -> Vec<u8> {
    let mut content = Vec::new();
    write(&mut content, SCOPE, NOW, snapshots).unwrap();
    content
}

fn is_refused(content: &[u8]) -> bool {
    scan(content, SCOPE, |_| {}).is_err()
}

#[test]
fn any_number_of_shards_goes_on_from_what_any_number_knew() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::open(folder.path()).unwrap();
    let snapshots = [snapshot(0..40), snapshot(40..41), snapshot(41..100)];
    directory.write(SCOPE, NOW, &snapshots.each_ref().map(Vec::as_slice)).unwrap();
    for shards in [1, 2, 7] {
        let mut ways = ways(shards);
        let (mut restored, event) = directory.restore(&SessionConfig::default(), &mut ways, shards);
        let Some(StateEvent::Restored { templates: 100, waiting_sets: 100, written: NOW, .. }) = event else {
            panic!("{event:?}");
        };
        for exporter in (0..100).map(exporter) {
            let shard = &mut restored[ways.of(exporter.into())];
            let mut records = Records::default();
            shard.session.decode(exporter, NOW, &data(256), &mut records).unwrap();
            assert_eq!(records.0, 1);
            assert!(shard.positions.contains_key(&(exporter.address, 0, 9)));
        }
    }
}

#[test]
fn without_a_file_nothing_is_known_and_nothing_said() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::open(&folder.path().join("made/on/the/way")).unwrap();
    let (restored, event) = directory.restore(&SessionConfig::default(), &mut ways(2), 2);
    assert!(event.is_none());
    assert_eq!(restored.iter().map(|shard| shard.session.templates()).sum::<usize>(), 0);
}

#[test]
fn a_full_disk_leaves_the_file_before_and_writing_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::open(folder.path()).unwrap();
    directory.write(SCOPE, NOW, &[&snapshot(0..3)]).unwrap();
    let before = fs::read(directory.file()).unwrap();
    // What is removed after a failure is the link: the next attempt has room.
    symlink("/dev/full", folder.path().join(UNFINISHED)).unwrap();
    let ((sender, snapshots), (events, told)) = (bounded(2), bounded(9));
    let (path, file) = (folder.path().to_owned(), directory.file());
    let writer = StateWriter { directory, scope: SCOPE, shards: 1, snapshots, events };
    let thread = std::thread::spawn(move || writer.run());
    let hand_on = || sender.send(Snapshot { shard: 0, octets: snapshot(0..5) }).unwrap();
    hand_on();
    let Event::State(StateEvent::NotWritten { source, .. }) = told.recv().unwrap() else { panic!() };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read(&file).unwrap(), before);
    hand_on();
    assert!(matches!(told.recv().unwrap(), Event::State(StateEvent::WritesAgain { .. })));
    drop(sender);
    assert!(thread.join().unwrap());
    assert_ne!(fs::read(&file).unwrap(), before);
    assert_eq!(fs::read_dir(path).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn nothing_is_written_before_every_shard_has_said_what_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::open(folder.path()).unwrap();
    let file = directory.file();
    let (sender, snapshots) = bounded(3);
    let writer = StateWriter { directory, scope: SCOPE, shards: 2, snapshots, events: bounded(1).0 };
    sender.send(Snapshot { shard: 1, octets: snapshot(0..5) }).unwrap();
    drop(sender);
    assert!(writer.run());
    assert!(!file.exists());
}

proptest! {
    #[test]
    fn every_damaged_file_is_seen_to_be_damaged(place: prop::sample::Index, bit in 0..8u8, cut: prop::sample::Index) {
        let good = content(&[&snapshot(0..3), &snapshot(3..4)]);
        prop_assert_eq!(scan(good.as_slice(), SCOPE, |_| {}).unwrap(), NOW);
        let mut flipped = good.clone();
        flipped[place.index(good.len())] ^= 1 << bit;
        prop_assert!(is_refused(flipped.as_slice()));
        let longer = [good.as_slice(), &[bit]].concat();
        prop_assert!(is_refused(longer.as_slice()));
        prop_assert!(is_refused(&good[..cut.index(good.len())]));
    }

    #[test]
    fn files_that_were_made_to_do_harm_do_none(
        mut entries in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
        seeded: bool,
    ) {
        if seeded {
            entries = snapshot(0..3);
            let length = entries.len();
            changes.iter().for_each(|(place, octet)| entries[place.index(length)] = *octet);
        }
        // The checksum is right.
        let folder = tempfile::tempdir().unwrap();
        let directory = StateDirectory::open(folder.path()).unwrap();
        directory.write(SCOPE, NOW, &[&entries]).unwrap();
        let (mut restored, event) = directory.restore(&SessionConfig::default(), &mut ways(1), 1);
        match event {
            Some(StateEvent::Restored { .. }) => {}
            Some(StateEvent::Unreadable { aside, .. }) => {
                prop_assert!(aside.is_some_and(|aside| aside.exists()));
                prop_assert_eq!(restored[0].session.templates(), 0);
            }
            other => prop_assert!(false, "{other:?}"),
        }
        let session = &mut restored[0].session;
        let mut records = Records::default();
        for packet in [template(), data(256)] {
            session.decode(exporter(999), NOW, &packet, &mut records).unwrap();
        }
        prop_assert!(records.0 >= 1);
    }

    #[test]
    fn entries_are_read_as_they_were_written(
        octets in prop::collection::vec(any::<u8>(), 0..100), time: i64, port: u16, waiting: bool, address: std::net::IpAddr,
    ) {
        let (exporter, received) = (Exporter { address, port }, Timestamp::from_nanos(time));
        let entry = Entry::Packet(SnapshotPacket { exporter, received, waiting, octets: &octets });
        let mut snapshot = Vec::new();
        entry.append_to(&mut snapshot);
        let mut read = 0;
        scan(content(&[&snapshot]).as_slice(), SCOPE, |found| {
            assert_eq!(found, entry);
            read += 1;
        }).unwrap();
        prop_assert_eq!(read, 1);
    }
}
