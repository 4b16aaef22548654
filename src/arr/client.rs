//! One Radarr or Sonarr over its REST API v3.
//!
//! Requests carry the key in `X-Api-Key` and the server's extra headers. Redirects are not
//! followed: a 307 means a missing URL base, a 302 a login page, and either deserves a clear
//! error. A proxy named by the environment is not used. Single objects are read whole up to [`MAX_OBJECT`]; lists of any length go through
//! [`ArrClient::each`], item by item, so that a library of 100 MB of JSON costs one item of memory.

use std::fmt::Write;
use std::io::Read;
use std::time::Duration;

use miniserde::json::Value;
use ureq::Agent;
use ureq::http;

use super::error::{ArrError, Validation};
use crate::config::{Server, ServerType};
use crate::json::{self, JsonError};
use crate::secret::without_keys;

/// Longest connect, and longest wait for the next bytes: a Pi's arr that walks its library answers
/// after tens of seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest silence on the network. Saving a provider makes the arr test us first, within its own
/// limit of 100 s; we outwait that.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// Largest single answer that is read whole; lists of providers and schemas go item by item.
const MAX_OBJECT: u64 = json::MAX_ITEM as u64;

/// Largest list that is read item by item: 20,000 movies are about 100 MB.
const MAX_LIST: u64 = 4 * 1024 * 1024 * 1024;

/// How much of an error answer is looked at.
const MAX_ERROR_BODY: u64 = 64 * 1024;

/// What `GET /system/status` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemStatus {
    /// Radarr or Sonarr.
    pub app: ServerType,
    /// For example `4.0.19.2979`.
    pub version: String,
    /// `""` or `/radarr`.
    pub url_base: String,
    /// Its own name.
    pub instance_name: String,
}

/// A client for one configured server. Cheap to keep; opens connections only when asked.
pub struct ArrClient {
    server: Server,
    agent: Agent,
}

impl ArrClient {
    /// A client; no connection is made.
    pub fn new(server: Server) -> ArrClient {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            // An arr is near; what the environment names is the way out, and friends are asked past
            // it as well.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            .timeout_per_write(Some(READ_TIMEOUT))
            .timeout_recv_response(Some(READ_TIMEOUT))
            .max_idle_connections(1)
            .input_buffer_size(16 * 1024)
            .output_buffer_size(16 * 1024)
            .user_agent(concat!("jackdaw/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        ArrClient { server, agent }
    }

    /// The configured server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// `radarr "Main"`: how messages name it.
    pub fn name(&self) -> String {
        let kind = app_name(self.server.kind).to_ascii_lowercase();
        format!("{kind} \"{}\"", self.server.title)
    }

    /// Asks who it is, and refuses the wrong program.
    pub fn status(&self) -> Result<SystemStatus, ArrError> {
        let value = self.get("/system/status")?;
        let Some(app) = json::get_str(&value, "appName") else {
            return Err(ArrError::Protocol(format!(
                "{}: no appName in its answer; is its url right?",
                self.what("GET", "/system/status")
            )));
        };
        let found = match app {
            "Radarr" => ServerType::Radarr,
            "Sonarr" => ServerType::Sonarr,
            other => {
                return Err(ArrError::WrongApp(format!(
                    "{}: {} answers as \"{}\", not as Radarr or Sonarr; correct its url",
                    self.name(),
                    self.server.url,
                    other.escape_default()
                )));
            }
        };
        if found != self.server.kind {
            return Err(ArrError::WrongApp(format!(
                "{}: {} is a {}; correct its type or its url",
                self.name(),
                self.server.url,
                app_name(found)
            )));
        }
        let text = |name| json::get_str(&value, name).unwrap_or_default().to_owned();
        Ok(SystemStatus {
            app: found,
            version: text("version"),
            url_base: text("urlBase"),
            instance_name: text("instanceName"),
        })
    }

    /// `GET {url}/api/v3{path}`, one JSON value. `path` begins with `/` and holds its query.
    pub fn get(&self, path: &str) -> Result<Value, ArrError> {
        self.call("GET", path, None)
    }

    /// `POST` of a JSON value.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ArrError> {
        self.call("POST", path, Some(body))
    }

    /// `PUT` of a JSON value.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value, ArrError> {
        self.call("PUT", path, Some(body))
    }

    /// `DELETE`; the answer's body (`{}` or empty) is of no interest.
    pub fn delete(&self, path: &str) -> Result<(), ArrError> {
        let what = self.what("DELETE", path);
        let response = self.send("DELETE", path, None, &what)?;
        self.check(response, &what).map(drop)
    }

    /// `GET` of a list of any length: the raw text of each element goes to `each`, one at a time.
    /// An error half-way means that the rest was not seen.
    pub fn each(&self, path: &str, each: &mut dyn FnMut(&str)) -> Result<(), ArrError> {
        self.each_while(path, &mut |item| {
            each(item);
            true
        })
    }

    /// As [`ArrClient::each`]; the rest is left unread once `each` says false.
    pub fn each_while(
        &self,
        path: &str,
        each: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), ArrError> {
        self.read_list(path, json::Place::TopLevel, each).map(drop)
    }

