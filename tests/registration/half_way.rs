//! What was interrupted: keys in doubt, failed saves, restarts, indexers left switched off.

use jackdaw::secret::digest;
use miniserde::json::Value;

use super::world::{TITLE, World, secret, top};
use crate::support::fake_arr::{App, value};

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
