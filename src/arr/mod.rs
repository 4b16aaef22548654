//! Radarr and Sonarr: the REST v3 client, and what is built on it.
//!
//! [`client`] speaks the API; the library reader, the registration reconciler and the import
//! tracker are its users. All of them run on background threads: an arr calls us back while it
//! answers, so nothing here may be called from a thread that serves requests.

pub mod client;
pub mod error;
pub mod hook;
pub mod imports;
pub mod library;
pub mod registration;
