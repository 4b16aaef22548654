//! Raw sections into the final [`Config`]: each through the table, then the rules between values.
//!
//! Everything wrong goes into the report; a draft with problems is thrown away by the caller.
//! Legal but hardly meant combinations become warnings. Nothing here looks at the disk or network.

use std::collections::HashMap;
use std::path::Path;

use super::fill::fill;
use super::keys::{DOWNLOADS, FOLDER, JACKDAW, PEER, SERVER, SHARING, Section, blank};
use super::nearest;
use super::problem::{Complaint, Problems};
use super::reader::{RawSection, shown_key};
use super::secrets::Outside;
use super::url::{HttpUrl, check_prefix};
use super::{Config, Downloads};

/// The configuration that the sections describe.
pub(super) fn validate(
    raw: &[RawSection],
    outside: &Outside<'_>,
    problems: &mut Problems,
) -> Config {
    check_heads(raw, problems);
    let first = |name: &str| raw.iter().find(|section| section.name == name);
    let all = |name: &'static str| {
        raw.iter()
            .filter(move |section| section.name == name)
            .map(|section| (section, section.title.as_deref().unwrap_or_default()))
    };

    let mut config = fill(
        &JACKDAW,
        first("jackdaw"),
        blank::config(),
        outside,
        problems,
    );
    config.sharing = fill(
        &SHARING,
        first("sharing"),
        blank::sharing(),
        outside,
        problems,
    );
    config.downloads = first("downloads").map(|section| {
        let mut downloads = fill(
            &DOWNLOADS,
            Some(section),
            blank::downloads(),
            outside,
            problems,
        );
        finish_downloads(&mut downloads, section, problems);
        downloads
    });
    for (section, title) in all("server") {
        let draft = blank::server(title);
        config
            .servers
            .push(fill(&SERVER, Some(section), draft, outside, problems));
    }
    for (section, title) in all("folder") {
        let draft = blank::folder(title);
        config
            .folders
            .push(fill(&FOLDER, Some(section), draft, outside, problems));
    }
    for (section, name) in all("peer") {
        let draft = blank::peer(name);
        config
            .peers
            .push(fill(&PEER, Some(section), draft, outside, problems));
    }

    set_prefix(&mut config, first("jackdaw"), problems);
    let sections = |name| all(name).map(|(section, _)| section).collect::<Vec<_>>();
    check_servers(&mut config, &sections("server"), problems);
    check_folders(&config, &sections("folder"), problems);
    check_peers(&config, &sections("peer"), problems);
    config
}

/// Known names, titles where they belong, nothing twice.
fn check_heads(raw: &[RawSection], problems: &mut Problems) {
    let mut seen: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    for section in raw {
        let name = section.name.as_str();
        let sample_title = match name {
            "jackdaw" => sample_title(&JACKDAW),
            "downloads" => sample_title(&DOWNLOADS),
            "sharing" => sample_title(&SHARING),
            "server" => sample_title(&SERVER),
            "folder" => sample_title(&FOLDER),
            "peer" => sample_title(&PEER),
            _ => {
                let hint = nearest::hint(name, "section", super::example::SECTION_NAMES);
                problems.add(
                    section.line,
                    format!("[{}]", shown_key(name)),
                    Complaint::new("unknown section", hint),
                );
                continue;
            }
        };
        match (&section.title, sample_title) {
            (None, Some(sample)) => problems.add(
                section.line,
                section.head(),
                Complaint::new(
                    "the section has no title",
                    format!("write for instance [{name} \"{sample}\"]"),
                ),
            ),
            (Some(_), None) => problems.add(
                section.line,
                section.head(),
                Complaint::new("the section takes no title", format!("write [{name}]")),
            ),
            // It is a user name there, which ends at the first colon of a Basic login (RFC 7617).
            (Some(title), Some(_)) if name == "server" && title.contains(':') => problems.add(
                section.line,
                section.head(),
                Complaint::new(
                    "the title has a colon, but it is a user name in Radarr and Sonarr",
                    "write it without",
                ),
            ),
            _ => {}
        }
        // A title that does not belong there makes no second section.
        let title = sample_title.and(section.title.as_deref());
        if let Some(first) = seen.get(&(name, title)) {
            let hint = if sample_title.is_some() {
                "give it another title, or join the two"
            } else {
                "join the two"
            };
            problems.add(
                section.line,
                section.head(),
                Complaint::new(
                    format!("the section is there twice (first in line {first})"),
                    hint,
                ),
            );
        } else {
            seen.insert((name, title), section.line);
        }
    }
}

