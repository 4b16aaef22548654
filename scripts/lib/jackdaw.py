"""What scripts/bench, scripts/chaos and scripts/clients share: instances of the release binary, and an arr.

Python's standard library only. The arr is written from what Sonarr 4 and Radarr 6 send: headers,
form encodings, multipart layout and order of calls are theirs, not a library's.
"""

import base64
import hashlib
import http.client
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEY = secrets.token_hex(16)
TORZNAB = "{http://torznab.com/schemas/2015/feed}"


class Failure(Exception):
    """What went wrong, in one line."""


def build():
    """Builds the release binary and gives its path; $JACKDAW_BINARY names another one instead."""
    if "JACKDAW_BINARY" in os.environ:
        return os.path.abspath(os.environ["JACKDAW_BINARY"])
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(target, "release", "jackdaw")


def wait_for(what, condition, seconds=60):
    """Polls until `condition` gives something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise Failure(f"still waiting after {seconds} s for: {what}")


def write_noise(path, size):
    """An incompressible file, a day old: what has just been written might still be growing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        left = size
        while left:
            block = os.urandom(min(left, 1 << 20))
            file.write(block)
            left -= len(block)
    old = time.time() - 24 * 60 * 60
    os.utime(path, (old, old))


def digest(path):
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Instance:
    """A running jackdaw; `with` stops it."""

    def __init__(self, binary, home, name, sections, jackdaw_lines="", environment=None):
        self.home = os.path.join(home, name)
        os.makedirs(self.home, exist_ok=True)
        config = os.path.join(self.home, "jackdaw.ini")
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                f"[jackdaw]\nname = {name}\nlisten = 127.0.0.1:0\napi_key = {KEY}\n"
                f"data_dir = {self.home}/data\n{jackdaw_lines}\n{sections}\n"
            )
        self.name = name
        self.lines = []
        self.address = None
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [binary, "run", "--config", config],
            cwd=self.home,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        listening = threading.Event()
        threading.Thread(target=self._read, args=(listening,), daemon=True).start()
        if not listening.wait(30) or self.address is None:
            self.process.kill()
            raise Failure(f"{name} did not start:\n" + "\n".join(self.lines[-20:]))
        wait_for("the first ping", self.ping)
        self.ready_after = time.monotonic() - self.started

    def _read(self, listening):
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            del self.lines[:-200]
            found = re.search(r"listening on http://([^\s,/]+)", line)
            if found and self.address is None:
                self.address = found.group(1)
                listening.set()
        listening.set()

    @property
    def url(self):
        return f"http://{self.address}"

    def ping(self):
        """True if /ping is answered."""
        try:
            connection = http.client.HTTPConnection(self.address, timeout=5)
            connection.request("GET", "/ping")
            is_well = connection.getresponse().status == 200
            connection.close()
            return is_well
        except OSError:
            return False

    def state(self):
        """What `GET /status` says."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", "/status", headers={"X-Api-Key": KEY})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise Failure(f"/status answers {answer.status}")
        return json.loads(body)

    def status(self, field):
        """A figure of /proc/PID/status; memory in bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(field + ":"):
                    words = line.split()
                    return int(words[1]) * (1024 if words[-1] == "kB" else 1)
        raise Failure(f"no {field} in /proc")

    def cpu_seconds(self):
        """User and system time so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        """Number of open descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self):
        """Number of threads that have a name of their own. Those without are the main one and
        tiny_http's, of which there are between none and six however much was asked before."""
        pid, count = self.process.pid, 0
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as file:
                    count += file.read().strip() != os.path.basename(self.process.args[0])[:15]
            except OSError:
                pass  # It has just ended.
        return count

    def kill(self):
        """SIGKILL, as a power cut does it to a process."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "no end within 8 s"
        if kind is not None:
            print(f"--- last lines of {self.name}", *self.lines[-20:], sep="\n", file=sys.stderr)
        elif code != 0:
            raise Failure(f"{self.name} stopped with {code}")


def friend_sections(folder, kind="movies"):
    return f'[folder "shared"]\npath = {folder}\nkind = {kind}\n'


def consumer_sections(completed, friend):
    os.makedirs(completed, exist_ok=True)
    return (
        f"[downloads]\ncompleted_path = {completed}\nmin_free_space = 0\n\n"
        f'[peer "friend"]\nurl = {friend.url}\napi_key = {KEY}\n'
    )


def bdecode(data, at=0):
    """Value and end of the bencoded value at `at`; dictionaries keep each value's span."""
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        values, at = [], at + 1
        while data[at : at + 1] != b"e":
            start = at
            value, at = bdecode(data, at)
            values.append((value, (start, at)))
        if kind == b"l":
            return [value for value, _ in values], at + 1
        return {key: pair for (key, _), pair in zip(values[::2], values[1::2])}, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


