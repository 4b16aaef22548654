//! What is registered at an arr: judged by the arr's own test, made on demand.

use super::rig::{DESTINATION, destination, doctor, plant};
use crate::support::Home;
use crate::support::fake_arr::{App, FakeArr, value};
use crate::support::process::{Config, Jackdaw, KEY};

#[test]
fn registration_is_judged_by_the_arrs_own_test() {
    let home = Home::new("doctor-registration");
    let (arr, config) = destination(&home);
    let subject = "radarr \"Main\" registration";
    let server = Jackdaw::start(&config);
    let port = server.address().port();
    let config = config.jackdaw(&format!("internal_url = {}", server.url()));
    let report = doctor(&config, &[]);
    report.has("warn", subject, &["no download client of ours", "by hand"]);
    report.has("warn", subject, &["no indexer of ours"]);

    plant(&arr, port, "wrong-password");
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["test of our download client says", "Authentication failure"],
    );
    report.has(
        "FAIL",
        subject,
        &["test of our indexer says: ApiKey: Invalid API Key"],
    );
    assert_eq!(arr.calls("POST", "/indexer/test").len(), 1);

    // Registered at another address, disabled, not bound: each is said.
    {
        let mut state = arr.state();
        let client = &mut state.providers.get_mut("downloadclient").unwrap()[0];
        client.fields.insert("host".into(), value("\"localhost\""));
        client.top.insert("enable".into(), value("false"));
        let off = value("false");
        client.top.insert("removeCompletedDownloads".into(), off);
        let indexer = &mut state.providers.get_mut("indexer").unwrap()[0];
        indexer.top.insert("downloadClientId".into(), value("0"));
    }
    let report = doctor(&config, &[]);
    report.has(
        "warn",
        subject,
        &["download client: its address http://localhost"],
    );
    report.has("warn", subject, &["download client: it is disabled"]);
    report.has("warn", subject, &["Remove Completed is off"]);
    report.has("warn", subject, &["indexer: it is not bound"]);
}

#[test]
fn a_missing_registration_is_made_on_demand() {
    let home = Home::new("doctor-fix");
    let arr = FakeArr::start(App::Sonarr);
    let plain = Config::new(&home.join("us")).downloads("");
    // Here the server does not see to it by itself.
    let server = Jackdaw::start(&plain.clone().section(&arr.section("Main", DESTINATION)));
    let section = "source = false\ndestination = true\nautoregister = true";
    let config = plain
        .jackdaw(&format!("internal_url = {}", server.url()))
        .section(&arr.section("Main", section));
    let subject = "sonarr \"Main\" registration";
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        subject,
        &["no download client of ours", "doctor --fix"],
    );
    report.has("FAIL", subject, &["no indexer of ours"]);

    let report = doctor(&config, &["--fix"]);
    report.has("ok", subject, &["fixed", "made"]);
    report.has("ok", subject, &["download client passes"]);
    // Nobody offers anything, which is no fault.
    report.has("warn", subject, &["no results", "no friend offers"]);
    assert_eq!(report.code, Some(0), "{}", report.lines.join("\n"));
    assert_eq!(arr.providers("downloadclient").len(), 1);
    // A second time there is nothing to fix.
    let report = doctor(&config, &["--fix"]);
    assert!(!report.lines.iter().any(|line| line.contains("fixed")));
    // Nor to complain of: the keys that are stored there are the ones in use.
    let report = doctor(&config, &[]);
    let complaint = "not as jackdaw wants it";
    assert!(
        !report.lines.iter().any(|line| line.contains(complaint)),
        "{}",
        report.lines.join("\n")
    );

    // Drift is seen, and mended.
    arr.state().providers.get_mut("downloadclient").unwrap()[0]
        .top
        .insert("removeCompletedDownloads".into(), value("false"));
    doctor(&config, &[]).has(
        "warn",
        subject,
        &["not as jackdaw wants it", "removeCompleted"],
    );
    doctor(&config, &["--fix"]).has("ok", subject, &["fixed", "repaired"]);

    // What the owner has switched off is left so, but said.
    arr.state().providers.get_mut("downloadclient").unwrap()[0]
        .top
        .insert("enable".into(), value("false"));
    let report = doctor(&config, &["--fix"]);
    report.has(
        "warn",
        subject,
        &["download client: it is disabled", "fix: switch it on"],
    );
    let client = &arr.providers("downloadclient")[0];
    assert_eq!(miniserde::json::to_string(&client.top["enable"]), "false");
}

#[test]
fn a_server_that_does_not_run_is_not_blamed_on_the_arr() {
    let home = Home::new("doctor-stopped");
    let (arr, config) = destination(&home);
    plant(&arr, 9, KEY);
    let config = config.jackdaw("internal_url = http://127.0.0.1:9");
    let report = doctor(&config, &[]);
    report.has(
        "FAIL",
        "internal_url",
        &["no jackdaw answers", "fix: start jackdaw"],
    );
    report.has("warn", "radarr \"Main\" registration", &["not tested"]);
    assert!(arr.calls("POST", "/").is_empty());

    // Something answers /ping there, but it is no jackdaw.
    let config = destination(&home)
        .1
        .jackdaw(&format!("internal_url = {}", arr.url()));
    doctor(&config, &[]).has("FAIL", "internal_url", &["another program answers there"]);
    // Without an address nothing can be registered.
    let report = doctor(&destination(&home).1, &[]);
    report.has("warn", "internal_url", &["not set"]);
}
