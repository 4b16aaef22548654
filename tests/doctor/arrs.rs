//! Arrs that are not well, or see files elsewhere than we do.

use std::fs;

use super::rig::{DESTINATION, destination, doctor, movie};
use crate::support::Home;
use crate::support::fake_arr::{App, FakeArr, Mood, value};
use crate::support::process::Config;

#[test]
fn an_arr_that_is_not_well_is_told_apart() {
    let home = Home::new("doctor-arr");
    let (arr, config) = destination(&home);
    let subject = "radarr \"Main\"";
    for (mood, words) in [
        (Mood::Starting, "not ready yet"),
        (Mood::Html, "a web page came instead"),
        (Mood::BadGateway, "502"),
        (Mood::Truncated, "ends early"),
        (Mood::Null, "no appName"),
        (Mood::HangUp, "is it running?"),
    ] {
        arr.state().mood = mood;
        let report = doctor(&config, &[]);
        report.has("FAIL", subject, &[words]);
        // One line is enough: nothing else is asked.
        let about = report.lines.iter().filter(|line| line.contains(subject));
        assert_eq!(about.count(), 1, "{mood:?}");
        assert!(report.stderr.contains("found something broken"));
    }
    arr.state().mood = Mood::Well;
    for (version, words) in [("4.7.5.7809", "older than"), ("7.0.0.1", "newer than")] {
        arr.state().version = version.into();
        doctor(&config, &[]).has("warn", subject, &[version, words, "fix: update"]);
    }
    let dir = home.join("wrong");
    let with = |from: &str, to: &str| {
        Config::new(&dir)
            .downloads("")
            .section(&arr.section("Main", DESTINATION).replace(from, to))
    };
    doctor(&with(&arr.key, &"1".repeat(32)), &[]).has("FAIL", subject, &["api_key is wrong"]);
    doctor(&with("type = radarr", "type = sonarr"), &[]).has(
        "FAIL",
        "sonarr \"Main\"",
        &["is a Radarr", "correct its type"],
    );
    let gone = with(&arr.url(), "http://127.0.0.1:9");
    doctor(&gone, &[]).has("FAIL", subject, &["fix: check its url"]);
    arr.state().url_base = "/radarr".into();
    doctor(&config, &[]).has("FAIL", subject, &["redirected to /radarr", "URL base"]);
}

#[test]
fn an_arr_that_sees_the_downloads_elsewhere_gets_a_mapping() {
    let home = Home::new("doctor-view");
    let (arr, config) = destination(&home);
    let config = config.jackdaw("internal_url = http://127.0.0.1:9");
    let subject = "radarr \"Main\" arr_path";
    let completed = config.completed();
    let at = completed.to_str().unwrap();
    doctor(&config, &[]).has("ok", subject, &["it sees", at]);

    // Its container has the folder at another place, one that images often use.
    arr.state().mounts = Some(vec![
        ("/config".into(), home.dir("arr-config")),
        ("/downloads".into(), completed.clone()),
    ]);
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["but as /downloads", "set arr_path = /downloads", "--fix"],
    );
    assert!(
        arr.state().mappings.is_empty(),
        "nothing changes without --fix"
    );
    let report = doctor(&config, &["--fix"]);
    report.has("ok", subject, &["fixed", "-> /downloads for 127.0.0.1"]);
    let mappings = arr.state().mappings.clone();
    assert_eq!(mappings.len(), 1);
    let text = |name: &str| {
        jackdaw::json::get_str(&mappings[0], name)
            .unwrap()
            .to_owned()
    };
    assert_eq!(text("remotePath"), format!("{at}/"));
    assert_eq!(
        (text("localPath"), text("host")),
        ("/downloads/".into(), "127.0.0.1".into())
    );
    doctor(&config, &[]).has("ok", subject, &["through its remote path mapping"]);
    // It is not made twice.
    doctor(&config, &["--fix"]).has("ok", subject, &["through its remote path mapping"]);
    assert_eq!(arr.state().mappings.len(), 1);

    // A mapping that leads nowhere, though the path itself would do.
    arr.state().mounts = None;
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["leads to /downloads", "delete that mapping"],
    );

    // One for another host does not help, and is named.
    let elsewhere =
        format!(r#"{{"id":9,"host":"localhost","remotePath":"{at}/","localPath":"/downloads/"}}"#);
    arr.state().mappings = vec![value(&elsewhere)];
    arr.state().mounts = Some(vec![("/x".into(), completed.clone())]);
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["mapping is for host localhost", "but as /x"],
    );

    // Not there at all.
    arr.state().mappings.clear();
    arr.state().mounts = Some(vec![("/config".into(), home.dir("arr-config"))]);
    let report = doctor(&config, &["--fix"]);
    report.has(
        "FAIL",
        subject,
        &["does not see", "fix: mount", "set arr_path"],
    );
    assert!(arr.state().mappings.is_empty());
}

#[test]
fn a_library_that_is_elsewhere_here_wants_a_path_map() {
    let home = Home::new("doctor-library");
    let arr = FakeArr::start(App::Radarr);
    let disk = home.dir("disk");
    fs::write(disk.join("a.mkv"), "1").unwrap();
    let config = |map: &str| {
        Config::new(&home.join("us")).section(&arr.section(
            "Main",
            &format!("source = true\ndestination = false\n{map}"),
        ))
    };
    let mapped = config(&format!("path_map = /movies -> {}", disk.display()));
    let subject = "radarr \"Main\" library";
    doctor(&mapped, &[]).has("ok", subject, &["no files yet"]);
    arr.state().movies = vec![movie("/movies/a.mkv")];
    doctor(&mapped, &[]).has("ok", subject, &["1 of 1 files can be opened"]);
    let report = doctor(&config(""), &[]);
    report.has(
        "FAIL",
        subject,
        &[
            "1 of 1",
            "/movies/a.mkv: No such file",
            "path_map = /movies ->",
        ],
    );
    arr.state().movies.push(movie("/movies/gone.mkv"));
    let report = doctor(&mapped, &[]);
    report.has("warn", subject, &["1 of 2", "which is", "gone.mkv here"]);
}

#[test]
fn root_folders_decide_between_renaming_and_copying() {
    let home = Home::new("doctor-roots");
    let (arr, config) = destination(&home);
    let subject = "radarr \"Main\" import";
    doctor(&config, &[]).has("ok", subject, &["one file system", "renames"]);
    let check = |root: &str, level: &str, words: &[&str]| {
        arr.state().root_folders = vec![root.to_owned()];
        doctor(&config, &[]).has(level, subject, words);
    };
    // /proc is a file system of its own on every Linux.
    check("/proc", "warn", &["different file systems", "copies"]);
    check("/nowhere/movies", "ok", &["not to be seen here"]);
    let completed = config.completed();
    check(
        completed.to_str().unwrap(),
        "FAIL",
        &["is our completed_path"],
    );
    arr.state().root_folders.clear();
    doctor(&config, &[]).has("warn", subject, &["no root folder"]);
}