    /// As [`ArrClient::each`], for the list under this key of the answer: `records` of a page.
    /// Gives the number of its elements, those that were left out included.
    pub fn each_under(
        &self,
        path: &str,
        key: &str,
        each: &mut dyn FnMut(&str),
    ) -> Result<u64, ArrError> {
        self.read_list(path, json::Place::Key(key), &mut |item| {
            each(item);
            true
        })
    }

    fn read_list(
        &self,
        path: &str,
        place: json::Place<'_>,
        each: &mut dyn FnMut(&str) -> bool,
    ) -> Result<u64, ArrError> {
        let what = self.what("GET", path);
        let response = self.check(self.send("GET", path, None, &what)?, &what)?;
        let mut reader = FirstByte {
            inner: response
                .into_body()
                .into_with_config()
                .limit(MAX_LIST)
                .reader(),
            first: None,
        };
        let mut seen = 0;
        let result = json::read_items(&mut reader, place, MAX_LIST, |item| {
            seen += 1;
            match each(item) {
                true => Ok(()),
                false => Err(Stop::Enough),
            }
        });
        match result {
            Ok(count) => {
                if count.skipped > 0 {
                    log::warn!(
                        "{what}: left out {} of {} entries: longer than {} bytes, or not UTF-8",
                        count.skipped,
                        count.given + count.skipped,
                        json::MAX_ITEM
                    );
                }
                Ok(count.given + count.skipped)
            }
            Err(Stop::Enough) => Ok(seen),
            Err(Stop::Failed(JsonError::Io(error))) => Err(ArrError::Unreachable(format!(
                "{what}: the answer broke off: {error}"
            ))),
            Err(Stop::Failed(error)) => {
                let page = match reader.first {
                    Some(b'<') => looks_like_html("<"),
                    _ => "",
                };
                Err(ArrError::Protocol(format!("{what}: {error}{page}")))
            }
        }
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ArrError> {
        let what = self.what(method, path);
        let response = self.check(self.send(method, path, body, &what)?, &what)?;
        let text = response
            .into_body()
            .into_with_config()
            .limit(MAX_OBJECT)
            .read_to_string()
            .map_err(|error| self.transport_error(&what, &error))?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        json::parse(&text).ok_or_else(|| {
            let why = match json::check(&text) {
                Err(error) => error.to_string(),
                Ok(()) => "not an answer of the API".to_owned(),
            };
            ArrError::Protocol(format!("{what}: {why}{}", looks_like_html(&text)))
        })
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<http::Response<ureq::Body>, ArrError> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}/api/v3{path}", self.server.url))
            .header("X-Api-Key", self.server.api_key.expose())
            // An Accept that excludes JSON would be a 406.
            .header("Accept", "application/json");
        for (name, value) in &self.server.headers {
            request = request.header(name.as_str(), value.expose());
        }
        let result = match body {
            Some(body) => {
                let text = miniserde::json::to_string(body);
                request
                    .header("Content-Type", "application/json")
                    .body(text)
                    .map_err(ureq::Error::from)
                    .and_then(|request| self.agent.run(request))
            }
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
        };
        result.map_err(|error| self.transport_error(what, &error))
    }

    /// Turns error statuses into errors.
    fn check(
        &self,
        response: http::Response<ureq::Body>,
        what: &str,
    ) -> Result<http::Response<ureq::Body>, ArrError> {
        let status = response.status().as_u16();
        match status {
            200..=299 => return Ok(response),
            300..=399 => {
                let to = response
                    .headers()
                    .get("location")
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or("nowhere");
                return Err(ArrError::Redirected(format!(
                    "{what}: redirected to {}; url must be the address that answers itself, \
                     with the URL base set in its General settings, and past any login page",
                    without_keys(to).escape_default()
                )));
            }
            401 | 403 => {
                return Err(ArrError::Unauthorized(format!(
                    "{what}: the api_key is wrong (HTTP status {status}); copy it from \
                     Settings, General"
                )));
            }
            _ => {}
        }
        let mut body = Vec::new();
        // What cannot be read of an error answer only makes the message shorter.
        let _ = response
            .into_body()
            .into_reader()
            .take(MAX_ERROR_BODY)
            .read_to_end(&mut body);
        let text = String::from_utf8_lossy(&body);
        let value = json::parse(&text).unwrap_or(Value::Null);
        Err(error_answer(what, status, &value, &text))
    }

    fn transport_error(&self, what: &str, error: &ureq::Error) -> ArrError {
        match error {
            ureq::Error::BodyExceedsLimit(limit) => {
                ArrError::Protocol(format!("{what}: the answer is larger than {limit} bytes"))
            }
            _ => ArrError::Unreachable(format!("{what}: {error}; is it running?")),
        }
    }

    /// Server and endpoint, without the query: ids there are noise, and no key is ever in it.
    fn what(&self, method: &str, path: &str) -> String {
        let path = path.split('?').next().unwrap_or(path);
        format!("{}: {method} {}/api/v3{path}", self.name(), self.server.url)
    }
}

