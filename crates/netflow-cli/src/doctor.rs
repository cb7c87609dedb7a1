//! `nf doctor`: what is wrong with the export of each router.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, bail};
use netflow_capture::{CaptureReader, Transport, looks_like_capture};
use netflow_doctor::{Diagnosis, Doctor};
use netflow_flow::FlowReader;
use netflow_templates::{Exporter, Session, Timestamp};
use netflow_wire::WireError;

use crate::Outcome;
use crate::args::{self, DoctorFormat};
use crate::input;
use crate::output::{self, count};

mod json;
mod live;
mod text;

/// The sender of a packet that came without one.
const NOBODY: Exporter = Exporter { address: std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
/// Destinations of datagrams that are remembered, and what is kept of what is no export packet there.
const DESTINATIONS: usize = 4_096;
const FOREIGN: usize = 4_096;
/// Lines of a flow file that could not be read and are told one by one.
const MAX_MESSAGES: u64 = 5;

pub(crate) fn run(args: &args::Doctor) -> anyhow::Result<Outcome> {
    if args.decoding.sampling.is_some() {
        output::note("--sampling changes nothing here: what exporters say is what is looked at");
    }
    let (diagnosis, bad) = if args.files.is_empty() && args.file.is_empty() {
        if args.listen.is_empty() && args.port.is_none() {
            bail!(
                "nothing to diagnose: give a FILE (a capture or flow file), or listen with --listen ADDR or -p PORT"
            );
        }
        (live::listen(args)?, false)
    } else {
        read(args)?
    };
    if diagnosis.domains.is_empty() && diagnosis.findings.is_empty() {
        bail!("no export packets, so there is nothing to diagnose");
    }
    print(args.format, &diagnosis)?;
    if diagnosis.overflow.packets > 0 {
        output::note(format_args!(
            "{} more of exporters too many to look at",
            count(diagnosis.overflow.packets, "packet")
        ));
    }
    if diagnosis.overflow.templates > 0 {
        output::note(format_args!(
            "{} of templates too many to look at",
            count(diagnosis.overflow.templates, "set or record")
        ));
    }
    Ok(if bad { Outcome::BadInput } else { Outcome::Done })
}

fn print(format: DoctorFormat, diagnosis: &Diagnosis) -> anyhow::Result<()> {
    let mut out = BufWriter::new(output::data());
    match format {
        DoctorFormat::Text => text::write(diagnosis, &mut out)?,
        DoctorFormat::Json => json::write(diagnosis, &mut out)?,
    }
    out.flush()?;
    Ok(())
}

/// Reads all files; whether one could not be read, or not to its end, which was said.
fn read(args: &args::Doctor) -> anyhow::Result<(Diagnosis, bool)> {
    let session = Session::with_config(input::session_config(&args.decoding)?);
    let mut inputs = Inputs { args, session, doctor: Doctor::new(), bad: false };
    for path in args.files.iter().chain(&args.file) {
        if let Err(error) = inputs.file(path) {
            output::error(format_args!("{error:#}"));
            inputs.bad = true;
        }
    }
    Ok((inputs.doctor.finish(), inputs.bad))
}

struct Inputs<'a> {
    args: &'a args::Doctor,
    session: Session,
    doctor: Doctor,
    bad: bool,
}