fn sample_title<T>(section: &Section<T>) -> Option<&'static str> {
    section.sample_title
}

fn finish_downloads(downloads: &mut Downloads, section: &RawSection, problems: &mut Problems) {
    if section.entry("arr_path").is_none() {
        downloads.arr_path = downloads.completed_path.display().to_string();
        // Paths come from UTF-8 text, so nothing is lost in `display`.
    }
    if downloads.retry_base_delay > downloads.retry_max_delay {
        problems.add(
            section.line_of("retry_base_delay"),
            "retry_base_delay",
            Complaint::new(
                "is longer than retry_max_delay",
                "make it shorter, or the other longer",
            ),
        );
    }
    if downloads.unlink_imported && downloads.after_import == super::AfterImport::Move {
        problems.warn(
            section.line_of("unlink_imported"),
            "unlink_imported",
            Complaint::new(
                "has no effect with after_import = move",
                "remove the line, or write after_import = keep",
            ),
        );
    }
}

fn set_prefix(config: &mut Config, section: Option<&RawSection>, problems: &mut Problems) {
    let Some(url) = config.internal_url.as_deref() else {
        return;
    };
    let Ok(url) = HttpUrl::parse(url) else {
        return; // Already reported, when the key was read.
    };
    let line = section.map_or(0, |section| section.line_of("internal_url"));
    match check_prefix(&url.path) {
        Ok(()) => config.path_prefix = url.path,
        Err(complaint) => problems.add(line, "internal_url", complaint),
    }
}

fn check_servers(config: &mut Config, sections: &[&RawSection], problems: &mut Problems) {
    let has_internal_url = config.internal_url.is_some();
    let has_downloads = config.downloads.is_some();
    let mut urls: HashMap<String, usize> = HashMap::new();
    for (server, section) in config.servers.iter_mut().zip(sections) {
        warn_of_clear_text(&server.url, section, problems);
        if let Some(first) = urls.get(&server.url) {
            problems.warn(
                section.line_of("url"),
                section.head(),
                Complaint::new(
                    format!("has the same url as the server in line {first}"),
                    "one section can be source and destination",
                ),
            );
        } else if !server.url.is_empty() {
            urls.insert(server.url.clone(), section.line);
        }
        if !server.source && !server.destination {
            problems.warn(
                section.line,
                section.head(),
                Complaint::new(
                    "is neither source nor destination and so of no use",
                    "turn one of them on",
                ),
            );
        }
        if server.destination && !has_downloads {
            problems.warn(
                section.line_of("destination"),
                section.head(),
                Complaint::new(
                    "is a destination, but nothing is downloaded without a [downloads] section",
                    "add one, or write destination = false",
                ),
            );
        }
        // Only a line of the owner's can be wrong; the default just does not apply.
        let asked = section.entry("autoregister").is_some();
        if server.autoregister && !server.destination {
            if asked {
                problems.warn(
                    section.line_of("autoregister"),
                    section.head(),
                    Complaint::new(
                        "autoregister has no effect without destination = true",
                        "remove the line",
                    ),
                );
            }
            server.autoregister = false;
        }
        if server.autoregister && !has_internal_url {
            let complaint = Complaint::new(
                "the server cannot be registered without internal_url",
                "write internal_url = http://… into [jackdaw], as that server reaches us, \
                 or autoregister = false",
            );
            if asked {
                problems.add(section.line_of("autoregister"), "autoregister", complaint);
            } else {
                problems.warn(section.line, section.head(), complaint);
                server.autoregister = false;
            }
        }
    }
}