/// Why the reading of a list ended early.
enum Stop {
    Enough,
    Failed(JsonError),
}

impl From<JsonError> for Stop {
    fn from(error: JsonError) -> Stop {
        Stop::Failed(error)
    }
}

/// Remembers how an answer begins, to tell a web page from broken JSON.
struct FirstByte<R> {
    inner: R,
    first: Option<u8>,
}

impl<R: Read> Read for FirstByte<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if self.first.is_none() {
            self.first = buffer[..read]
                .iter()
                .copied()
                .find(|byte| !byte.is_ascii_whitespace());
        }
        Ok(read)
    }
}

/// `Radarr` or `Sonarr`, as the program calls itself.
pub fn app_name(kind: ServerType) -> &'static str {
    match kind {
        ServerType::Radarr => "Radarr",
        ServerType::Sonarr => "Sonarr",
    }
}

/// Judges an error status other than 3xx, 401 and 403 by its body.
fn error_answer(what: &str, status: u16, value: &Value, text: &str) -> ArrError {
    if let (400, Value::Array(items)) = (status, value) {
        return ArrError::Invalid {
            what: what.to_owned(),
            items: items.iter().map(validation).collect(),
        };
    }
    let mut message = ["message", "errorMessage", "title"]
        .iter()
        .find_map(|name| json::get_str(value, name))
        .map(without_keys)
        .unwrap_or_default();
    if let Value::Object(object) = value
        && let Some(Value::Object(errors)) = object.get("errors")
    {
        for (field, texts) in errors {
            let _ = write!(message, "; {field}");
            if let Value::Array(texts) = texts {
                for text in texts {
                    if let Value::String(text) = text {
                        let _ = write!(message, ": {}", without_keys(text));
                    }
                }
            }
        }
    }
    message.push_str(looks_like_html(text));
    match status {
        404 => ArrError::NotFound(
            format!("{what}: not found (HTTP status 404) {message}")
                .trim_end()
                .to_owned(),
        ),
        503 => ArrError::Starting(format!(
            "{what}: not ready yet (HTTP status 503){}{message}",
            if message.is_empty() { "" } else { ": " }
        )),
        _ => ArrError::Status {
            what: what.to_owned(),
            status,
            message,
        },
    }
}

fn validation(item: &Value) -> Validation {
    let text = |name| without_keys(json::get_str(item, name).unwrap_or_default());
    let is_warning = json::get_bool(item, "isWarning") == Some(true)
        || json::get_str(item, "severity") == Some("warning");
    Validation {
        property: text("propertyName"),
        message: text("errorMessage"),
        is_warning,
    }
}

fn looks_like_html(text: &str) -> &'static str {
    if text.trim_start().starts_with('<') {
        "; a web page came instead: is a proxy with a login before it?"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, expected: &str, may_pass: bool) {
        let value = json::parse(body).unwrap_or(Value::Null);
        let error = error_answer("radarr \"A\": GET x", status, &value, body);
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.may_pass(), may_pass, "{body}");
    }

    #[test]
    fn error_answers_keep_the_arrs_words() {
        // Shapes: Sonarr.Http ErrorModel, validation arrays, ASP.NET problem details.
        check(
            400,
            r#"[{"propertyName":"Host","errorMessage":"Unable to connect","severity":"error","isWarning":false},
                {"propertyName":"","errorMessage":"Category is recommended","isWarning":true}]"#,
            "radarr \"A\": GET x: refused; Host: Unable to connect; Category is recommended (warning)",
            false,
        );
        check(
            400,
            r#"{"title":"One or more validation errors occurred.","status":400,"errors":{"$.fields":["bad"]}}"#,
            "radarr \"A\": GET x: HTTP status 400: One or more validation errors occurred.; $.fields: bad",
            false,
        );
        check(
            503,
            r#"{"errorMessage":"Radarr is starting up, please try again later"}"#,
            "radarr \"A\": GET x: not ready yet (HTTP status 503): Radarr is starting up, please try again later",
            true,
        );
        check(
            404,
            "",
            "radarr \"A\": GET x: not found (HTTP status 404)",
            false,
        );
        check(
            502,
            "<html>Bad gateway</html>",
            "radarr \"A\": GET x: HTTP status 502: ; a web page came instead: is a proxy with a login before it?",
            true,
        );
        check(
            500,
            r#"{"message":"boom","description":"…"}"#,
            "radarr \"A\": GET x: HTTP status 500: boom",
            true,
        );
        // HttpException of both programs quotes the address that failed.
        check(
            400,
            r#"[{"propertyName":"","errorMessage":"Unable to connect to indexer: HTTP request failed: [503:ServiceUnavailable] [GET] at [http://jackdaw:5225/torznab/api?t=search&apikey=c0ffee&offset=0]"}]"#,
            "radarr \"A\": GET x: refused; Unable to connect to indexer: HTTP request failed: [503:ServiceUnavailable] [GET] at [http://jackdaw:5225/torznab/api?t=search&apikey=…&offset=0]",
            false,
        );
        check(409, "null", "radarr \"A\": GET x: HTTP status 409", false);
    }
}
