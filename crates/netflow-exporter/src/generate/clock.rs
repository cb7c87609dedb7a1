//! Time that nobody waits for.

use std::time::Duration;

use crate::replay::Clock;

/// A clock that moves by what is waited for: for files, and for tests.
#[derive(Debug, Default)]
pub struct SimulatedClock(Duration);

impl Clock for SimulatedClock {
    fn now(&mut self) -> Duration {
        self.0
    }

    fn wait_until(&mut self, due: Duration) -> bool {
        self.0 = self.0.max(due);
        true
    }
}
