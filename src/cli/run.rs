//! `jackdaw run`: builds the parts from the configuration and runs until a signal.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::App;
use crate::config::Config;

/// Runs until SIGTERM or SIGINT, then stops in an orderly way. The error is one line.
pub fn run(config: Config) -> Result<(), String> {
    // Before anything starts: a signal during the start must not leave half a jackdaw behind.
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|error| format!("cannot listen for signals: {error}"))?;
    let app = App::start(config)?;
    if let Some(signal) = signals.forever().next() {
        let name = if signal == SIGINT {
            "SIGINT"
        } else {
            "SIGTERM"
        };
        log::info!("{name}: stopping");
    }
    app.stop();
    log::info!("stopped");
    Ok(())
}
