//! `jackdaw run`: builds the parts from the configuration and runs until a signal.

use crate::config::Config;

/// Runs until SIGTERM or SIGINT. The error is one line.
pub fn run(_config: Config) -> Result<(), String> {
    Err("this build has no server yet".to_owned())
}
