//! Loss, by sequence numbers.

use netflow_templates::sequence::{Convention, SequenceTotals, SequenceTracker};

use crate::finding::{Kind, Severity};

/// Of so many units one may be lost before it is an error and no longer a warning.
const TOLERABLE: u64 = 100;
/// Of so many units one may be lost before it is a warning and no longer a notice: little enough for UDP.
const LITTLE: u64 = 1_000;
/// Packets after which an unknown way of counting is worth a word.
const ENOUGH: u64 = 32;

pub(crate) fn unit(version: u16) -> &'static str {
    if version == 9 { "packets" } else { "records" }
}

fn severity(lost: u64, expected: u64) -> Severity {
    if lost.saturating_mul(TOLERABLE) >= expected {
        Severity::Error
    } else if lost.saturating_mul(LITTLE) >= expected {
        Severity::Warning
    } else {
        Severity::Notice
    }
}

/// What is wrong with the sequence numbers of one domain. `options` is whether options data came, which only
/// some ways of counting include.
pub(crate) fn findings(
    version: u16,
    tracker: &SequenceTracker,
    options: bool,
    found: &mut impl FnMut(Severity, Kind),
) {
    let SequenceTotals { lost, expected, reordered, duplicates, packets, restarts, .. } = tracker.totals();
    if lost > 0 {
        found(severity(lost, expected), Kind::Loss { lost, expected, unit: unit(version) });
    }
    if duplicates > 0 {
        found(Severity::Warning, Kind::Duplicates { packets: duplicates, of: packets });
    }
    if reordered > 0 {
        found(Severity::Notice, Kind::Reordered { packets: reordered, of: packets });
    }
    if restarts > 0 {
        found(Severity::Warning, Kind::Restarted { times: restarts });
    }
    match tracker.convention() {
        convention @ (Convention::After | Convention::AfterWithoutOptions) => {
            found(Severity::Notice, Kind::OwnConvention { convention });
        }
        convention @ Convention::BeforeWithoutOptions if options => {
            found(Severity::Notice, Kind::OwnConvention { convention });
        }
        Convention::Other if packets >= ENOUGH => found(Severity::Warning, Kind::UnknownConvention),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_one_in_a_thousand_lost_is_worth_a_notice() {
        let severities = [1, 99, 100, 999, 1_000].map(|lost| severity(lost, 100_000));
        let [little, less, some, more, much] = severities;
        assert_eq!([little, less], [Severity::Notice; 2]);
        assert_eq!([some, more, much], [Severity::Warning, Severity::Warning, Severity::Error]);
    }
}
