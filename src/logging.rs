//! The log: one line per event on standard error, through the `log` facade.
