//! A request as a value: decoded path, query, headers, bounded body.

use std::net::IpAddr;

use crate::keys::Caller;

/// Request methods that some route knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Other,
}

/// Decoded name/value pairs of a query string or a form, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub Vec<(String, String)>);

impl Params {
    /// The first value of exactly this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A complete request. The path has the configured prefix removed.
#[derive(Debug)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Raw path as received (percent-encoded), prefix removed, without the query.
    pub path: String,
    /// Decoded query parameters.
    pub query: Params,
    /// Header names as received (compare ignoring case) and values.
    pub headers: Vec<(String, String)>,
    /// The whole body (the front door bounds it).
    pub body: Vec<u8>,
    /// The client's address as the front door saw it.
    pub remote: IpAddr,
    /// Decoded `{name}` parts of the route pattern.
    pub path_params: Params,
    /// Who asks, when the route's access rule has established it.
    pub caller: Option<Caller>,
}

impl Request {
    /// The first header of this name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}
