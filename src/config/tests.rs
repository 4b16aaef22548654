//! Tests of the whole way from bytes to [`Config`]: golden report, defaults, cross checks, fuzzing.

use super::*;

fn outside() -> Outside<'static> {
    Outside {
        env: &|name| match name {
            "RADARR_API_KEY" => Some("0123456789abcdef0123456789abcdef".into()),
            "JACKDAW_API_KEY" => Some("a-key-of-enough-letters".into()),
            "ALICE_CF_ID" => Some("alice-id".into()),
            _ => None,
        },
        file: &|path| match path.to_str() {
            Some("/run/secrets/alice") => Ok(b"alices key\n".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
    }
}

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("jackdaw.ini"), text.as_bytes(), &outside())
}

fn report(text: &str) -> String {
    match read(text) {
        Ok(config) => config.warnings.join("\n"),
        Err(error) => error.to_string(),
    }
}

/// The sample of the design, with the comments that stand behind values there left out.
const SAMPLE: &str = r#"
[jackdaw]
name = jackdaw
listen = 0.0.0.0:5225
internal_url = http://jackdaw:5225/x/y/
external_url = https://me.example
api_key = env:JACKDAW_API_KEY
data_dir = /var/lib/jackdaw
log = info
http_workers = 4
max_connections = 256

[downloads]
completed_path = /data/completed
arr_path = /data/completed
max_concurrent = 3
max_attempts = 13
retry_base_delay = 1s
retry_max_delay = 30m
idle_timeout = 60s
max_file_size = 100GiB
min_free_space = 1GiB
rate = 2MiB/s, 23:00-07:00 unlimited, sat-sun 5MiB/s
after_import = move
unlink_imported = false
import_poll_interval = 30s
report_failures = true
umask = 002

[sharing]
max_uploads = 8
rate = 0
rate_per_peer = 0
catalogue_refresh = 15m
peer_hide_after = 24h

[server "Main Radarr"]
type = radarr
url = http://radarr:7878/
api_key = env:RADARR_API_KEY
source = true
destination = true
autoregister = true
priority = 25
path_map = /movies -> /mnt/disk/movies
path_map = /movies2 -> /mnt/disk/movies2
header.X-Forwarded-User = jackdaw

[folder "Concert films"]
path = /srv/concerts
kind = movies

[peer "alice"]
url = https://Alice.example
api_key = file:/run/secrets/alice
header.CF-Access-Client-Id = env:ALICE_CF_ID
"#;

