//! What ordinary clients are promised: framing, order, versions, streams, bodies, keys, forms.

use std::io::Read;

use super::client::*;
use super::world::*;

#[test]
fn answers_are_complete_and_framed() {
    let world = World::new();
    let answer = world.get("/ping");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Content-Length"), Some("15"));
    assert_eq!(answer.header("Connection"), None);
    assert_eq!(answer.header("Server"), None);
    let date = httpdate::parse_http_date(answer.header("Date").unwrap());
    assert!(date.is_ok());
    let missing = world.get("/nowhere");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.text(), "{\"error\":\"Not found\"}");
    let wrong = world.ask("POST /ping HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(wrong.status, 405);
    assert_eq!(wrong.header("Allow"), Some("GET, HEAD"));
    let injected = world.get("/inject");
    assert_eq!(
        (injected.header("X-Bad"), injected.header("X-Evil")),
        (None, None)
    );
    let bad = world.get("/ping?apikey=%zz");
    assert_eq!(bad.status, 400);
    assert_eq!(
        bad.text(),
        "{\"error\":\"parameter apikey is not valid percent-encoded UTF-8\"}"
    );
    let big = world.get("/big");
    assert!(big.body.len() == 8_000_000 && big.body.iter().all(|byte| *byte == b'b'));
}

#[test]
fn keep_alive_and_pipelining_keep_the_order() {
    let world = World::new();
    world.write_film(b"film");
    let mut client = world.client();
    let targets = [
        "/ping", "/seen/a", "/file", "/stream", "/nowhere", "/big", "/seen/b",
    ];
    let pipeline: String = targets.iter().map(|target| get(target)).collect();
    client.send(pipeline);
    let statuses: Vec<_> = targets
        .iter()
        .map(|target| {
            let answer = client.answer("GET");
            if let Some(item) = target.strip_prefix("/seen/") {
                assert!(answer.text().contains(&format!("\"{item}\"")));
            }
            answer.status
        })
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 404, 200, 200]);
    let last = client.ask("GET /ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(last.header("Connection"), Some("close"));
    assert!(client.is_ended());
}

#[test]
fn http_1_0_clients() {
    let world = World::new();
    let mut client = world.client();
    let answer = client.ask("GET /ping HTTP/1.0\r\n\r\n");
    assert_eq!(
        (answer.status, answer.header("Connection")),
        (200, Some("close"))
    );
    assert!(client.is_ended());
    let mut client = world.client();
    for _ in 0..2 {
        let answer = client.ask("GET /ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(answer.header("Connection"), Some("keep-alive"));
    }
    let mut client = world.client();
    let answer = client.ask("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(answer.header("Transfer-Encoding"), None);
    assert_eq!(answer.header("Connection"), Some("close"));
    assert!(answer.body == LINE.repeat(1000).as_bytes());
}

#[test]
fn head_is_get_without_the_body() {
    let world = World::new();
    world.write_film(&[b'f'; 1000]);
    for target in ["/ping", "/big", "/file", "/nowhere"] {
        let mut client = world.client();
        let full = client.ask(&get(target));
        let head = client.ask(&format!("HEAD {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(head.status, full.status);
        let without_date = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "Date");
            headers
        };
        assert_eq!(without_date(&head), without_date(&full), "{target}");
        assert_eq!(
            head.header("Content-Length"),
            Some(full.body.len().to_string().as_str())
        );
        assert_eq!(
            client.ask(&get("/ping")).status,
            200,
            "nothing was left over"
        );
    }
    let mut client = world.client();
    let head = client.ask("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((head.status, head.header("Content-Length")), (200, None));
    assert_eq!(client.ask(&get("/ping")).status, 200);
}

#[test]
fn streams_are_whole_or_visibly_cut() {
    let world = World::new();
    let whole = LINE.repeat(1000);
    let mut client = world.client();
    for target in ["/stream", "/stream-short-route"] {
        let answer = client.ask(&get(target));
        assert_eq!(answer.header("Transfer-Encoding"), Some("chunked"));
        assert!(answer.body == whole.as_bytes());
    }
    let small = client.ask(&get("/stream-small"));
    assert_eq!(
        small.header("Content-Length"),
        Some(LINE.len().to_string().as_str())
    );
    assert_eq!(small.text(), LINE);
    client.send(get("/stream-cut"));
    assert_eq!(client.head().header("Transfer-Encoding"), Some("chunked"));
    let mut rest = Vec::new();
    let _ = client.reader.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    assert!(rest.len() > 16_000);
    world.assert_ping();
}

#[test]
fn expect_continue_is_answered_once_the_body_is_wanted() {
    let world = World::new();
    let mut client = world.client();
    client.send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    );
    let interim = client.answer("POST");
    assert_eq!((interim.status, interim.headers.len()), (100, 0));
    client.send("body");
    assert_eq!(client.answer("POST").text(), "body");
    client.send(
        "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n",
    );
    assert_eq!(client.answer("POST").status, 413);
}

#[test]
fn bodies_arrive_whole() {
    let world = World::with(|settings| settings.body_limit = |_, _| 4 << 20);
    let mut client = world.client();
    for length in [0, 1, 1024, 1025, 5000, 65_536, 65_537, 1_000_000, 4 << 20] {
        let body: Vec<u8> = (0..length).map(|at| (at % 253) as u8).collect();
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
        ));
        client.send(&body);
        assert!(client.answer("POST").body == body, "{length}");
    }
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut expected = Vec::new();
    for length in [1, 10, 4096, 70_000] {
        let chunk = vec![b'a' + (length % 26) as u8; length];
        client.send(format!("{length:X};x=y\r\n"));
        client.send(&chunk);
        client.send("\r\n");
        expected.extend(chunk);
    }
    client.send("0\r\nTrailer: x\r\n\r\n");
    assert!(client.answer("POST").body == expected);
    assert_eq!(client.ask(&get("/ping")).status, 200);
}

