//! What friends get from a jackdaw that shares a folder.

use crate::support::content::Content;
use crate::support::process::{Config, Jackdaw};
use crate::support::{Home, SOON, eventually};

/// A list that fits one piece has a length, as most answers about one title do; chunks are for what
/// is written as it is read.
#[test]
fn a_short_list_has_a_length() {
    let home = Home::new("serving-list");
    let films = home.join("films");
    Content::new(1, 1_000_000).write(&films.join("A Film (2010) {tmdb-5}/A.Film.2010.1080p.mkv"));
    let friend =
        Jackdaw::start(&Config::new(&home.join("friend")).folder("Films", &films, "movies"));
    let answer = eventually("the film in the list", SOON, || {
        let answer = friend.get("/peer/search?tmdbId=5");
        answer.text().contains("A.Film").then_some(answer)
    });
    assert_eq!(answer.header("Transfer-Encoding"), None);
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("Content-Length"), Some(length.as_str()));
}