fn check_folders(config: &Config, sections: &[&RawSection], problems: &mut Problems) {
    let completed = config
        .downloads
        .as_ref()
        .map(|downloads| downloads.completed_path.as_path())
        .filter(|path| !path.as_os_str().is_empty());
    for (index, (folder, section)) in config.folders.iter().zip(sections).enumerate() {
        let path = folder.path.as_path();
        if path.as_os_str().is_empty() {
            continue; // Already reported.
        }
        let line = section.line_of("path");
        if let Some(completed) = completed {
            if path.starts_with(completed) {
                problems.add(
                    line,
                    "path",
                    Complaint::new(
                        format!("{} lies in completed_path", section.head()),
                        "share the library that files are imported into instead",
                    ),
                );
            } else if completed.starts_with(path) {
                problems.warn(
                    line,
                    "path",
                    Complaint::new(
                        format!(
                            "completed_path lies in {}, so files are offered before their import",
                            section.head()
                        ),
                        "keep the two apart",
                    ),
                );
            }
        }
        for (other, other_section) in config.folders.iter().zip(sections).take(index) {
            compare_folders(path, section, &other.path, other_section, problems);
        }
    }
}

fn compare_folders(
    path: &Path,
    section: &RawSection,
    other: &Path,
    other_section: &RawSection,
    problems: &mut Problems,
) {
    if other.as_os_str().is_empty() {
        return;
    }
    let line = section.line_of("path");
    if path == other {
        problems.add(
            line,
            "path",
            Complaint::new(
                format!("is also shared by {}", other_section.head()),
                "remove one of the two sections",
            ),
        );
    } else if path.starts_with(other) || other.starts_with(path) {
        problems.warn(
            line,
            "path",
            Complaint::new(
                format!(
                    "{} and {} overlap, so files are offered twice",
                    other_section.head(),
                    section.head()
                ),
                "share folders that lie apart",
            ),
        );
    }
}

fn check_peers(config: &Config, sections: &[&RawSection], problems: &mut Problems) {
    let mut urls: HashMap<&str, &RawSection> = HashMap::new();
    for (peer, section) in config.peers.iter().zip(sections) {
        if peer.url.is_empty() {
            continue; // Already reported.
        }
        warn_of_clear_text(&peer.url, section, problems);
        if let Some(first) = urls.get(peer.url.as_str()) {
            problems.add(
                section.line_of("url"),
                "url",
                Complaint::new(
                    format!(
                        "{} has the same address as {}",
                        section.head(),
                        first.head()
                    ),
                    "remove one of the two sections",
                ),
            );
        } else {
            urls.insert(&peer.url, section);
        }
        let own = [&config.internal_url, &config.external_url];
        if own
            .iter()
            .any(|own| own.as_deref() == Some(peer.url.as_str()))
        {
            problems.warn(
                section.line_of("url"),
                section.head(),
                Complaint::new(
                    "has our own address",
                    "remove the section; our own releases need no friend",
                ),
            );
        }
    }
}

/// Keys are sent as they are: over http, everybody on the way reads them.
fn warn_of_clear_text(url: &str, section: &RawSection, problems: &mut Problems) {
    let Ok(parsed) = HttpUrl::parse(url) else {
        return; // Already reported, when the key was read.
    };
    if !parsed.https && !parsed.is_private() {
        problems.warn(
            section.line_of("url"),
            section.head(),
            Complaint::new(
                "the key is sent in clear text over the internet",
                "use https, or reach it through a VPN",
            ),
        );
    }
}
