//! Registration at a Radarr and a Sonarr that behave as the real ones: each sentence of the promise,
//! over real sockets, with our real faces answering the arr's tests while it saves.

mod world;

use std::time::{Duration, Instant};

use jackdaw::arr::registration::{CHECK_INTERVAL, LONGEST_RETRY, State};
use jackdaw::config::Config;
use jackdaw::keys::Caller;
use jackdaw::secret::digest;
use miniserde::json::Value;

use crate::support::arr::{Arr, Kind, base64};
use crate::support::content::Content;
use crate::support::fake_arr::{App, FakeArr, Mood, Provider, value};
use crate::support::peer::{FakePeer, Offer, PEER_KEY};
use crate::support::process::{self, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually};
use world::{HOOKED, PREFIX, TITLE, World, broken_hook, far, field, hook, registrar, secret, top};

#[test]
fn registers_without_friends_and_with_an_empty_catalogue() {
    for (app, category_field, categories, anime) in [
        (
            App::Radarr,
            "movieCategory",
            "[2000,2010,2020,2030,2040,2045,2050,2060,2070,2080]",
            "null",
        ),
        (
            App::Sonarr,
            "tvCategory",
            "[5000,5010,5030,5040,5045,5050]",
            "[5000,5070]",
        ),
    ] {
        let world = World::new("register-empty", app);
        assert_eq!(world.state(), State::Pending);
        // The arr's words about the empty feed are told, and overruled.
        world.registers(&["no results in the configured categories"]);

        let client = world.only("downloadclient");
        top(&client, "name", "\"jackdaw\"");
        top(&client, "implementation", "\"QBittorrent\"");
        top(&client, "configContract", "\"QBittorrentSettings\"");
        top(&client, "enable", "true");
        top(&client, "priority", "50");
        top(&client, "tags", "[]");
        top(&client, "removeCompletedDownloads", "true");
        top(&client, "removeFailedDownloads", "true");
        let address = world.url.strip_prefix("http://").unwrap();
        let (host, rest) = address.split_once(':').unwrap();
        field(&client, "host", &format!("{host:?}"));
        field(&client, "port", rest.strip_suffix(PREFIX).unwrap());
        field(&client, "useSsl", "false");
        field(&client, "urlBase", &format!("{PREFIX:?}"));
        field(&client, "username", &format!("{TITLE:?}"));
        field(&client, category_field, "\"jackdaw-main-arr\"");
        // What a template brings stays.
        field(&client, "contentLayout", "0");

        let indexer = world.only("indexer");
        top(&indexer, "name", "\"jackdaw\"");
        top(&indexer, "implementation", "\"Torznab\"");
        for switch in [
            "enableRss",
            "enableAutomaticSearch",
            "enableInteractiveSearch",
        ] {
            top(&indexer, switch, "true");
        }
        top(&indexer, "priority", "25");
        top(&indexer, "tags", "[]");
        top(&indexer, "downloadClientId", &client.id.to_string());
        field(
            &indexer,
            "baseUrl",
            &format!("{:?}", world.url.clone() + "/torznab"),
        );
        field(&indexer, "apiPath", "\"/api\"");
        field(&indexer, "categories", categories);
        field(&indexer, "animeCategories", anime);
        field(&indexer, "minimumSeeders", "1");

        // One key in both, URL-safe, known to us only by its digest.
        let key = secret(&client, "password");
        assert_eq!(secret(&indexer, "apiKey"), key);
        assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(world.owner(&key), Some(Caller::Arr(TITLE.into())));
        for name in ["jackdaw.db", "jackdaw.db-wal"] {
            let bytes = std::fs::read(world.home.join("data").join(name)).unwrap();
            let found = bytes.windows(key.len()).any(|part| part == key.as_bytes());
            assert!(!found, "{name} holds a key");
        }

        // The notification, with a key of its own, tried out as the real arr does.
        let notification = world.only("notification");
        top(&notification, "implementation", "\"Webhook\"");
        top(&notification, "onDownload", "true");
        top(&notification, "onUpgrade", "true");
        top(&notification, "onManualInteractionRequired", "true");
        top(&notification, "onImportComplete", "false");
        field(
            &notification,
            "url",
            &format!("{:?}", world.url.clone() + "/hook/main-arr"),
        );
        field(&notification, "method", "1");
        let own = secret(&notification, "password");
        assert_ne!(own, key);
        assert_eq!(world.owner(&own), Some(Caller::Arr(TITLE.into())));
        let expected = format!("Basic {}", base64(format!("{TITLE}:{own}").as_bytes()));
        assert!(HOOKED.lock().unwrap().contains(&expected));
        assert!(!world.arr.state().tags_broken);

        // All calls of the arr came while it saved: the order of making is client, then indexer.
        let posts: Vec<String> = world
            .arr
            .calls("POST", "/")
            .into_iter()
            .map(|call| call.target)
            .collect();
        assert_eq!(
            posts,
            [
                "/api/v3/downloadclient?forceSave=true",
                "/api/v3/indexer?forceSave=true",
                "/api/v3/indexer",
                "/api/v3/notification?forceSave=true"
            ]
        );
    }
}

