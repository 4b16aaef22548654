//! Tests of `wanted`: what a stored provider must become, and what is left as it is.

use super::*;
use crate::json::parse;

const KEY: &str = "00112233445566778899aabbccddeeff";

fn identity(kind: ServerType, url: &str) -> Identity {
    Identity {
        name: "jackdaw".into(),
        address: HttpUrl::parse(url).unwrap(),
        title: "Main Radarr".into(),
        kind,
        slug: "main-radarr".into(),
        priority: 25,
    }
}

fn resource(json: &str) -> Resource {
    Resource::new(&parse(json).unwrap_or_else(|| panic!("{json}"))).unwrap()
}

fn sent(plan: &Plan) -> String {
    miniserde::json::to_string(&plan.body.clone().into_body())
}

/// As Radarr's `/downloadclient/schema` has it, shortened; one field of a version to come.
fn client_template() -> Resource {
    resource(
        r#"{"enable":true,"protocol":"torrent","priority":1,"removeCompletedDownloads":true,
        "removeFailedDownloads":true,"fields":[
        {"order":0,"name":"host","label":"Host","value":"localhost"},{"name":"port","value":8080},
        {"name":"useSsl","value":false},{"name":"urlBase"},{"name":"username"},{"name":"password"},
        {"name":"movieCategory","value":"radarr"},{"name":"contentLayout","value":0},
        {"name":"novelty","value":"kept"}],
        "implementationName":"qBittorrent","implementation":"QBittorrent",
        "configContract":"QBittorrentSettings","infoLink":"https://x","tags":[],"presets":[]}"#,
    )
}

fn indexer_template() -> Resource {
    resource(
        r#"{"enableRss":true,"supportsRss":true,"protocol":"torrent","priority":25,"downloadClientId":0,
        "fields":[{"name":"baseUrl"},{"name":"apiPath","value":"/api"},{"name":"apiKey"},
        {"name":"categories","value":[5030,5040]},{"name":"animeCategories","value":[]},
        {"name":"animeStandardFormatSearch","value":false},{"name":"minimumSeeders","value":1}],
        "implementation":"Torznab","configContract":"TorznabSettings","tags":[]}"#,
    )
}

#[test]
fn a_new_client_is_the_template_with_our_settings() {
    // Names and types: POST /downloadclient of Radarr 6.
    let identity = identity(ServerType::Radarr, "https://[fd00::1]/prefix");
    let template = client_template();
    let key = Secret::new(KEY);
    let plan = plan(
        &identity,
        Part::Client,
        Some(&template),
        None,
        None,
        Some(&key),
        false,
    )
    .unwrap();
    assert_eq!((plan.id, &plan.adopts), (None, &None));
    assert_eq!(
        sent(&plan),
        r#"{"configContract":"QBittorrentSettings","enable":true,"fields":[{"name":"host","value":"[fd00::1]"},{"name":"port","value":443},{"name":"useSsl","value":true},{"name":"urlBase","value":"/prefix"},{"name":"username","value":"Main Radarr"},{"name":"password","value":"00112233445566778899aabbccddeeff"},{"name":"movieCategory","value":"jackdaw-main-radarr"},{"name":"contentLayout","value":0},{"name":"novelty","value":"kept"}],"implementation":"QBittorrent","implementationName":"qBittorrent","name":"jackdaw","priority":50,"protocol":"torrent","removeCompletedDownloads":true,"removeFailedDownloads":true,"tags":[]}"#
    );
}

#[test]
fn a_new_indexer_is_bound_to_the_client() {
    let identity = identity(ServerType::Sonarr, "http://jackdaw:5225");
    let template = indexer_template();
    let key = Secret::new(KEY);
    let plan = plan(
        &identity,
        Part::Indexer,
        Some(&template),
        None,
        Some(7),
        Some(&key),
        false,
    )
    .unwrap();
    assert_eq!(
        sent(&plan),
        r#"{"configContract":"TorznabSettings","downloadClientId":7,"enableAutomaticSearch":true,"enableInteractiveSearch":true,"enableRss":true,"fields":[{"name":"baseUrl","value":"http://jackdaw:5225/torznab"},{"name":"apiPath","value":"/api"},{"name":"apiKey","value":"00112233445566778899aabbccddeeff"},{"name":"categories","value":[5000,5010,5030,5040,5045,5050]},{"name":"animeCategories","value":[5000,5070]},{"name":"animeStandardFormatSearch","value":true},{"name":"minimumSeeders","value":1}],"implementation":"Torznab","name":"jackdaw","priority":25,"protocol":"torrent","supportsRss":true,"tags":[]}"#
    );
    let off = switched_off(Part::Indexer, &plan.body);
    assert!(is_off(Part::Indexer, &off) && !is_off(Part::Indexer, &plan.body));
}

