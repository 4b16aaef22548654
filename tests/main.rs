//! Tests of the whole program over real sockets, in one test binary. See `support` for the harness.

// A failing unwrap is a failing test, with its line.
#![allow(clippy::unwrap_used)]

mod attacks;
mod auth;
mod chaos;
mod cli;
mod demo;
mod doctor;
mod faults;
mod front_door;
mod imports;
mod kill;
mod library;
mod main_job;
mod registration;
mod serving;
mod startup;
mod status;
mod stop;
mod stub_url;
mod support;
mod torznab;
