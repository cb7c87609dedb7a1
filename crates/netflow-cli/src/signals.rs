//! SIGINT and SIGTERM: a request to end in order. SIGUSR1: one to say how it goes. SIGHUP: one to
//! read the configuration again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGUSR1, TERM_SIGNALS};

/// A flag that is set by the first SIGINT, SIGTERM or SIGQUIT. The second ends the process at once, for when
/// ending in order takes too long.
pub(crate) fn stop_flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for &signal in TERM_SIGNALS {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// A flag that is set by SIGHUP.
pub(crate) fn reload_flag() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&asked))?;
    Ok(asked)
}

/// A flag that is set by SIGUSR1.
pub(crate) fn report_flag() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, Arc::clone(&asked))?;
    Ok(asked)
}
