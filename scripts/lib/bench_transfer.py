"""scripts/bench transfer: bytes in both directions, against other programs and under abuse.

What is compared is compared in one interleaved run (A B C A B C ...), so that whatever else the
machine does meets all of them; ratios of medians count, absolute figures are for the notes.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse

import jackdaw
import process
from table import GIB, MIB, judged, line, mib, percentile

ROUNDS = 5
SERVED_BYTES = 2 * GIB
DOWNLOAD_ROUNDS = 5
DOWNLOADED_BYTES = GIB
STALLED_READERS = 64
FLOOD_SECONDS = 10
IDLE_CONNECTIONS = 2000
HERE = os.path.dirname(os.path.abspath(__file__))


def run(binary):
    with jackdaw.temporary_home("bench") as home:
        if shutil.disk_usage(home).free < 12 * GIB:
            line("transfer", "skipped: needs 12 GiB")
            return
        serving(binary, home)
        stalled_readers(binary, home)
        downloading(binary, home)
        both_directions(binary, home)
        header_flood(binary, home)
        idle_connections(binary, home)


# --- parts of all of them


def film(folder, number, size, is_sparse=False):
    """A shared film of `size` bytes; gives its release title."""
    title = f"Bench.Film.{number}.2001.1080p.WEB-DL.x264-JACKDAW"
    path = f"{folder}/Bench Film {number} (2001) {{tmdb-{number}}}/{title}.mkv"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    block = os.urandom(MIB)
    with open(path, "wb") as file:
        if is_sparse:
            file.truncate(size)
        else:
            for _ in range(size // MIB):
                file.write(block)
    # What has just been written might still be growing.
    old = time.time() - 24 * 60 * 60
    os.utime(path, (old, old))
    return title


def api(instance, target):
    """A JSON answer to a friend's question."""
    connection = http.client.HTTPConnection(instance.address, timeout=30)
    connection.request("GET", target, headers={"X-Api-Key": jackdaw.KEY})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise jackdaw.Failure(f"{target} answers {answer.status}")
    return json.loads(body)


def shared_targets(instance, count):
    """Request targets of the files it shares, once it knows them all."""

    def look():
        items = api(instance, "/peer/search")["items"]
        return items if len(items) == count else None

    items = jackdaw.wait_for("the shared files", look)
    return [f"/peer/items/{urllib.parse.quote(item['id'], safe='')}/file" for item in items]


