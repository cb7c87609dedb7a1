//! What is printed.

use std::fmt::Write as _;

use super::attempt::Attempt;
use super::collectors::REFERENCES;
use super::search::Highest;

/// A line of the table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    name: String,
    /// `None` when every rate was too high.
    found: Option<(Attempt, bool)>,
}

impl Row {
    pub(super) fn of(name: &str, found: Option<Highest<Attempt>>) -> Self {
        let found = found.map(|found| (found.tried.result, found.at_least));
        Self { name: name.to_owned(), found }
    }

    /// What it cost a collector to take what was sent, whatever the rate.
    pub(super) fn of_cost(name: &str, attempt: Attempt) -> Self {
        Self { name: name.to_owned(), found: Some((attempt, false)) }
    }
}

/// Prints rates and costs, and how many times the rates are those of the references.
pub(super) fn print(title: &str, rows: &[Row]) {
    let mut heading = format!("{title:<12} {:>10} {:>10}", "packets/s", "flows/s");
    let rate_of = |name: &str| {
        let row = rows.iter().find(|row| row.name == name)?;
        row.found.map(|(attempt, _)| attempt.rate())
    };
    let references: Vec<_> =
        REFERENCES.iter().filter_map(|(name, heading)| Some((*heading, rate_of(name)?))).collect();
    for (name, _) in &references {
        let _ = write!(heading, " {name:>9}");
    }
    println!("\n{heading} {COSTS}");
    for row in rows {
        let Some((attempt, at_least)) = &row.found else {
            println!("{:<12} lost packets at every rate that was tried", row.name);
            continue;
        };
        let rate = format!("{}{:.0}", if *at_least { ">=" } else { "" }, attempt.rate());
        let flows = attempt.flows() as f64 / attempt.duration.as_secs_f64();
        let mut line = format!("{:<12} {rate:>10} {flows:>10.0}", row.name);
        for (_, reference) in &references {
            let _ = write!(line, " {:>9.2}", attempt.rate() / reference);
        }
        println!("{line} {}", costs(attempt));
    }
}

/// Prints costs alone.
pub(super) fn print_costs(title: &str, rows: &[Row]) {
    println!("\n{title:<30} {COSTS}");
    for row in rows {
        if let Some((attempt, _)) = &row.found {
            println!("{:<30} {}", row.name, costs(attempt));
        }
    }
}

const COSTS: &str = "CPU s/M flows  octets/flow  peak MiB";

fn costs(attempt: &Attempt) -> String {
    let flows = attempt.flows().max(1) as f64;
    format!(
        "{:>13.2} {:>12.1} {:>9.0}",
        attempt.cost.cpu.as_secs_f64() / flows * 1e6,
        attempt.on_disk as f64 / flows,
        attempt.cost.memory as f64 / f64::from(1 << 20),
    )
}
