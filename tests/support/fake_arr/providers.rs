//! Indexers, download clients and notifications as the app keeps them: settings classes with their
//! defaults, masked secrets, validation, and tests on save with real calls back to us.

use std::collections::BTreeMap;

use jackdaw::json::{get, get_array, get_bool, get_str, get_u64};
use miniserde::json::{self, Array, Number, Object, Value};

use super::{App, Call, Provider, Query, Shared, number, value};

/// Settings classes: field names with their defaults (`None` = null), secrets marked.
fn settings(app: App, implementation: &str) -> Option<Vec<(&'static str, &'static str, bool)>> {
    let radarr = app == App::Radarr;
    Some(match implementation {
        "Torznab" => {
            let mut fields = vec![
                ("baseUrl", "null", false),
                ("apiPath", "\"/api\"", false),
                ("apiKey", "null", true),
                ("additionalParameters", "null", false),
                ("multiLanguages", "[]", false),
                ("failDownloads", "[]", false),
                ("minimumSeeders", "1", false),
                ("seedCriteria.seedRatio", "null", false),
                ("seedCriteria.seedTime", "null", false),
                (
                    "rejectBlocklistedTorrentHashesWhileGrabbing",
                    "false",
                    false,
                ),
            ];
            if radarr {
                fields.push((
                    "categories",
                    "[2000,2010,2020,2030,2040,2045,2050,2060]",
                    false,
                ));
                fields.push(("removeYear", "false", false));
                fields.push(("requiredFlags", "[]", false));
            } else {
                fields.push(("categories", "[5030,5040]", false));
                fields.push(("animeCategories", "[]", false));
                fields.push(("animeStandardFormatSearch", "false", false));
                fields.push(("seedCriteria.seasonPackSeedTime", "null", false));
            }
            fields
        }
        "QBittorrent" => {
            let mut fields = vec![
                ("host", "\"localhost\"", false),
                ("port", "8080", false),
                ("useSsl", "false", false),
                ("urlBase", "null", false),
                ("username", "null", false),
                ("password", "null", true),
                ("initialState", "0", false),
                ("sequentialOrder", "false", false),
                ("firstAndLast", "false", false),
                ("contentLayout", "0", false),
            ];
            if radarr {
                fields.push(("movieCategory", "\"radarr\"", false));
                fields.push(("movieImportedCategory", "null", false));
                fields.push(("recentMoviePriority", "0", false));
                fields.push(("olderMoviePriority", "0", false));
            } else {
                fields.push(("tvCategory", "\"tv-sonarr\"", false));
                fields.push(("tvImportedCategory", "null", false));
                fields.push(("recentTvPriority", "0", false));
                fields.push(("olderTvPriority", "0", false));
                fields.push(("apiKey", "null", true));
            }
            fields
        }
        "Newznab" => vec![
            ("baseUrl", "null", false),
            ("apiPath", "\"/api\"", false),
            ("apiKey", "null", true),
            ("categories", "[5030,5040]", false),
            ("additionalParameters", "null", false),
        ],
        "TorrentBlackhole" => vec![
            ("torrentFolder", "null", false),
            ("watchFolder", "null", false),
            ("saveMagnetFiles", "false", false),
            ("magnetFileExtension", "\".magnet\"", false),
            ("readOnly", "false", false),
        ],
        "Webhook" => vec![
            ("url", "null", false),
            ("method", "1", false),
            ("username", "null", false),
            ("password", "null", true),
            ("headers", "[]", false),
        ],
        _ => return None,
    })
}

fn implementations(resource: &str) -> &'static [&'static str] {
    match resource {
        "indexer" => &["Newznab", "Torznab"],
        "downloadclient" => &["TorrentBlackhole", "QBittorrent"],
        _ => &["Webhook"],
    }
}