#[test]
fn an_indexer_that_passes_its_test_is_not_forced() {
    let title = "The.Matrix.1999.1080p.BluRay.x264-GROUP";
    let content = Content::new(1, 200_000);
    let friend = FakePeer::start(vec![Offer::movie("m1", title, 603, "tt0133093", content)]);
    let more = format!(
        "[peer \"friend\"]\nurl = {}\napi_key = {PEER_KEY}",
        friend.url()
    );
    let world = World::with("register-full", FakeArr::start(App::Radarr), &more, hook);
    // The arr's own test is the witness that something is offered.
    eventually("a release in the catalogue", SOON, || {
        let key = "0123456789abcdef";
        let url = format!("{}/torznab/api?t=movie&apikey={key}", world.url);
        let body = ureq::get(&url)
            .call()
            .ok()?
            .body_mut()
            .read_to_string()
            .ok()?;
        body.contains("<item>").then_some(())
    });
    world.registers(&[]);
    assert_eq!(world.arr.calls("POST", "/indexer").len(), 1);
    assert_eq!(world.arr.calls("PUT", "/indexer").len(), 0);
}

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
fn nothing_is_done_twice() {
    let mut world = World::new("register-again", App::Sonarr);
    world.registers(&["no results"]);
    let before = world.writes();
    let key = secret(&world.only("downloadclient"), "password");
    for _ in 0..3 {
        world.registers(&[]);
    }
    world.restart();
    world.registers(&[]);
    assert_eq!(world.writes(), before);
    for resource in ["downloadclient", "indexer", "notification"] {
        world.only(resource);
    }
    assert_eq!(secret(&world.only("downloadclient"), "password"), key);
    // Looked at every ten minutes, not before.
    let now = far();
    let next = world.round(now);
    assert!(next - now >= CHECK_INTERVAL && next - now < CHECK_INTERVAL + SOON);
    let calls = world.arr.state().calls.len();
    assert_eq!(world.registrar.run_due(now), next);
    assert_eq!(world.arr.state().calls.len(), calls);
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

#[test]
fn drift_is_repaired_and_what_is_the_users_is_kept() {
    let world = World::new("register-drift", App::Sonarr);
    world.registers(&["no results"]);
    let (client, indexer) = (world.only("downloadclient"), world.only("indexer"));
    let key = secret(&client, "password");
    world.change("downloadclient", client.id, |client| {
        client.top.insert("priority".into(), value("1"));
        client.top.insert("tags".into(), value("[7]"));
        client
            .top
            .insert("removeCompletedDownloads".into(), value("false"));
        client.fields.insert("host".into(), value("\"elsewhere\""));
        client
            .fields
            .insert("tvCategory".into(), value("\"tv-sonarr\""));
        client
            .fields
            .insert("tvImportedCategory".into(), value("\"done\""));
        client.fields.insert("contentLayout".into(), value("2"));
    });
    world.change("indexer", indexer.id, |indexer| {
        indexer.top.insert("name".into(), value("\"My friends\""));
        indexer.top.insert("downloadClientId".into(), value("0"));
        indexer.top.insert("priority".into(), value("1"));
        indexer.top.insert("tags".into(), value("[7]"));
        indexer.top.insert("enableRss".into(), value("false"));
        indexer
            .fields
            .insert("categories".into(), value("[5040,100001]"));
        indexer.fields.insert("minimumSeeders".into(), value("5"));
        indexer
            .fields
            .insert("additionalParameters".into(), value("\"&a=b\""));
        indexer
            .fields
            .insert("seedCriteria.seedRatio".into(), value("2.5"));
        indexer
            .fields
            .insert("seedCriteria.seedTime".into(), value("60"));
    });
    world.registers(&["no results"]);

    let (after, was) = (world.only("downloadclient"), client);
    assert_eq!(after.id, was.id);
    top(&after, "priority", "50");
    top(&after, "tags", "[]");
    top(&after, "removeCompletedDownloads", "true");
    field(&after, "host", "\"127.0.0.1\"");
    field(&after, "tvCategory", "\"jackdaw-main-arr\"");
    field(&after, "tvImportedCategory", "\"done\"");
    field(&after, "contentLayout", "2");
    let after = world.only("indexer");
    assert_eq!(after.id, indexer.id);
    top(&after, "name", "\"jackdaw\"");
    top(&after, "downloadClientId", &was.id.to_string());
    top(&after, "priority", "25");
    top(&after, "tags", "[7]");
    top(&after, "enableRss", "false");
    top(&after, "enableInteractiveSearch", "true");
    field(
        &after,
        "categories",
        "[5000,5010,5030,5040,5045,5050,100001]",
    );
    field(&after, "minimumSeeders", "5");
    field(&after, "additionalParameters", "\"&a=b\"");
    field(&after, "seedCriteria.seedRatio", "2.5");
    field(&after, "seedCriteria.seedTime", "60");
    // No doubt about the key, no new one.
    assert_eq!(secret(&after, "apiKey"), key);
    assert!(world.owner(&key).is_some());
    let before = world.writes();
    world.registers(&[]);
    assert_eq!(world.writes(), before);
}

/// A new name alone is found by the address, a new address alone by the name; with both new, what was
/// saved is remembered.
#[test]
fn a_new_name_and_address_leave_no_old_entries_behind() {
    let world = World::new("register-renamed", App::Radarr);
    world.registers(&["no results"]);
    let resources = ["downloadclient", "indexer", "notification"];
    let ids = || resources.map(|resource| world.only(resource).id);
    let before = ids();
    let text = std::fs::read_to_string(world.home.join("jackdaw.ini")).unwrap();
    let moved = world.url.replace("127.0.0.1", "localhost");
    let renamed = text
        .replace("[jackdaw]\n", "[jackdaw]\nname = attic\n")
        .replace(&world.url, &moved);
    let config = Config::from_text("x", &renamed).unwrap();
    let registrar = registrar(&config, world.store().clone());
    registrar.run_due(Instant::now());
    let state = registrar.states().remove(0).state;
    assert!(matches!(state, State::Registered(_)), "{state:?}");
    assert_eq!(ids(), before);
    for resource in resources {
        top(&world.only(resource), "name", "\"attic\"");
    }
    field(&world.only("downloadclient"), "host", "\"localhost\"");
    field(
        &world.only("indexer"),
        "baseUrl",
        &format!("\"{moved}/torznab\""),
    );

    // The number alone says nothing: another entry may have it since.
    world.change("indexer", before[1], |indexer| {
        indexer.top.insert("name".into(), value("\"Other\""));
        indexer
            .fields
            .insert("baseUrl".into(), value("\"http://other/api\""));
    });
    registrar.run_due(far());
    assert_eq!(world.arr.providers("indexer").len(), 2);
    let other = world.arr.providers("indexer");
    let other = other.iter().find(|entry| entry.id == before[1]).unwrap();
    top(other, "name", "\"Other\"");

    // With the old configuration again, what was made is found and removed.
    let removed = world.jackdaw(&["--remove"]);
    assert!(
        removed.stdout.contains("download client removed"),
        "{removed:?}"
    );
    assert!(world.arr.providers("downloadclient").is_empty());
    assert!(world.arr.providers("notification").is_empty());
}

#[test]
fn two_of_us_with_names_of_their_own_leave_each_other_alone() {
    let world = World::new("register-two", App::Sonarr);
    world.registers(&["no results"]);
    let before = ["downloadclient", "indexer", "notification"].map(|r| world.only(r).id);
    let other = World::with("register-two-b", FakeArr::start(App::Sonarr), "", hook);
    // The second one, at the first one's arr.
    let text = std::fs::read_to_string(other.home.join("jackdaw.ini")).unwrap();
    let text = text
        .replace("[jackdaw]\n", "[jackdaw]\nname = attic\n")
        .replace(&other.arr.url(), &world.arr.url())
        .replace(&other.arr.key, &world.arr.key);
    let config = Config::from_text("x", &text).unwrap();
    let second = registrar(&config, other.store().clone());
    second.run_due(Instant::now());
    let state = second.states().remove(0).state;
    assert!(matches!(state, State::Registered(_)), "{state:?}");
    let writes = world.writes();
    world.registers(&[]);
    second.run_due(far());
    assert_eq!(world.writes(), writes);
    for (resource, id) in ["downloadclient", "indexer", "notification"]
        .into_iter()
        .zip(before)
    {
        let all = world.arr.providers(resource);
        assert_eq!(all.len(), 2, "{resource}");
        for entry in all {
            let name = if entry.id == id { "jackdaw" } else { "attic" };
            top(&entry, "name", &format!("{name:?}"));
        }
    }
}

#[test]
fn keys_of_a_server_that_is_not_configured_any_more_are_revoked() {
    let mut world = World::new("register-gone", App::Radarr);
    world.registers(&["no results"]);
    let key = secret(&world.only("downloadclient"), "password");
    let other = world.store().make_arr_key("Old Sonarr", 1).unwrap();
    assert!(world.owner(other.expose()).is_some());
    world.restart();
    assert_eq!(world.owner(other.expose()), None);
    assert!(
        world
            .store()
            .key_is_revoked(&digest(other.expose()))
            .unwrap()
    );
    assert!(world.owner(&key).is_some());
}

#[test]
fn what_the_user_switched_off_stays_off() {
    let world = World::new("register-off", App::Radarr);
    world.registers(&["no results"]);
    let indexer = world.only("indexer");
    world.change("indexer", indexer.id, |indexer| {
        for (name, given) in indexer.top.iter_mut() {
            if name.starts_with("enable") {
                *given = Value::Bool(false);
            }
        }
        indexer.top.insert("priority".into(), value("1"));
    });
    world.registers(&["the indexer is switched off there, and left so"]);
    let after = world.only("indexer");
    top(&after, "priority", "25");
    top(&after, "enableRss", "false");
    top(&after, "enableInteractiveSearch", "false");
}

#[test]
fn broken_tags_are_repaired_whoever_broke_them() {
    let world = World::new("register-tags", App::Radarr);
    world.registers(&["no results"]);
    let indexer = world.only("indexer");
    world.change("indexer", indexer.id, |indexer| {
        indexer.top.insert("tags".into(), Value::Null);
    });
    world.registers(&["no results"]);
    top(&world.only("indexer"), "tags", "[]");
}

#[test]
fn entries_of_an_earlier_program_are_turned_into_ours_in_place() {
    for refuses in [false, true] {
        let world = World::new("register-adopt", App::Sonarr);
        world.arr.state().refuse_conversion = refuses;
        let blackhole = world.arr.plant(
            "downloadclient",
            r#"{"name":"JackDaw","implementation":"TorrentBlackhole","enable":true,"priority":1,
            "configContract":"TorrentBlackholeSettings","protocol":"torrent","tags":[3],
            "fields":[{"name":"torrentFolder","value":"/t"},{"name":"watchFolder","value":"/w"}]}"#,
        );
        let newznab = world.arr.plant(
            "indexer",
            r#"{"name":"JACKDAW","implementation":"Newznab","priority":3,"tags":[4],
            "enableRss":false,"configContract":"NewznabSettings","protocol":"usenet",
            "fields":[{"name":"baseUrl","value":"http://old"}]}"#,
        );
        // Somebody else's stays what it is.
        let other = world.arr.plant(
            "downloadclient",
            r#"{"name":"qBittorrent","implementation":"QBittorrent","enable":false,"priority":1,
            "tags":[],"fields":[{"name":"host","value":"q"}]}"#,
        );
        world.registers(&["no results"]);
        let clients = world.arr.providers("downloadclient");
        assert_eq!(clients.len(), 2);
        let ours = clients.iter().find(|client| client.id != other).unwrap();
        assert_eq!(
            ours.id == blackhole,
            !refuses,
            "in place if the arr lets us"
        );
        top(ours, "name", "\"jackdaw\"");
        top(ours, "implementation", "\"QBittorrent\"");
        top(ours, "priority", "50");
        top(ours, "tags", "[]");
        assert!(!ours.fields.contains_key("torrentFolder"));
        let theirs = clients.iter().find(|client| client.id == other).unwrap();
        field(theirs, "host", "\"q\"");
        let indexer = world.only("indexer");
        assert_eq!(indexer.id == newznab, !refuses);
        top(&indexer, "implementation", "\"Torznab\"");
        top(&indexer, "enableRss", "true");
        top(&indexer, "tags", "[4]");
        top(&indexer, "downloadClientId", &ours.id.to_string());
        let before = world.writes();
        world.registers(&[]);
        assert_eq!(world.writes(), before);
    }
}

