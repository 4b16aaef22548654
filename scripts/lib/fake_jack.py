"""A friend that speaks the peer protocol as jack does, with a large made-up library.

fake_jack.py NUMBER RELEASES ETAG|PLAIN: prints its port, then obeys lines on standard input:
`change` gives every release another publication date, `count` prints how many requests each route
has had since the last `count` as JSON. The list is made once and sent in pieces, so that the
friend is no brake. Files are sent slowly for ever: who asks for one keeps a transfer running.
"""

import http.server
import json
import sys
import threading
import time
import urllib.parse

PIECE = 256 * 1024
# Numbers of different friends must not meet.
STEP = 1_000_000
ADJECTIVES = "Silent Golden Broken Distant Hidden Frozen Burning Lonely Crimson Electric".split()
SYLLABLES = "ba ren to mi sal ver lo qui dan er fos ti gra nu hel ka rim su vor ze pol min".split()
GROUPS = "NTb FLUX CMRG TEPES SiGMA GROUP".split()


def words(key):
    """Three words: one that a tenth of all titles have, two that few have."""
    several = [SYLLABLES[key // step % len(SYLLABLES)] for step in (1, 7, 50, 3, 90, 1100)]
    return f"{ADJECTIVES[key % 10]}.{''.join(several[:3])}.{''.join(several[3:])}".title()


def release(friend, number, generation):
    """A film or, three times out of four, an episode: what a mixed library looks like."""
    key = friend * STEP + number
    group = GROUPS[key % 6]
    day = f"20{10 + key % 15:02}-{1 + key // 7 % 12:02}-{1 + key // 11 % 28:02}"
    item = {
        "size": 700_000_000 + key * 7919 % 9_000_000_000,
        "quality": {"name": "WEBDL-1080p", "source": "webdl", "resolution": 1080},
        "languages": ["English"],
        "releaseGroup": group,
        "mediaInfo": {
            "audioChannels": 5.1, "audioCodec": "EAC3", "audioLanguages": "eng",
            "resolution": "1920x1080", "runTime": "43:21", "scanType": "Progressive",
            "subtitles": "eng/ger/fre", "videoBitDepth": 8, "videoCodec": "x264",
            "videoFps": 23.976,
        },
        "publishDate": f"{day}T{generation % 24:02}:{key % 60:02}:00Z",
    }
    if number % 4 == 0:
        item["id"] = f"r:movie:{key}"
        item["title"] = f"{words(key)}.{key}.1999.1080p.WEB-DL.DDP5.1.x264-{group}"
        item["category"] = 2000
        item["imdbId"], item["tmdbId"] = f"tt{key:08}", key
    else:
        series, episode = key // 100, key % 100
        name = f"{words(series)}.{series}"
        item["season"], item["episode"] = 1 + episode // 20, 1 + episode % 20
        item["id"] = f"s:episode:{key}"
        item["title"] = (
            f"{name}.S{item['season']:02}E{item['episode']:02}.1080p.WEB-DL.x264-{group}"
        )
        item["category"], item["tvdbId"] = 5000, series
        item["seriesTitle"] = name.replace(".", " ")
    item["filename"] = item["title"] + ".mkv"
    return item


class State:
    """What the handlers share."""

    def __init__(self, friend, releases, has_etag):
        self.friend, self.releases, self.has_etag = friend, releases, has_etag
        self.lock = threading.Lock()
        self.counts = {}
        self.generation = 0
        self.fill()

    def fill(self):
        items = (release(self.friend, n, self.generation) for n in range(self.releases))
        text = ",".join(json.dumps(item, separators=(",", ":")) for item in items)
        with self.lock:
            self.body = ('{"items":[' + text + "]}").encode()
            self.etag = f'"{self.friend}-{self.generation}"'

    def count(self, route):
        with self.lock:
            self.counts[route] = self.counts.get(route, 0) + 1


def handler(state):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def send(self, status, body, etag=None):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if etag:
                self.send_header("ETag", etag)
            self.end_headers()
            for at in range(0, len(body), PIECE):
                self.wfile.write(body[at : at + PIECE])

        def do_GET(self):
            path, _, query = self.path.partition("?")
            parts = path.strip("/").split("/")
            state.count(parts[-1] if parts[:2] != ["peer", "items"] else "items")
            try:
                if path == "/handshake":
                    self.send(200, b'{"name":"jack","version":"0.1.0"}')
                elif path == "/peer/search" and "=" not in query:
                    self.list()
                elif parts[:2] == ["peer", "items"] and parts[-1] == "file":
                    self.file(int(urllib.parse.unquote(parts[2]).split(":")[-1]))
                elif parts[:2] == ["peer", "items"]:
                    number = int(urllib.parse.unquote(parts[2]).split(":")[-1]) % STEP
                    item = release(state.friend, number, state.generation)
                    self.send(200, json.dumps(item).encode())
                else:
                    # Searches by id: refused, so that the index answers.
                    self.send(503, b'{"error":"not now"}')
            except OSError:
                self.close_connection = True

        def list(self):
            with state.lock:
                body, etag = state.body, state.etag
            if not state.has_etag:
                self.send(200, body)
            elif self.headers.get("If-None-Match") == etag:
                self.send(304, b"", etag)
            else:
                self.send(200, body, etag)

        def file(self, key):
            size = release(state.friend, key % STEP, state.generation)["size"]
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.close_connection = True
            while True:
                self.wfile.write(bytes(4096))
                time.sleep(0.5)

    return Handler


def main():
    friend, releases, kind = sys.argv[1:]
    state = State(int(friend), int(releases), kind == "ETAG")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    for command in sys.stdin:
        if command.strip() == "change":
            state.generation += 1
            state.fill()
            print("changed", flush=True)
        elif command.strip() == "count":
            with state.lock:
                counts, state.counts = state.counts, {}
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
