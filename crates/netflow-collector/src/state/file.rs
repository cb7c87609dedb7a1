//! The file of state: export packets, each with whose it is and when it came, and sequence positions.
//!
//! | Octets | What |
//! |---|---|
//! | 8 | `nfstate` and a line feed |
//! | 2 | version, [`VERSION`] |
//! | 1 | for whom templates are valid: 0 session, 1 domain, 2 exporter |
//! | 8 | when it was written, nanoseconds since the Unix epoch |
//! | | any number of entries |
//! | 1 | 0: the end |
//! | 4 | CRC-32, as of gzip, of all before it |
//!
//! An entry is a kind (1 octet: 1 what was learned, 2 sets that wait, 3 a position), 4 or 6 (1 octet) and an address
//! of that version of IP, a port (2 octets), a time as above (8), a length (4) and so many octets: an export packet,
//! or a domain (4) and the octets of a [`Position`]. Numbers are big-endian.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::net::IpAddr;

use flate2::Crc;
use netflow_templates::sequence::Position;
use netflow_templates::{Exporter, SnapshotPacket, TemplateScope, Timestamp};

const MAGIC: &[u8; 8] = b"nfstate\n";
/// The version that is written, and the only one that is read.
const VERSION: u16 = 1;
/// Octets of an entry at most: more than any export packet has.
const MAX_ENTRY: u32 = 128 << 10;
/// Octets of a file at most: the bounds of 64 sessions.
const MAX_FILE: u64 = 4 << 30;

const END: u8 = 0;
const LEARNED: u8 = 1;
const WAITING: u8 = 2;
const POSITION: u8 = 3;

/// Why a file of state cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The system cannot read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It begins otherwise than such files do.
    #[error("it is no file of state")]
    Foreign,
    /// It is of another version of this software.
    #[error("its version is {0}, and only {VERSION} is known here")]
    Version(u16),
    /// Templates were valid for others than they are now.
    #[error("its templates are valid for another scope than is set now")]
    Scope,
    /// It ends before its end.
    #[error("it is cut off")]
    CutOff,
    /// It is not as it was written.
    #[error("it is damaged")]
    Damaged,
    /// It is larger than what any collector keeps.
    #[error("it has more than {MAX_FILE} octets")]
    TooLarge,
}

/// Something that a collector knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Packet(SnapshotPacket<'a>),
    Position { exporter: IpAddr, domain: u32, position: Position },
}

impl Entry<'_> {
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        match *self {
            Entry::Packet(SnapshotPacket { exporter, received, waiting, octets }) => {
                append_head(if waiting { WAITING } else { LEARNED }, exporter, received, octets.len(), out);
                out.extend_from_slice(octets);
            }
            Entry::Position { exporter: address, domain, ref position } => {
                let exporter = Exporter { address, port: 0 };
                append_head(POSITION, exporter, Timestamp::EPOCH, 4 + Position::LEN, out);
                out.extend_from_slice(&domain.to_be_bytes());
                out.extend_from_slice(&position.to_octets());
            }
        }
    }
}

fn append_head(kind: u8, exporter: Exporter, time: Timestamp, length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    match exporter.address {
        IpAddr::V4(address) => {
            out.push(4);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.push(6);
            out.extend_from_slice(&address.octets());
        }
    }
    out.extend_from_slice(&exporter.port.to_be_bytes());
    out.extend_from_slice(&time.as_nanos().to_be_bytes());
    let length = u32::try_from(length).expect("an export packet is shorter than 128 KiB");
    out.extend_from_slice(&length.to_be_bytes());
}

/// Writes a file of entries that were appended to each other.
pub(super) fn write(
    out: impl Write,
    scope: TemplateScope,
    now: Timestamp,
    snapshots: &[&[u8]],
) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let mut sum = Crc::new();
    let mut put = |octets: &[u8]| {
        sum.update(octets);
        out.write_all(octets)
    };
    put(MAGIC)?;
    put(&VERSION.to_be_bytes())?;
    put(&[scope_number(scope)])?;
    put(&now.as_nanos().to_be_bytes())?;
    for snapshot in snapshots {
        put(snapshot)?;
    }
    put(&[END])?;
    out.write_all(&sum.sum().to_be_bytes())?;
    out.flush()
}