#[test]
fn a_key_in_doubt_is_replaced_in_both_and_the_old_one_revoked() {
    let mut world = World::new("register-keys", App::Radarr);
    world.registers(&["no results"]);
    let hook_key = secret(&world.only("notification"), "password");
    let check = |world: &World, old: String| {
        world.registers(&["no results"]);
        let key = secret(&world.only("downloadclient"), "password");
        assert_eq!(secret(&world.only("indexer"), "apiKey"), key);
        assert_ne!(key, old);
        assert!(world.owner(&key).is_some());
        assert!(world.store().key_is_revoked(&digest(&old)).unwrap());
        // The notification has its own.
        assert_eq!(secret(&world.only("notification"), "password"), hook_key);
        assert!(world.owner(&hook_key).is_some());
        key
    };
    let client = world.only("downloadclient").id;
    let mut key = secret(&world.only("downloadclient"), "password");

    // Deleted by hand.
    world
        .arr
        .state()
        .providers
        .get_mut("indexer")
        .unwrap()
        .clear();
    key = check(&world, key);
    // Another login was tried.
    world.change("downloadclient", client, |client| {
        client.fields.insert("username".into(), value("\"admin\""));
    });
    key = check(&world, key);
    // The password was emptied.
    world.change("downloadclient", client, |client| {
        client.fields.insert("password".into(), Value::Null);
    });
    key = check(&world, key);
    // A backup with an older key was restored, which only a try can tell.
    world.change("downloadclient", client, |client| {
        client.fields.insert("password".into(), value("\"older\""));
    });
    world.restart();
    world.registers(&[]);
    key = check(&world, key);
    // The key was revoked, here.
    let memory = world.store().remembered_arr(TITLE).unwrap().unwrap();
    world
        .store()
        .remember_arr(TITLE, &memory, &[digest(&hook_key)], 1)
        .unwrap();
    check(&world, key);
}

