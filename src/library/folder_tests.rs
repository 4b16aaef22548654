//! Tests of the folder source on temporary trees.

use super::*;
use crate::secret::random_hex;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A temporary tree with a source on it; removed when dropped.
struct Tree {
    base: PathBuf,
    source: FolderSource,
}

/// Well after every file that a test makes has come to rest.
fn later() -> SystemTime {
    SystemTime::now() + 2 * RECENT
}

impl Tree {
    fn new(kind: Category) -> Tree {
        let base = std::env::temp_dir().join(format!("jackdaw-folder-{}", random_hex::<8>()));
        fs::create_dir_all(base.join("root")).unwrap();
        let source = FolderSource::new(&config::Folder {
            title: "My films".into(),
            path: base.join("root"),
            kind,
        });
        Tree { base, source }
    }

    fn put(&self, path: &str, content: &str) -> PathBuf {
        let path = self.base.join("root").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn scan_at(&self, now: SystemTime) -> Result<Vec<Offer>, SourceError> {
        let mut offers = Vec::new();
        self.source
            .scan_at(now, &mut |offer| offers.push(offer))
            .map(|()| offers)
    }

    fn names(&self) -> Vec<String> {
        let offers = self.scan_at(later()).unwrap();
        offers.into_iter().map(|o| o.release.filename).collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.base);
    }
}

#[test]
fn a_movie_is_offered_with_all_that_is_known() {
    let tree = Tree::new(Category::Movies);
    let name = "The.Matrix.1999.German.1080p.BluRay.x264-GRP";
    let path = tree.put(
        &format!("The Matrix {{imdb-tt0133093}}/{name}.mkv"),
        "12345",
    );
    tree.put(
        &format!("The Matrix {{imdb-tt0133093}}/{name}.nfo"),
        "<movie><uniqueid type=\"tmdb\">603</uniqueid></movie>",
    );
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(951_782_400);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    let offers = tree.scan_at(SystemTime::now()).unwrap();
    assert_eq!(offers.len(), 1);
    assert_eq!(offers[0].path, path);
    let release = &offers[0].release;
    assert_eq!(release.title, name);
    assert_eq!(release.filename, format!("{name}.mkv"));
    assert_eq!(release.size, 5);
    assert_eq!(release.category, Category::Movies);
    assert_eq!(release.imdb_id.as_deref(), Some("tt0133093"));
    assert_eq!(release.tmdb_id, Some(603));
    assert_eq!(release.languages, ["German"]);
    assert_eq!(release.release_group.as_deref(), Some("GRP"));
    assert_eq!(
        release.publish_date.as_deref(),
        Some("2000-02-29T00:00:00Z")
    );
    let parts: Vec<&str> = release.id.split(':').collect();
    assert_eq!(parts[0], tree.source.id());
    assert_eq!(parts[1], "movie");
    assert_eq!(parts[2].len(), 16);
}

#[test]
fn ids_are_stable_and_different() {
    let tree = Tree::new(Category::Tv);
    tree.put("Show/S01/Show.S01E01E02.mkv", "x");
    tree.put("Show/S01/Show.S01E03.mkv", "x");
    let ids = || -> Vec<String> {
        let offers = tree.scan_at(later()).unwrap();
        offers.into_iter().map(|offer| offer.release.id).collect()
    };
    let first = ids();
    assert_eq!(first, ids());
    assert_eq!(first.len(), 3);
    assert!(first[0].ends_with("-s01e01"), "{}", first[0]);
    assert!(first[1].ends_with("-s01e02"), "{}", first[1]);
    let again = FolderSource::new(&config::Folder {
        title: "My films".into(),
        path: tree.base.join("root"),
        kind: Category::Tv,
    });
    let mut others = Vec::new();
    again
        .scan_at(later(), &mut |offer| others.push(offer.release.id))
        .unwrap();
    assert_eq!(first, others);
}

#[test]
fn connectors_are_readable_and_unique() {
    assert!(connector("Concert films").starts_with("folder-concert-films-"));
    assert_ne!(connector("a b"), connector("a-b"));
    for title in ["", "::", "Ünï:cödé", &"x".repeat(500)] {
        let id = connector(title);
        assert!(!id.contains(':') && id.len() < 50, "{id}");
    }
}

