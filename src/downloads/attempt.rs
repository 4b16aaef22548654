//! Part of the download engine.
