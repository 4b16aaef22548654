//! `jackdaw register`: the registration done once from here, shown beforehand, or undone.
//!
//! It talks to each Radarr and Sonarr itself, and shares the database with a running jackdaw, which
//! sees new keys at once. The arrs try us while they save, so that one must be running. One line a
//! server; the error counts the servers that failed.

use super::table::shown;
use crate::arr::client::ArrClient;
use crate::arr::registration::{Errand, once};
use crate::config::Config;
use crate::store::{FILE_NAME, Store};

/// Does it for every destination; prints each line as soon as it is known.
pub fn register(
    config: &Config,
    errand: Errand,
    mut print: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    let file = config.data_dir.join(FILE_NAME);
    // A database made here would belong to whoever types the command, not to the service.
    let has_store = file
        .try_exists()
        .map_err(|error| format!("{}: {error}", file.display()))?;
    if errand == Errand::Register && !has_store {
        return Err(format!(
            "there is no database at {}: start jackdaw first, it registers itself",
            file.display()
        ));
    }
    let store = match has_store {
        true => Some(Store::open(&config.data_dir).map_err(|error| error.to_string())?),
        false => None,
    };
    let (mut asked, mut failed) = (0, 0);
    for server in &config.servers {
        let arr = ArrClient::new(server.clone());
        let skip = match errand {
            _ if !server.destination && errand != Errand::Remove => Some("not a destination"),
            Errand::Register | Errand::Preview if !server.autoregister => {
                Some("autoregister is off")
            }
            _ => None,
        };
        if let Some(reason) = skip {
            print(&format!("{}: left alone, {reason}\n", arr.name()))?;
            continue;
        }
        asked += 1;
        let mut below = "";
        let line = match once(config, store.as_ref(), &arr, errand) {
            Ok(outcome) => {
                let prefix = match errand {
                    Errand::Preview if outcome.is_change() => "would do: ",
                    _ => "",
                };
                if errand == Errand::Remove && server.autoregister {
                    below = "  (a running jackdaw registers again: write autoregister = false for \
                             it)\n";
                }
                format!("{}: {prefix}{outcome}", arr.name())
            }
            Err(reason) => {
                failed += 1;
                reason
            }
        };
        // The arr's own words are in it: none of them may steer a terminal.
        print(&format!("{}\n{below}", shown(&line)))?;
    }
    if asked == 0 {
        print("no [server] is to be registered\n")?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("failed for {failed} of {asked} servers")),
    }
}