#[test]
fn a_save_that_fails_half_way_is_finished_with_the_same_key() {
    let world = World::new("register-half", App::Radarr);
    world.registers(&["no results"]);
    let old = secret(&world.only("downloadclient"), "password");
    let indexer = world.only("indexer").id;
    world.change("indexer", indexer, |indexer| {
        indexer.fields.insert("apiKey".into(), Value::Null);
    });
    world
        .arr
        .state()
        .refuse
        .insert(("PUT", "indexer"), "The moon is not full".into());
    // The arr's own words, in full.
    world.waits(&["PUT", "/api/v3/indexer", "refused; The moon is not full"]);
    let key = secret(&world.only("downloadclient"), "password");
    assert_ne!(key, old);
    assert!(
        world.owner(&old).is_some(),
        "old keys live until both have the new one"
    );
    let saves = world.arr.calls("PUT", "/downloadclient").len();
    world.waits(&["The moon is not full"]);
    assert_eq!(world.arr.calls("PUT", "/downloadclient").len(), saves);
    world.arr.state().refuse.clear();
    world.registers(&["no results"]);
    assert_eq!(world.arr.calls("PUT", "/downloadclient").len(), saves);
    assert_eq!(secret(&world.only("indexer"), "apiKey"), key);
    assert!(world.owner(&key).is_some() && world.owner(&old).is_none());
}

