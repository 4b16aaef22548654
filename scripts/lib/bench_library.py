"""scripts/bench library: reading a large Radarr and a large Sonarr: time, memory, requests."""

import os

import jackdaw
import library
from table import MIB, judged, line, mib

# Resident memory while indexing.
BUDGET = 24 * MIB


def run(binary):
    for kind, what, numbers in (
        ("radarr", "20,000 movies", {"movies": 20_000}),
        ("sonarr", "500 series, 30,000 episodes", {"shows": 500, "episodes": 60}),
    ):
        expected = numbers.get("movies") or numbers["shows"] * numbers["episodes"]
        with jackdaw.temporary_home("bench") as home:
            # The files are sparse: they cost inodes, no room.
            with library.Library(kind, os.path.join(home, "files"), **numbers) as arr:
                with jackdaw.Instance(binary, home, "reader", arr.sections()) as reader:
                    wait = f"two refreshes of {what}"
                    first, again = jackdaw.wait_for(
                        wait, lambda: len(arr.refreshes()) > 1 and arr.refreshes()[:2], 900
                    )
                    used, peak = reader.cpu_seconds(), reader.status("VmHWM")
                    found = reader.state()["sources"][0]["releases"]
                    if found != expected:
                        raise jackdaw.Failure(f"{found} of {what} are in the index")
                line(f"{what}: JSON", mib(first[2]))
                line(f"{what}: first read, all written", f"{first[0]:.1f} s")
                line(f"{what}: read again, nothing changed", f"{again[0]:.1f} s")
                line(f"{what}: CPU of both", f"{used:.1f} s")
                requests = f"{first[1]}, then {again[1]}"
                line(f"{what}: requests a refresh", requests)
                judged(f"{what}: peak memory", peak, mib(peak), BUDGET, mib(BUDGET))
