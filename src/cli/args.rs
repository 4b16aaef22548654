//! Arguments as values: which command, which configuration file, what help.
//!
//! Pure: arguments in, [`Invocation`] or one line about the mistake out. [`COMMANDS`] is the one
//! list of commands; help and "did you mean" are made from it. Options may stand before or behind
//! the command. `--help` and `--version` win over everything else that is sound.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use lexopt::prelude::*;

use super::status::StatusOptions;
use crate::arr::registration::Errand;
use crate::secret::Secret;

/// A command as help shows it.
pub struct CommandHelp {
    /// As typed.
    pub name: &'static str,
    /// One line for the overview.
    pub summary: &'static str,
    /// The command line, without the program's name.
    pub usage: &'static str,
    /// What else there is to know, for its own help page.
    pub details: &'static str,
}

/// All commands, in the order of the overview.
pub const COMMANDS: &[CommandHelp] = &[
    CommandHelp {
        name: "run",
        summary: "start jackdaw (also without a command)",
        usage: "[run] [--config FILE]",
        details: "Runs in the foreground until SIGTERM or SIGINT, logs to standard error. The configuration is\n\
                  read once: restart to apply a change. Nothing is lost by that, nor by SIGHUP or SIGKILL.",
    },
    CommandHelp {
        name: "check",
        summary: "check the configuration and show what would run",
        usage: "check [--config FILE]",
        details: "Reads the configuration, reports everything that is wrong with it (exit code 2), or\n\
                  prints what would run and what looks unintended. Starts nothing and shows no secret.",
    },
    CommandHelp {
        name: "register",
        summary: "register at every Radarr and Sonarr, or undo it",
        usage: "register [--dry-run | --remove] [--config FILE]",
        details: "A running jackdaw registers itself and repairs what changes; this does it once, now, and says\n\
                  what was done. It must be running, for the Radarr or Sonarr tries it out while it saves.\n\
                  --dry-run only says what would be done. --remove deletes our download client, indexer and\n\
                  notification (of our name and address, or as saved before) and revokes their keys. Exit code 1\n\
                  if one failed.",
    },
    CommandHelp {
        name: "doctor",
        summary: "check the installation against reality",
        usage: "doctor [--fix] [--config FILE]",
        details: "Asks each Radarr, Sonarr and friend, and looks at the disks: one line each, with what to do.\n\
                  Run it where jackdaw runs, as its user, while it runs. Exit code 1 if anything is broken.\n\
                  --fix mends what can be mended through Radarr and Sonarr: the registration, and a remote\n\
                  path mapping if they see the finished downloads under another path.",
    },
    CommandHelp {
        name: "status",
        summary: "show what the running jackdaw does",
        usage: "status [--json] [--key KEY] [--url URL] [--config FILE]",
        details: "Downloads, uploads, friends, Radarr and Sonarr. Asks at the configured listen address, or at\n\
                  URL, with the owner's key: KEY, else api_key of the configuration, else $JACKDAW_API_KEY.\n\
                  A generated key is kept only as a digest, so it must be given. (Other users of this machine\n\
                  can see KEY on the command line: prefer the variable.) --json prints the answer as it is;\n\
                  README.md describes it.",
    },
    CommandHelp {
        name: "demo",
        summary: "let two jackdaws exchange a file on this machine",
        usage: "demo [--share DIR]",
        details: "Starts a friend that shares DIR (default: a generated file of 256 MiB) and a consumer in a\n\
                  temporary folder, searches, downloads, compares the bytes and shows the figures. Needs no\n\
                  configuration and leaves nothing behind.",
    },
];

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `jackdaw` or `jackdaw run`.
    Run,
    /// `jackdaw check`.
    Check,
    /// `jackdaw demo`.
    Demo {
        /// `--share DIR`.
        share: Option<PathBuf>,
    },
    /// `jackdaw register`.
    Register(Errand),
    /// `jackdaw doctor`.
    Doctor {
        /// `--fix`.
        fix: bool,
    },
    /// `jackdaw status`.
    Status(StatusOptions),
    /// `--help`, `help`, with or without a topic.
    Help(Topic),
    /// `--version`.
    Version,
}