#[test]
fn every_key_arrives_where_it_belongs() {
    let config = read(SAMPLE).unwrap();
    assert_eq!(config.warnings, [""; 0]);
    assert_eq!(config.file.as_deref(), Some(Path::new("jackdaw.ini")));
    assert_eq!(config.name, "jackdaw");
    assert_eq!(config.listen, ["0.0.0.0:5225".parse().unwrap()]);
    assert_eq!(
        config.internal_url.as_deref(),
        Some("http://jackdaw:5225/x/y")
    );
    assert_eq!(config.path_prefix, "/x/y");
    assert_eq!(config.external_url.as_deref(), Some("https://me.example"));
    assert_eq!(config.api_key.unwrap().expose(), "a-key-of-enough-letters");
    assert_eq!(config.data_dir, Path::new("/var/lib/jackdaw"));
    assert_eq!(config.log, log::LevelFilter::Info);
    assert_eq!((config.http_workers, config.max_connections), (4, 256));

    let downloads = config.downloads.unwrap();
    assert_eq!(downloads.completed_path, Path::new("/data/completed"));
    assert_eq!(downloads.arr_path, "/data/completed");
    assert_eq!((downloads.max_concurrent, downloads.max_attempts), (3, 13));
    assert_eq!(downloads.retry_base_delay, Duration::from_secs(1));
    assert_eq!(downloads.retry_max_delay, Duration::from_secs(1_800));
    assert_eq!(downloads.idle_timeout, Duration::from_secs(60));
    assert_eq!(downloads.max_file_size, 107_374_182_400);
    assert_eq!(downloads.min_free_space, 1 << 30);
    assert_eq!(downloads.rate.rate_at(5, 720), 5 << 20);
    assert_eq!(downloads.after_import, AfterImport::Move);
    assert!(!downloads.unlink_imported && downloads.report_failures);
    assert_eq!(downloads.import_poll_interval, Duration::from_secs(30));
    assert_eq!(downloads.umask, 0o002);

    let sharing = config.sharing;
    assert_eq!(sharing.max_uploads, 8);
    assert!(sharing.rate.is_unlimited() && sharing.rate_per_peer.is_unlimited());
    assert_eq!(sharing.catalogue_refresh, Duration::from_secs(900));
    assert_eq!(sharing.peer_hide_after, Duration::from_secs(86_400));

    let server = &config.servers[0];
    assert_eq!(server.title, "Main Radarr");
    assert_eq!(server.kind, ServerType::Radarr);
    assert_eq!(server.url, "http://radarr:7878");
    assert_eq!(server.api_key.expose(), "0123456789abcdef0123456789abcdef");
    assert!(server.source && server.destination && server.autoregister);
    assert_eq!(server.priority, 25);
    let ours: Vec<&Path> = server.path_map.iter().map(|(_, ours)| &**ours).collect();
    assert_eq!(
        ours,
        [
            Path::new("/mnt/disk/movies"),
            Path::new("/mnt/disk/movies2")
        ]
    );
    assert_eq!(server.path_map[1].0, "/movies2");
    assert_eq!(server.headers[0].0, "X-Forwarded-User");
    assert_eq!(server.headers[0].1.expose(), "jackdaw");

    assert_eq!(config.folders[0].title, "Concert films");
    assert_eq!(config.folders[0].path, Path::new("/srv/concerts"));
    assert_eq!(config.folders[0].kind, Category::Movies);

    let peer = &config.peers[0];
    assert_eq!(peer.name, "alice");
    assert_eq!(peer.url, "https://alice.example");
    assert_eq!(peer.api_key.expose(), "alices key");
    assert_eq!(peer.headers[0].1.expose(), "alice-id");
}

/// The defaults are the values of the design's sample, and hold with and without a section.
#[test]
fn defaults() {
    let config = Config::built_in();
    assert_eq!(config.warnings, [""; 0]);
    assert_eq!(config.listen, ["127.0.0.1:5225".parse().unwrap()]);
    assert_eq!(config.data_dir, Path::new("./jackdaw-data"));
    assert!(config.file.is_none() && config.api_key.is_none() && config.downloads.is_none());
    assert_eq!(config.path_prefix, "");
    let bare = |sections: &str| {
        format!(
            "{:?}",
            Config {
                file: None,
                ..read(sections).unwrap()
            }
        )
    };
    assert_eq!(bare(""), format!("{config:?}"));
    assert_eq!(bare("[jackdaw]\n[sharing]\n"), format!("{config:?}"));

    let sample =
        read(&SAMPLE.replace("rate = 2MiB/s, 23:00-07:00 unlimited, sat-sun 5MiB/s\n", ""))
            .unwrap();
    let short = read("[downloads]\ncompleted_path = /data/completed\n").unwrap();
    assert_eq!(
        format!("{:?}", short.downloads),
        format!("{:?}", sample.downloads)
    );
    assert_eq!(
        format!("{:?}", short.sharing),
        format!("{:?}", sample.sharing)
    );
}