/// The plain text of a new key dies with the process: what got it must not be taken for up to date.
#[test]
fn a_restart_half_way_leaves_no_dead_key_behind() {
    let mut world = World::new("register-crash", App::Radarr);
    world.registers(&["no results"]);
    // A backup with older keys is restored, and the indexer cannot be saved just then.
    for (resource, name) in [("downloadclient", "password"), ("indexer", "apiKey")] {
        let id = world.only(resource).id;
        world.change(resource, id, |provider| {
            provider.fields.insert(name.into(), value("\"older\""));
        });
    }
    world
        .arr
        .state()
        .refuse
        .insert(("PUT", "indexer"), "not now".into());
    world.waits(&["not now"]);
    assert_ne!(secret(&world.only("downloadclient"), "password"), "older");
    world.restart();
    world.arr.state().refuse.clear();
    world.registers(&["no results"]);
    let key = secret(&world.only("downloadclient"), "password");
    assert_eq!(secret(&world.only("indexer"), "apiKey"), key);
    assert!(world.owner(&key).is_some());
}

#[test]
fn an_indexer_that_was_left_switched_off_half_way_is_switched_on() {
    let mut world = World::new("register-enabling", App::Sonarr);
    world
        .arr
        .state()
        .refuse
        .insert(("PUT", "indexer"), "no".into());
    world.waits(&["PUT", "refused; no"]);
    top(&world.only("indexer"), "enableRss", "false");
    world.restart();
    world.arr.state().refuse.clear();
    world.registers(&["no results"]);
    top(&world.only("indexer"), "enableRss", "true");
    world.registers(&[]);
}