/// What help is wanted about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The overview.
    Overview,
    /// A command, by its place in [`COMMANDS`].
    Command(usize),
    /// The configuration file.
    Config,
}

/// The whole command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What.
    pub command: Command,
    /// `--config FILE`.
    pub config: Option<PathBuf>,
}

/// A command line that means nothing: one line, what and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Reads the arguments, the program's name not among them.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut words: Vec<String> = Vec::new();
    let mut config = None;
    let mut share = None;
    let mut fix = false;
    let mut status = StatusOptions::default();
    let mut errand = None;
    let mut wants_help = false;
    let mut wants_version = false;
    while let Some(argument) = parser.next().map_err(|error| about(&error))? {
        match argument {
            Short('h') | Long("help") => wants_help = true,
            Short('V') | Long("version") => wants_version = true,
            Long("config") => set(&mut config, &mut parser, "--config")?,
            Long("dry-run") => set_errand(&mut errand, Errand::Preview)?,
            Long("remove") => set_errand(&mut errand, Errand::Remove)?,
            Long("share") => set(&mut share, &mut parser, "--share")?,
            Long("fix") => fix = true,
            Long("json") => status.json = true,
            Long("key") => {
                status.key = Some(Secret::new(text(&mut parser, "--key", "a key")?));
            }
            Long("url") => status.url = Some(text(&mut parser, "--url", "an address")?),
            Value(word) => words.push(word.to_string_lossy().into_owned()),
            Short(letter) => return Err(unknown_option(&format!("-{letter}"))),
            Long(name) => return Err(unknown_option(&format!("--{name}"))),
        }
    }
    if words.first().is_some_and(|word| word == "help") {
        words.remove(0);
        wants_help = true;
        // `help help` asks for what `help` shows.
        words.retain(|word| word != "help");
    }
    if let Some(extra) = words.get(1) {
        return Err(UsageError(format!(
            "one argument too many: {}, see jackdaw --help",
            shown(extra)
        )));
    }
    let topic = match words.first() {
        None => None,
        Some(word) if wants_help && word == "config" => Some(Topic::Config),
        Some(word) => Some(Topic::Command(command_number(word)?)),
    };
    let command = if wants_help {
        Command::Help(topic.unwrap_or(Topic::Overview))
    } else if wants_version {
        Command::Version
    } else {
        let name = match topic {
            Some(Topic::Command(number)) => COMMANDS[number].name,
            _ => "run",
        };
        match name {
            "check" => Command::Check,
            "demo" => Command::Demo {
                share: share.take(),
            },
            "register" => Command::Register(errand.unwrap_or(Errand::Register)),
            "doctor" => Command::Doctor { fix },
            "status" => Command::Status(status.clone()),
            _ => Command::Run,
        }
    };
    let is_question = matches!(command, Command::Help(_) | Command::Version);
    if errand.is_some() && !is_question && !matches!(command, Command::Register(_)) {
        return Err(UsageError(
            "--dry-run and --remove belong to the command register, see jackdaw register --help"
                .to_owned(),
        ));
    }
    for (is_given, option, owner) in [
        (share.is_some(), "--share", "demo"),
        (fix, "--fix", "doctor"),
        (status.json, "--json", "status"),
        (status.key.is_some(), "--key", "status"),
        (status.url.is_some(), "--url", "status"),
    ] {
        let is_owner = match &command {
            Command::Doctor { .. } => owner == "doctor",
            Command::Status(_) => owner == "status",
            // It took the folder.
            Command::Demo { .. } => owner == "demo",
            _ => false,
        };
        if is_given && !is_owner && !is_question {
            return Err(UsageError(format!(
                "{option} belongs to the command {owner}, see jackdaw {owner} --help"
            )));
        }
    }
    if config.is_some() && matches!(command, Command::Demo { .. }) {
        return Err(UsageError(
            "the demo needs no --config, see jackdaw demo --help".to_owned(),
        ));
    }
    Ok(Invocation { command, config })
}

