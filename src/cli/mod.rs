//! The command line: arguments to a library call, results to text and an exit code.
//!
//! [`execute`] is all that `main` calls. Commands are listed in [`args::COMMANDS`] and started in
//! one `match` here; each has a file of its own. Results go to standard output, everything else to
//! standard error. Output that nobody reads any more (a closed pipe) is no error.

pub mod args;
pub mod check;
pub mod demo;
pub mod doctor;
pub mod register;
pub mod run;
pub mod status;
pub mod table;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use crate::config::{self, Config, ConfigError};
use crate::logging;
use args::{Command, Invocation, UsageError};

/// Name and version, as `--version` and the log have them.
const PROGRAM: &str = concat!("jackdaw ", env!("CARGO_PKG_VERSION"));

/// For questions to our own server: straight to it, past any proxy, every status an answer.
fn own_agent(timeout: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(timeout))
        .build()
        .new_agent()
}

/// Why the program ends without success. `Display` is what standard error shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Something failed while running: exit code 1.
    Running(String),
    /// A command line that means nothing: exit code 2.
    Usage(UsageError),
    /// A configuration that cannot be used: exit code 2.
    Configuration(ConfigError),
}

impl Failure {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Running(_) => 1,
            Failure::Usage(_) | Failure::Configuration(_) => 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Running(what) => f.write_str(what),
            Failure::Usage(error) => error.fmt(f),
            Failure::Configuration(error) => match error.count() {
                1 => write!(f, "the configuration cannot be used: {error}"),
                count => write!(f, "the configuration has {count} problems:\n{error}"),
            },
        }
    }
}

impl std::error::Error for Failure {}

/// Does what the arguments (without the program's name) say.
pub fn execute(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let Invocation { command, config } = args::parse(arguments).map_err(Failure::Usage)?;
    let load = || config::load(config.as_deref()).map_err(Failure::Configuration);
    match command {
        Command::Run => start(load()?),
        Command::Check => print(&check::report(&load()?)),
        Command::Demo { share } => {
            demo::demo(demo::DemoOptions { share }).map_err(Failure::Running)
        }
        Command::Doctor { fix } => doctor::doctor(&load()?, fix, &mut print),
        Command::Status(options) => {
            let variable = std::env::var(status::KEY_VARIABLE).ok();
            let text = status::status(&load()?, options, variable).map_err(Failure::Running)?;
            print(&text)
        }
        Command::Register(errand) => {
            let mut printing = Ok(());
            let result = register::register(&load()?, errand, |line| {
                printing = print(line);
                printing.clone().map_err(|failure| failure.to_string())
            });
            printing.and(result.map_err(Failure::Running))
        }
        Command::Help(topic) => print(&args::help(topic)),
        Command::Version => print(&format!("{PROGRAM}\n")),
    }
}

/// Starts the log, says what looks unintended, and runs.
fn start(config: Config) -> Result<(), Failure> {
    logging::init(config.log);
    match &config.file {
        Some(file) => log::info!("{} reads {}", PROGRAM, file.display()),
        None => log::info!(
            "{} has no configuration: nothing is shared or fetched, see jackdaw help config",
            PROGRAM
        ),
    }
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    run::run(config).map_err(Failure::Running)
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Running(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(arguments: &[&str]) -> Failure {
        execute(arguments.iter().map(OsString::from)).expect_err("must fail")
    }

    #[test]
    fn failures_have_the_codes_that_scripts_rely_on() {
        let usage = fails(&["frobnicate"]);
        assert_eq!(usage.exit_code(), 2);
        assert_eq!(
            usage.to_string(),
            "unknown command frobnicate, see jackdaw --help"
        );
        let configuration = fails(&["check", "--config", "/nonexistent/jackdaw.ini"]);
        assert_eq!(configuration.exit_code(), 2);
        let text = configuration.to_string();
        let start = "the configuration cannot be used: /nonexistent/jackdaw.ini: cannot be read";
        assert!(text.starts_with(start), "{text}");
        assert_eq!(Failure::Running("port in use".to_owned()).exit_code(), 1);
    }

    #[test]
    fn several_problems_are_listed_below_one_line() {
        let error = Config::from_text("f", "[jackdaw]\nname =\nlisten =\n").unwrap_err();
        let text = Failure::Configuration(error).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "the configuration has 2 problems:");
        assert!(lines[1].starts_with("f:2: name: ") && lines[2].starts_with("f:3: listen: "));
        assert_eq!(lines.len(), 3);
    }
}