fn scope_number(scope: TemplateScope) -> u8 {
    match scope {
        TemplateScope::Session => 0,
        TemplateScope::Domain => 1,
        TemplateScope::Exporter => 2,
    }
}

/// Reads a file, and returns when it was written. Nothing is handed out before all of it is known to be good.
pub(super) fn read(
    mut file: File,
    scope: TemplateScope,
    each: impl FnMut(Entry<'_>),
) -> Result<Timestamp, StateError> {
    if file.metadata()?.len() > MAX_FILE {
        return Err(StateError::TooLarge);
    }
    scan((&file).take(MAX_FILE), scope, |_| {})?;
    file.rewind()?;
    scan(file.take(MAX_FILE), scope, each)
}

/// Goes over a file, from one end to the other.
pub(super) fn scan(
    file: impl Read,
    scope: TemplateScope,
    mut each: impl FnMut(Entry<'_>),
) -> Result<Timestamp, StateError> {
    let mut source = Source { file: BufReader::new(file), sum: Crc::new() };
    let magic = source.take().map_err(|error| match error {
        StateError::CutOff => StateError::Foreign,
        error => error,
    })?;
    if magic != *MAGIC {
        return Err(StateError::Foreign);
    }
    let version = u16::from_be_bytes(source.take()?);
    if version != VERSION {
        return Err(StateError::Version(version));
    }
    let [number] = source.take()?;
    let written = source.time()?;
    let mut octets = Vec::new();
    loop {
        let [kind] = source.take()?;
        if kind == END {
            break;
        }
        let address = match source.take()? {
            [4] => IpAddr::from(source.take::<4>()?),
            [6] => IpAddr::from(source.take::<16>()?),
            _ => return Err(StateError::Damaged),
        };
        let exporter = Exporter { address, port: u16::from_be_bytes(source.take()?) };
        let received = source.time()?;
        let length = u32::from_be_bytes(source.take()?);
        if length > MAX_ENTRY {
            return Err(StateError::Damaged);
        }
        octets.resize(length as usize, 0);
        source.fill(&mut octets)?;
        each(match kind {
            LEARNED | WAITING => {
                let waiting = kind == WAITING;
                Entry::Packet(SnapshotPacket { exporter, received, waiting, octets: &octets })
            }
            POSITION => position(address, &octets).ok_or(StateError::Damaged)?,
            _ => return Err(StateError::Damaged),
        });
    }
    let sum = source.sum.sum();
    if source.take()? != sum.to_be_bytes() || !source.is_at_end()? {
        return Err(StateError::Damaged);
    }
    // Last, so that a file that is damaged here is said to be damaged.
    if number != scope_number(scope) {
        return Err(StateError::Scope);
    }
    Ok(written)
}

fn position(exporter: IpAddr, octets: &[u8]) -> Option<Entry<'static>> {
    let (domain, position) = octets.split_first_chunk()?;
    let position = Position::from_octets(position)?;
    Some(Entry::Position { exporter, domain: u32::from_be_bytes(*domain), position })
}

struct Source<R> {
    file: BufReader<R>,
    sum: Crc,
}

impl<R: Read> Source<R> {
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), StateError> {
        self.file.read_exact(octets).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => StateError::CutOff,
            _ => error.into(),
        })?;
        self.sum.update(octets);
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let mut octets = [0; N];
        self.fill(&mut octets)?;
        Ok(octets)
    }

    fn time(&mut self) -> Result<Timestamp, StateError> {
        Ok(Timestamp::from_nanos(i64::from_be_bytes(self.take()?)))
    }

    fn is_at_end(&mut self) -> Result<bool, StateError> {
        Ok(self.file.read(&mut [0])? == 0)
    }
}
