//! `jackdaw check`: what would run with this configuration, as text. Never a secret.
//!
//! Pure: a validated [`Config`] in, lines out. Whoever can read the screen may not learn a key, so
//! keys are only said to be there, and extra headers are named without their values.

use crate::config::units::{show_duration, show_size};
use crate::config::{AfterImport, Config, Downloads, ServerType};
use crate::secret::Secret;

/// The report, ending in a line break.
pub fn report(config: &Config) -> String {
    let mut out = Report(String::new());
    match &config.file {
        Some(file) => out.line("configuration", file.display()),
        None => out.line("configuration", "built-in defaults (no file found)"),
    }
    out.line("name", &config.name);
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    out.line("listen", listen.join(", "));
    out.line("internal url", or_none(config.internal_url.as_deref()));
    if !config.path_prefix.is_empty() {
        out.line("path prefix", &config.path_prefix);
    }
    out.line("external url", or_none(config.external_url.as_deref()));
    let key = match config.api_key {
        Some(_) => "from the configuration",
        None => "generated at the first start",
    };
    out.line("owner's key", key);
    out.line("data folder", config.data_dir.display());
    out.line("log", config.log.as_str().to_lowercase());
    out.line(
        "limits",
        format!(
            "{} workers, {} connections",
            config.http_workers, config.max_connections
        ),
    );
    match &config.downloads {
        Some(downloads) => downloads_lines(&mut out, downloads),
        None => out.line("downloads", "none (no [downloads] section)"),
    }
    let sharing = &config.sharing;
    out.line(
        "sharing",
        format!(
            "{} uploads at once, rate {}, per friend {}",
            sharing.max_uploads, sharing.rate, sharing.rate_per_peer
        ),
    );
    out.line(
        "catalogue",
        format!(
            "read every {}, friends who are away hidden after {}",
            show_duration(sharing.catalogue_refresh),
            show_duration(sharing.peer_hide_after)
        ),
    );
    servers(&mut out, config);
    for folder in &config.folders {
        let text = format!("{} ({})", folder.path.display(), folder.kind);
        out.line(&format!("folder \"{}\"", folder.title), text);
    }
    for peer in &config.peers {
        let text = format!("{}{}", peer.url, header_names(&peer.headers));
        out.line(&format!("friend \"{}\"", peer.name), text);
    }
    if config.servers.is_empty() && config.folders.is_empty() {
        out.line("shared", "nothing (no [server] or [folder] section)");
    }
    if config.peers.is_empty() {
        out.line("friends", "none (no [peer] section)");
    }
    for warning in &config.warnings {
        out.line("warning", warning);
    }
    out.0
}

fn downloads_lines(out: &mut Report, downloads: &Downloads) {
    out.line(
        "downloads",
        format!(
            "into {}, for the arr {}",
            downloads.completed_path.display(),
            downloads.arr_path
        ),
    );
    out.line(
        "",
        format!(
            "{} at once, rate {}, files up to {}, {} kept free",
            downloads.max_concurrent,
            downloads.rate,
            match downloads.max_file_size {
                0 => "any size".to_owned(),
                size => show_size(size),
            },
            show_size(downloads.min_free_space)
        ),
    );
    out.line(
        "",
        format!(
            "{} attempts, {} to {} apart, {} without a byte ends one",
            downloads.max_attempts,
            show_duration(downloads.retry_base_delay),
            show_duration(downloads.retry_max_delay),
            show_duration(downloads.idle_timeout)
        ),
    );
    let after = match (downloads.after_import, downloads.unlink_imported) {
        (AfterImport::Move, _) => "the arr moves the file",
        (AfterImport::Keep, false) => "the file is kept",
        (AfterImport::Keep, true) => "the file is kept until the import is done",
    };
    out.line(
        "",
        format!(
            "{after}, imports looked for every {}, failures {}, umask {:03o}",
            show_duration(downloads.import_poll_interval),
            if downloads.report_failures {
                "reported"
            } else {
                "not reported"
            },
            downloads.umask
        ),
    );
}