#[test]
fn each_episode_of_a_file_is_an_offer() {
    let tree = Tree::new(Category::Tv);
    tree.put("Show Name (2008) {tvdb-81189}/Season 1/S01E02-E03.mkv", "x");
    tree.put(
        "Show Name (2008) {tvdb-81189}/tvshow.nfo",
        "<tvshow><title>Show Name</title><uniqueid type=\"imdb\">tt0903747</uniqueid></tvshow>",
    );
    let offers = tree.scan_at(later()).unwrap();
    let numbers: Vec<_> = offers
        .iter()
        .map(|offer| (offer.release.season, offer.release.episode))
        .collect();
    assert_eq!(numbers, [(Some(1), Some(2)), (Some(1), Some(3))]);
    for offer in &offers {
        let release = &offer.release;
        assert_eq!(release.title, "Show Name - S01E02-E03");
        assert_eq!(release.series_title.as_deref(), Some("Show Name"));
        assert_eq!(release.tvdb_id, Some(81_189));
        assert_eq!(release.imdb_id.as_deref(), Some("tt0903747"));
    }
}

#[test]
fn what_is_no_library_item_is_left_out() {
    let tree = Tree::new(Category::Movies);
    for path in [
        ".hidden.mkv",
        ".hidden/a.mkv",
        "._a.mkv",
        "readme.txt",
        "noextension",
        "list.m3u",
        "stream.strm",
        "A/Sample/a.mkv",
        "A/a-sample.mkv",
        "A/a-trailer.mkv",
        "A/Featurettes/x.mkv",
        "A/BDMV/STREAM/00001.m2ts",
        "@eaDir/a.mkv",
        "B/a\\b.mkv",
        "B/a\u{1}b.mkv",
    ] {
        tree.put(path, "x");
    }
    tree.put("A/empty.mkv", "");
    let bad = std::ffi::OsStr::from_bytes(b"B/\xff.mkv");
    fs::write(tree.base.join("root").join(bad), "x").unwrap();
    tree.put("A/A.1999.MKV", "x");
    tree.put("C/c.1999.ts", "x");
    // A large file may have the word in its title.
    let large = tree.put("The.Sample.2001.mkv", "");
    File::options()
        .write(true)
        .open(large)
        .unwrap()
        .set_len(300 << 20)
        .unwrap();
    assert_eq!(
        tree.names(),
        ["The.Sample.2001.mkv", "A.1999.MKV", "c.1999.ts"]
    );
}

#[test]
fn links_do_not_lead_out_or_in_circles() {
    let tree = Tree::new(Category::Movies);
    let inside = tree.put("A/a.1999.mkv", "x");
    let secret = tree.base.join("secret.mkv");
    fs::write(&secret, "x").unwrap();
    let root = tree.base.join("root");
    symlink(&inside, root.join("link.1999.mkv")).unwrap();
    symlink(&secret, root.join("leak.1999.mkv")).unwrap();
    symlink(&tree.base, root.join("up")).unwrap();
    symlink(&root, root.join("A/loop")).unwrap();
    symlink(root.join("gone.mkv"), root.join("dangling.mkv")).unwrap();
    assert_eq!(tree.names(), ["link.1999.mkv", "a.1999.mkv"]);
}

#[test]
fn a_show_nfo_that_is_no_file_of_the_library_is_not_read() {
    let tree = Tree::new(Category::Tv);
    for folder in ["Pipe", "Linked", "Folder"] {
        tree.put(&format!("{folder}/{folder}.S01E01.mkv"), "x");
    }
    let root = tree.base.join("root");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::FileType::Fifo;
    // Whoever opens it for reading waits for a writer.
    rustix::fs::mknodat(rustix::fs::CWD, root.join("Pipe/tvshow.nfo"), fifo, mode, 0).unwrap();
    let outside = tree.base.join("outside.nfo");
    fs::write(&outside, "<tvshow><tvdbid>81189</tvdbid></tvshow>").unwrap();
    symlink(&outside, root.join("Linked/tvshow.nfo")).unwrap();
    fs::create_dir(root.join("Folder/tvshow.nfo")).unwrap();
    let offers = tree.scan_at(later()).unwrap();
    assert_eq!(offers.len(), 3);
    assert!(offers.iter().all(|offer| offer.release.tvdb_id.is_none()));
}

