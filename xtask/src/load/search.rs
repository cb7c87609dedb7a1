//! The highest rate that is borne, found by trying.

/// What trying a rate showed.
#[derive(Debug, Clone)]
pub(super) struct Tried<T> {
    /// Packets a second that were sent.
    pub(super) rate: f64,
    /// Part of it that arrived, 1 when nothing was lost.
    pub(super) arrived: f64,
    pub(super) result: T,
}

/// The best that was found.
#[derive(Debug, Clone)]
pub(super) struct Highest<T> {
    pub(super) tried: Tried<T>,
    /// The sender is not faster: what the collector could do is not known.
    pub(super) at_least: bool,
}

/// How long to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Rates to try at most.
    pub(super) attempts: usize,
    /// How much higher a rate may be that is known to be too much: 1.05 for a twentieth.
    pub(super) precision: f64,
}

/// Tries rates: first without a limit, then between what was borne and what was not. `None` when none was.
pub(super) fn highest<T, E>(
    patience: Patience,
    mut attempt: impl FnMut(Option<f64>) -> Result<Tried<T>, E>,
) -> Result<Option<Highest<T>>, E> {
    let first = attempt(None)?;
    if first.arrived >= 1.0 {
        return Ok(Some(Highest { tried: first, at_least: true }));
    }
    let mut too_high = first.rate;
    // Under too much load less arrives than could.
    let mut next = first.rate * first.arrived.clamp(0.02, 0.95);
    let mut best: Option<Tried<T>> = None;
    for _ in 1..patience.attempts {
        let tried = attempt(Some(next))?;
        if tried.arrived >= 1.0 {
            best = Some(tried);
        } else {
            too_high = too_high.min(next);
        }
        next = match &best {
            Some(best) if too_high <= best.rate * patience.precision => break,
            Some(best) => (best.rate * 1.5).min((best.rate * too_high).sqrt()),
            None => too_high * 0.6,
        };
    }
    Ok(best.map(|tried| Highest { tried, at_least: false }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { attempts: 12, precision: 1.05 };

    /// A collector that bears so much, and a sender that sends so much.
    fn find(capacity: f64, fastest: f64, when_lost: f64) -> Option<Highest<()>> {
        let tried = |asked: Option<f64>| {
            let rate = asked.unwrap_or(fastest).min(fastest);
            let arrived = if rate <= capacity { 1.0 } else { capacity / rate * when_lost };
            Ok::<_, ()>(Tried { rate, arrived, result: () })
        };
        highest(PATIENCE, tried).unwrap()
    }

    #[test]
    fn the_highest_rate_is_found() {
        // What arrives of too much says a lot, or nothing.
        for (capacity, when_lost) in [(100_000.0, 1.0), (100_000.0, 0.1), (3000.0, 1.0), (199_000.0, 0.5)] {
            let found = find(capacity, 200_000.0, when_lost).unwrap();
            assert!(!found.at_least && found.tried.rate <= capacity);
            assert!(
                found.tried.rate * PATIENCE.precision * 1.01 >= capacity,
                "{} of {capacity}",
                found.tried.rate
            );
        }
    }

    #[test]
    fn a_sender_that_is_too_slow_is_noticed() {
        let found = find(100_000.0, 50_000.0, 1.0).unwrap();
        assert!(found.at_least);
        assert_eq!(found.tried.rate, 50_000.0);
    }

    #[test]
    fn a_collector_that_always_loses_ends_the_search() {
        assert!(find(1.0, 200_000.0, 1.0).is_none());
    }
}
