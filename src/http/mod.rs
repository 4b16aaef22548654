//! HTTP behind the front door: requests and responses as values, the router, and the tiny_http
//! server that carries them.

pub mod request;
pub mod response;
pub mod router;

pub use request::{Method, Params, Request};
pub use response::{Body, FileBody, Response};
pub use router::{Access, Route, Weight};
