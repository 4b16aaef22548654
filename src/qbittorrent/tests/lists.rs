//! `torrents/info`: sorted, paged, filtered, and whole although it changes while it is read.

use std::io::Write;

use super::rig::{RADARR_KEY, Rig};
use crate::http::Body;
use crate::http::Method::Get;

/// Titles of a list, in its order.
fn titles(list: &str) -> Vec<String> {
    assert!(crate::json::check(list).is_ok());
    let names = list.split("\"name\":\"").skip(1);
    names
        .map(|rest| rest[..rest.find('"').unwrap()].to_string())
        .collect()
}

#[test]
fn lists_can_be_sorted_and_paged() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    assert_eq!(rig.get(&sid, "torrents/info?sort=nope").body, "[]");
    for title in ["B", "C", "A"] {
        rig.add(&sid, title, &[]);
    }
    let names = |query: &str| {
        let list = rig.get(&sid, &format!("torrents/info?{query}")).body;
        let names = list.split("\"name\":\"").skip(1).map(|rest| &rest[..1]);
        names.collect::<String>()
    };
    for (query, expected) in [
        ("", "BCA"),
        ("sort=name", "ABC"),
        ("sort=name&reverse=true", "CBA"),
        ("reverse=True", "ACB"),
        ("sort=name&limit=1&offset=1", "B"),
        ("sort=name&offset=-1", "C"),
        ("filter=queued", "BCA"),
        ("filter=paused", ""),
        ("filter=downloading", "BCA"),
        ("hashes=all", ""),
        ("category=radarr", ""),
        ("category=", "BCA"),
    ] {
        assert_eq!(names(query), expected, "{query}");
    }
    let answer = rig.get(&sid, "torrents/info?sort=nope");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "'sort' parameter is invalid")
    );
}

#[test]
fn filters_show_finished_and_unfinished_alike() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    for (title, state) in [
        ("Q", "queued"),
        ("P", "paused"),
        ("C", "completed"),
        ("I", "imported"),
        ("E", "failed"),
    ] {
        let hash = rig.add(&sid, title, &[("paused", "true")]);
        rig.force_state(&hash, state);
    }
    // The places in the queue are those of the last change that the engine knows of.
    rig.add(&sid, "Last", &[("paused", "true")]);
    for (filter, expected) in [
        ("all", "QPCIELast"),
        ("downloading", "QPLast"),
        ("completed", "CI"),
        ("paused", "PCILast"),
        ("resumed", "QE"),
        ("active", ""),
        ("inactive", "QPCIELast"),
        ("errored", "E"),
        ("seeding", ""),
    ] {
        let list = rig.get(&sid, &format!("torrents/info?filter={filter}"));
        assert_eq!(titles(&list.body).concat(), expected, "{filter}");
    }
}

#[test]
fn a_long_list_is_written_item_by_item_and_is_the_same_list() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let count = super::super::lens::LONG_LIST + 1;
    let mut all: Vec<String> = (0..count).map(|n| format!("T{n}")).collect();
    for title in &all {
        rig.add(&sid, title, &[("paused", "true"), ("tags", "t")]);
    }
    let check = |query: &str, expected: &[String]| {
        let answer = rig.get(&sid, &format!("torrents/info?{query}"));
        assert!(answer.is_streamed, "{query}");
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        assert_eq!(titles(&answer.body), expected, "{query}");
    };
    check("", &all);
    check("limit=3", &all[..3]);
    check("offset=140&limit=5", &all[140..145]);
    check("offset=-2", &all[count - 2..]);
    check("filter=paused&tag=t&category=", &all);
    check("filter=errored&tag=t&limit=1&hashes=", &[]);
    all.reverse();
    check("reverse=true", &all);
    check("reverse=true&limit=70", &all[..70]);
    check("reverse=true&offset=100", &all[100..]);
    all.sort();
    check("sort=name", &all);
    check("sort=name&offset=1&limit=2", &all[1..3]);
    let invalid = rig.get(&sid, "torrents/info?sort=nope");
    assert_eq!((invalid.status, invalid.is_streamed), (400, false));
    let full = rig.get(&sid, "sync/maindata");
    assert!(full.is_streamed && crate::json::check(&full.body).is_ok());
    assert_eq!(full.body.matches("\"infohash_v1\"").count(), count);
    // A short list out of many is an answer like any other.
    let (_, hash) = rig.stub("T7", 3_000_000);
    let one = rig.get(&sid, &format!("torrents/info?hashes={hash}"));
    assert!(!one.is_streamed);
    assert_eq!(titles(&one.body), ["T7"]);
    // Commands reach all of them too.
    rig.post(&sid, "torrents/removeTags", "hashes=all");
    assert_eq!(titles(&rig.get(&sid, "torrents/info?tag=t").body), [""; 0]);
    rig.post(&sid, "torrents/delete", "hashes=all&deleteFiles=true");
    assert_eq!(rig.get(&sid, "torrents/count").body, "0");
}

/// A client that reads slowly: something happens between its first bytes and the rest.
struct Slow<F: FnMut()> {
    read: Vec<u8>,
    meanwhile: Option<F>,
}

impl<F: FnMut()> Write for Slow<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.read.extend_from_slice(bytes);
        if let Some(mut meanwhile) = self.meanwhile.take() {
            meanwhile();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_list_that_changes_while_it_is_read_neither_loses_nor_repeats_the_others() {
    let rig = Rig::new();
    let sid = rig.login("Main Radarr", RADARR_KEY);
    let count = super::super::lens::LONG_LIST + 1;
    let mut all: Vec<String> = (0..count).map(|n| format!("T{n:03}")).collect();
    for title in &all {
        rig.add(&sid, title, &[("paused", "true")]);
    }
    for target in ["torrents/info", "torrents/info?sort=name", "sync/maindata"] {
        // One that is still to come goes, and another one comes.
        let gone = all.remove(all.len() - 10);
        let (_, hash) = rig.stub(&gone, 3_000_000);
        let response = rig.call(Get, target).session(&sid).respond();
        let Body::Writer(write) = response.body else {
            panic!("{target} is written as a stream");
        };
        let mut client = Slow {
            read: Vec::new(),
            meanwhile: Some(|| {
                rig.post(&sid, "torrents/delete", &format!("hashes={hash}"));
                rig.add(&sid, &gone, &[("paused", "true")]);
            }),
        };
        write(&mut client).unwrap();
        let mut read = titles(std::str::from_utf8(&client.read).unwrap());
        read.sort();
        assert_eq!(read, all, "{target}");
        all.push(gone);
        all.sort();
        let again = rig.get(&sid, "torrents/info?sort=name").body;
        assert_eq!(titles(&again), all);
    }
}