#[test]
fn a_notification_that_fails_fails_nothing_else() {
    let mut world = World::with(
        "register-hook",
        FakeArr::start(App::Radarr),
        "",
        broken_hook,
    );
    world.registers(&["no results", "no notification", "webhook: 500"]);
    world.only("downloadclient");
    world.only("indexer");
    assert!(world.arr.providers("notification").is_empty());
    let memory = world.store().remembered_arr(TITLE).unwrap();
    world.registers(&["no notification"]);
    world.restart();
    world.registers(&["no notification"]);
    assert_eq!(world.store().remembered_arr(TITLE).unwrap(), memory);
}

#[test]
fn a_client_that_cannot_reach_us_is_told_with_the_arrs_words() {
    let world = World::new("register-unreachable", App::Radarr);
    let text = std::fs::read_to_string(world.home.join("jackdaw.ini")).unwrap();
    let text = text.replace(&world.url, "http://127.0.0.1:9");
    let config = Config::from_text("x", &text).unwrap();
    let registrar = registrar(&config, world.store().clone());
    registrar.run_due(Instant::now());
    let state = registrar.states().remove(0).state;
    assert!(
        matches!(&state, State::Waiting(reason) if reason.contains("refused; Host: Unable to connect to qBittorrent")),
        "{state:?}"
    );
    assert!(world.arr.providers("downloadclient").is_empty());
    assert!(world.arr.providers("indexer").is_empty());
}