/// Top-level properties of a resource and what a missing one becomes.
const TOP: &[(&str, &[(&str, &str)])] = &[
    (
        "indexer",
        &[
            ("enableRss", "false"),
            ("enableAutomaticSearch", "false"),
            ("enableInteractiveSearch", "false"),
            ("priority", "0"),
            ("downloadClientId", "0"),
        ],
    ),
    (
        "downloadclient",
        &[
            ("enable", "false"),
            ("priority", "0"),
            ("removeCompletedDownloads", "false"),
            ("removeFailedDownloads", "false"),
        ],
    ),
    (
        "notification",
        &[
            ("onGrab", "false"),
            ("onDownload", "false"),
            ("onUpgrade", "false"),
            ("onImportComplete", "false"),
            ("onManualInteractionRequired", "false"),
            ("onHealthIssue", "false"),
            ("includeHealthWarnings", "false"),
        ],
    ),
];

/// As `ProviderResourceMapper.ToModel`: what is left out falls back to the class default.
pub(super) fn read_provider(app: App, body: &Value, id: u64) -> Option<Provider> {
    let implementation = get_str(body, "implementation")?;
    let known = settings(app, implementation)?;
    let mut top = BTreeMap::new();
    for (_, properties) in TOP {
        for (name, default) in *properties {
            top.insert(
                (*name).to_owned(),
                get(body, name).cloned().unwrap_or(value(default)),
            );
        }
    }
    for name in ["name", "implementation", "configContract", "protocol"] {
        top.insert(name.into(), get(body, name).cloned().unwrap_or(Value::Null));
    }
    top.insert(
        "tags".into(),
        get(body, "tags").cloned().unwrap_or(Value::Null),
    );
    let mut fields: BTreeMap<String, Value> = known
        .iter()
        .map(|(name, default, _)| ((*name).to_owned(), value(default)))
        .collect();
    for field in get_array(body, "fields") {
        // Names are matched exactly; unknown ones are passed over.
        if let (Some(name), Some(given)) = (get_str(field, "name"), get(field, "value"))
            && let Some(slot) = fields.get_mut(name)
        {
            *slot = given.clone();
        }
    }
    Some(Provider { id, top, fields })
}

fn show_provider(app: App, provider: &Provider) -> Value {
    let implementation = match &provider.top["implementation"] {
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let mut object = Object::new();
    if provider.id != 0 {
        object.insert("id".into(), number(provider.id));
    }
    for (name, given) in &provider.top {
        if !matches!(given, Value::Null) {
            object.insert(name.clone(), given.clone());
        }
    }
    let mut fields = Array::new();
    for (order, (name, _, is_secret)) in settings(app, &implementation)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let mut field = Object::new();
        field.insert("order".into(), number(order as u64));
        field.insert("name".into(), Value::String((*name).into()));
        field.insert("label".into(), Value::String((*name).into()));
        let given = &provider.fields[*name];
        match given {
            Value::Null => {}
            Value::String(text) if *is_secret && !text.is_empty() => {
                field.insert("value".into(), Value::String("********".into()));
            }
            given => {
                field.insert("value".into(), given.clone());
            }
        }
        fields.push(Value::Object(field));
    }
    object.insert("fields".into(), Value::Array(fields));
    Value::Object(object)
}

pub(super) fn error_item(property: &str, message: &str, is_warning: bool) -> Value {
    let mut out = String::new();
    jackdaw::json::Object::begin(&mut out)
        .string("propertyName", property)
        .string("errorMessage", message)
        .string("severity", if is_warning { "warning" } else { "error" })
        .boolean("isWarning", is_warning)
        .end();
    value(&out)
}

pub(super) fn is_enabled(resource: &str, provider: &Provider) -> bool {
    let on = |name: &str| matches!(provider.top.get(name), Some(Value::Bool(true)));
    match resource {
        "indexer" => {
            on("enableRss") || on("enableAutomaticSearch") || on("enableInteractiveSearch")
        }
        "downloadclient" => on("enable"),
        _ => provider
            .top
            .iter()
            .any(|(name, given)| name.starts_with("on") && matches!(given, Value::Bool(true))),
    }
}

fn text_field<'a>(provider: &'a Provider, name: &str) -> &'a str {
    match provider.fields.get(name) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// Rules that are checked before anything is asked over the network.
