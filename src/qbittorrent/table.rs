//! The table of calls: scope, name, method, parameters, handler. `dispatch` works through it.

use super::dispatch::{Answer, Context};
use super::{add, commands, labels, lists, server, sync, transfer};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    /// GET, HEAD and POST.
    Read,
    /// POST.
    Command,
}

/// One call.
pub(super) struct Action {
    pub scope: &'static str,
    pub name: &'static str,
    pub kind: Kinds,
    /// Parameters without which it is a 400.
    pub required: &'static [&'static str],
    pub handler: fn(&Context<'_>) -> Answer,
}

const fn read(
    scope: &'static str,
    name: &'static str,
    required: &'static [&'static str],
    handler: fn(&Context<'_>) -> Answer,
) -> Action {
    Action {
        scope,
        name,
        kind: Kinds::Read,
        required,
        handler,
    }
}

const fn command(
    scope: &'static str,
    name: &'static str,
    required: &'static [&'static str],
    handler: fn(&Context<'_>) -> Answer,
) -> Action {
    Action {
        scope,
        name,
        kind: Kinds::Command,
        required,
        handler,
    }
}

const HASH: &[&str] = &["hash"];
const HASHES: &[&str] = &["hashes"];

/// Every call but `auth/login`, which alone needs no session.
// One call a line, so that the table can be read at a glance.
#[rustfmt::skip]
pub(super) const ACTIONS: &[Action] = &[
    command("auth", "logout", &[], server::logout),
    read("app", "version", &[], server::version),
    read("app", "webapiVersion", &[], server::api_version),
    read("app", "buildInfo", &[], server::build_info),
    read("app", "defaultSavePath", &[], server::default_save_path),
    read("app", "preferences", &[], server::preferences),
    command("app", "setPreferences", &["json"], server::set_preferences),
    // Stopping jackdaw is its owner's business, not a download client's.
    command("app", "shutdown", &[], server::ignored),
    read("app", "networkInterfaceList", &[], server::empty_array),
    read("app", "networkInterfaceAddressList", &["iface"], server::empty_array),
    read("torrents", "info", &[], lists::info),
    read("torrents", "count", &[], lists::count),
    read("torrents", "properties", HASH, lists::properties),
    read("torrents", "files", HASH, lists::files),
    read("torrents", "trackers", HASH, lists::trackers),
    read("torrents", "webseeds", HASH, lists::webseeds),
    read("torrents", "pieceStates", HASH, lists::piece_states),
    read("torrents", "pieceHashes", HASH, lists::piece_hashes),
    read("torrents", "export", HASH, lists::export),
    read("torrents", "downloadLimit", HASHES, lists::download_limit),
    read("torrents", "uploadLimit", HASHES, lists::upload_limit),
    read("torrents", "categories", &[], labels::categories),
    read("torrents", "tags", &[], labels::tags),
    command("torrents", "createCategory", &["category"], labels::create_category),
    command("torrents", "editCategory", &["category", "savePath"], labels::edit_category),
    command("torrents", "removeCategories", &["categories"], labels::remove_categories),
    command("torrents", "setCategory", &["hashes", "category"], labels::set_category),
    command("torrents", "createTags", &["tags"], labels::create_tags),
    command("torrents", "deleteTags", &["tags"], labels::delete_tags),
    command("torrents", "addTags", &["hashes", "tags"], labels::add_tags),
    command("torrents", "removeTags", HASHES, labels::remove_tags),
    command("torrents", "add", &[], add::add),
    command("torrents", "pause", HASHES, commands::pause),
    command("torrents", "stop", HASHES, commands::pause),
    command("torrents", "resume", HASHES, commands::resume),
    command("torrents", "start", HASHES, commands::resume),
    command("torrents", "delete", HASHES, commands::delete),
    command("torrents", "recheck", HASHES, commands::recheck),
    command("torrents", "reannounce", HASHES, server::ignored),
    command("torrents", "topPrio", HASHES, commands::top),
    command("torrents", "bottomPrio", HASHES, commands::bottom),
    command("torrents", "increasePrio", HASHES, commands::up),
    command("torrents", "decreasePrio", HASHES, commands::down),
    command("torrents", "setForceStart", &["hashes", "value"], commands::force_start),
    command("torrents", "setShareLimits", HASHES, commands::share_limits),
    command("torrents", "setDownloadLimit", &["hashes", "limit"], commands::download_limit),
    command("torrents", "setUploadLimit", &["hashes", "limit"], commands::upload_limit),
    command("torrents", "setAutoManagement", &["hashes", "enable"], server::ignored),
    command("torrents", "setSuperSeeding", &["hashes", "value"], server::ignored),
    command("torrents", "toggleSequentialDownload", HASHES, server::ignored),
    command("torrents", "toggleFirstLastPiecePrio", HASHES, server::ignored),
    command("torrents", "setLocation", &["hashes", "location"], commands::set_location),
    command("torrents", "setSavePath", &["id", "path"], commands::set_save_path),
    command("torrents", "setDownloadPath", &["id", "path"], commands::set_download_path),
    command("torrents", "rename", &["hash", "name"], commands::rename),
    command("torrents", "renameFile", &["hash", "oldPath", "newPath"], commands::rename_file),
    command("torrents", "renameFolder", &["hash", "oldPath", "newPath"], commands::rename_folder),
    command("torrents", "filePrio", &["hash", "id", "priority"], commands::file_priority),
    command("torrents", "addTrackers", &["hash", "urls"], commands::ignored_for_hash),
    command("torrents", "removeTrackers", &["hash", "urls"], commands::ignored_for_hash),
    command("torrents", "editTracker", &["hash", "origUrl", "newUrl"], commands::ignored_for_hash),
    command("torrents", "addPeers", &["hashes", "peers"], commands::add_peers),
    read("sync", "maindata", &[], sync::maindata),
    read("sync", "torrentPeers", &[], lists::torrent_peers),
    read("transfer", "info", &[], transfer::info),
    read("transfer", "speedLimitsMode", &[], transfer::mode),
    command("transfer", "toggleSpeedLimitsMode", &[], transfer::toggle_mode),
    command("transfer", "setSpeedLimitsMode", &["mode"], transfer::set_mode),
    read("transfer", "downloadLimit", &[], transfer::download_limit),
    read("transfer", "uploadLimit", &[], transfer::upload_limit),
    command("transfer", "setDownloadLimit", &["limit"], transfer::set_download_limit),
    command("transfer", "setUploadLimit", &["limit"], transfer::set_upload_limit),
    command("transfer", "banPeers", &["peers"], server::ignored),
    read("log", "main", &[], server::log_main),
    read("log", "peers", &[], server::empty_array),
    read("rss", "items", &[], server::empty_object),
    read("rss", "rules", &[], server::empty_object),
    read("rss", "matchingArticles", &["ruleName"], server::empty_object),
    command("rss", "addFolder", &["path"], server::no_rss),
    command("rss", "addFeed", &["url"], server::no_rss),
    command("rss", "removeItem", &["path"], server::no_rss),
    command("rss", "moveItem", &["itemPath", "destPath"], server::no_rss),
    command("rss", "setRule", &["ruleName", "ruleDef"], server::ignored),
    command("rss", "renameRule", &["ruleName", "newRuleName"], server::ignored),
    command("rss", "removeRule", &["ruleName"], server::ignored),
    command("rss", "markAsRead", &["itemPath"], server::ignored),
    command("rss", "refreshItem", &["itemPath"], server::ignored),
    read("search", "plugins", &[], server::empty_array),
    read("search", "status", &[], server::search_status),
    read("search", "results", &["id"], server::no_search),
    command("search", "stop", &["id"], server::no_search),
    command("search", "delete", &["id"], server::no_search),
    command("search", "start", &["pattern", "category", "plugins"], server::search_start),
    command("search", "installPlugin", &["sources"], server::ignored),
    command("search", "uninstallPlugin", &["names"], server::ignored),
    command("search", "enablePlugin", &["names", "enable"], server::ignored),
    command("search", "updatePlugins", &[], server::ignored),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_listed_twice() {
        for (index, action) in ACTIONS.iter().enumerate() {
            let again = ACTIONS[index + 1..]
                .iter()
                .any(|other| (other.scope, other.name) == (action.scope, action.name));
            assert!(!again, "{}/{}", action.scope, action.name);
        }
    }
}
