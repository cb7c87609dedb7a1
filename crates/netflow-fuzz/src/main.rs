//! What `cargo xtask fuzz` runs: see there.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use netflow_fuzz::{Everything, Random, corpus, dictionary, mutate, usage, worst};
use netflow_templates::{Exporter, Session, Timestamp};

#[derive(Parser)]
#[command(about)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes the seeds of a target, each to a file, and its dictionary.
    Seed { target: String, folder: PathBuf, dictionary: PathBuf },
    /// Decodes mutated real packets.
    Mutate {
        #[arg(long, default_value_t = 1_000_000)]
        packets: u64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folders with more captures
        more: Vec<PathBuf>,
    },
    /// Shows what the most expensive inputs cost.
    Worst {
        /// Only inputs with this in their name
        name: Option<String>,
        #[arg(long, default_value_t = worst::SIZE)]
        size: usize,
        /// Only the one of just this name
        #[arg(long)]
        exact: bool,
        /// Once each, and only this use of it: for a profiler
        #[arg(long)]
        once: Option<usize>,
        /// Shows only the numbers of uses, and names
        #[arg(long)]
        list: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().task {
        Task::Seed { target, folder, dictionary } => seed(&target, &folder, &dictionary),
        Task::Mutate { packets, seed, more } => mutated(packets, seed, &more),
        Task::Worst { name, size, exact, once, list } => {
            let named = |other: &str| match &name {
                Some(name) if exact => other == name,
                Some(name) => other.contains(name.as_str()),
                None => true,
            };
            for (name, maker) in worst::inputs().filter(|(name, _)| named(name)) {
                worst(name, maker, size, once, list)?;
            }
            Ok(())
        }
    }
}

fn seed(target: &str, folder: &PathBuf, words: &PathBuf) -> anyhow::Result<()> {
    let seeds = corpus::seeds(target, &corpus::fixtures())?;
    if seeds.is_empty() {
        bail!("there is no target {target}");
    }
    fs::create_dir_all(folder)?;
    let octets: usize = seeds.iter().map(|(_, seed)| seed.len()).sum();
    for (name, seed) in &seeds {
        fs::write(folder.join(name.replace(' ', "-")), seed)?;
    }
    fs::write(words, dictionary::dictionary(target))?;
    println!("{} seeds of {target}, {octets} octets", seeds.len());
    Ok(())
}

/// Megabytes.
fn megabytes(octets: u64) -> f64 {
    octets as f64 / 1e6
}

/// Memory that decoding real packets, however changed, may take.
const MOST_MEMORY: u64 = 300_000_000;

fn mutated(count: u64, seed: u64, more: &[PathBuf]) -> anyhow::Result<()> {
    let mut packets = Vec::new();
    for folder in [corpus::fixtures()].iter().chain(more) {
        let captures = corpus::packets(folder)?;
        packets.extend(captures.into_iter().flat_map(|(_, packets)| packets.into_iter().take(200)));
    }
    let mut random = Random::new(seed);
    let (mut session, mut everything) = (Session::new(), Everything::default());
    let (mut refused, mut read, mut written) = (0u64, 0u64, 0u64);
    let (mut slowest, mut spent) = ((Duration::ZERO, 0, Vec::new()), Duration::ZERO);
    for number in 0..count {
        let packet = mutate::mutated(&packets, &mut random);
        let address = std::net::Ipv4Addr::from_bits(0xc000_0200 + random.below(64) as u32).into();
        let exporter = Exporter { address, port: 2055 };
        let received = Timestamp::from_secs(1_714_564_800 + (number / 1_000) as i64);
        let started = usage::cpu_time();
        match session.decode(exporter, received, &packet, &mut everything) {
            Ok(_) => everything.end_packet(),
            Err(_) => refused += 1,
        }
        let took = usage::cpu_time() - started;
        read += packet.len() as u64;
        written += everything.discard() as u64;
        spent += took;
        if took > slowest.0 {
            slowest = (took, number, packet);
        }
    }
    let statistics = session.statistics();
    println!("{count} mutated packets of {} real ones, seed {seed}; {refused} refused", packets.len());
    println!(
        "{:.0} MB read, {:.0} MB written, {:?} a packet",
        megabytes(read),
        megabytes(written),
        spent / count.max(1) as u32
    );
    println!("{statistics:?}");
    println!("{} templates, {:?} waiting", session.templates(), session.waiting());
    let (took, number, packet) = slowest;
    println!("the slowest packet: number {number}, {took:?}, {} octets", packet.len());
    let Some(peak) = usage::peak_memory() else { return Ok(()) };
    println!("peak memory {:.1} MB", megabytes(peak));
    if peak > MOST_MEMORY {
        bail!("{:.1} MB are too much", megabytes(peak));
    }
    Ok(())
}

fn worst(
    name: &str,
    maker: worst::Maker,
    size: usize,
    once: Option<usize>,
    list: bool,
) -> anyhow::Result<()> {
    let uses = maker.uses();
    if list {
        (0..uses.len()).for_each(|number| println!("{number} {name}"));
        return Ok(());
    }
    let input = maker.make(size);
    if let Some(number) = once {
        input.run(*uses.get(number).context("there is no such use of it")?, || Duration::ZERO)?;
        return Ok(());
    }
    for &of in uses {
        let costs = (0..3).map(|_| input.run(of, usage::cpu_time)).collect::<Result<Vec<_>, _>>()?;
        let cost = costs.into_iter().min_by_key(|cost| cost.time).context("three runs")?;
        let share = cost.time.as_secs_f64() * 1e3 * 65_536.0 / cost.octets.max(1) as f64;
        let mark = if share > 10.0 { "!" } else { " " };
        println!("{share:9.2} ms{mark} {:7} {:9}  {of:?}: {name}", cost.octets, cost.written);
    }
    Ok(())
}
