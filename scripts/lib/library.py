"""A generated Radarr or Sonarr library behind the v3 API, for scripts/bench.

Answers are made item by item while they are sent, so that a library of 100 MB of JSON costs this
side no memory either. Shapes and sizes follow what Radarr 6 and Sonarr 4 list: images, overview,
alternative titles and media info included. Every file exists on disk, sparse, with its own size.
"""

import http.server
import json
import os
import re
import threading
import time
import urllib.parse

ARR_KEY = "0123456789abcdef0123456789abcdef"
# Written at once: some 500 KiB.
BATCH = 100
# Files in one folder: a folder for each movie would only measure the making of folders.
PER_FOLDER = 500
OVERVIEW = (
    "A long and winding story about people who find out, late but not too late, that what they "
    "were looking for had been \"at home\" all the time; with music, rain, and a dog named Füchslein. "
) * 3
MEDIA_INFO = {
    "audioBitrate": 640000, "audioChannels": 5.1, "audioCodec": "EAC3",
    "audioLanguages": "eng/jpn", "audioStreamCount": 2, "videoBitDepth": 10,
    "videoBitrate": 0, "videoCodec": "x265", "videoFps": 23.976, "videoDynamicRange": "HDR",
    "videoDynamicRangeType": "HDR10", "resolution": "3840x1608", "runTime": "2:16:18",
    "scanType": "Progressive", "subtitles": "eng/fre/ger/spa/ita/dut/swe/nor/dan/fin",
}
IMAGES = [
    {"coverType": kind, "url": f"/MediaCover/1/{kind}.jpg?lastWrite=638000000000000000",
     "remoteUrl": f"https://image.tmdb.org/t/p/original/{kind}Abcdefghijklmnopqrstuvwxyz.jpg"}
    for kind in ("poster", "fanart", "banner", "clearlogo")
]
QUALITY = {
    "quality": {"id": 7, "name": "Bluray-1080p", "source": "bluray", "resolution": 1080,
                "modifier": "none"},
    "revision": {"version": 1, "real": 0, "isRepack": False},
}


def size_of(number):
    """Bytes of the file of this number: no two alike, so that none are one release."""
    return 1_000_000_000 + number


def make_files(folder, prefix, count):
    """Sparse files; path of each by its number, from 1."""
    paths = [None]
    for number in range(1, count + 1):
        place = os.path.join(folder, f"{prefix}{number // PER_FOLDER}")
        if number == 1 or number % PER_FOLDER == 0:
            os.makedirs(place, exist_ok=True)
        path = os.path.join(place, f"{prefix}.{number}.1999.1080p.BluRay.x264-GRP.mkv")
        with open(path, "wb") as file:
            file.truncate(size_of(number))
        paths.append(path)
    return paths


def file_record(number, path, scene):
    return {
        "id": number, "relativePath": os.path.basename(path), "path": path,
        "size": size_of(number), "dateAdded": "2026-01-02T03:04:05Z", "sceneName": scene,
        "releaseGroup": "GRP", "edition": "", "indexerFlags": 0, "quality": QUALITY,
        "languages": [{"id": 1, "name": "English"}, {"id": 8, "name": "Japanese"}],
        "mediaInfo": MEDIA_INFO, "qualityCutoffNotMet": False,
        "originalFilePath": f"{scene}/{scene}.mkv",
    }


def movie(number, path):
    title = f"Generated Film {number}"
    scene = f"Generated.Film.{number}.1999.1080p.BluRay.x264-GRP"
    return {
        "title": title, "originalTitle": title, "originalLanguage": {"id": 1, "name": "English"},
        "alternateTitles": [
            {"sourceType": "tmdb", "movieMetadataId": number, "title": f"{title} {n}", "id": n}
            for n in range(12)
        ],
        "secondaryYearSourceId": 0, "sortTitle": title.lower(), "sizeOnDisk": size_of(number),
        "status": "released", "overview": OVERVIEW, "images": IMAGES,
        "website": "https://example.org/film", "year": 1999, "youTubeTrailerId": "abcdefghijk",
        "studio": "Studio", "path": os.path.dirname(path), "qualityProfileId": 4, "hasFile": True,
        "movieFileId": number, "monitored": True, "minimumAvailability": "released",
        "isAvailable": True, "folderName": os.path.dirname(path), "runtime": 136,
        "cleanTitle": title.replace(" ", "").lower(), "imdbId": f"tt{number:07}", "tmdbId": number,
        "titleSlug": str(number), "rootFolderPath": "/movies", "genres": ["Action", "Drama"],
        "tags": [], "added": "2025-01-01T00:00:00Z",
        "ratings": {site: {"votes": 1000, "value": 7.5, "type": "user"}
                    for site in ("imdb", "tmdb", "metacritic", "rottenTomatoes")},
        "movieFile": {"movieId": number, **file_record(number, path, scene)},
        "popularity": 12.5, "statistics": {"movieFileCount": 1, "sizeOnDisk": size_of(number),
                                           "releaseGroups": ["GRP"]},
        "id": number,
    }


