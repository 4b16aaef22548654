//! Registration at a Radarr and a Sonarr that behave as the real ones: each sentence of the promise,
//! over real sockets, with our real faces answering the arr's tests while it saves. Here is what is
//! registered and what is repaired; the rest is in the modules.

mod away;
mod command;
mod half_way;
mod world;

use std::time::Instant;

use jackdaw::arr::registration::{CHECK_INTERVAL, State};
use jackdaw::config::Config;
use jackdaw::keys::Caller;
use jackdaw::secret::digest;
use miniserde::json::Value;

use crate::support::arr::base64;
use crate::support::content::Content;
use crate::support::fake_arr::{App, FakeArr, value};
use crate::support::peer::{FakePeer, Offer, PEER_KEY};
use crate::support::{SOON, eventually};
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
