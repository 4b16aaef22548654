//! Tests of the whole program over real sockets, in one test binary. See `support` for the harness.

mod front_door;
mod support;