def infohash(torrent):
    """SHA-1 over the raw bytes of `info`, as MonoTorrent computes it, upper case."""
    root, _ = bdecode(torrent)
    if list(root) != sorted(root):
        raise Failure("the torrent's root keys are not sorted")
    start, end = root[b"info"][1]
    return hashlib.sha1(torrent[start:end]).hexdigest().upper()


class Arr:
    """Radarr or Sonarr, as a client of one jackdaw."""

    def __init__(self, kind, jackdaw, user):
        self.kind = kind
        self.jackdaw = jackdaw
        self.user = user
        self.category = {"radarr": "radarr", "sonarr": "tv-sonarr"}[kind]
        self.agent = {
            "radarr": "Radarr/6.0.3.10276 (debian 13)",
            "sonarr": "Sonarr/4.0.19.2979 (debian 13)",
        }[kind]
        self.cookie = None

    # --- indexer

    def _get(self, url, accept):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=100)
        connection.request(
            "GET",
            parts.path + ("?" + parts.query if parts.query else ""),
            headers={"User-Agent": self.agent, "Accept": accept, "Accept-Encoding": "gzip, br"},
        )
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise Failure(f"{parts.path} answers {answer.status}: {body[:200]!r}")
        return body

    def _torznab(self, query):
        xml = "application/rss+xml, text/rss+xml, application/xml, text/xml"
        root = ElementTree.fromstring(self._get(f"{self.jackdaw.url}/torznab/api?{query}", xml))
        for error in root.iter("error"):
            raise Failure(f"torznab error: {error.attrib}")
        return root

    def caps(self):
        """Parameters of this arr's own search."""
        root = self._torznab(f"t=caps&apikey={KEY}")
        name = {"radarr": "movie-search", "sonarr": "tv-search"}[self.kind]
        search = root.find(f"searching/{name}")
        if search is None or search.attrib["available"] != "yes":
            raise Failure(f"the caps have no {name}")
        return search.attrib["supportedParams"].split(",")

    def search(self, function, parameters=""):
        """Items of a feed."""
        categories = {"radarr": "2000,2030,2040,2045", "sonarr": "5030,5040"}[self.kind]
        root = self._torznab(
            f"t={function}&cat={categories}&extended=1&apikey={KEY}&offset=0&limit=100{parameters}"
        )
        items = []
        for item in root.iter("item"):
            attrs = {a.attrib["name"]: a.attrib["value"] for a in item.iter(TORZNAB + "attr")}
            enclosure = item.find("enclosure")
            items.append(
                {
                    "title": item.findtext("title"),
                    "guid": item.findtext("guid"),
                    "url": enclosure.attrib["url"],
                    "size": int(attrs["size"]),
                    "infohash": attrs.get("infohash"),
                    "seeders": int(attrs.get("seeders", "-1")),
                }
            )
        return items

    def fetch(self, item):
        """The stub, at the enclosure's URL as it stands."""
        return self._get(item["url"], "application/x-bittorrent")

    # --- download client

    def _call(self, path, body=None, content_type=None, cookie=None):
        connection = http.client.HTTPConnection(self.jackdaw.address, timeout=100)
        basic = base64.b64encode(f"{self.user}:{KEY}".encode()).decode()
        headers = {
            "User-Agent": self.agent,
            "Authorization": f"Basic {basic}",
            "Accept-Encoding": "gzip, br",
            "Connection": "close",
        }
        if cookie:
            headers["Cookie"] = cookie
        if content_type:
            headers["Content-Type"] = content_type
        connection.request("GET" if body is None else "POST", "/api/v2/" + path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        first_cookie = answer.getheader("Set-Cookie")
        connection.close()
        return answer.status, data, first_cookie

    def log_in(self):
        """Version probe without a cookie, then the login."""
        status, _, _ = self._call("app/webapiVersion")
        if status not in (200, 403):
            raise Failure(f"the version probe answers {status}")
        form = f"username={urllib.parse.quote(self.user, safe='')}&password={KEY}"
        status, body, cookie = self._call(
            "auth/login", form.encode(), "application/x-www-form-urlencoded"
        )
        if (status, body) != (200, b"Ok."):
            raise Failure(f"the login answers {status} {body!r}")
        self.cookie = cookie.split(";")[0]

    def call(self, path, body=None, content_type=None):
        """A call with the session; one new login on 403."""
        if self.cookie is None:
            self.log_in()
        status, data, _ = self._call(path, body, content_type, self.cookie)
        if status == 403:
            self.log_in()
            status, data, _ = self._call(path, body, content_type, self.cookie)
        if status >= 400:
            raise Failure(f"{path} answers {status}: {data[:200]!r}")
        return data

    def post(self, path, **fields):
        """A form POST: values percent-encoded, names not."""
        form = "&".join(f"{k}={urllib.parse.quote(v, safe='')}" for k, v in fields.items())
        return self.call(path, form.encode(), "application/x-www-form-urlencoded")

    def test(self):
        """The Test button."""
        self.log_in()
        version = self.call("app/webapiVersion").decode()
        if not re.fullmatch(r"\d+\.\d+\.\d+", version):
            raise Failure(f"webapiVersion {version!r}")
        preferences = json.loads(self.call("app/preferences"))
        if preferences.get("max_ratio_enabled") and preferences.get("max_ratio_act") in (1, 3):
            raise Failure("the arr refuses a client that removes by itself")
        if self.category not in json.loads(self.call("torrents/categories")):
            self.post("torrents/createCategory", category=self.category)
            if self.category not in json.loads(self.call("torrents/categories")):
                raise Failure("the category cannot be created")
        return version

    def add(self, title, torrent):
        """The multipart add; gives the download id that the arr computes by itself."""
        boundary = "-----------------------------" + secrets.token_hex(7)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="torrents"; '
            f'filename="{title}.torrent"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode()
            + torrent
            + b"\r\n"
        ]
        for name, value in (("category", self.category), ("paused", "False")):
            parts.append(
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
                f"{value}\r\n".encode()
            )
        parts.append(f"--{boundary}--\r\n".encode())
        answer = self.call(
            "torrents/add", b"".join(parts), f"multipart/form-data; boundary={boundary}"
        )
        if answer == b"Fails.":
            raise Failure("torrents/add answers Fails.")
        return infohash(torrent)

    def poll(self):
        """Downloads of our category by id."""
        rows = json.loads(self.call(f"torrents/info?category={self.category}"))
        return {row["hash"].upper(): row for row in rows}

    def wait_until_complete(self, download_id, seconds=600):
        """The row, once its state says so."""

        def look():
            row = self.poll()[download_id]
            if row["state"] in ("error", "missingFiles"):
                raise Failure(f"the download ended in {row['state']}")
            return row if row["state"] in ("pausedUP", "stoppedUP") else None

        return wait_for("the download to complete", look, seconds)

    def delete(self, download_id):
        """The removal after import."""
        self.post("torrents/delete", hashes=download_id.lower(), deleteFiles="true")
        if download_id in self.poll():
            raise Failure("deleted, yet listed")


def temporary_home(name):
    return tempfile.TemporaryDirectory(prefix=f"jackdaw-{name}-")
