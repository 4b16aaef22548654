//! A release travels from a friend's disk to the folder where an arr would import it.

use std::path::{Path, PathBuf};

use crate::support::arr::{Arr, Download, Item, Kind, Status};
use crate::support::bencode;
use crate::support::content::Content;
use crate::support::peer::{FakePeer, Offer, PEER_KEY};
use crate::support::process::{Config, Jackdaw, KEY};
use crate::support::{Home, SOON, eventually, files_of_grabs};

const MATRIX: &str = "The.Matrix.1999.1080p.BluRay.x264-GROUP";
const MATRIX_FILE: &str =
    "The Matrix (1999) {imdb-tt0133093} {tmdb-603}/The.Matrix.1999.1080p.BluRay.x264-GROUP.mkv";
const BREAKING: &str = "Breaking.Bad.S01E02.720p.HDTV.x264-GROUP";
const BREAKING_FILE: &str =
    "Breaking Bad {tvdb-81189}/Season 01/Breaking.Bad.S01E02.720p.HDTV.x264-GROUP.mkv";
const RADARR: &str = "Main Radarr";
const SONARR: &str = "TV Sonarr";

fn matrix() -> Content {
    Content::new(1, 3_000_017)
}

fn breaking() -> Content {
    Content::new(2, 1_500_001)
}

/// A friend that shares a movie and an episode from folders.
fn friend(home: &Home, name: &str) -> Jackdaw {
    let (movies, tv) = (
        home.join(&format!("{name}-movies")),
        home.join(&format!("{name}-tv")),
    );
    matrix().write(&movies.join(MATRIX_FILE));
    breaking().write(&tv.join(BREAKING_FILE));
    Jackdaw::start(
        &Config::new(&home.join(name))
            .folder("Films", &movies, "movies")
            .folder("Series", &tv, "tv"),
    )
}

fn consumer(home: &Home, peers: &[(&str, &str, &str)]) -> Jackdaw {
    let mut config = Config::new(&home.join("consumer"))
        .downloads("")
        .server(RADARR, "radarr")
        .server(SONARR, "sonarr");
    for (name, url, key) in peers {
        config = config.peer(name, url, key);
    }
    Jackdaw::start(&config)
}

fn radarr(consumer: &Jackdaw) -> Arr {
    let mut radarr = Arr::new(Kind::Radarr, consumer.address(), RADARR, KEY);
    radarr.test_client();
    radarr
}

fn sonarr(consumer: &Jackdaw) -> Arr {
    let mut sonarr = Arr::new(Kind::Sonarr, consumer.address(), SONARR, KEY);
    sonarr.test_client();
    sonarr
}

/// Repeats a search until it finds this title (a friend's folder may still be being read).
fn found(title: &str, mut search: impl FnMut() -> Vec<Item>) -> Item {
    eventually(&format!("{title} in the feed"), SOON, || {
        search().into_iter().find(|item| item.title == title)
    })
}

/// Polls until the download is complete; progress must never run backwards nor past the end.
fn completed(arr: &mut Arr, id: &str) -> Download {
    let mut last = 0.0;
    eventually("the download to complete", SOON, || {
        let download = arr.find(id).expect("an accepted grab is listed");
        assert!((last..=1.0).contains(&download.progress), "{download:?}");
        last = download.progress;
        if download.status != Status::Completed {
            assert!(
                download.progress < 1.0,
                "1 only when complete: {download:?}"
            );
            assert_eq!(download.output_path, None);
            return None;
        }
        Some(download)
    })
}

/// What an arr does on import: moves the file into its library, then deletes the entry.
fn import(arr: &mut Arr, home: &Home, download: &Download, content: Content) -> PathBuf {
    assert!(download.can_be_removed, "{download:?}");
    assert_eq!(download.progress, 1.0);
    let output = PathBuf::from(download.output_path.as_ref().unwrap());
    content.assert_equals(&output);
    let library = home.dir("arr-library").join(output.file_name().unwrap());
    std::fs::rename(&output, &library).unwrap();
    arr.delete(&download.id);
    assert!(arr.find(&download.id).is_none(), "deleted, yet listed");
    library
}