/// What an arr shows of what was saved: an id, a masked secret, no nulls.
fn stored(part: Part, identity: &Identity, template: &Resource) -> Resource {
    let key = Secret::new(KEY);
    let mut stored = plan(
        identity,
        part,
        Some(template),
        None,
        Some(7),
        Some(&key),
        false,
    )
    .unwrap()
    .body;
    stored.set_top("id", number(9));
    stored.set_field(part.secret_field(), text(MASK));
    stored
}

#[test]
fn drift_is_named_and_repaired_and_the_rest_left_alone() {
    let radarr = identity(ServerType::Radarr, "http://jackdaw:5225");
    let sonarr = identity(ServerType::Sonarr, "http://jackdaw:5225");
    let check = |part, change: &dyn Fn(&mut Resource), expected: &[&str]| {
        let (identity, template) = match part {
            Part::Client => (&radarr, client_template()),
            _ => (&sonarr, indexer_template()),
        };
        let mut entry = stored(part, identity, &template);
        change(&mut entry);
        let plan = plan(identity, part, None, Some(&entry), Some(7), None, false).unwrap();
        assert_eq!(plan.changes, expected);
        assert_eq!((plan.id, &plan.adopts), (Some(9), &None));
        let again = super::plan(identity, part, None, Some(&plan.body), Some(7), None, false);
        assert_eq!(again.unwrap().changes, [""; 0], "repaired once and for all");
    };
    use Part::{Client, Indexer};
    check(Client, &|_| {}, &[]);
    check(Indexer, &|_| {}, &[]);
    // Ours.
    check(Client, &|c| c.set_top("name", text("Jackdaw")), &["name"]);
    check(Client, &|c| c.set_top("priority", number(1)), &["priority"]);
    check(
        Client,
        &|c| c.set_top("tags", parse("[1]").unwrap()),
        &["tags"],
    );
    check(
        Client,
        &|c| c.set_top("removeCompletedDownloads", Value::Bool(false)),
        &["removeCompletedDownloads"],
    );
    check(Client, &|c| c.set_field("port", number(80)), &["port"]);
    check(Client, &|c| c.set_field("urlBase", Value::Null), &[]);
    check(
        Client,
        &|c| c.set_field("movieCategory", text("radarr")),
        &["movieCategory"],
    );
    // Sonarr 4.0.17 and later.
    check(Client, &|c| c.set_field("apiKey", text("")), &[]);
    check(Client, &|c| c.set_field("apiKey", text(MASK)), &["apiKey"]);
    check(
        Indexer,
        &|i| i.set_top("downloadClientId", number(0)),
        &["downloadClientId"],
    );
    check(
        Indexer,
        &|i| i.set_top("priority", number(1)),
        &["priority"],
    );
    check(Indexer, &|i| i.set_top("tags", Value::Null), &["tags"]);
    check(
        Indexer,
        &|i| i.set_field("baseUrl", text("http://old/torznab")),
        &["baseUrl"],
    );
    check(
        Indexer,
        &|i| i.set_field("categories", parse("[5040,100001]").unwrap()),
        &["categories"],
    );
    // The user's.
    check(Indexer, &|i| i.set_top("tags", parse("[1]").unwrap()), &[]);
    check(Indexer, &|i| i.set_field("minimumSeeders", number(9)), &[]);
    check(
        Indexer,
        &|i| i.set_top("enableRss", Value::Bool(false)),
        &[],
    );
    check(Client, &|c| c.set_top("enable", Value::Bool(false)), &[]);
    check(Client, &|c| c.set_field("contentLayout", number(2)), &[]);
}

#[test]
fn added_categories_stay() {
    let check = |theirs: &[u64], ours: &[u64], expected: &[u64]| {
        let all = with_all(theirs.to_vec(), ours);
        assert_eq!(numbers(Some(&all)), expected);
    };
    check(&[], &[2, 1], &[1, 2]);
    check(&[3, 1, 2], &[2, 1], &[3, 1, 2]);
    check(&[100_001, 1], &[2, 1], &[1, 2, 100_001]);
}