def series(number, episodes):
    title = f"Generated Series {number}"
    return {
        "title": title, "sortTitle": title.lower(), "status": "ended", "ended": True,
        "alternateTitles": [{"title": f"{title} {n}", "seasonNumber": -1} for n in range(4)],
        "overview": OVERVIEW, "images": IMAGES, "network": "Net", "airTime": "20:00",
        "seasons": [
            {"seasonNumber": n, "monitored": True,
             "statistics": {"episodeFileCount": 20, "episodeCount": 20, "totalEpisodeCount": 20,
                            "sizeOnDisk": 1, "releaseGroups": ["GRP"], "percentOfEpisodes": 100}}
            for n in range(1, 4)
        ],
        "year": 1999, "path": f"/tv/{title}", "qualityProfileId": 4, "seasonFolder": True,
        "monitored": True, "runtime": 45, "tvdbId": number, "tvRageId": 0, "tvMazeId": number,
        "tmdbId": number, "imdbId": f"tt{number:07}", "seriesType": "standard",
        "cleanTitle": title.replace(" ", "").lower(), "titleSlug": f"series-{number}",
        "genres": ["Drama"], "tags": [], "added": "2025-01-01T00:00:00Z",
        "ratings": {"votes": 1, "value": 8.0},
        "statistics": {"seasonCount": 3, "episodeFileCount": episodes, "episodeCount": episodes,
                       "totalEpisodeCount": episodes, "sizeOnDisk": 1, "releaseGroups": ["GRP"],
                       "percentOfEpisodes": 100},
        "id": number,
    }


class Library:
    """The running arr; `with` stops it."""

    def __init__(self, kind, folder, movies=0, shows=0, episodes=0):
        self.kind = kind
        self.movies, self.shows, self.episodes = movies, shows, episodes
        self.paths = make_files(folder, "Generated", movies or shows * episodes)
        # (begun, ended, path, bytes) of each request.
        self.requests = []
        self.lock = threading.Lock()
        library = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else each answer waits 40 ms for a delayed acknowledgement.
            disable_nagle_algorithm = True
            sent = 0

            def do_GET(self):  # pylint: disable=invalid-name
                began = time.monotonic()
                self.sent = 0
                parts = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(parts.query))
                if self.headers.get("X-Api-Key") != ARR_KEY:
                    self.answer(401, b"")
                elif parts.path == "/api/v3/system/status":
                    name = library.kind.capitalize()
                    version = {"radarr": "6.0.3.10276", "sonarr": "4.0.19.2979"}[library.kind]
                    self.answer(200, json.dumps({"appName": name, "version": version}).encode())
                elif parts.path == "/api/v3/history":
                    self.answer(200, b'{"page":1,"pageSize":1,"totalRecords":0,"records":[]}')
                else:
                    items = library.items(parts.path.removeprefix("/api/v3"), query)
                    if items is None:
                        self.answer(404, b"{}")
                    else:
                        self.stream(items)
                with library.lock:
                    ended = time.monotonic()
                    library.requests.append((began, ended, parts.path, self.sent))

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def stream(self, items):
                self.send_response(200)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                batch, before = [], "["
                for item in items:
                    batch.append(before + json.dumps(item, ensure_ascii=False))
                    before = ","
                    if len(batch) == BATCH:
                        self.chunk("".join(batch).encode())
                        batch = []
                end = "]" if before == "," else "[]"
                self.chunk(("".join(batch) + end).encode())
                self.wfile.write(b"0\r\n\r\n")

            def chunk(self, data):
                self.sent += len(data)
                self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def items(self, path, query):
        """What a list holds; None for a path that is not there."""
        if self.kind == "radarr" and path == "/movie":
            return (movie(n, self.paths[n]) for n in range(1, self.movies + 1))
        if self.kind == "sonarr" and path == "/series":
            return (series(n, self.episodes) for n in range(1, self.shows + 1))
        if self.kind == "sonarr" and re.fullmatch("/episode(file)?", path):
            show = int(query["seriesId"])
            first = (show - 1) * self.episodes
            numbers = range(1, self.episodes + 1)
            if path == "/episode":
                return (self.episode(show, first + n, n) for n in numbers)
            return (
                {"seriesId": show, "seasonNumber": 1, "releaseType": "singleEpisode",
                 **file_record(first + n, self.paths[first + n],
                               f"Generated.Series.{show}.S01E{n:02}.1080p.BluRay.x264-GRP")}
                for n in numbers
            )
        if path == "/history/since":
            return iter(())
        return None

    @staticmethod
    def episode(show, number, in_season):
        return {
            "seriesId": show, "tvdbId": number, "episodeFileId": number, "seasonNumber": 1,
            "episodeNumber": in_season, "title": f"Episode {in_season}", "airDate": "1999-01-02",
            "airDateUtc": "1999-01-03T01:00:00Z", "runtime": 45, "overview": OVERVIEW,
            "hasFile": True, "monitored": True, "absoluteEpisodeNumber": in_season,
            "unverifiedSceneNumbering": False, "id": number,
        }

    def sections(self):
        """`[server]` of a jackdaw that shares this."""
        return (
            "[sharing]\ncatalogue_refresh = 1s\n\n"
            f'[server "bench"]\ntype = {self.kind}\nurl = http://127.0.0.1:'
            f"{self.server.server_address[1]}\napi_key = {ARR_KEY}\nsource = true\n"
            "destination = false\n"
        )

    def refreshes(self):
        """Each refresh that is over: (seconds, number of requests, bytes)."""
        first = {"radarr": "/api/v3/movie", "sonarr": "/api/v3/series"}[self.kind]
        with self.lock:
            requests = sorted(self.requests)
        starts = [at for at, request in enumerate(requests) if request[2] == first]
        return [
            (
                requests[end - 1][1] - requests[start][0],
                end - start,
                sum(request[3] for request in requests[start:end]),
            )
            for start, end in zip(starts, starts[1:])
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