#[test]
fn a_movie_is_found_by_id_grabbed_and_imported() {
    let home = Home::new("movie");
    let friend = friend(&home, "friend");
    let consumer = consumer(&home, &[("friend", &friend.url(), KEY)]);
    let mut radarr = radarr(&consumer);

    let caps = radarr.caps();
    assert_eq!(caps.limit, 100);
    assert!(caps.search.iter().any(|p| p == "q"), "{caps:?}");
    assert!(caps.movie_search.iter().any(|p| p == "tmdbid"), "{caps:?}");
    assert!(caps.categories.contains(&2000), "{caps:?}");

    let item = found(MATRIX, || radarr.movie(603, "tt0133093"));
    assert_eq!(item.size, matrix().size);
    assert_eq!(item.tmdb, Some(603));
    assert_eq!(item.imdb, Some(133_093));
    assert_eq!(item.seeders, Some(1));
    assert!(radarr.movie(604, "tt0000001").is_empty());
    let stub = bencode::torrent(&radarr.fetch(&item)).unwrap();
    let comment = stub.comment.unwrap();
    let peer_id = comment.strip_prefix("jack:").unwrap();
    assert!(
        peer_id.as_bytes()[..8].iter().all(u8::is_ascii_hexdigit) && peer_id.as_bytes()[8] == b':',
        "{comment}"
    );

    let id = radarr.grab(&item);
    let download = completed(&mut radarr, &id);
    assert_eq!(
        download.title, MATRIX,
        "the arr parses the name of the torrent"
    );
    assert_eq!(download.size, matrix().size);
    assert_eq!(download.category, "radarr");
    import(&mut radarr, &home, &download, matrix());
    assert_eq!(
        files_of_grabs(&consumer.config().completed()),
        [] as [PathBuf; 0]
    );

    // An arr that meets the old hash again believes that it has imported it already.
    let again = found(MATRIX, || radarr.movie(603, "tt0133093"));
    assert_eq!(again.guid, item.guid);
    let second = radarr.grab(&again);
    assert_ne!(second, id);
    let download = completed(&mut radarr, &second);
    matrix().assert_equals(Path::new(download.output_path.as_ref().unwrap()));
}

#[test]
fn an_episode_is_found_by_season_and_number() {
    let home = Home::new("episode");
    let friend = friend(&home, "friend");
    let consumer = consumer(&home, &[("friend", &friend.url(), KEY)]);
    let mut sonarr = sonarr(&consumer);

    let caps = sonarr.caps();
    for needed in ["tvdbid", "season", "ep"] {
        assert!(caps.tv_search.iter().any(|p| p == needed), "{caps:?}");
    }
    let item = found(BREAKING, || sonarr.episode(81_189, 1, 2));
    assert_eq!((item.size, item.tvdb), (breaking().size, Some(81_189)));
    assert!(sonarr.episode(81_189, 1, 3).is_empty());
    assert!(sonarr.episode(81_190, 1, 2).is_empty());
    let season = sonarr.search("tvsearch", "&tvdbid=81189&season=1");
    assert_eq!(season, std::slice::from_ref(&item));

    let id = sonarr.grab(&item);
    let download = completed(&mut sonarr, &id);
    import(&mut sonarr, &home, &download, breaking());
}

#[test]
fn text_search_and_rss_find_it_too() {
    let home = Home::new("text");
    let friend = friend(&home, "friend");
    let consumer = consumer(&home, &[("friend", &friend.url(), KEY)]);
    let radarr = radarr(&consumer);

    let by_rss = found(MATRIX, || radarr.rss());
    let by_text = found(MATRIX, || radarr.text("matrix 1999"));
    let by_id = found(MATRIX, || radarr.movie(603, "tt0133093"));
    assert_eq!(by_rss.guid, by_id.guid);
    assert_eq!(by_text.guid, by_id.guid);
    // The arr remembers the download URL of the newest item: it must not change.
    assert_eq!(by_rss.url, radarr.rss()[0].url);
    assert!(radarr.text("matrix 2003").is_empty());
    // Movies were asked for by category: the episode is not among them.
    assert_eq!(radarr.rss().len(), 1);
}