impl Inputs<'_> {
    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut file = BufReader::new(File::open(path).with_context(|| input::cannot_read(path))?);
        let start = file.fill_buf().with_context(|| input::cannot_read(path))?;
        let name = path.display().to_string();
        match start {
            [] => bail!("{name} is empty"),
            _ if looks_like_capture(start) => self.capture(&name, file),
            // A version number, which no text starts with.
            [0, ..] => {
                let mut octets = Vec::new();
                file.read_to_end(&mut octets).with_context(|| input::cannot_read(path))?;
                match self.datagram(NOBODY, Timestamp::EPOCH, &octets) {
                    Some(error) => bail!("{name}: {error}"),
                    None => Ok(()),
                }
            }
            _ => self.flow_file(&name, file),
        }
    }

    /// Decodes a datagram; what is wrong, if it is no export packet at all.
    fn datagram(&mut self, exporter: Exporter, received: Timestamp, octets: &[u8]) -> Option<WireError> {
        let mut foreign = None;
        input::messages(octets, |at, octets| {
            let decoded = self.session.decode(exporter, received, octets, &mut self.doctor);
            decoded.map_err(|error| foreign = foreign.or((at == 0).then_some(error))).ok()
        });
        foreign
    }

    fn capture(&mut self, name: &str, file: impl Read) -> anyhow::Result<()> {
        let mut capture = CaptureReader::new(file).with_context(|| name.to_owned())?;
        let mut foreign = Foreign::default();
        let result = loop {
            let datagram = match capture.next_datagram() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error).with_context(|| name.to_owned()),
            };
            let exporter = datagram.source.into();
            self.doctor.set_cut_off(datagram.truncated);
            self.doctor.set_reliable(datagram.transport == Transport::Tcp);
            let error = self.datagram(exporter, datagram.time, datagram.payload);
            foreign.note(datagram.destination, exporter, error);
        };
        self.doctor.set_cut_off(false);
        self.doctor.set_reliable(false);
        let others = foreign.finish(&mut self.doctor);
        if others > 0 {
            output::note(format_args!("{name}: {} for other ports left out", count(others, "datagram")));
        }
        let statistics = capture.statistics();
        if statistics.truncated > 0 {
            output::note(format_args!(
                "{name}: {} cut off by the capture's snap length (`tcpdump -s 0` keeps all)",
                count(statistics.truncated, "packet")
            ));
        }
        result
    }

    fn flow_file(&mut self, name: &str, file: impl Read + Send) -> anyhow::Result<()> {
        let registry = input::registry(&self.args.decoding)?;
        let mut reader =
            FlowReader::with_registry(file, registry, None).map_err(|error| input::no_flows(name, error))?;
        let mut flows = Vec::new();
        let mut bad = 0;
        loop {
            match reader.read(&mut flows) {
                Ok(true) => flows.iter().for_each(|flow| self.doctor.flow(flow)),
                Ok(false) => break,
                Err(error) if error.is_recoverable() => {
                    self.bad = true;
                    bad += 1;
                    if bad <= MAX_MESSAGES {
                        output::error(format_args!("{name}: {error}"));
                    }
                }
                Err(error) => return Err(input::no_flows(name, error)),
            }
        }
        if bad > MAX_MESSAGES {
            output::error(format_args!("{name}: {bad} lines could not be read in all"));
        }
        input::note_left_out(name, &reader);
        Ok(())
    }
}

/// Datagrams of a capture that are no export packets. A capture may hold other traffic: they matter only where
/// export packets go as well.
#[derive(Default)]
struct Foreign {
    /// Whether export packets went there.
    destinations: HashMap<SocketAddr, bool>,
    datagrams: Vec<(SocketAddr, Exporter, WireError)>,
    beyond: u64,
}

impl Foreign {
    fn note(&mut self, destination: SocketAddr, exporter: Exporter, error: Option<WireError>) {
        if self.destinations.len() < DESTINATIONS || self.destinations.contains_key(&destination) {
            *self.destinations.entry(destination).or_default() |= error.is_none();
        }
        match error {
            Some(error) if self.datagrams.len() < FOREIGN => {
                self.datagrams.push((destination, exporter, error));
            }
            Some(_) => self.beyond += 1,
            None => {}
        }
    }

    /// Tells the doctor about those that matter; how many do not, or could not be kept.
    fn finish(self, doctor: &mut Doctor) -> u64 {
        let mut others = self.beyond;
        for (destination, exporter, error) in &self.datagrams {
            if self.destinations.get(destination) == Some(&true) {
                doctor.not_export_packet(*exporter, error);
            } else {
                others += 1;
            }
        }
        others
    }
}