#[test]
fn another_program_s_entry_becomes_ours_in_place() {
    let identity = identity(ServerType::Radarr, "http://jackdaw:5225");
    let old = resource(
        r#"{"id":4,"name":"JackDaw","enable":false,"priority":1,"tags":[2],"fields":[
        {"name":"torrentFolder","value":"/t"}],"implementation":"TorrentBlackhole",
        "configContract":"TorrentBlackholeSettings"}"#,
    );
    assert!(identity.is_named(&old) && !identity.is_ours(Part::Client, &old));
    assert!(needs_template(Part::Client, Some(&old)));
    let key = Secret::new(KEY);
    let template = client_template();
    let take = |template| {
        plan(
            &identity,
            Part::Client,
            template,
            Some(&old),
            None,
            Some(&key),
            false,
        )
    };
    assert!(take(None).is_none());
    let plan = take(Some(&template)).unwrap();
    assert_eq!(plan.id, Some(4));
    assert_eq!(plan.adopts.as_deref(), Some("TorrentBlackhole"));
    let body = &plan.body;
    assert_eq!(body.top_text("configContract"), "QBittorrentSettings");
    assert!(!body.has_field("torrentFolder") && !is_off(Part::Client, body));
    assert!(same(body.top("tags"), parse("[]").as_ref()));
    // The tags of an indexer are the user's, whatever it was.
    let mut old = old;
    old.set_top("implementation", text("Newznab"));
    let template = indexer_template();
    let plan = super::plan(
        &identity,
        Part::Indexer,
        Some(&template),
        Some(&old),
        Some(7),
        Some(&key),
        false,
    )
    .unwrap();
    assert!(same(plan.body.top("tags"), parse("[2]").as_ref()));
}

#[test]
fn a_key_is_believed_only_where_it_was_saved() {
    let identity = identity(ServerType::Radarr, "http://jackdaw:5225");
    let check = |change: &dyn Fn(&mut Resource), remembered, expected: bool| {
        let mut entry = stored(Part::Client, &identity, &client_template());
        change(&mut entry);
        let holds = holds_key(&identity, Part::Client, Some(&entry), remembered);
        assert_eq!(holds, expected);
    };
    check(&|_| {}, Some(9), true);
    check(&|_| {}, Some(8), false);
    check(&|_| {}, None, false);
    check(&|c| c.set_field("password", text("")), Some(9), false);
    check(&|c| c.set_field("username", text("other")), Some(9), false);
    check(
        &|c| c.set_top("implementation", text("Deluge")),
        Some(9),
        false,
    );
    assert!(!holds_key(&identity, Part::Client, None, None));
}

#[test]
fn what_leads_to_us_is_ours() {
    let identity = identity(ServerType::Radarr, "http://jackdaw:5225/x");
    let check = |part, json: &str, expected: bool| {
        assert_eq!(identity.is_ours(part, &resource(json)), expected, "{json}");
    };
    let indexer = |implementation: &str, url: &str| {
        format!(
            r#"{{"implementation":"{implementation}","fields":[{{"name":"baseUrl","value":"{url}"}},{{"name":"apiPath","value":"/api"}}]}}"#
        )
    };
    let check_indexer = |implementation, url, expected| {
        check(Part::Indexer, &indexer(implementation, url), expected);
    };
    check_indexer("Torznab", "http://jackdaw:5225/x/torznab", true);
    check_indexer("Torznab", "http://jackdaw:5225/x/torznab/alice", false);
    check_indexer("Torznab", "http://jackdaw:5225/torznab", false);
    check_indexer("Newznab", "http://jackdaw:5225/x/torznab", false);
    check(
        Part::Hook,
        r#"{"implementation":"Webhook","fields":[{"name":"url","value":"http://jackdaw:5225/x/hook/main-radarr"}]}"#,
        true,
    );
    check(Part::Hook, r#"{"implementation":"Webhook"}"#, false);
    check(
        Part::Client,
        r#"{"implementation":"QBittorrent","fields":null}"#,
        false,
    );
}

#[test]
fn slugs_are_short_plain_and_different() {
    let server = |title: &str| Server {
        title: title.into(),
        kind: ServerType::Radarr,
        url: String::new(),
        api_key: Secret::new(""),
        source: false,
        destination: true,
        autoregister: true,
        priority: 25,
        path_map: Vec::new(),
        headers: Vec::new(),
    };
    let check = |titles: &[&str], expected: &[&str]| {
        let servers: Vec<Server> = titles.iter().map(|title| server(title)).collect();
        assert_eq!(slugs(&servers), expected);
    };
    check(
        &["Main Radarr", "TV", "4K (UHD) / x ", "Füme\\äö"],
        &["main-radarr", "tv", "4k-uhd-x", "f-me"],
    );
    // SHA-256 of "main-radarr" and of "電影".
    let digits = |title: &str| hex(&digest(title))[..SLUG_DIGITS].to_owned();
    check(
        &["Main Radarr", "main-radarr", "電影"],
        &[
            "main-radarr",
            &format!("main-radarr-{}", digits("main-radarr")),
            &digits("電影"),
        ],
    );
    check(&[&"x".repeat(200)], &[&"x".repeat(MAX_SLUG)]);
    // Sonarr's and Radarr's rule for categories: no backslash, no double or outer slash.
    for slug in slugs(&[server("a//b\\c"), server("///"), server("\u{202e}")]) {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(!slug.is_empty() && slug.chars().all(is_plain), "{slug}");
    }
}