#[test]
fn two_arrs_see_only_their_own_downloads() {
    let home = Home::new("scopes");
    let friend = friend(&home, "friend");
    let consumer = consumer(&home, &[("friend", &friend.url(), KEY)]);
    let (mut radarr, mut sonarr) = (radarr(&consumer), sonarr(&consumer));
    // The worst case: both use one category, and grab one release.
    sonarr.category = radarr.category.clone();
    let item = found(MATRIX, || radarr.movie(603, "tt0133093"));
    let first = radarr.grab(&item);
    completed(&mut radarr, &first);
    assert!(sonarr.find(&first).is_none());

    let second = sonarr.grab(&item);
    let download = completed(&mut sonarr, &second);
    radarr.delete(&first);
    radarr.post(
        "torrents/delete",
        &[("hashes", "all"), ("deleteFiles", "true")],
    );
    assert!(radarr.poll().is_empty());
    let left = sonarr
        .find(&second)
        .expect("the other arr's download stays");
    assert_eq!(left.output_path, download.output_path);
    matrix().assert_equals(Path::new(left.output_path.as_ref().unwrap()));
}

#[test]
fn a_jack_is_a_friend_like_any_other() {
    let home = Home::new("jack");
    let (movie, episode) = (Content::new(7, 2_000_003), Content::new(8, 1_000_001));
    let mut offers = vec![
        Offer::movie("radarr:movie:12", MATRIX, 603, "tt0133093", movie),
        Offer::episode("sonarr:episode:5:9", BREAKING, 81_189, (1, 2), episode),
    ];
    for offer in &mut offers {
        offer.etag = None;
    }
    let jack = FakePeer::start(offers);
    let consumer = consumer(&home, &[("jack", &jack.url(), PEER_KEY)]);
    let (mut radarr, mut sonarr) = (radarr(&consumer), sonarr(&consumer));

    let item = found(MATRIX, || radarr.movie(603, "tt0133093"));
    let id = radarr.grab(&item);
    let download = completed(&mut radarr, &id);
    import(&mut radarr, &home, &download, movie);

    let item = found(BREAKING, || sonarr.episode(81_189, 1, 2));
    let id = sonarr.grab(&item);
    let download = completed(&mut sonarr, &id);
    import(&mut sonarr, &home, &download, episode);
}

#[test]
fn one_release_of_two_friends_is_one_item() {
    let home = Home::new("twins");
    let (one, two) = (friend(&home, "one"), friend(&home, "two"));
    let consumer = consumer(&home, &[("one", &one.url(), KEY), ("two", &two.url(), KEY)]);
    let radarr = radarr(&consumer);
    let items = eventually("both friends to be counted", SOON, || {
        let items = radarr.movie(603, "tt0133093");
        (items.first()?.seeders == Some(2)).then_some(items)
    });
    assert_eq!(items.len(), 1);
}

#[test]
fn it_works_below_the_path_prefix_of_internal_url() {
    let home = Home::new("prefix");
    let friend = friend(&home, "friend");
    let consumer = Jackdaw::start(
        &Config::new(&home.join("consumer"))
            .jackdaw("internal_url = http://jackdaw.test:8080/sub/path/")
            .downloads("")
            .server(RADARR, "radarr")
            .peer("friend", &friend.url(), KEY),
    );
    let mut radarr = Arr::new(Kind::Radarr, consumer.address(), RADARR, KEY);
    radarr.base = "/sub/path".into();
    radarr.authority = "jackdaw.test:8080".into();
    radarr.test_client();
    let item = found(MATRIX, || radarr.movie(603, "tt0133093"));
    assert!(
        item.url
            .starts_with("http://jackdaw.test:8080/sub/path/torznab/"),
        "{}",
        item.url
    );
    let id = radarr.grab(&item);
    let download = completed(&mut radarr, &id);
    import(&mut radarr, &home, &download, matrix());
}

#[test]
fn an_expired_session_logs_in_again() {
    let home = Home::new("session");
    let consumer = consumer(&home, &[]);
    let mut radarr = radarr(&consumer);
    radarr.spoil_cookie();
    assert!(radarr.poll().is_empty());
}

#[test]
fn a_foreign_torrent_is_refused() {
    let home = Home::new("foreign");
    let consumer = consumer(&home, &[]);
    let mut radarr = radarr(&consumer);
    // A torrent of somebody else: sound in itself, but nothing that we could fetch.
    let mut torrent = b"d4:infod6:lengthi5e4:name1:x12:piece lengthi16384e6:pieces20:".to_vec();
    torrent.extend([b'A'; 20]);
    torrent.extend(b"ee");
    let error = radarr.add("x", &torrent).unwrap_err();
    assert!(error.starts_with("415 "), "{error}");
    assert!(radarr.poll().is_empty());
}
