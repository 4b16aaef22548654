//! Lists of releases: how they are asked for, what of them is kept, and where they break off.

use super::rig::{item, ok, search};
use crate::peer::client::{PeerError, PeerQuery, SearchOutcome, search_target};

#[test]
fn query_of_each_kind() {
    for (query, target) in [
        (PeerQuery::Everything, "/peer/search"),
        (PeerQuery::Tmdb(603), "/peer/search?tmdbId=603"),
        (PeerQuery::Imdb(133_093), "/peer/search?imdbId=tt0133093"),
        (
            PeerQuery::Imdb(12_345_678),
            "/peer/search?imdbId=tt12345678",
        ),
        (
            PeerQuery::Tvdb(81_189, None, None),
            "/peer/search?tvdbId=81189",
        ),
        (
            PeerQuery::Tvdb(81_189, Some(0), Some(2)),
            "/peer/search?tvdbId=81189&season=0&episode=2",
        ),
    ] {
        assert_eq!(search_target(query), target);
    }
}

#[test]
fn only_what_was_asked_for_is_kept() {
    let items = [
        item("a", ",\"imdbId\":\"tt0133093\",\"tmdbId\":603"),
        item("b", ",\"imdbId\":\"133093\""),
        item(
            "c",
            ",\"imdbId\":\"tt0133094\",\"tvdbId\":7,\"season\":1,\"episode\":2",
        ),
        item("d", ",\"tvdbId\":7,\"season\":1"),
        item("e", ""),
        "{\"id\":\"bad\"}".to_owned(),
        "null".to_owned(),
    ];
    let body = ok(&format!("{{\"total\":7,\"items\":[{}]}}", items.join(",")));
    let check = |query, expected: &[&str]| {
        let (outcome, ids, _) = search(body.clone(), query, None);
        assert_eq!(outcome.unwrap(), SearchOutcome::Complete { etag: None });
        assert_eq!(ids, expected, "{query:?}");
    };
    check(PeerQuery::Everything, &["a", "b", "c", "d", "e"]);
    check(PeerQuery::Imdb(133_093), &["a", "b"]);
    check(PeerQuery::Tmdb(603), &["a"]);
    check(PeerQuery::Tvdb(7, None, None), &["c", "d"]);
    check(PeerQuery::Tvdb(7, Some(1), None), &["c", "d"]);
    check(PeerQuery::Tvdb(7, Some(1), Some(2)), &["c"]);
    check(PeerQuery::Tvdb(8, None, None), &[]);
}

#[test]
fn etags_make_the_search_conditional() {
    let answer = "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 12\r\n\r\n{\"items\":[]}";
    let (outcome, _, _) = search(answer, PeerQuery::Everything, None);
    let etag = Some("\"v1\"".to_owned());
    assert_eq!(outcome.unwrap(), SearchOutcome::Complete { etag });

    let answer = "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n";
    let (outcome, _, head) = search(answer, PeerQuery::Everything, Some("\"v1\""));
    assert_eq!(outcome.unwrap(), SearchOutcome::NotModified);
    assert!(
        head.to_ascii_lowercase()
            .contains("if-none-match: \"v1\"\r\n")
    );

    let (outcome, _, _) = search(answer, PeerQuery::Everything, None);
    assert!(matches!(outcome, Err(PeerError::Protocol(_))));
}

#[test]
fn a_chunked_list_is_read() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                  9\r\n{\"items\":\r\n3\r\n[]}\r\n0\r\n\r\n";
    let (outcome, ids, _) = search(answer, PeerQuery::Everything, None);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(ids.is_empty());
}

#[test]
fn a_list_that_is_cut_is_an_error_and_names_friend_and_endpoint() {
    let whole = format!("{{\"items\":[{},{}]}}", item("a", ""), item("b", ""));
    let cut = &whole[..whole.len() - 10];
    for answer in [
        // Shorter than announced.
        ok(&whole)[..ok(&whole).len() - 10].to_owned(),
        // Chunks without an end.
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{cut}\r\n",
            cut.len()
        ),
        // No length at all: only the JSON shows that it is not whole.
        format!("HTTP/1.1 200 OK\r\n\r\n{cut}"),
        // A whole answer of half the JSON.
        ok(cut),
    ] {
        let (outcome, _, _) = search(answer.clone(), PeerQuery::Everything, None);
        let error = outcome.unwrap_err().to_string();
        assert!(error.starts_with("alice: /peer/search: "), "{error}");
        assert!(!error.contains("sesame"));
    }
}
