//! `jackdaw doctor`: the installation against reality, one line each.
//!
//! Looks at our disks and our server, asks each Radarr, Sonarr and friend, and says what is wrong
//! and what to do. Each check is a function that gives [`Finding`]s; judging is apart from asking
//! wherever there is something to judge. Run where jackdaw runs and as its user, or the answers
//! are another's. What it makes (a probe folder in `completed_path`, a probe file in the data
//! folder) it removes; with `fix` it changes what an arr's API can change, and nothing else.

pub mod address;
pub mod arr;
pub mod disk;
pub mod finding;
pub mod folders;
pub mod friends;
pub mod mounts;
pub mod owner;
pub mod probe;
pub mod registration;
pub mod view;

use std::fs;

use crate::arr::client::ArrClient;
use crate::arr::error::ArrError;
use crate::cli::Failure;
use crate::config::url::HttpUrl;
use crate::config::{Config, Server};

use address::Running;
use finding::{Finding, Level};
use probe::Probe;

/// Runs every check and prints each line as soon as it is known. The failure counts what is
/// broken; it is also the one of `print`.
pub fn doctor(
    config: &Config,
    fix: bool,
    print: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut all, mut broken) = (0, 0);
    examine(config, fix, &mut |findings| {
        for finding in findings {
            all += 1;
            if finding.level == Level::Fail {
                broken += 1;
            }
            print(&format!("{finding}\n"))?;
        }
        Ok(())
    })?;
    match broken {
        0 => Ok(()),
        _ => Err(Failure::Running(format!(
            "{broken} of {all} checks found something broken"
        ))),
    }
}

/// A question that an arr did not answer as it should, and what to do about it.
fn trouble(client: &ArrClient, subject: &str, error: ArrError) -> Finding {
    let fix = match &error {
        ArrError::Unreachable(_) => "check its url, and whether it is running",
        ArrError::Starting(_) => "wait until it has started, then run this again",
        ArrError::Protocol(_) => "check its url, and look at the log of what answers there",
        ArrError::NotFound(_) => "check its url, and whether its version is still supported",
        ArrError::Status { .. } | ArrError::Invalid { .. } => "look at its log (System, Logs)",
        // These say it themselves.
        ArrError::Unauthorized(_) | ArrError::Redirected(_) | ArrError::WrongApp(_) => "",
    };
    Finding::fail(subject, words(client, error), fix)
}

/// An error of the client's, without the arr's name, which stands in front of the line already.
fn words(client: &ArrClient, error: impl ToString) -> String {
    let text = error.to_string();
    let prefix = format!("{}: ", client.name());
    text.strip_prefix(&prefix)
        .map(str::to_owned)
        .unwrap_or(text)
}

type Say<'a> = dyn FnMut(Vec<Finding>) -> Result<(), Failure> + 'a;

fn examine(config: &Config, fix: bool, say: &mut Say<'_>) -> Result<(), Failure> {
    say(config
        .warnings
        .iter()
        .map(|warning| Finding::warn("configuration", warning, ""))
        .collect())?;
    // Not everywhere; then the kind of file system is not judged.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    say(disk::data_folder(&config.data_dir, &mounts))?;
    say(disk::database(&config.data_dir))?;
    say(config.folders.iter().map(folders::folder).collect())?;
    let probe = match &config.downloads {
        Some(downloads) => {
            // What is made below shall be as the server would make it.
            let umask = rustix::fs::Mode::from_raw_mode(downloads.umask);
            rustix::process::umask(umask);
            let (probe, found) = disk::completed(downloads);
            say(found)?;
            if probe.is_some() {
                say(disk::space(downloads))?;
            }
            probe
        }
        None => None,
    };
    let (running, found) = address::check(config);
    say(found)?;
    for server in &config.servers {
        examine_server(config, server, probe.as_ref(), running, fix, say)?;
    }
    for peer in &config.peers {
        say(friends::friend(peer))?;
    }
    Ok(())
}

fn examine_server(
    config: &Config,
    server: &Server,
    probe: Option<&Probe>,
    running: Running,
    fix: bool,
    say: &mut Say<'_>,
) -> Result<(), Failure> {
    let client = ArrClient::new(server.clone());
    let (goes_on, finding) = arr::reach(&client);
    say(vec![finding])?;
    if !goes_on {
        return Ok(());
    }
    if server.source {
        say(arr::library(&client))?;
    }
    if !server.destination {
        return Ok(());
    }
    let subject = client.name();
    if fix {
        say(registration::repair(&client, config, running))?;
    }
    let entries = match registration::entries(&client, config) {
        Ok(entries) => entries,
        Err(error) => {
            return say(vec![trouble(&client, &subject, error)]);
        }
    };
    say(registration::check(&client, config, &entries, running))?;
    let (Some(downloads), Some(probe)) = (&config.downloads, probe) else {
        return Ok(());
    };
    let own_host = config
        .internal_url
        .as_deref()
        .and_then(|url| HttpUrl::parse(url).ok())
        .map(|url| url.host);
    let host = entries.host().or(own_host.as_deref());
    say(view::check(&client, downloads, &probe.name, host, fix))?;
    let roots = match arr::roots(&client) {
        Ok(roots) => roots,
        Err(error) => return say(vec![trouble(&client, &subject, error)]),
    };
    let subject = format!("{subject} import");
    let completed = &downloads.completed_path;
    say(arr::one_file_system(&subject, &roots, completed, probe))?;
    let made = arr::made(&roots);
    say(vec![owner::judge(
        &subject,
        probe,
        downloads.after_import,
        made.as_ref(),
    )])
}
