//! jackdaw: friends share their media libraries through the Radarr and Sonarr they already run.
//!
//! The program is this library; `main.rs` only turns arguments into a call and an error into one
//! line. ARCHITECTURE.md has the picture, the threads and the invariants. Directions between
//! modules: faces (`torznab`, `qbittorrent`, `peer::serve`, `cli`) call `catalogue` and
//! `downloads`; those call `store` and the clients (`peer::client`, `arr`); nothing calls a face.

pub mod app;
pub mod arr;
pub mod budget;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod downloads;
pub mod front;
pub mod grab;
pub mod http;
pub mod json;
pub mod keys;
pub mod library;
pub mod logging;
pub mod peer;
pub mod qbittorrent;
pub mod rates;
pub mod release;
pub mod routes;
pub mod scheduler;
pub mod secret;
pub mod services;
pub mod status;
pub mod store;
pub mod sys;
pub mod torrent;
pub mod torznab;
pub mod xml;