fn servers(out: &mut Report, config: &Config) {
    for server in &config.servers {
        let kind = match server.kind {
            ServerType::Radarr => "radarr",
            ServerType::Sonarr => "sonarr",
        };
        let mut roles = Vec::new();
        if server.source {
            roles.push("source".to_owned());
        }
        if server.destination {
            roles.push("destination".to_owned());
        }
        if server.autoregister {
            roles.push(format!("registered with priority {}", server.priority));
        }
        if roles.is_empty() {
            roles.push("unused".to_owned());
        }
        let headers = header_names(&server.headers);
        let text = format!("{kind} at {}, {}{headers}", server.url, roles.join(", "));
        out.line(&format!("server \"{}\"", server.title), text);
        for (theirs, ours) in &server.path_map {
            out.line("", format!("{theirs} is our {}", ours.display()));
        }
    }
}

fn or_none(value: Option<&str>) -> &str {
    value.unwrap_or("none")
}

fn header_names(headers: &[(String, Secret)]) -> String {
    if headers.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    format!(", with header {}", names.join(", "))
}

/// Lines of a label and a text, aligned where labels are short.
struct Report(String);

impl Report {
    fn line(&mut self, label: &str, text: impl std::fmt::Display) {
        self.0.push_str(&format!("{label:<14} {text}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_shown() {
        let expected = "\
configuration  built-in defaults (no file found)
name           jackdaw
listen         127.0.0.1:5225
internal url   none
external url   none
owner's key    generated at the first start
data folder    ./jackdaw-data
log            info
limits         4 workers, 256 connections
downloads      none (no [downloads] section)
sharing        8 uploads at once, rate unlimited, per friend unlimited
catalogue      read every 15m, friends who are away hidden after 1d
shared         nothing (no [server] or [folder] section)
friends        none (no [peer] section)
";
        assert_eq!(report(&Config::built_in()), expected);
    }

    #[test]
    fn everything_but_secrets_is_shown() {
        let text = "\
[jackdaw]
listen = 0.0.0.0:5225, [::]:5225
internal_url = http://jackdaw:5225/x
external_url = https://me.example
api_key = hunter2hunter2hunter2
data_dir = /var/lib/jackdaw
[downloads]
completed_path = /data/completed
arr_path = /downloads
rate = 2MiB/s, sat-sun unlimited
[server \"Main Radarr\"]
type = radarr
url = http://radarr:7878
api_key = feedfacefeedfacefeedfacefeedface
path_map = /movies -> /mnt/movies
header.X-One = hunter2
[server \"TV\"]
type = sonarr
url = http://sonarr.example
api_key = feedfacefeedfacefeedfacefeedface
source = no
autoregister = no
[folder \"Concerts\"]
path = /srv/concerts
kind = movies
[peer \"alice\"]
url = https://alice.example
api_key = hunter2
header.X-Two = hunter2
";
        let expected = "\
configuration  x.ini
name           jackdaw
listen         0.0.0.0:5225, [::]:5225
internal url   http://jackdaw:5225/x
path prefix    /x
external url   https://me.example
owner's key    from the configuration
data folder    /var/lib/jackdaw
log            info
limits         4 workers, 256 connections
downloads      into /data/completed, for the arr /downloads
               3 at once, rate 2MiB/s, sat-sun unlimited, files up to 100GiB, 1GiB kept free
               13 attempts, 1s to 30m apart, 1m without a byte ends one
               the arr moves the file, imports looked for every 30s, failures reported, umask 002
sharing        8 uploads at once, rate unlimited, per friend unlimited
catalogue      read every 15m, friends who are away hidden after 1d
server \"Main Radarr\" radarr at http://radarr:7878, source, destination, registered with priority 25, with header X-One
               /movies is our /mnt/movies
server \"TV\"    sonarr at http://sonarr.example, destination
folder \"Concerts\" /srv/concerts (movies)
friend \"alice\" https://alice.example, with header X-Two
warning        x.ini:19: [server \"TV\"]: the key is sent in clear text over the internet, use https, or reach it through a VPN
";
        let report = report(&Config::from_text("x.ini", text).unwrap());
        assert_eq!(report, expected);
        assert!(!report.contains("hunter2") && !report.contains("feedface"));
    }
}
