//! The route table's types: which handler answers which method and path, who may ask, and whether
//! it may take long.

use super::{Method, Request, Response};

/// Who may use a route, and what a refusal looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// A friend's, an arr's or the owner's key (`X-Api-Key` or `apikey`); else 401 JSON.
    Peer,
    /// The handler checks by itself: Torznab (error 100 in XML).
    Torznab,
    /// The handler checks by itself: qBittorrent (session cookie, Basic, Bearer; 403).
    Qbittorrent,
    /// The owner's key only; else 401 JSON.
    Owner,
}

/// Where a handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Milliseconds: on one of the `http_workers`.
    Short,
    /// May wait for friends or walk long lists: on a thread of its own, bounded in number.
    Long,
}

/// One row of the route table. `S` is the state handlers work on.
pub struct Route<S> {
    /// Methods that the row answers; GET implies HEAD. Empty = all.
    pub methods: &'static [Method],
    /// `/peer/items/{id}/file`; `{name}` is one segment, percent-decoded into `path_params`;
    /// `{*name}` at the end is the rest.
    pub pattern: &'static str,
    /// Who may ask.
    pub access: Access,
    /// Where it runs.
    pub weight: Weight,
    /// The handler.
    pub handler: fn(&S, &Request) -> Response,
}
