"""scripts/bench catalogue: a large index, and what arrs ask of it and of the list of downloads.

100,000 releases of four friends (lib/fake_jack.py). Questions come from examples/load.rs, eight
clients at once, each asking again as soon as it is answered: more than any number of arrs asks.
Friends refuse questions by id, so what is measured is the index, not the friends.
"""

import contextlib
import http.client
import json
import os
import random
import secrets
import sqlite3
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import fake_jack
import jackdaw
import process
from table import MIB, judged, line, mib

FRIENDS = 4
RELEASES = 25_000
OLD_GRABS = 10_000
CLIENTS = 8
SECONDS = 6
# Refreshes that are watched while nothing changes.
UNCHANGED = 3
REFRESH = 5
HERE = os.path.dirname(os.path.abspath(__file__))


def run(binary):
    load = build_load()
    with jackdaw.temporary_home("bench") as home, contextlib.ExitStack() as stack:
        # jackdaws send an ETag, jacks do not.
        friends = [
            stack.enter_context(Friend(n, "ETAG" if n % 2 else "PLAIN"))
            for n in range(1, FRIENDS + 1)
        ]
        first_indexing(binary, home, friends)
        questions(binary, home, load, friends)
        polls(binary, home, load, friends)


class Friend:
    """A running fake jack."""

    def __init__(self, number, kind):
        self.number, self.kind = number, kind
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "fake_jack.py"), str(number), str(RELEASES), kind],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        port = int(self.process.stdout.readline())
        self.section = (
            f'[peer "friend-{number}"]\nurl = http://127.0.0.1:{port}\napi_key = {jackdaw.KEY}\n'
        )

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def requests(self):
        """Requests to each route since the last call."""
        return json.loads(self.tell("count"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def build_load():
    """The load generator, built; gives its path."""
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--example", "load"],
        cwd=jackdaw.ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(jackdaw.ROOT, "target"))
    return os.path.join(target, "release", "examples", "load")


def ask(load, instance, clients, seconds, targets, *headers):
    """Figures of one load: requests, errors, p50, p99 and max in milliseconds."""
    ended = subprocess.run(
        [load, instance.address, str(clients), str(seconds), *headers],
        input="\n".join(targets), capture_output=True, text=True, check=True)
    figures = json.loads(ended.stdout)
    if figures["errors"] or not figures["requests"]:
        raise jackdaw.Failure(f"{targets[0]}: {figures}: {ended.stderr.strip()}")
    for key in ("p50", "p99", "max"):
        figures[key] /= 1000
    return figures


def sections(friends, refresh):
    return f"[sharing]\ncatalogue_refresh = {refresh}\n" + "".join(f.section for f in friends)


def indexed(instance):
    """How many releases the feed has."""
    body = get(instance, "/torznab/api?t=search&limit=1")
    for element in ElementTree.fromstring(body).iter():
        if element.tag.endswith("}response"):
            return int(element.attrib["total"])
    raise jackdaw.Failure("the feed does not say how many releases there are")


def get(instance, target):
    connection = http.client.HTTPConnection(instance.address, timeout=30)
    connection.request("GET", target, headers={"X-Api-Key": jackdaw.KEY})
    body = connection.getresponse().read()
    connection.close()
    return body


def logged(instance, text):
    return sum(text in row for row in list(instance.lines))


# --- measures


def first_indexing(binary, home, friends):
    """An empty index fills; then nothing changes."""
    began = time.monotonic()
    with jackdaw.Instance(binary, home, "index", sections(friends, f"{REFRESH}s")) as instance:
        pid = instance.process.pid
        total = FRIENDS * RELEASES
        jackdaw.wait_for("the whole index", lambda: indexed(instance) == total, 300)
        jackdaw.wait_for(
            "the end of the refresh",
            lambda: logged(instance, f"offers {RELEASES} releases") == FRIENDS)
        took, peak = time.monotonic() - began, process.status_bytes(pid, "VmHWM")
        judged(f"first indexing of {total} releases, {took:.0f} s: highest memory", peak,
               mib(peak), 24 * MIB, "24 MiB")
        database = os.path.join(instance.home, "data", "jackdaw.db")
        line("  size of the database", mib(os.path.getsize(database)))

        # The first look after coming up may still write down the ETag or the time.
        def looked(times):
            seen = [friend.requests() for friend in friends]
            for count, more in zip(counts, seen):
                for route, number in more.items():
                    count[route] = count.get(route, 0) + number
            return all(count.get("search", 0) >= times for count in counts)

        counts = [{} for _ in friends]
        jackdaw.wait_for("another refresh", lambda: looked(2), 60)
        for friend in friends:
            friend.requests()
        counts = [{} for _ in friends]
        written, cpu = process.written_chars(pid), process.cpu_seconds(pid)
        jackdaw.wait_for("refreshes of what has not changed", lambda: looked(UNCHANGED), 120)
        # The last list is still being read.
        jackdaw.wait_for("the end of the refresh", lambda: is_quiet(pid), 60)
        written = process.written_chars(pid) - written
        cpu = process.cpu_seconds(pid) - cpu
        others = sum(sum(count.values()) - count["search"] for count in counts)
        judged(f"unchanged friends, {UNCHANGED} refreshes: requests beside one each", others,
               str(others), 0, "0")
        judged("  bytes written", written, str(written), 0, "0")
        line("  CPU of a refresh of all four, two without ETag", f"{cpu / UNCHANGED:.2f} s")


def is_quiet(pid):
    """True if the process used next to no CPU for half a second."""
    before = process.cpu_seconds(pid)
    time.sleep(0.5)
    return process.cpu_seconds(pid) - before < 0.02


def targets():
    """What is asked, by kind; the same in every run."""
    dice = random.Random(1)
    items = [
        fake_jack.release(dice.randrange(1, FRIENDS + 1), dice.randrange(RELEASES), 0)
        for _ in range(400)
    ]
    films = [item for item in items if item["category"] == 2000]
    episodes = [item for item in items if item["category"] == 5000]
    key = f"apikey={jackdaw.KEY}&limit=100"
    by_id = [f"/torznab/api?t=movie&tmdbid={i['tmdbId']}&cat=2000&{key}" for i in films]
    by_id += [
        f"/torznab/api?t=tvsearch&tvdbid={i['tvdbId']}&season={i['season']}&ep={i['episode']}"
        f"&cat=5000&{key}" for i in episodes]
    words = [f"/torznab/api?t=search&q={'+'.join(i['title'].split('.')[:3])}&{key}" for i in items]
    pages = [f"/torznab/api?t=search&offset={dice.randrange(900) * 100}&{key}" for _ in range(200)]
    kinds = {
        "by id": by_id,
        "text": words,
        "RSS": [f"/torznab/api?t=search&cat=2000,2040&{key}", f"/torznab/api?t=tvsearch&{key}"],
        "deep pages": pages,
    }
    for asked in kinds.values():
        dice.shuffle(asked)
    return kinds


def questions(binary, home, load, friends):
    """Searches, first alone and then while every release of every friend changes."""
    kinds = targets()
    # Hourly: whatever is due at the start is over before anything is measured. A friend without
    # ETag has its list read again after ten seconds, so those are left out.
    with jackdaw.Instance(binary, home, "index", sections(friends, "1h")) as instance:
        wait_until_read(instance)
        quiet = {}
        for kind, asked in kinds.items():
            figures = ask(load, instance, CLIENTS, SECONDS, asked)
            quiet[kind] = figures
            rate = figures["requests"] / SECONDS
            judged(f"{kind}, {CLIENTS} clients, {rate:.0f}/s, p50 {figures['p50']:.1f} ms: p99",
                   figures["p99"], f"{figures['p99']:.1f} ms", 10, "10 ms")
        peak = process.status_bytes(instance.process.pid, "VmHWM")
        line("  highest memory meanwhile", mib(peak))
    for friend in friends:
        friend.tell("change")
    mixed = [target for row in zip(*kinds_of_equal_length(kinds)) for target in row]
    with jackdaw.Instance(binary, home, "index", sections(friends, "1h")) as instance:
        busy = ask(load, instance, CLIENTS, SECONDS, mixed)
        is_running = logged(instance, f"offers {RELEASES} releases") < FRIENDS
        jackdaw.wait_for(
            "the end of the refresh",
            lambda: logged(instance, f"offers {RELEASES} releases") == FRIENDS, 300)
        peak = process.status_bytes(instance.process.pid, "VmHWM")
        wait_until_read(instance)
        calm = ask(load, instance, CLIENTS, SECONDS, mixed)
    ratio = busy["p99"] / calm["p99"]
    figures = f"{calm['p99']:.1f} to {busy['p99']:.1f} ms"
    judged(f"all kinds while everything is refreshed, {figures}: p99", ratio, f"{ratio:.1f} x", 2,
           "2 x")
    if not is_running:
        line("  the refresh was over before the questions", "not measured")
    line("  highest memory meanwhile", mib(peak))


def kinds_of_equal_length(kinds):
    length = max(map(len, kinds.values()))
    return [(asked * length)[:length] for asked in kinds.values()]


def wait_until_read(instance):
    """Until what is due at the start, and ten seconds later, has been read."""
    while time.monotonic() < instance.started + 12:
        time.sleep(0.2)
    jackdaw.wait_for("the refresh to end", lambda: is_quiet(instance.process.pid), 120)


def polls(binary, home, load, friends):
    """Lists of downloads: many old ones, three that run."""
    completed = os.path.join(home, "completed")
    os.makedirs(completed)
    text = sections(friends, "1h") + (
        f"[downloads]\ncompleted_path = {completed}\nmin_free_space = 0\n"
    )
    # Makes the folder that the old grabs' rows speak of.
    with jackdaw.Instance(binary, home, "index", text):
        pass
    add_old_grabs(os.path.join(home, "index", "data", "jackdaw.db"))
    with jackdaw.Instance(binary, home, "index", text) as instance:
        radarr = jackdaw.Arr("radarr", instance, "bench")
        radarr.test()
        ids = []
        for number in (0, 4, 8):
            key = fake_jack.STEP + number
            item = jackdaw.wait_for(
                "the release", lambda k=key: radarr.search("movie", f"&tmdbid={k}"))[0]
            ids.append(radarr.add(item["title"], radarr.fetch(item)))

        def running():
            rows = radarr.poll()
            return all(rows[i]["state"] == "downloading" and rows[i]["downloaded"] for i in ids)

        try:
            jackdaw.wait_for("three running downloads", running, 30)
            what = "3 running"
        except jackdaw.Failure:
            what = "3 that do not run"
        wait_until_read(instance)
        cookie = f"Cookie: {radarr.cookie}"
        info = [f"/api/v2/torrents/info?category={radarr.category}"]
        for clients in (1, CLIENTS):
            figures = ask(load, instance, clients, SECONDS, info, cookie)
            judged(f"torrents/info?category=, {OLD_GRABS} old, {what}, {clients} clients: p99",
                   figures["p99"], f"{figures['p99']:.1f} ms", 5, "5 ms")
        for clients in (1, CLIENTS):
            figures = ask(load, instance, clients, SECONDS, ["/api/v2/torrents/info"], cookie)
            line(f"  all of them in one list, {clients} clients: p99", f"{figures['p99']:.1f} ms")
        state = json.loads(radarr.call("sync/maindata?rid=0"))
        # Read to the end of a poll's news once; the same number again asks for what came since.
        rid = json.loads(radarr.call(f"sync/maindata?rid={state['rid']}"))["rid"]
        again = json.loads(radarr.call(f"sync/maindata?rid={rid}"))
        if again.get("full_update"):
            raise jackdaw.Failure("maindata gives everything although nothing is new")
        figures = ask(load, instance, 1, SECONDS, [f"/api/v2/sync/maindata?rid={rid}"], cookie)
        judged(f"sync/maindata, nothing new, {OLD_GRABS} old: p99", figures["p99"],
               f"{figures['p99']:.1f} ms", 2, "2 ms")
        took = after_a_change(radarr, next(iter(state["torrents"])))
        line("  sync/maindata after one torrent has changed, slowest of 40", f"{took:.1f} ms")
        peak = process.status_bytes(instance.process.pid, "VmHWM")
        line("  highest memory meanwhile", mib(peak))


def after_a_change(arr, infohash):
    """The longest time in ms that news of one changed torrent take."""
    rid, slowest = json.loads(arr.call("sync/maindata?rid=0"))["rid"], 0
    for limit in range(1, 41):
        arr.post("torrents/setUploadLimit", hashes=infohash, limit=str(limit))
        began = time.monotonic()
        news = json.loads(arr.call(f"sync/maindata?rid={rid}"))
        slowest = max(slowest, (time.monotonic() - began) * 1000)
        if news.get("full_update") or news["torrents"][infohash] != {"up_limit": limit}:
            raise jackdaw.Failure(f"maindata tells of one changed torrent: {str(news)[:200]}")
        rid = news["rid"]
    return slowest


def add_old_grabs(path):
    """Grabs of the same login that have ended, in other categories."""
    database = sqlite3.connect(path)
    dice = random.Random(2)
    now = int(time.time())
    rows = []
    for number in range(OLD_GRABS):
        infohash = secrets.token_hex(20)
        title = f"Old.Film.{number}.1999.1080p.WEB-DL.x264-GROUP"
        rows.append((
            "bench", infohash, infohash, 0, b"d4:infod6:lengthi1eee", title,
            dice.randrange(1, 1 << 33), "0a1b2c3d", f"r:movie:{number}", f"old-{number % 3}",
            dice.choice(["imported", "completed"]), title, f"{title}.mkv", number + 1,
            now - 90_000 - number, now - 80_000 - number, now - 70_000 - number,
        ))
    with database:
        database.executemany(
            "INSERT INTO grab (arr, infohash, base_hash, generation, stub, title, size, peer_id,"
            " item_id, category, state, folder, filename, position, added_at, completed_at,"
            " imported_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.close()
