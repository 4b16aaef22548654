"""Sends request heads that never end, at full speed; a process of scripts/bench.

flood.py HOST:PORT SECONDS line|lines: one header line without end, or header lines without end.
Connects again as soon as it is cut off. Prints how many bytes left.
"""

import socket
import sys
import time

BLOCK = 64 * 1024


def main():
    address, seconds, kind = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    block = {"line": b"x" * BLOCK, "lines": b"X-Filler: abcdefgh\r\n" * (BLOCK // 20)}[kind]
    begin = b"GET /ping HTTP/1.1\r\nHost: flood\r\nX-First: "
    end, sent = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        try:
            with socket.create_connection((host, int(port)), 2) as connection:
                connection.sendall(begin)
                while time.monotonic() < end:
                    sent += connection.send(block)
        except OSError:
            pass
    print(sent)


if __name__ == "__main__":
    main()
