//! Does our own server answer, at the address that the arrs were given?
//!
//! Radarr and Sonarr answer `/ping` as we do, so that alone says little: without a key, `/handshake`
//! of a jackdaw is a 401 with a body of its own.

use std::time::Duration;

use super::finding::Finding;
use crate::cli::own_agent;
use crate::config::Config;

/// Our own server is near.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an answer is looked at.
const MAX_ANSWER: u64 = 4096;

/// Whether a server of ours runs, as far as can be told from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// It answers.
    Yes,
    /// Nothing of ours answers anywhere.
    No,
}

/// `internal_url`, or the listen address where there is none.
pub fn check(config: &Config) -> (Running, Vec<Finding>) {
    const SUBJECT: &str = "internal_url";
    let listen = crate::cli::status::listen_url(&config.listen).ok();
    let answers_locally = || listen.as_deref().is_some_and(|base| answers(base).is_ok());
    let is_wanted = config.servers.iter().any(|server| server.destination);
    let Some(url) = &config.internal_url else {
        let running = match answers_locally() {
            true => Running::Yes,
            false => Running::No,
        };
        let found = match is_wanted && config.downloads.is_some() {
            true => vec![Finding::warn(
                SUBJECT,
                "not set, so jackdaw cannot register itself in Radarr and Sonarr",
                "set internal_url in [jackdaw] to the address at which they reach us",
            )],
            false => Vec::new(),
        };
        return (running, found);
    };
    match answers(url) {
        Ok(()) => (
            Running::Yes,
            vec![Finding::ok(SUBJECT, format!("a jackdaw answers at {url}"))],
        ),
        Err(problem) => match answers_locally() {
            true => (
                Running::Yes,
                vec![Finding::warn(
                    SUBJECT,
                    format!(
                        "{url} does not lead to jackdaw from here ({problem}), though it runs; what \
                         counts is whether Radarr and Sonarr reach it"
                    ),
                    "correct internal_url in [jackdaw], unless their tests below pass",
                )],
            ),
            false => (
                Running::No,
                vec![Finding::fail(
                    SUBJECT,
                    format!("no jackdaw answers at {url}: {problem}"),
                    "start jackdaw, or correct internal_url and listen in [jackdaw]",
                )],
            ),
        },
    }
}

/// `Ok` if a jackdaw answers there; else half a sentence.
fn answers(base: &str) -> Result<(), String> {
    let agent = own_agent(TIMEOUT);
    let get = |path: &str| {
        let mut answer = agent
            .get(format!("{base}{path}"))
            .call()
            .map_err(|error| error.to_string())?;
        let body = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_string()
            .unwrap_or_default();
        Ok::<_, String>((answer.status().as_u16(), body))
    };
    match get("/ping")? {
        (200, _) => {}
        (status, _) => return Err(format!("/ping answers with HTTP status {status}")),
    }
    match get("/handshake")? {
        (401, body) if body.contains("\"error\"") => Ok(()),
        _ => Err("another program answers there".into()),
    }
}
