//! `jackdaw demo`: two jackdaws on this machine exchange a file.

use std::path::PathBuf;

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoOptions {
    /// Folder to share instead of a generated file.
    pub share: Option<PathBuf>,
}

/// Runs the demo. The error is one line.
pub fn demo(_options: DemoOptions) -> Result<(), String> {
    Err("this build has no demo yet".to_owned())
}