fn validate(shared: &Shared, resource: &str, provider: &Provider) -> Vec<Value> {
    let state = shared.state.lock().unwrap();
    let mut errors = Vec::new();
    let name = match &provider.top["name"] {
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    if name.is_empty() {
        errors.push(error_item("Name", "'Name' must not be empty.", false));
    }
    let others = state.providers.get(resource).map_or(&[][..], Vec::as_slice);
    if others.iter().any(|other| {
        other.id != provider.id
            && matches!(&other.top["name"], Value::String(text) if text.eq_ignore_ascii_case(&name))
    }) {
        errors.push(error_item("Name", "Should be unique", false));
    }
    let priority = match provider.top.get("priority") {
        Some(Value::Number(Number::U64(n))) => *n,
        _ => 0,
    };
    if shared.app == App::Radarr && resource != "notification" && !(1..=50).contains(&priority) {
        errors.push(error_item(
            "Priority",
            "'Priority' must be between 1 and 50.",
            false,
        ));
    }
    if resource == "indexer" {
        let client = match provider.top.get("downloadClientId") {
            Some(Value::Number(Number::U64(n))) => *n,
            _ => 0,
        };
        let clients = state.providers.get("downloadclient");
        if client != 0 && !clients.is_some_and(|list| list.iter().any(|c| c.id == client)) {
            errors.push(error_item(
                "DownloadClientId",
                "Download Client does not exist",
                false,
            ));
        }
        let url = text_field(provider, "baseUrl");
        if !url.starts_with("http://") && !url.starts_with("https://") {
            errors.push(error_item(
                "BaseUrl",
                "'Base Url' must be a valid URL",
                false,
            ));
        }
        let none = |name: &str| !matches!(provider.fields.get(name), Some(Value::Array(a)) if !a.is_empty());
        if none("categories") && none("animeCategories") {
            errors.push(error_item("", "'Categories' must be provided", false));
        }
    }
    if matches!(&provider.top["implementation"], Value::String(t) if t == "QBittorrent") {
        let host = text_field(provider, "host");
        let is_host = !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.:[]".contains(c));
        if !is_host {
            errors.push(error_item(
                "Host",
                "must be valid Host without http:// ",
                false,
            ));
        }
    }
    errors
}

pub(super) fn provider_call(
    shared: &Shared,
    call: &Call,
    resource: &'static str,
    rest: &[&str],
    query: &Query,
) -> (u16, String) {
    let force = query
        .get("forceSave")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let list = || -> Vec<Provider> {
        let state = shared.state.lock().unwrap();
        let mut all = state.providers.get(resource).cloned().unwrap_or_default();
        all.sort_by_key(|p| json::to_string(&p.top["name"]));
        all
    };
    let show = |provider: &Provider| json::to_string(&show_provider(shared.app, provider));
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            let shown: Vec<String> = list().iter().map(show).collect();
            (200, format!("[{}]", shown.join(",")))
        }
        ("GET", ["schema"]) => {
            let shown: Vec<String> = implementations(resource)
                .iter()
                .map(|implementation| {
                    let contract = match *implementation {
                        "Webhook" => "WebhookSettings".to_owned(),
                        other => format!("{other}Settings"),
                    };
                    let mut body = Object::new();
                    body.insert(
                        "implementation".into(),
                        Value::String((*implementation).into()),
                    );
                    body.insert("configContract".into(), Value::String(contract));
                    body.insert("protocol".into(), Value::String("torrent".into()));
                    body.insert("tags".into(), Value::Array(Array::new()));
                    body.insert(
                        "priority".into(),
                        number(if resource == "indexer" { 25 } else { 1 }),
                    );
                    let provider = read_provider(shared.app, &Value::Object(body), 0).unwrap();
                    show(&provider)
                })
                .collect();
            (200, format!("[{}]", shown.join(",")))
        }
        ("GET", [id]) => match list().iter().find(|p| p.id.to_string() == *id) {
            Some(provider) => (200, show(provider)),
            None => (404, r#"{"message":"NotFound"}"#.into()),
        },
        ("DELETE", [id]) => {
            let mut state = shared.state.lock().unwrap();
            let all = state.providers.entry(resource).or_default();
            let before = all.len();
            all.retain(|p| p.id.to_string() != *id);
            if all.len() == before {
                return (404, r#"{"message":"NotFound"}"#.into());
            }
            (200, "{}".into())
        }
        ("POST" | "PUT", rest) => {
            let Ok(body) = json::from_str::<Value>(&call.body) else {
                return (400, r#"{"title":"malformed","status":400}"#.into());
            };
            let is_test = rest == ["test"];
            let id = match (call.method.as_str(), rest) {
                ("PUT", [id]) => id.parse().unwrap_or(0),
                ("POST", ["test"]) => get_u64(&body, "id").unwrap_or(0),
                ("POST", []) if get_u64(&body, "id").unwrap_or(0) != 0 => {
                    return (500, r#"{"message":"Expected entity to be new"}"#.into());
                }
                _ => 0,
            };
            let stored = list().into_iter().find(|p| p.id == id);
            if call.method == "PUT" && stored.is_none() {
                return (404, r#"{"message":"NotFound"}"#.into());
            }
            if get(&body, "fields").is_none() {
                return (if call.method == "PUT" { 500 } else { 400 }, "[]".into());
            }
            let Some(mut provider) = read_provider(shared.app, &body, id) else {
                return (
                    400,
                    r#"[{"propertyName":"Implementation","errorMessage":"unknown"}]"#.into(),
                );
            };
            if let Some(stored) = &stored {
                for given in provider.fields.iter_mut() {
                    if matches!(given.1, Value::String(text) if text == "********") {
                        *given.1 = stored.fields.get(given.0).cloned().unwrap_or(Value::Null);
                    }
                }
            }
            let implementation = |p: &Provider| json::to_string(&p.top["implementation"]);
            let mut errors = Vec::new();
            {
                let state = shared.state.lock().unwrap();
                if let Some(message) = state
                    .refuse
                    .iter()
                    .find(|((method, of), _)| *method == call.method && *of == resource)
                    .map(|(_, message)| message)
                    && !is_test
                {
                    errors.push(error_item("", message, false));
                }
                if state.refuse_conversion
                    && stored
                        .as_ref()
                        .is_some_and(|stored| implementation(stored) != implementation(&provider))
                {
                    return (500, r#"{"message":"Unable to cast object"}"#.into());
                }
            }
            if !errors.is_empty() {
                return (400, json::to_string(&errors));
            }
            let enabled = is_enabled(resource, &provider);
            let changed = stored.as_ref().is_none_or(|stored| {
                format!("{:?}{:?}", stored.top, stored.fields)
                    != format!("{:?}{:?}", provider.top, provider.fields)
            });
            if call.method == "PUT" && !changed {
                return (202, show(&provider));
            }
            if enabled || is_test {
                errors = validate(shared, resource, &provider);
            }
            // forceSave on POST does not skip the test; on PUT it does.
            let runs = is_test || (enabled && (call.method == "POST" || !force));
            if errors.is_empty() && runs {
                errors = crate::support::fake_cdh::test_provider(shared.app, &provider);
            }
            let blocks = |error: &Value| get_bool(error, "isWarning") != Some(true) || !force;
            if errors.iter().any(blocks) {
                return (400, json::to_string(&errors));
            }
            if is_test {
                return (200, "{}".into());
            }
            let mut state = shared.state.lock().unwrap();
            if matches!(provider.top["tags"], Value::Null) {
                state.tags_broken = true;
            }
            let status = match stored {
                Some(_) => 202,
                None => {
                    provider.id = state.next_id;
                    state.next_id += 1;
                    201
                }
            };
            let shown = show(&provider);
            let all = state.providers.entry(resource).or_default();
            all.retain(|p| p.id != provider.id);
            all.push(provider);
            (status, shown)
        }
        _ => (405, String::new()),
    }
}