/// A whole report, as the owner sees it. Made by hand from the rules, not by the program.
#[test]
fn all_problems_are_reported_at_once() {
    let text = "\
name = early
[jackdaw]
listen = 0.0.0.0
lsiten = 0.0.0.0:5225
http_workers = many
api_key = short
log = info
log = debug

[download]
whatever = 1

[downloads]
arr_path = completed
retry_base_delay = 1h
idle_timeout = 60
max_file_size = 100Gb
rate = 5Mbit/s
umask = 999
import_poll_interval = 500ms

[server]
type = lidarr
[server \"Radarr\"]
type = radarr
url = radarr:7878
api_key = env:NOT_SET
source = maybe
path_map = /movies
header.Host = x
[server \"Radarr\"]
type = radarr
url = http://radarr:7878
api_key = 0123456789abcdef0123456789abcdef
autoregister = yes

[peer \"bob\"]
url = https://bob.example/?key=1
api_key = file:bob
[sharing] ; serving
";
    let expected = "\
jackdaw.ini:1: name: stands before any section, begin with [jackdaw]
jackdaw.ini:3: listen: `0.0.0.0` is not an address with a port, write addresses with ports, such as 127.0.0.1:5225, 0.0.0.0:5225 or [::]:5225
jackdaw.ini:4: lsiten: unknown key in [jackdaw], did you mean listen?
jackdaw.ini:5: http_workers: `many` is not a whole number, write a number from 1 to 64
jackdaw.ini:6: api_key: the key has 5 characters, use 16 to 256 of A-Z a-z 0-9 . _ ~ -, for instance the output of `openssl rand -hex 16`
jackdaw.ini:8: log: is given twice (first in line 7), remove one of the two lines
jackdaw.ini:10: [download]: unknown section, did you mean downloads?
jackdaw.ini:13: completed_path: is missing in [downloads], add for instance completed_path = /data/completed
jackdaw.ini:14: arr_path: `completed` is not an absolute path, write it as Sonarr and Radarr see it, such as /data/completed or D:\\completed
jackdaw.ini:15: retry_base_delay: is longer than retry_max_delay, make it shorter, or the other longer
jackdaw.ini:16: idle_timeout: `60` has no unit, write a number and a unit, such as 500ms, 60s, 30m, 24h or 7d
jackdaw.ini:17: max_file_size: `100Gb` is not a size, write bytes, or a number and a unit: KiB MiB GiB TiB (1024) or KB MB GB TB (1000)
jackdaw.ini:18: rate: `5Mbit/s` is not a rate, write a size per second such as 5MiB/s, or 0 for unlimited
jackdaw.ini:19: umask: `999` is not a file mode mask, write three octal digits, such as 002 or 022
jackdaw.ini:20: import_poll_interval: `500ms` is too short, the shortest here is 1s
jackdaw.ini:22: [server]: the section has no title, write for instance [server \"Main Radarr\"]
jackdaw.ini:22: url: is missing in [server], add for instance url = http://radarr:7878
jackdaw.ini:22: api_key: is missing in [server], add for instance api_key = env:RADARR_API_KEY
jackdaw.ini:23: type: `lidarr` is not a known value, write one of: radarr, sonarr
jackdaw.ini:26: url: the address does not begin with http:// or https://, begin it with one of them
jackdaw.ini:27: api_key: the environment variable NOT_SET is not set, set it where jackdaw is started
jackdaw.ini:28: source: `maybe` is neither true nor false, write true or false (yes, no, on and off mean the same)
jackdaw.ini:29: path_map: `/movies` has no ->, write a path as it reports it -> where we find it, such as /movies -> /mnt/disk/movies
jackdaw.ini:30: header.Host: the header Host is reserved, jackdaw sets it itself
jackdaw.ini:31: [server \"Radarr\"]: the section is there twice (first in line 24), give it another title, or join the two
jackdaw.ini:35: autoregister: the server cannot be registered without internal_url, write internal_url = http://… into [jackdaw], as that server reaches us, or autoregister = false
jackdaw.ini:38: url: the address has a query or a fragment, give the base address only
jackdaw.ini:39: api_key: file: is not followed by an absolute path, write file:/absolute/path
jackdaw.ini:40: there is text after the section head, comments stand on a line of their own";
    let error = read(text).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.count(), expected.lines().count());
}

#[test]
fn sections_and_titles() {
    let check = |text: &str, expected: &str| assert_eq!(report(text), expected, "{text}");
    check(
        "[jackdaw]\n[jackdaw]\n",
        "jackdaw.ini:2: [jackdaw]: the section is there twice (first in line 1), join the two",
    );
    check(
        "[jackdaw \"x\"]\n",
        "jackdaw.ini:1: [jackdaw \"x\"]: the section takes no title, write [jackdaw]",
    );
    check(
        "[server \"A: B\"]\ntype = radarr\nurl = http://r\napi_key = 0123456789abcdef0123456789abcdef\n\
         destination = false\n",
        "jackdaw.ini:1: [server \"A: B\"]: the title has a colon, but it is a user name in Radarr and \
         Sonarr, write it without",
    );
    check(
        "[Peer \"x\"]\n",
        "jackdaw.ini:1: [Peer]: unknown section, did you mean peer?",
    );
    check(
        "[transmission]\n",
        "jackdaw.ini:1: [transmission]: unknown section, the nearest known section is downloads",
    );
}

fn server(title: &str, lines: &str) -> String {
    format!(
        "[server \"{title}\"]\ntype = sonarr\nurl = http://{}:8989\n\
         api_key = 0123456789abcdef0123456789abcdef\n{lines}\n",
        title.to_lowercase()
    )
}

#[test]
fn servers_against_the_rest() {
    let downloads = "[downloads]\ncompleted_path = /data\n";
    let ours = "[jackdaw]\ninternal_url = http://jackdaw:5225\n";
    let check = |text: &str, expected: &str| {
        let config = read(text).unwrap();
        assert_eq!(config.warnings.join("\n"), expected, "{text}");
        config
    };
    let config = check(&(ours.to_owned() + downloads + &server("a", "")), "");
    assert!(config.servers[0].autoregister);
    // By default there is no registration where there cannot be one.
    let config = check(
        &(downloads.to_owned() + &server("a", "")),
        "jackdaw.ini:3: [server \"a\"]: the server cannot be registered without internal_url, \
         write internal_url = http://… into [jackdaw], as that server reaches us, \
         or autoregister = false",
    );
    assert!(!config.servers[0].autoregister);
    let config = check(&server("a", "destination = no"), "");
    assert!(!config.servers[0].autoregister && config.servers[0].source);
    check(
        &server("a", "destination = no\nautoregister = yes"),
        "jackdaw.ini:6: [server \"a\"]: autoregister has no effect without destination = true, \
         remove the line",
    );
    check(
        &(ours.to_owned() + &server("a", "")),
        "jackdaw.ini:3: [server \"a\"]: is a destination, but nothing is downloaded without \
         a [downloads] section, add one, or write destination = false",
    );
    check(
        &server("a", "source = no\ndestination = no"),
        "jackdaw.ini:1: [server \"a\"]: is neither source nor destination and so of no use, \
         turn one of them on",
    );
    check(
        &server("sonarr.example", "destination = no"),
        "jackdaw.ini:3: [server \"sonarr.example\"]: the key is sent in clear text over the \
         internet, use https, or reach it through a VPN",
    );
    check(
        &(server("A", "destination = no") + &server("a", "destination = no")),
        "jackdaw.ini:8: [server \"a\"]: has the same url as the server in line 1, \
         one section can be source and destination",
    );
}

#[test]
fn folders_against_the_rest() {
    let folders = |paths: &[&str]| {
        let mut text = "[downloads]\ncompleted_path = /data/completed\n".to_owned();
        for path in paths {
            text += &format!("[folder \"{path}\"]\npath = {path}\nkind = tv\n");
        }
        text
    };
    let check = |paths: &[&str], sound: bool, expected: &str| {
        assert_eq!(read(&folders(paths)).is_ok(), sound, "{paths:?}");
        assert_eq!(report(&folders(paths)), expected, "{paths:?}");
    };
    check(&["/data/tv", "/data/completed2"], true, "");
    let inside = "lies in completed_path, share the library that files are imported into instead";
    for path in ["/data/completed", "/data/completed/x", "/data//completed/."] {
        let expected = format!("jackdaw.ini:4: path: [folder \"{path}\"] {inside}");
        check(&[path], false, &expected);
    }
    check(
        &["/data"],
        true,
        "jackdaw.ini:4: path: completed_path lies in [folder \"/data\"], \
         so files are offered before their import, keep the two apart",
    );
    check(
        &["/a", "/a/"],
        false,
        "jackdaw.ini:7: path: is also shared by [folder \"/a\"], remove one of the two sections",
    );
    check(
        &["/a", "/ab", "/a/b"],
        true,
        "jackdaw.ini:10: path: [folder \"/a\"] and [folder \"/a/b\"] overlap, \
         so files are offered twice, share folders that lie apart",
    );
}

#[test]
fn peers_against_the_rest() {
    let peers = |urls: &[&str]| {
        let mut text = "[jackdaw]\nexternal_url = https://me.example\n".to_owned();
        for (index, url) in urls.iter().enumerate() {
            text += &format!("[peer \"p{index}\"]\nurl = {url}\napi_key = key\n");
        }
        text
    };
    let check = |urls: &[&str], expected: &str| {
        assert_eq!(report(&peers(urls)), expected, "{urls:?}");
    };
    check(&["https://a.example", "http://10.0.0.1:5225"], "");
    check(
        &["https://a.example", "HTTPS://A.example:443/"],
        "jackdaw.ini:7: url: [peer \"p1\"] has the same address as [peer \"p0\"], \
         remove one of the two sections",
    );
    check(
        &["http://a.example"],
        "jackdaw.ini:4: [peer \"p0\"]: the key is sent in clear text over the internet, \
         use https, or reach it through a VPN",
    );
    check(
        &["https://me.example/"],
        "jackdaw.ini:4: [peer \"p0\"]: has our own address, \
         remove the section; our own releases need no friend",
    );
}

#[test]
fn small_rules_between_values() {
    let check = |text: &str, expected: &str| assert_eq!(report(text), expected, "{text}");
    check(
        "[jackdaw]\ninternal_url = http://j/a%20b\n",
        "jackdaw.ini:2: internal_url: the path prefix holds special characters, \
         use letters, digits and . _ ~ - in it",
    );
    check(
        "[downloads]\ncompleted_path = /x\nunlink_imported = yes\n",
        "jackdaw.ini:3: unlink_imported: has no effect with after_import = move, \
         remove the line, or write after_import = keep",
    );
    check(
        "[downloads]\ncompleted_path = /x\nretry_max_delay = 500ms\n",
        "jackdaw.ini:1: retry_base_delay: is longer than retry_max_delay, \
         make it shorter, or the other longer",
    );
}

/// A small generator (xorshift64*), so that failures repeat.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Random, truncated and mangled files give a configuration or a report, and nothing else.
#[test]
fn hostile_files_only_ever_give_a_report() {
    let nothing = Outside {
        env: &|_| None,
        file: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    let mut random = Random(0x6a61_636b_6461_7721);
    let alphabet = b"[]\"=;#\n\r\t :,-/.@abcdeh0159KiB\xc3\xa4\xff\x00\xef\xbb\xbf";
    for round in 0..6_000 {
        let mut bytes = if round % 3 == 0 {
            (0..random.below(300))
                .map(|_| alphabet[random.below(alphabet.len())])
                .collect()
        } else {
            SAMPLE.as_bytes().to_vec()
        };
        for _ in 0..random.below(12) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] = alphabet[random.below(alphabet.len())],
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                _ => {
                    let from = random.below(bytes.len());
                    let piece: Vec<u8> = bytes[from..].iter().take(40).copied().collect();
                    bytes.splice(at..at, piece);
                }
            }
        }
        if let Err(error) = parse(Path::new("f"), &bytes, &nothing) {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                let line = problem.render(Path::new("f"));
                assert!(!line.contains(['\n', '\r', '\0']), "{line:?}");
            }
        }
    }
}

/// The worst files of legal size are read in bounded time and memory.
#[test]
fn large_files_of_problems_are_bounded() {
    for line in [
        "a\n",
        "a=1\n",
        "[a]\n",
        "[peer \"",
        "name = x\n",
        "header.a = b\n",
    ] {
        let mut text = "[jackdaw]\n[peer \"x\"]\n".to_owned();
        text.push_str(&line.repeat((MAX_FILE_BYTES - text.len()) / line.len()));
        let error = read(&text).unwrap_err();
        assert!(error.problems().len() <= MAX_PROBLEMS, "{line:?}");
    }
}