/// The value of an option; the last one counts.
fn text(parser: &mut lexopt::Parser, option: &str, what: &str) -> Result<String, UsageError> {
    parser
        .value()
        .ok()
        .and_then(|value| value.into_string().ok())
        .filter(|value| !value.is_empty())
        .ok_or_else(|| UsageError(format!("{option} needs {what} behind it")))
}

/// The value of an option that may be given once.
fn set(
    slot: &mut Option<PathBuf>,
    parser: &mut lexopt::Parser,
    option: &str,
) -> Result<(), UsageError> {
    let value = parser
        .value()
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or_else(|| UsageError(format!("{option} needs a path behind it")))?;
    if slot.replace(PathBuf::from(value)).is_some() {
        return Err(UsageError(format!("{option} is given twice")));
    }
    Ok(())
}

fn set_errand(slot: &mut Option<Errand>, errand: Errand) -> Result<(), UsageError> {
    match slot.replace(errand) {
        None => Ok(()),
        Some(_) => Err(UsageError(
            "--dry-run or --remove, one of them once, see jackdaw register --help".to_owned(),
        )),
    }
}

fn command_number(word: &str) -> Result<usize, UsageError> {
    COMMANDS
        .iter()
        .position(|command| command.name == word)
        .ok_or_else(|| {
            let names = COMMANDS.iter().map(|command| command.name);
            let hint = match crate::config::nearest(word, names) {
                Some((name, true)) => format!("did you mean {name}?"),
                _ => "see jackdaw --help".to_owned(),
            };
            UsageError(format!("unknown command {}, {hint}", shown(word)))
        })
}

fn unknown_option(option: &str) -> UsageError {
    let known = [
        "--config",
        "--share",
        "--dry-run",
        "--remove",
        "--fix",
        "--json",
        "--key",
        "--url",
        "--help",
        "--version",
    ];
    let hint = match crate::config::nearest(option, known) {
        Some((name, true)) => format!("did you mean {name}?"),
        _ => "see jackdaw --help".to_owned(),
    };
    UsageError(format!("unknown option {}, {hint}", shown(option)))
}

fn about(error: &lexopt::Error) -> UsageError {
    UsageError(format!("{}, see jackdaw --help", shown(&error.to_string())))
}

/// Foreign text on one line of a terminal.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    text.chars()
        .take(100)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// The text of a help page.
