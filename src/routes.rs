//! The route table: every path that jackdaw answers, at one glance.
//!
//! Paths are also served below the path prefix of `internal_url`. `GET` answers `HEAD` too.

use crate::http::{Access, Method, Route, Weight};
use crate::services::Services;
use crate::{arr, peer, qbittorrent, status, torznab};

use Access::{Hook, Open, Owner, Peer, Qbittorrent, Torznab};
use Weight::{Long, Short};

const GET: &[Method] = &[Method::Get];
const WRITE: &[Method] = &[Method::Post, Method::Put];
const ANY: &[Method] = &[];

/// All routes; the first match wins.
#[rustfmt::skip]
pub const ROUTES: &[Route<Services>] = &[
    // For everybody.
    Route { methods: GET, pattern: "/ping", access: Open, weight: Short, handler: peer::serve::ping },

    // For the owner.
    Route { methods: GET, pattern: "/status", access: Owner, weight: Short, handler: status::handle },

    // For friends.
    Route { methods: GET, pattern: "/handshake", access: Peer, weight: Short, handler: peer::serve::handshake },
    Route { methods: GET, pattern: "/peer/search", access: Peer, weight: Long, handler: peer::serve::search },
    Route { methods: GET, pattern: "/peer/items/{id}", access: Peer, weight: Short, handler: peer::serve::item },
    // A sleeping disk takes seconds to open a file.
    Route { methods: GET, pattern: "/peer/items/{id}/file", access: Peer, weight: Long, handler: peer::serve::file },

    // For Radarr and Sonarr: the indexer. Searches by id wait for friends.
    Route { methods: GET, pattern: "/torznab/api", access: Torznab, weight: Long, handler: torznab::routes::api },
    Route { methods: GET, pattern: "/api", access: Torznab, weight: Long, handler: torznab::routes::api },
    Route { methods: GET, pattern: "/torznab/{friend}/api", access: Torznab, weight: Long, handler: torznab::routes::friend_api },
    Route { methods: GET, pattern: "/torznab/download/{file}", access: Torznab, weight: Long, handler: torznab::routes::download },

    // For Radarr and Sonarr: the download client. A wrong password and a stub URL take long, and so
    // does a sleeping disk that is to remove or look for a file.
    Route { methods: ANY, pattern: "/api/v2/auth/login", access: Qbittorrent, weight: Long, handler: qbittorrent::handle },
    Route { methods: ANY, pattern: "/api/v2/torrents/add", access: Qbittorrent, weight: Long, handler: qbittorrent::handle },
    Route { methods: ANY, pattern: "/api/v2/torrents/delete", access: Qbittorrent, weight: Long, handler: qbittorrent::handle },
    Route { methods: ANY, pattern: "/api/v2/torrents/recheck", access: Qbittorrent, weight: Long, handler: qbittorrent::handle },
    Route { methods: ANY, pattern: "/api/v2/{*rest}", access: Qbittorrent, weight: Short, handler: qbittorrent::handle },

    // For Radarr and Sonarr: what they tell of imports. They wait for the answer inside the import.
    Route { methods: WRITE, pattern: "/hook/{server}", access: Hook, weight: Short, handler: arr::hook::receive },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::router;

    #[test]
    fn what_may_wait_for_a_friend_or_a_disk_has_a_thread_of_its_own() {
        for (method, path, weight) in [
            (Method::Post, "/api/v2/auth/login", Long),
            (Method::Post, "/api/v2/torrents/add", Long),
            (Method::Post, "/api/v2/torrents/delete", Long),
            (Method::Post, "/api/v2/torrents/recheck", Long),
            (Method::Get, "/api/v2/torrents/info", Short),
            (Method::Get, "/api/v2/sync/maindata", Short),
            (Method::Get, "/torznab/api", Long),
            (Method::Get, "/peer/items/1/file", Long),
            (Method::Get, "/ping", Short),
        ] {
            let found = router::find(ROUTES, method, path);
            let (route, _) = found.unwrap_or_else(|_| panic!("{path} has no route"));
            assert_eq!(route.weight, weight, "{path}");
        }
    }
}
