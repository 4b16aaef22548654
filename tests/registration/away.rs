//! Arrs that are slow, away, talk nonsense, or are not what the configuration says.

use std::time::{Duration, Instant};

use jackdaw::arr::registration::{LONGEST_RETRY, State};
use jackdaw::config::Config;

use super::world::{TITLE, World, far, hook, registrar, secret};
use crate::support::arr::{Arr, Kind};
use crate::support::fake_arr::{App, FakeArr, Mood};
use crate::support::process::{self, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};

/// The whole program, the real hook route among it, and an arr that takes its time: longer than any
/// request of ours to our own faces, which must not wait for it.
#[test]
fn an_arr_that_does_not_answer_holds_nobody_up() {
    let home = Home::new("register-asleep");
    let arr = FakeArr::start(App::Radarr);
    arr.state().mood = Mood::Asleep;
    // An address of its own, for the arr must be told of it beforehand.
    let address = "127.0.82.3:5225";
    let config = process::Config::new(&home.join("us"))
        .listen(address)
        .jackdaw(&format!("internal_url = http://{address}"))
        .downloads("")
        .section(&arr.section(TITLE, "source = true\ndestination = true"));
    let server = Jackdaw::start(&config);
    // Library and registration wait side by side.
    for path in ["/movie", "/system/status"] {
        eventually(path, SOON, || arr.calls("GET", path).pop());
    }
    let mut radarr = Arr::new(Kind::Radarr, server.address(), TITLE, KEY);
    radarr.test_client();
    assert!(radarr.rss().is_empty());
    assert_eq!(server.get("/status").status, 200);
    assert_eq!(server.get("/ping").status, 200);
    assert_eq!(arr.state().mood, Mood::Asleep);

    arr.state().mood = Mood::Well;
    let hook = eventually("the registration", SOON, || {
        arr.providers("notification").pop()
    });
    // It was tried out on the real route before it was saved, with this key.
    let own = secret(&hook, "password");
    let client = arr.providers("downloadclient").pop().unwrap();
    let mut radarr = Arr::new(
        Kind::Radarr,
        server.address(),
        TITLE,
        &secret(&client, "password"),
    );
    radarr.test_client();
    let shown = server.get("/status").text();
    for key in [&own, &radarr.key] {
        assert!(!shown.contains(key.as_str()));
        assert!(!server.log().contains(key.as_str()));
    }
}

#[test]
fn an_arr_that_is_away_is_waited_for_with_growing_delays() {
    let arr = FakeArr::start(App::Radarr);
    let address = arr.address();
    let mut world = World::with("register-away", arr, "", hook);
    // Its place is taken by an arr elsewhere, so that this one is gone.
    drop(std::mem::replace(
        &mut world.arr,
        FakeArr::start(App::Radarr),
    ));
    eventually("the old arr to be gone", SOON, || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
    let mut now = Instant::now();
    for delay in [1, 2, 4, 8] {
        let next = world.round(now);
        let found = next - now;
        let delay = Duration::from_secs(delay);
        assert!(found >= delay && found < delay + SOON, "{found:?}");
        now = next;
    }
    assert!(matches!(world.state(), State::Waiting(reason)
        if reason.contains(TITLE) && reason.contains("is it running?")));
    for _ in 0..20 {
        now = world.round(now);
    }
    let since = world.registrar.states()[0].since_unix;
    let next = world.round(now);
    assert!(next - now >= LONGEST_RETRY && next - now < LONGEST_RETRY + SOON);
    assert_eq!(
        world.registrar.states()[0].since_unix,
        since,
        "one state, not many"
    );

    world.arr = FakeArr::start_on(App::Radarr, address);
    world.registers(&["no results"]);
    assert!(world.round(far()) > now);
}

#[test]
fn an_arr_that_answers_nonsense_is_named_and_waited_for() {
    let world = World::new("register-moods", App::Radarr);
    let moods: [(Mood, &[&str]); 6] = [
        (Mood::Starting, &["not ready yet", "starting up"]),
        (Mood::Html, &["a web page came instead"]),
        (Mood::BadGateway, &["502", "a web page came instead"]),
        (Mood::Truncated, &["/api/v3/system/status"]),
        (Mood::Null, &["no appName"]),
        (Mood::HangUp, &["/api/v3/system/status"]),
    ];
    for (mood, words) in moods {
        world.arr.state().mood = mood;
        world.waits(words);
        world.waits(words);
    }
    assert_eq!(world.writes(), 0);
    world.arr.state().mood = Mood::Well;
    world.registers(&["no results"]);
    // Once there, trouble changes nothing and makes no duplicates.
    for (mood, words) in moods {
        world.arr.state().mood = mood;
        world.waits(words);
        world.arr.state().mood = Mood::Well;
        world.registers(&[]);
    }
    for resource in ["downloadclient", "indexer", "notification"] {
        world.only(resource);
    }
}

#[test]
fn wrong_programs_keys_and_addresses_are_named() {
    let world = World::new("register-wrong", App::Radarr);
    let config = |from: &str, to: &str| {
        let text = std::fs::read_to_string(world.home.join("jackdaw.ini")).unwrap();
        assert!(text.contains(from), "{from}");
        Config::from_text("x", &text.replace(from, to)).unwrap()
    };
    let check = |from: &str, to: &str, words: &[&str]| {
        let registrar = registrar(&config(from, to), world.store().clone());
        registrar.run_due(Instant::now());
        let state = registrar.states().remove(0).state;
        let State::Waiting(reason) = state else {
            panic!("{state:?}")
        };
        for word in words {
            assert!(reason.contains(word), "{word} is not in {reason}");
        }
    };
    check(
        "type = radarr",
        "type = sonarr",
        &["is a Radarr", "correct its type"],
    );
    let wrong = "f".repeat(32);
    check(
        &world.arr.key,
        &wrong,
        &["api_key is wrong", "Settings, General"],
    );
    world.arr.state().url_base = "/radarr".into();
    check(
        "\n[downloads]",
        "\n[downloads]",
        &["redirected to /radarr", "URL base"],
    );
    world.arr.state().url_base = String::new();
    assert_eq!(world.writes(), 0);

    let off = config("source = false", "source = false\nautoregister = false");
    let registrar = registrar(&off, world.store().clone());
    registrar.run_due(Instant::now());
    let state = registrar.states().remove(0).state;
    assert_eq!(state, State::Off("autoregister is off"));
    assert_eq!(world.writes(), 0);
}
