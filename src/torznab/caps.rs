//! The capabilities document.
//!
//! Sonarr and Radarr read limits, `available` and `supportedParams` from it, exactly: `available` must be
//! `yes`, the list must have no spaces, and a list that is there makes them send all ids of a title in one
//! request. They keep what they read for seven days. So it announces exactly what
//! [`super::query`] supports, and all of it. Pure.

use crate::release::categories::*;
use crate::xml::{self, Content};

use super::query::{Function, PAGE_LIMIT};

/// Bytes of most capabilities.
const USUAL_CAPS: usize = 4096;

/// Name of the category of a friend in caps.
pub fn friend_category_name(friend: &str) -> String {
    format!("Friends/{friend}")
}

const MOVIES: &[(u32, &str)] = &[
    (MOVIES_FOREIGN, "Foreign"),
    (MOVIES_OTHER, "Other"),
    (MOVIES_SD, "SD"),
    (MOVIES_HD, "HD"),
    (MOVIES_UHD, "UHD"),
    (MOVIES_BLURAY, "BluRay"),
    (MOVIES_3D, "3D"),
    (MOVIES_DVD, "DVD"),
    (MOVIES_WEB, "WEB-DL"),
];

const TV: &[(u32, &str)] = &[
    (TV_WEB, "WEB-DL"),
    (TV_SD, "SD"),
    (TV_HD, "HD"),
    (TV_UHD, "UHD"),
    (TV_OTHER, "Other"),
    (TV_ANIME, "Anime"),
    (TV_DOCUMENTARY, "Documentary"),
];

/// The document for an indexer of this title. `friends`: number and name of each friend's category.
pub fn caps(title: &str, version: &str, friends: &[(u32, String)]) -> Vec<u8> {
    xml::document("caps", &[], USUAL_CAPS, |caps| {
        caps.empty("server", &[("version", version), ("title", title)]);
        let limit = PAGE_LIMIT.to_string();
        caps.empty("limits", &[("max", &limit), ("default", &limit)]);
        caps.element("searching", &[], |searching| {
            for (name, function) in [
                ("search", Function::Search),
                ("tv-search", Function::Tv),
                ("movie-search", Function::Movie),
            ] {
                let params = function.supported_params();
                searching.empty(name, &[("available", "yes"), ("supportedParams", params)]);
            }
            for name in ["music-search", "audio-search", "book-search"] {
                searching.empty(name, &[("available", "no")]);
            }
        });
        caps.element("categories", &[], |categories| {
            standard(categories, 2000, "Movies", MOVIES);
            standard(categories, 5000, "TV", TV);
            for (number, friend) in friends {
                let name = friend_category_name(friend);
                categories.empty("category", &[("id", &number.to_string()), ("name", &name)]);
            }
        });
    })
}

fn standard(categories: &mut Content<'_>, number: u32, name: &str, subs: &[(u32, &str)]) {
    let attributes = [("id", &*number.to_string()), ("name", name)];
    categories.element("category", &attributes, |category| {
        for (number, name) in subs {
            category.empty("subcat", &[("id", &number.to_string()), ("name", name)]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn friends() -> Vec<(u32, String)> {
        vec![
            (100_001, "alice".into()),
            (100_004, "Bob & Söhne <\u{1}>".into()),
        ]
    }

    #[test]
    fn bytes_are_golden() {
        let expected = include_str!("../../tests/golden/torznab/caps.xml");
        let found = String::from_utf8(caps("jackdaw", "0.1.0", &friends())).unwrap();
        assert_eq!(found, expected);
    }

    /// What Sonarr and Radarr take from caps, read as their code reads it.
    #[test]
    fn the_arrs_find_what_they_need() {
        let bytes = String::from_utf8(caps("j", "0.1.0", &friends())).unwrap();
        let document = roxmltree::Document::parse(&bytes).unwrap();
        let root = document.root_element();
        let one = |name: &str| {
            let mut found = root.descendants().filter(|node| node.has_tag_name(name));
            let node = found.next().unwrap();
            assert!(found.next().is_none(), "{name}");
            node
        };
        assert_eq!(root.tag_name().name(), "caps");
        assert_eq!(one("limits").attribute("max"), Some("100"));
        assert_eq!(one("limits").attribute("default"), Some("100"));
        let supported = |name: &str| -> Vec<&str> {
            assert_eq!(one(name).attribute("available"), Some("yes"));
            one(name)
                .attribute("supportedParams")
                .unwrap()
                .split(',')
                .collect()
        };
        assert_eq!(supported("search"), ["q"]);
        assert_eq!(
            supported("tv-search"),
            ["q", "season", "ep", "tvdbid", "imdbid", "tmdbid"]
        );
        assert_eq!(supported("movie-search"), ["q", "imdbid", "tmdbid", "year"]);
        for name in ["music-search", "audio-search", "book-search"] {
            assert_eq!(one(name).attribute("available"), Some("no"));
        }
        let numbers: Vec<u32> = root
            .descendants()
            .filter(|node| node.has_tag_name("category") || node.has_tag_name("subcat"))
            .map(|node| {
                assert!(!node.attribute("name").unwrap().is_empty());
                node.attribute("id").unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(
            numbers,
            [
                2000, 2010, 2020, 2030, 2040, 2045, 2050, 2060, 2070, 2080, 5000, 5010, 5030, 5040,
                5045, 5050, 5070, 5080, 100_001, 100_004
            ]
        );
    }

    /// Every announced id is one that its function really takes.
    #[test]
    fn announced_ids_are_supported_ids() {
        for function in [Function::Search, Function::Tv, Function::Movie] {
            let announced: Vec<&str> = function
                .supported_params()
                .split(',')
                .filter(|name| name.ends_with("id"))
                .collect();
            let mut supported = function.ids().to_vec();
            supported.sort_by_key(|id| announced.iter().position(|name| name == id));
            assert_eq!(announced, supported);
        }
    }
}