#[test]
fn a_root_that_is_a_link_is_followed() {
    let tree = Tree::new(Category::Movies);
    tree.put("a.1999.mkv", "x");
    symlink(tree.base.join("root"), tree.base.join("alias")).unwrap();
    let source = FolderSource::new(&config::Folder {
        title: "t".into(),
        path: tree.base.join("alias"),
        kind: Category::Movies,
    });
    let mut count = 0;
    source.scan_at(later(), &mut |_| count += 1).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn growing_files_wait_until_they_rest() {
    let tree = Tree::new(Category::Movies);
    let path = tree.put("a.1999.mkv", "x");
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    let count = |now| tree.scan_at(now).unwrap().len();
    let moment = Duration::from_secs(1);
    assert_eq!(count(written), 0);
    assert_eq!(count(written + RESTING - moment), 0);
    assert_eq!(count(written + RESTING), 1);
    // Another size than last time, although the time of change says it rests.
    fs::write(&path, "xy").unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(written).unwrap();
    assert_eq!(count(written + 2 * RESTING), 0);
    assert_eq!(count(written + 3 * RESTING), 1);
    // Dated in the future: offered when two scans find the same.
    file.set_modified(written + 1000 * RECENT).unwrap();
    fs::rename(&path, path.with_file_name("b.1999.mkv")).unwrap();
    assert_eq!(count(written + 4 * RESTING), 0);
    let offers = tree.scan_at(written + 5 * RESTING).unwrap();
    assert_eq!(offers.len(), 1);
    let date = offers[0].release.publish_date.as_deref().unwrap();
    assert_eq!(date, clock::iso8601(unix(written + 5 * RESTING)));
}

#[test]
fn a_missing_root_is_an_error_that_names_it() {
    let tree = Tree::new(Category::Movies);
    fs::remove_dir(tree.base.join("root")).unwrap();
    let error = tree.scan_at(later()).unwrap_err().to_string();
    assert!(
        error.starts_with("folder \"My films\": cannot read /"),
        "{error}"
    );
    assert!(error.contains("root: No such file"), "{error}");
}

#[test]
fn an_empty_root_is_an_error_only_where_something_was() {
    let tree = Tree::new(Category::Movies);
    assert!(tree.scan_at(later()).unwrap().is_empty());
    let path = tree.put("a.1999.mkv", "x");
    assert_eq!(tree.scan_at(later()).unwrap().len(), 1);
    fs::remove_file(path).unwrap();
    let error = tree.scan_at(later()).unwrap_err().to_string();
    assert!(
        error.ends_with("is empty now: is its disk mounted?"),
        "{error}"
    );
}

#[test]
fn an_unreadable_folder_is_skipped_and_told_once() {
    let tree = Tree::new(Category::Movies);
    tree.put("a.1999.mkv", "x");
    let closed = tree.put("B/b.1999.mkv", "x").parent().unwrap().to_owned();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads everything; then there is nothing to skip.
    let is_root = fs::read_dir(&closed).is_ok();
    for _ in 0..2 {
        let expected = if is_root { 2 } else { 1 };
        assert_eq!(tree.names().len(), expected);
    }
    assert_eq!(tree.source.memory().told.len(), usize::from(!is_root));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn depth_is_bounded() {
    let tree = Tree::new(Category::Movies);
    let deepest = "d/".repeat(walk::MAX_DEPTH);
    tree.put(&format!("{deepest}ok.1999.mkv"), "x");
    tree.put(&format!("{deepest}d/far.1999.mkv"), "x");
    assert_eq!(tree.names(), ["ok.1999.mkv"]);
    assert_eq!(tree.source.memory().told.len(), 1);
}

#[test]
fn titles_come_from_the_release_folder_or_the_only_nfo() {
    let tree = Tree::new(Category::Movies);
    let folder = "The.Matrix.1999.1080p.BluRay.x264-GRP";
    tree.put(&format!("{folder}/movie.mkv"), "x");
    tree.put(
        &format!("{folder}/grp.nfo"),
        "see https://www.imdb.com/title/tt0133093/",
    );
    tree.put("two/one.mkv", "x");
    tree.put("two/two.mkv", "x");
    tree.put("two/movie.nfo", "<movie><tmdbid>1</tmdbid></movie>");
    let offers = tree.scan_at(later()).unwrap();
    assert_eq!(offers[0].release.title, folder);
    assert_eq!(offers[0].release.imdb_id.as_deref(), Some("tt0133093"));
    // One .nfo for two videos tells nothing of either.
    assert_eq!(offers[1].release.tmdb_id, None);
    assert_eq!(offers[2].release.tmdb_id, None);
}