def reader(address, target, how="copy"):
    """A process that reads the target whenever it is told to; see reader.py."""
    child = subprocess.Popen(
        [sys.executable, os.path.join(HERE, "reader.py"), how, address, target,
         f"X-Api-Key: {jackdaw.KEY}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    child.stdout.readline()
    return child


def end(child):
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()


def ping_times(address, seconds, pause=0.0):
    """Seconds that each /ping took, on a new connection each, and how many failed."""
    times, failed = [], 0
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection(address, timeout=5)
            connection.request("GET", "/ping")
            is_well = connection.getresponse().status == 200
            connection.close()
        except (OSError, http.client.HTTPException):
            is_well = False
        if is_well:
            times.append(time.monotonic() - began)
        else:
            failed += 1
        time.sleep(pause)
    return times, failed


# --- measures


def serving(binary, home):
    """A cached file to 1 and 4 readers: speed and CPU against nginx and lighttpd."""
    shared = os.path.join(home, "served")
    title = film(shared, 1, SERVED_BYTES)
    path = f"/Bench%20Film%201%20%282001%29%20%7Btmdb-1%7D/{title}.mkv"
    with contextlib.ExitStack() as stack:
        sections = jackdaw.friend_sections(shared) + "[sharing]\nmax_uploads = 16\n"
        friend = stack.enter_context(jackdaw.Instance(binary, home, "serving", sections))
        servers = {"jackdaw": (friend.process.pid, friend.address, shared_targets(friend, 1)[0])}
        for kind in ("nginx", "lighttpd"):
            if process.WebServer.program(kind) is None:
                line(f"serving, against {kind}", "skipped", "not installed")
                continue
            other = stack.enter_context(process.WebServer(kind, home, shared))
            servers[kind] = (other.pid, f"127.0.0.1:{other.port}", path)
        for how in ("discard", "copy"):
            for count in (1, 4):
                compare(servers, count, how)
    shutil.rmtree(shared)


def compare(servers, count, how):
    """Rounds of `count` readers at each server in turn.

    Two kinds of reader, since on loopback the figures of one kind mislead. A reader that discards
    in the kernel costs the server nothing, as one beyond a network: there the server's own CPU
    counts. A reader that copies shares the cores with the server, and the kernel sends from the
    context of whoever makes room: a server that fills deep buffers has its work done, and billed,
    by its readers. There the sum of both counts, and the server's own is shown.
    """
    speeds = {name: [] for name in servers}
    costs = {name: [] for name in servers}
    totals = {name: [] for name in servers}
    readers = {
        name: [reader(address, target, how) for _ in range(count)]
        for name, (_, address, target) in servers.items()
    }
    try:
        # The first round warms the page cache up.
        for turn in range(ROUNDS + 1):
            for name, (pid, _, _) in servers.items():
                pids = [child.pid for child in readers[name]]
                cpu, theirs = process.cpu_seconds(pid), sum(map(process.cpu_seconds, pids))
                began = time.monotonic()
                for child in readers[name]:
                    child.stdin.write("go\n")
                    child.stdin.flush()
                for child in readers[name]:
                    if child.stdout.readline().strip() != str(SERVED_BYTES):
                        raise jackdaw.Failure(f"{name} sent a file of another length")
                took = time.monotonic() - began
                cpu = process.cpu_seconds(pid) - cpu
                theirs = sum(map(process.cpu_seconds, pids)) - theirs
                gib = count * SERVED_BYTES / GIB
                if turn > 0:
                    speeds[name].append(gib / took)
                    costs[name].append(cpu / gib)
                    totals[name].append((cpu + theirs) / gib)
    finally:
        for child in sum(readers.values(), []):
            end(child)
    kind = {"copy": "copying", "discard": "discarding"}[how]
    who = f"{count} {kind} reader" + ("s" if count > 1 else "")
    speed = {name: statistics.median(values) for name, values in speeds.items()}
    cost = {name: statistics.median(values) for name, values in costs.items()}
    total = {name: statistics.median(values) for name, values in totals.items()}
    for name in servers:
        figures = f"{speed[name]:.2f} GiB/s {cost[name]:.2f} {total[name]:.2f} s"
        line(f"  {name}, {who}: speed; CPU per GiB, and with readers'", figures)
    for other in [name for name in servers if name != "jackdaw"]:
        ratio = {
            "speed": speed["jackdaw"] / speed[other],
            "CPU per GiB": cost["jackdaw"] / cost[other],
            "CPU per GiB with the readers'": total["jackdaw"] / total[other],
        }
        if other != "nginx":
            line(f"serving, {who}, against {other}",
                 " ".join(f"{value:.2f}" for value in ratio.values()) + " x")
            continue
        counts = "CPU per GiB" if how == "discard" else "CPU per GiB with the readers'"
        for what, value in ratio.items():
            text = f"serving, {who}, against nginx: {what}"
            if what == "speed":
                judged(text, value, f"{value:.2f} x", 0.9, ">= 0.9 x", at_least=True)
            elif what == counts:
                judged(text, value, f"{value:.2f} x", 1.1, "<= 1.1 x")
            else:
                line(text, f"{value:.2f} x")


def stalled_readers(binary, home):
    """Readers that ask for a file and never read."""
    shared = os.path.join(home, "stalled")
    film(shared, 2, GIB, is_sparse=True)
    sections = jackdaw.friend_sections(shared) + f"[sharing]\nmax_uploads = {STALLED_READERS + 2}\n"
    with jackdaw.Instance(binary, home, "stalling", sections) as friend:
        target = shared_targets(friend, 1)[0]
        pid = friend.process.pid
        request = (
            f"GET {target} HTTP/1.1\r\nHost: bench\r\nX-Api-Key: {jackdaw.KEY}\r\n\r\n".encode()
        )

        def stall(count):
            host, port = friend.address.rsplit(":", 1)
            sockets = [socket.create_connection((host, int(port))) for _ in range(count)]
            # One after the other: a burst of requests that take long is told to come back.
            for connection in sockets:
                connection.sendall(request)
                answer = connection.recv(100)
                if b" 200 " not in answer:
                    raise jackdaw.Failure(f"a stalled reader was refused: {answer!r}")
            # Until the kernel's buffers are full nothing is stalled.
            time.sleep(2)
            return sockets

        before, threads = process.status_bytes(pid, "VmRSS"), friend.status("Threads")
        sockets = stall(STALLED_READERS)
        grown = process.status_bytes(pid, "VmRSS") - before
        judged(f"{STALLED_READERS} readers that never read: growth of memory", grown, mib(grown),
               8 * MIB, "8 MiB")
        for connection in sockets:
            connection.close()
        jackdaw.wait_for("their threads to end", lambda: friend.status("Threads") <= threads, 30)
        left = process.status_bytes(pid, "VmRSS") - before
        judged("  what is left of it when they have gone", left, mib(left), 2 * MIB, "2 MiB")
        # Freed or kept for good: a second wave must not add to what the first one left.
        for connection in stall(STALLED_READERS):
            connection.close()
        jackdaw.wait_for("their threads to end", lambda: friend.status("Threads") <= threads, 30)
        more = process.status_bytes(pid, "VmRSS") - before - left
        judged("  what a second wave leaves on top", more, mib(more), MIB // 2, "0.5 MiB")
    shutil.rmtree(shared)


def downloading(binary, home):
    """Downloads to disk: CPU against curl, bytes written to the database."""
    shared, completed = os.path.join(home, "offered"), os.path.join(home, "completed")
    titles = [film(shared, 3 + turn, DOWNLOADED_BYTES) for turn in range(DOWNLOAD_ROUNDS + 1)]
    curl = shutil.which("curl")
    with contextlib.ExitStack() as stack:
        friend = stack.enter_context(
            jackdaw.Instance(binary, home, "offering", jackdaw.friend_sections(shared)))
        targets = shared_targets(friend, len(titles))
        consumer = stack.enter_context(
            jackdaw.Instance(binary, home, "loading", jackdaw.consumer_sections(completed, friend)))
        pid = consumer.process.pid
        radarr = jackdaw.Arr("radarr", consumer, "bench")
        radarr.test()
        ours, theirs, speeds, curl_speeds, database = [], [], [], [], []
        for turn, title in enumerate(titles):
            if curl is not None:
                target = os.path.join(home, "by-curl")
                used, took = curl_costs(curl, f"{friend.url}{targets[turn]}", target)
                os.unlink(target)
                if turn > 0:
                    theirs.append(used)
                    curl_speeds.append(DOWNLOADED_BYTES / MIB / took)
            used, took, written = download_costs(radarr, pid, completed, turn + 3, title)
            # The first one fills caches on both sides.
            if turn > 0:
                ours.append(used)
                speeds.append(DOWNLOADED_BYTES / MIB / took)
                database.append(written)
        gib = DOWNLOADED_BYTES / GIB
        cost = statistics.median(ours) / gib
        line("  jackdaw: download to disk, speed and CPU per GiB",
             f"{statistics.median(speeds):.0f} MiB/s {cost:.2f} s")
        if curl is None:
            line("downloading, against curl", "skipped", "not installed")
        else:
            other = statistics.median(theirs) / gib
            line("  curl: the same", f"{statistics.median(curl_speeds):.0f} MiB/s {other:.2f} s")
            judged("downloading: CPU per GiB against curl", cost / other, f"{cost / other:.2f} x",
                   1.2, "<= 1.2 x")
        per_gib = statistics.median(before for before, _ in database) / gib
        # Nothing is written while bytes flow, so a larger file costs no more.
        judged("database bytes for one GiB, from the add to the finished file", per_gib,
               f"{per_gib / 1024:.1f} KiB", 64 * 1024, "64 KiB")
        after = statistics.median(after for _, after in database)
        line("  and when the arr deletes the entry", f"{after / 1024:.1f} KiB")
    shutil.rmtree(shared)
    shutil.rmtree(completed)


def curl_costs(curl, url, target):
    """CPU seconds and seconds of one curl."""
    began = time.monotonic()
    child = subprocess.Popen(
        [curl, "--silent", "--fail", "--output", target, "--header",
         f"X-Api-Key: {jackdaw.KEY}", url])
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise jackdaw.Failure(f"curl ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began


def download_costs(radarr, pid, completed, tmdb, title):
    """CPU seconds, seconds, and bytes written beside the payload, of one grab by the arr.

    All that a consumer writes with write calls is the part file, the database (its log and its
    checkpoints) and log lines, so what is not payload is at least what the database took. Written
    is a pair: from before the add until the download is complete, and from then until the arr has
    deleted the entry.
    """
    item = jackdaw.wait_for("the release", lambda: radarr.search("movie", f"&tmdbid={tmdb}"))[0]
    torrent = radarr.fetch(item)
    file = os.path.join(completed, title, f"{title}.mkv")
    written, cpu = process.written_chars(pid), process.cpu_seconds(pid)
    began = time.monotonic()
    download_id = radarr.add(title, torrent)
    # Asking the consumer would cost it CPU.
    jackdaw.wait_for("the file", lambda: os.path.exists(file), 300)
    took, used = time.monotonic() - began, process.cpu_seconds(pid) - cpu
    radarr.wait_until_complete(download_id)
    at_end = process.written_chars(pid)
    radarr.delete(download_id)
    after, written = process.written_chars(pid) - at_end, at_end - written
    # Payload that went by splice or a mapping is not among the bytes of write calls.
    payload = DOWNLOADED_BYTES if written >= DOWNLOADED_BYTES else 0
    return used, took, (written - payload, after)


def both_directions(binary, home):
    """Three uploads and three downloads in one process."""
    offered, shared = os.path.join(home, "theirs"), os.path.join(home, "mine")
    completed = os.path.join(home, "arriving")
    titles = [film(offered, 20 + number, GIB, is_sparse=True) for number in range(3)]
    for number in range(3):
        film(shared, 30 + number, 64 * GIB, is_sparse=True)
    with contextlib.ExitStack() as stack:
        friend = stack.enter_context(
            jackdaw.Instance(binary, home, "source", jackdaw.friend_sections(offered)))
        shared_targets(friend, 3)
        sections = jackdaw.friend_sections(shared) + jackdaw.consumer_sections(completed, friend)
        middle = stack.enter_context(jackdaw.Instance(binary, home, "middle", sections))
        pid = middle.process.pid
        radarr = jackdaw.Arr("radarr", middle, "bench")
        radarr.test()
        torrents = []
        for number, title in enumerate(titles):
            question = f"&tmdbid={20 + number}"
            item = jackdaw.wait_for("the release", lambda q=question: radarr.search("movie", q))[0]
            torrents.append((title, radarr.fetch(item)))
        readers = [reader(middle.address, target) for target in shared_targets(middle, 3)]
        for child in readers:
            stack.callback(end, child)
            child.stdin.write("go\n")
            child.stdin.flush()
        before = process.status_bytes(pid, "VmRSS")
        samples, together = [], 0
        ids = [radarr.add(title, torrent) for title, torrent in torrents]
        stop = time.monotonic() + 300
        while time.monotonic() < stop:
            rows = radarr.poll()
            states = [rows[i]["state"] for i in ids]
            if states.count("downloading") == 3:
                together += 1
                samples.append(process.status_bytes(pid, "VmRSS"))
            if all(state == "pausedUP" for state in states):
                break
            if "error" in states:
                raise jackdaw.Failure(f"a download failed: {states}")
            time.sleep(0.05)
        if not together:
            raise jackdaw.Failure("three downloads never ran side by side")
        peak = max(samples)
        judged(f"3 uploads and 3 downloads: highest memory ({together} looks)", peak, mib(peak),
               12 * MIB, "12 MiB")
        line("  of that without the downloads", mib(before))
    for folder in (offered, shared, completed):
        shutil.rmtree(folder)


def header_flood(binary, home):
    """Endless heads at full speed from several processes, while another client pings."""
    with jackdaw.Instance(binary, home, "flooded", "") as instance:
        pid = instance.process.pid
        process.forget_peak(pid)
        floods = [
            subprocess.Popen(
                [sys.executable, os.path.join(HERE, "flood.py"), instance.address,
                 str(FLOOD_SECONDS), kind],
                stdout=subprocess.PIPE, text=True)
            for kind in ("line", "lines", "line", "lines")
        ]
        times, failed = ping_times(instance.address, FLOOD_SECONDS, 0.01)
        sent = sum(int(child.communicate()[0]) for child in floods)
        peak = process.status_bytes(pid, "VmHWM")
        judged(f"header flood, {FLOOD_SECONDS} s, {sent / MIB:.0f} MiB sent: highest memory", peak,
               mib(peak), 32 * MIB, "32 MiB")
        judged(f"  pings of another client that failed, of {len(times) + failed}", failed,
               str(failed), 0, "0")
        line("  its pings, p99", f"{percentile(times, 99) * 1000:.0f} ms")


def idle_connections(binary, home):
    """Idle connections in number, where they fit and where they do not."""
    for name, sections, what in (
        ("roomy", f"max_connections = {2 * IDLE_CONNECTIONS + 100}\n", "all kept"),
        ("usual", "", "default max_connections"),
    ):
        with jackdaw.Instance(binary, home, name, "", jackdaw_lines=sections) as instance:
            host, port = instance.address.rsplit(":", 1)
            pid = instance.process.pid
            before = process.status_bytes(pid, "VmRSS")
            with contextlib.ExitStack() as stack:
                for _ in range(IDLE_CONNECTIONS):
                    stack.enter_context(socket.create_connection((host, int(port)), 5))
                times, failed = ping_times(instance.address, 6, 0.005)
                grown = process.status_bytes(pid, "VmRSS") - before
                kept = instance.status("Threads")
            slowest = percentile(times, 99) if times else 9.999
            judged(f"{IDLE_CONNECTIONS} idle connections, {what}: /ping p99", slowest,
                   f"{slowest * 1000:.1f} ms", 0.05, "50 ms")
            judged(f"  pings that failed, of {len(times) + failed}", failed, str(failed), 0, "0")
            line("  growth of memory, threads", f"{mib(grown)}, {kept}")