#[test]
fn chunked_body_beyond_its_limit_is_refused() {
    let world = World::new();
    let mut client = world.client();
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..5 {
        client.send(format!("4000\r\n{}\r\n", "x".repeat(0x4000)));
    }
    assert_eq!(client.answer("POST").status, 413);
}

#[test]
fn a_refused_upload_gets_to_read_the_refusal() {
    let world = World::new();
    let mut client = world.client();
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n");
    client.send(vec![b'x'; 2_000_000]);
    assert_eq!(client.answer("POST").status, 413);
}

#[test]
fn what_a_handler_sees() {
    let world = World::new();
    let seen = |request: &str| world.ask(request).text().to_owned();
    let text = seen(
        "GET /jd/seen/a%2Fb%3A%20c?q=x+y%26z&q HTTP/1.1\r\nHost: h:1\r\nX-Api-Key: k\r\n\
         X-Jackdaw-Remote: 6.6.6.6\r\nx-jackdaw-ticket: 1.1\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
         User-Agent: caf\u{e9}\r\n\r\n",
    );
    let expected = "127.0.0.1 /seen/a%2Fb%3A%20c\n\
         Params([(\"item\", \"a/b: c\")]) Params([(\"q\", \"x y&z\"), (\"q\", \"\")])\n\
         Host: h:1\nX-Api-Key: k\nUser-Agent: caf??\n";
    let ours = ["Content-Length: 0\n", "Connection: close\n"];
    let text = ours.iter().fold(text, |text, line| text.replace(line, ""));
    assert_eq!(text, expected);
    assert_eq!(world.get("/jd/ping").status, 200);
    assert_eq!(world.get("/jdping").status, 404);
    for hostile in ["/seen/%", "/seen/%zz", "/seen/%ff", "/seen/%C3%28"] {
        assert_eq!(world.get(hostile).status, 400, "{hostile}");
    }
    assert!(seen(&get("/seen/caf\u{e9}")).contains("\"caf\u{e9}\""));
    assert_eq!(world.get("/seen/..").status, 200, "a name is not a path");
}

#[test]
fn keys_open_what_they_should() {
    let world = World::new();
    let status = |target: &str, lines: &str| {
        let answer = world.ask(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n"));
        if answer.status == 401 {
            assert_eq!(answer.text(), "{\"error\":\"Unauthorized\"}");
            assert_eq!(answer.header("Content-Type"), Some("application/json"));
        }
        answer.status
    };
    assert_eq!(status("/peer", ""), 401);
    assert_eq!(status("/peer", "X-Api-Key: wrong\r\n"), 401);
    assert_eq!(status("/peer", "X-Api-Key: friend-key\r\n"), 200);
    assert_eq!(status("/peer", "X-Api-Key: owner-key\r\n"), 200);
    assert_eq!(status("/peer?apikey=friend-key", ""), 200);
    assert_eq!(status("/peer", "Authorization: Bearer friend-key\r\n"), 200);
    assert_eq!(status("/owner", "X-Api-Key: friend-key\r\n"), 401);
    assert_eq!(status("/owner", "X-Api-Key: owner-key\r\n"), 200);
    assert_eq!(status("/owner", ""), 401);
    assert_eq!(status("/nowhere", ""), 404);
}

#[test]
fn forms_as_clients_send_them() {
    let world = World::new();
    let post = |kind: &str, body: &str| {
        world.ask(&format!(
            "POST /form HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let answer = post(
        "application/x-www-form-urlencoded",
        "username=a%20b&password=c%2Bd+e",
    );
    assert!(
        answer
            .text()
            .contains("(\"username\", \"a b\"), (\"password\", \"c+d e\")")
    );
    let answer = post(
        "multipart/form-data; boundary=\"b\"",
        "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"é\"\r\n\r\nx\r\n--b--\r\n",
    );
    assert!(answer.text().contains("filename: \"é\""));
    assert_eq!(post("application/json", "{}").status, 400);
    assert_eq!(post("application/json", "").status, 200);
}