#[test]
fn the_command_shows_does_and_undoes_it() {
    let world = World::new("register-command", App::Radarr);
    let store = || {
        let keys = world.store().remembered_arr(TITLE).unwrap();
        (keys, world.arr.providers("indexer").len())
    };
    let shown = world.jackdaw(&["--dry-run"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert_eq!(
        shown.stdout,
        "radarr \"Main arr\": would do: download client made, indexer made, notification made\n"
    );
    assert_eq!(world.writes(), 0);
    assert_eq!(store(), (None, 0));

    let done = world.jackdaw(&[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let expected =
        "radarr \"Main arr\": download client made, indexer made, notification made; saved";
    assert!(done.stdout.starts_with(expected), "{done:?}");
    // The running one agrees, with nothing left to do.
    let writes = world.writes();
    world.registers(&[]);
    assert_eq!(world.writes(), writes);

    world.change(
        "downloadclient",
        world.only("downloadclient").id,
        |client| {
            client.top.insert("priority".into(), value("1"));
        },
    );
    let shown = world.jackdaw(&["--dry-run"]);
    assert_eq!(
        shown.stdout,
        "radarr \"Main arr\": would do: download client repaired (priority), indexer as wanted, \
         notification as wanted\n"
    );
    assert_eq!(world.writes(), writes);

    // Same name or same address alone is not ours to delete.
    let key = secret(&world.only("downloadclient"), "password");
    world.arr.plant(
        "downloadclient",
        r#"{"name":"Jackdaw","implementation":"TorrentBlackhole","tags":[],"fields":[]}"#,
    );
    let copy = world.only("indexer");
    let mut state = world.arr.state();
    let all = state.providers.get_mut("indexer").unwrap();
    all.push(Provider { id: 999, ..copy });
    all.last_mut()
        .unwrap()
        .top
        .insert("name".into(), value("\"By hand\""));
    drop(state);
    let removed = world.jackdaw(&["--remove"]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(
        removed.stdout.starts_with(
            "radarr \"Main arr\": indexer removed, notification removed, download client removed; \
             left: the indexer \"By hand\", which has another name; left: the download client \
             \"Jackdaw\", which does not lead to us; 2 keys revoked\n"
        ),
        "{removed:?}"
    );
    top(
        &world.only("downloadclient"),
        "implementation",
        "\"TorrentBlackhole\"",
    );
    top(&world.only("indexer"), "name", "\"By hand\"");
    assert!(world.arr.providers("notification").is_empty());
    assert_eq!(world.owner(&key), None);
    assert_eq!(store(), (None, 1));

    world.arr.state().mood = Mood::Starting;
    for arguments in [&[][..], &["--dry-run"], &["--remove"]] {
        let failed = world.jackdaw(arguments);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stdout.contains("not ready yet"), "{failed:?}");
        assert!(
            failed.stderr.contains("failed for 1 of 1 servers"),
            "{failed:?}"
        );
    }
}

/// Containers have such variables for the way out; an arr is not out there.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let world = World::new("register-proxy", App::Radarr);
    let mut command = std::process::Command::new(process::BINARY);
    command
        .args(["register", "--dry-run", "--config"])
        .arg(world.home.join("jackdaw.ini"));
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let shown = process::run_command(command);
    assert_eq!(shown.code, Some(0), "{shown:?}");
}

#[test]
fn the_command_makes_no_database() {
    let world = World::new("register-no-database", App::Radarr);
    let file = world.home.join("jackdaw.ini");
    let text = std::fs::read_to_string(&file).unwrap();
    let other = world.home.dir("other");
    let text = text.replace(
        world.home.join("data").to_str().unwrap(),
        other.to_str().unwrap(),
    );
    std::fs::write(&file, text).unwrap();
    let ended = world.jackdaw(&["--dry-run"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = world.jackdaw(&[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("start jackdaw first"), "{ended:?}");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 0);
    assert_eq!(world.writes(), 0);
}