pub fn help(topic: Topic) -> String {
    match topic {
        Topic::Config => crate::config::example(),
        Topic::Command(number) => {
            let command = &COMMANDS[number];
            format!(
                "{}\n\nUsage: jackdaw {}\n\n{}\n",
                command.summary, command.usage, command.details
            )
        }
        Topic::Overview => {
            let mut out = "\
Friends share their media libraries through the Radarr and Sonarr they run

Usage: jackdaw [COMMAND] [OPTIONS]

Commands:
"
            .to_owned();
            for command in COMMANDS {
                out.push_str(&format!("  {:<9} {}\n", command.name, command.summary));
            }
            out.push_str(
                "
Options:
  --config FILE  the configuration; else $JACKDAW_CONFIG, ./jackdaw.ini,
                 /etc/jackdaw/jackdaw.ini, built-in defaults
  -V, --version  print the version
  -h, --help     print this, or help about a command: jackdaw check --help
                 or about the configuration file: jackdaw help config

Exit codes: 0 fine, 1 failure while running, 2 wrong usage or configuration
",
            );
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Invocation, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn sound_command_lines() {
        let check = |line: &str, command: Command, config: Option<&str>| {
            let expected = Invocation {
                command,
                config: config.map(PathBuf::from),
            };
            assert_eq!(read(line), Ok(expected), "{line}");
        };
        let demo = |share: Option<&str>| Command::Demo {
            share: share.map(PathBuf::from),
        };
        check("", Command::Run, None);
        check("run", Command::Run, None);
        check("--config x.ini", Command::Run, Some("x.ini"));
        check("--config=x.ini run", Command::Run, Some("x.ini"));
        check("check --config x.ini", Command::Check, Some("x.ini"));
        check("--config x.ini check", Command::Check, Some("x.ini"));
        check("demo", demo(None), None);
        check("demo --share /x", demo(Some("/x")), None);
        check("doctor", Command::Doctor { fix: false }, None);
        check("--fix doctor", Command::Doctor { fix: true }, None);
        check("status", Command::Status(StatusOptions::default()), None);
        let options = StatusOptions {
            json: true,
            key: Some(Secret::new("K")),
            url: Some("http://x".into()),
        };
        check(
            "status --json --key K --url http://x --config f",
            Command::Status(options),
            Some("f"),
        );
        let register = Command::Register;
        check("register", register(Errand::Register), None);
        check(
            "register --dry-run --config x",
            register(Errand::Preview),
            Some("x"),
        );
        check("--remove register", register(Errand::Remove), None);
        check("--version", Command::Version, None);
        check("-V", Command::Version, None);
        check("run --version", Command::Version, None);
        let help = Command::Help;
        for line in ["--help", "-h", "help", "--help --version"] {
            check(line, help(Topic::Overview), None);
        }
        for line in ["check --help", "help check", "--help check", "check -h"] {
            check(line, help(Topic::Command(1)), None);
        }
        check("help config", help(Topic::Config), None);
        check("--help config", help(Topic::Config), None);
        check("help help", help(Topic::Overview), None);
    }

    #[test]
    fn mistakes_get_a_hint() {
        let check = |line: &str, expected: &str| {
            assert_eq!(read(line), Err(expected.to_owned()), "{line}");
        };
        check("chekc", "unknown command chekc, did you mean check?");
        check(
            "frobnicate",
            "unknown command frobnicate, see jackdaw --help",
        );
        check(
            "help frobnicate",
            "unknown command frobnicate, see jackdaw --help",
        );
        check("chek d", "one argument too many: d, see jackdaw --help");
        check("config", "unknown command config, see jackdaw --help");
        check("run now", "one argument too many: now, see jackdaw --help");
        check(
            "--confg x",
            "unknown option --confg, did you mean --config?",
        );
        check("-x", "unknown option -x, see jackdaw --help");
        check("--config", "--config needs a path behind it");
        check("--config=", "--config needs a path behind it");
        check("--config a --config b", "--config is given twice");
        check(
            "run --share x",
            "--share belongs to the command demo, see jackdaw demo --help",
        );
        check(
            "register --dry-run --remove",
            "--dry-run or --remove, one of them once, see jackdaw register --help",
        );
        for line in ["--dry-run", "run --remove", "demo --dry-run"] {
            check(
                line,
                "--dry-run and --remove belong to the command register, see jackdaw register --help",
            );
        }
        check(
            "doctor --json",
            "--json belongs to the command status, see jackdaw status --help",
        );
        check(
            "run --fix",
            "--fix belongs to the command doctor, see jackdaw doctor --help",
        );
        check("status --key", "--key needs a key behind it");
        check("status --url=", "--url needs an address behind it");
        check(
            "demo --config x",
            "the demo needs no --config, see jackdaw demo --help",
        );
        assert!(
            read("--help=yes")
                .unwrap_err()
                .ends_with(", see jackdaw --help")
        );
    }

    #[test]
    fn an_empty_word_is_visible() {
        let error = parse([OsString::new()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown command \"\", see jackdaw --help"
        );
    }

    #[test]
    fn help_names_every_command_and_fits_a_terminal() {
        let overview = help(Topic::Overview);
        for (number, command) in COMMANDS.iter().enumerate() {
            assert!(overview.contains(&format!("\n  {} ", command.name)));
            let page = help(Topic::Command(number));
            assert!(page.contains(command.usage));
            assert!(
                page.lines().all(|line| line.chars().count() <= 100),
                "{page}"
            );
        }
        assert!(overview.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn commands_that_come_later_are_not_listed() {
        let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        assert_eq!(
            names,
            ["run", "check", "register", "doctor", "status", "demo"]
        );
    }
}
