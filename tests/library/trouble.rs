//! Arrs that answer wrongly, break off, or are away: what is said, and what stays in the index.

use jackdaw::arr::library::ArrSource;

use super::rig::{client_of, movie, scan, source_of, write};
use crate::support::fake_arr::{App, FakeArr, Mood};
use crate::support::process::{Config, Jackdaw};
use crate::support::{Home, SOON, eventually};

/// Every kind of trouble: the message that the owner sees must say what to do.
#[test]
fn trouble_is_a_clear_error() {
    let check = |arr: &FakeArr, source: &ArrSource, what: &str, words: &[&str]| {
        let (offers, result) = scan(source);
        let error = result.expect_err(what).to_string();
        assert!(error.contains("\"Main\""), "{what}: {error}");
        for word in words {
            assert!(error.contains(word), "{what}: {word}: {error}");
        }
        assert!(!error.contains(&arr.key), "{what}: the key is in {error}");
        assert_eq!(offers, [], "{what}");
    };
    for app in [App::Radarr, App::Sonarr] {
        let arr = FakeArr::start(app);
        let source = source_of(&arr, "");
        let moods: &[(Mood, &[&str])] = &[
            (Mood::Starting, &["not ready yet", "starting up"]),
            (Mood::Html, &["a web page came instead", "login"]),
            (Mood::BadGateway, &["502"]),
            (Mood::Truncated, &["JSON ends early"]),
            (Mood::Null, &["a list was expected"]),
            (Mood::HangUp, &["is it running?"]),
        ];
        for (mood, words) in moods {
            arr.state().mood = *mood;
            check(&arr, &source, &format!("{app:?} {mood:?}"), words);
        }
        // It comes back: the same source goes on.
        arr.state().mood = Mood::Well;
        assert!(scan(&source).1.is_ok());

        let section = arr.section("Main", "");
        let wrong_key = section.replace(&arr.key, "11111111111111111111111111111111");
        let wrong_key = ArrSource::new(client_of(&wrong_key));
        check(
            &arr,
            &wrong_key,
            "wrong key",
            &["api_key is wrong", "Settings, General"],
        );
        let (is, other) = match app {
            App::Radarr => ("radarr", "sonarr"),
            App::Sonarr => ("sonarr", "radarr"),
        };
        let wrong_app = section.replace(&format!("type = {is}"), &format!("type = {other}"));
        let wrong_app = ArrSource::new(client_of(&wrong_app));
        check(
            &arr,
            &wrong_app,
            "wrong app",
            &["correct its type or its url"],
        );
        arr.state().url_base = "/arr".into();
        let wrong_base = ArrSource::new(client_of(&section));
        check(
            &arr,
            &wrong_base,
            "wrong base",
            &["redirected to /arr/api/v3", "URL base"],
        );
    }
}

/// What had been read before the trouble was sound, and the scan says that it is not all: that
/// is what keeps the rest in the index.
#[test]
fn a_list_that_breaks_off_is_an_error_after_what_came() {
    let home = Home::new("library-cut");
    let path = home.join("a 1999.mkv");
    write(&path, "1");
    let arr = FakeArr::start(App::Radarr);
    arr.state().movies = (1..=10)
        .map(|number| movie(number, "A", path.to_str().unwrap(), 1, ""))
        .collect();
    arr.state().mood = Mood::Truncated;
    let (offers, result) = scan(&source_of(&arr, ""));
    assert!(result.is_err());
    assert!((1..10).contains(&offers.len()), "{}", offers.len());
}

/// With the whole program: what friends were offered stays while the arr is in trouble, and goes
/// only when a complete list no longer has it.
#[test]
fn nothing_indexed_is_lost_while_the_arr_is_in_trouble() {
    let home = Home::new("library-kept");
    let arr = FakeArr::start(App::Radarr);
    let titles: Vec<String> = (1..=3)
        .map(|number| {
            let path = home.join(&format!("{number}/A 1999.mkv"));
            write(&path, &"x".repeat(number));
            let path = path.to_str().unwrap();
            movie(number as u64, "A", path, number, "")
        })
        .collect();
    arr.state().movies = titles;
    let config = Config::new(&home.join("us"))
        .section("[sharing]\ncatalogue_refresh = 1s")
        .section(&arr.section("Main", "source = true\ndestination = false"));
    let server = Jackdaw::start(&config);
    let shared = || server.get("/peer/search").text().matches("\"id\"").count();
    eventually("three movies in the catalogue", SOON, || {
        (shared() == 3).then_some(())
    });
    // No list, and half a list; every other trouble is one of the two to the catalogue.
    for mood in [Mood::Starting, Mood::Truncated] {
        arr.state().mood = mood;
        eventually(&format!("the trouble to be seen: {mood:?}"), SOON, || {
            server
                .get("/status")
                .text()
                .contains("\"error\"")
                .then_some(())
        });
        assert_eq!(shared(), 3, "{mood:?}");
        arr.state().mood = Mood::Well;
        eventually("it to be well again", SOON, || {
            (!server.get("/status").text().contains("\"error\"")).then_some(())
        });
        assert_eq!(shared(), 3, "after {mood:?}");
    }
    arr.state().movies.pop();
    eventually("the third to go", SOON, || (shared() == 2).then_some(()));
}
