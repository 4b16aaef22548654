//! The command line from outside.

use crate::support::Home;
use crate::support::process::{Config, run};

#[test]
fn help_names_the_commands() {
    let home = Home::new("help");
    for arguments in [&["--help"][..], &["-h"]] {
        let ended = run(arguments, home.path());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for word in ["run", "check", "demo", "--config", "--version"] {
            assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
        }
    }
}

#[test]
fn version_is_the_packages() {
    let home = Home::new("version");
    let ended = run(&["--version"], home.path());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(
        ended.stdout.trim_end(),
        concat!("jackdaw ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn unknown_arguments_are_usage_errors() {
    let home = Home::new("usage");
    for arguments in [
        &["fly"][..],
        &["--fly"],
        &["check", "--share", "x"],
        &["--config"],
    ] {
        let ended = run(arguments, home.path());
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    }
}

#[test]
fn check_accepts_a_good_file_without_touching_anything() {
    let home = Home::new("check");
    let config = Config::new(&home.join("a")).downloads("").peer(
        "alice",
        "http://127.0.0.1:9",
        "secret-of-alice",
    );
    let file = config.write();
    let ended = run(&["check", "--config", file.to_str().unwrap()], home.path());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("alice"), "{ended:?}");
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!all.contains("secret-of-alice"), "a key is printed: {all}");
    assert!(!home.join("a/data").exists(), "check must not create data");
}
