//! Random bytes in parameters, headers and bodies.

use super::rig::{OWNER_KEY, Rig};
use crate::http::Method::{Get, Post};

/// Any bytes in any parameter give an answer below 500 that is JSON where it says so.
#[test]
fn hostile_parameters_are_answered() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    rig.add(&sid, "A\u{202e}\"<b>", &[("category", "é\"")]);
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let actions = [
        "torrents/info",
        "torrents/files",
        "torrents/addTags",
        "torrents/createCategory",
        "torrents/add",
        "torrents/rename",
        "torrents/downloadLimit",
        "sync/maindata",
        "app/setPreferences",
        "auth/login",
        "log/main",
    ];
    let names = [
        "hashes", "hash", "tags", "category", "urls", "name", "rid", "json", "sort", "limit",
        "offset", "username", "password", "indexes", "filter",
    ];
    for _ in 0..2_000 {
        let action = actions[(random() % actions.len() as u64) as usize];
        let mut form = String::new();
        for _ in 0..random() % 4 {
            form.push_str(names[(random() % names.len() as u64) as usize]);
            form.push('=');
            for byte in random().to_le_bytes() {
                form.push_str(&format!("%{byte:02x}"));
            }
            form.push('&');
        }
        let answer = rig.call(Post, action).session(&sid).form(&form).send();
        assert!(answer.status < 500, "{action} {form}: {}", answer.status);
        if answer.header("Content-Type") == Some("application/json") {
            assert!(crate::json::check(&answer.body).is_ok(), "{}", answer.body);
        }
    }
}

/// So do any bytes in headers and in multipart bodies.
#[test]
fn hostile_headers_and_uploads_are_answered() {
    let rig = Rig::new();
    let sid = rig.login("me", OWNER_KEY);
    let (torrent, _) = rig.stub("A", 5);
    let mut seed = 0x2545_F491_4F6C_DD1Du64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let upload = {
        let mut body = b"--x\r\nContent-Disposition: form-data; name=\"torrents\"; \
            filename=\"a.torrent\"\r\n\r\n"
            .to_vec();
        body.extend_from_slice(&torrent);
        body.extend_from_slice(b"\r\n--x\r\nContent-Disposition: form-data; name=\"category\"");
        body.extend_from_slice(b"\r\n\r\nradarr\r\n--x--\r\n");
        body
    };
    for round in 0..2_000 {
        // Some bytes are changed, and some of the end is missing.
        let mut body = upload.clone();
        for _ in 0..random() % 8 {
            let at = (random() % body.len() as u64) as usize;
            body[at] = random() as u8;
        }
        if random() % 4 == 0 {
            body.truncate((random() % upload.len() as u64) as usize);
        }
        let noise: String = random().to_le_bytes().map(char::from).iter().collect();
        let kind = ["multipart/form-data; boundary=x", noise.as_str()];
        let answer = rig
            .call(Post, "torrents/add")
            .session(&sid)
            .header("Content-Type", kind[(random() % 8 == 0) as usize])
            .body(&body)
            .send();
        // 503: the changed byte was in the friend's id.
        let is_answered = matches!(answer.status, 200 | 400 | 415 | 503);
        assert!(is_answered, "round {round}: {}", answer.status);
        for name in ["Cookie", "Authorization", "Origin", "Referer", "Host"] {
            let values = [
                noise.clone(),
                format!("SID={noise}"),
                format!("Basic {noise}"),
                format!("http://{noise}"),
            ];
            let value = &values[(random() % 4) as usize];
            let answer = rig.call(Get, "app/version").header(name, value).send();
            assert!(matches!(answer.status, 401 | 403), "{name}: {value:?}");
        }
    }
    let list = rig.get(&sid, "torrents/info").body;
    assert!(crate::json::check(&list).is_ok());
}
