"""Reads one URL over and over, as commands on standard input say; a process of scripts/bench.

reader.py HOST:PORT TARGET [HEADER...]: for each line on standard input one GET; when the body has
arrived (and been thrown away) its length is printed. One connection per GET.
"""

import socket
import sys

PIECE = 256 * 1024


def get(address, request, buffer):
    """Length of the body; what arrives is copied to user space, as by any real reader."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(4096)
            if not more:
                sys.exit(f"no answer but {head!r}")
            head += more
        head, body = head.split(b"\r\n\r\n", 1)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            sys.exit(f"refused: {head!r}")
        length = len(body)
        while count := connection.recv_into(buffer):
            length += count
        return length


def main():
    address, target, *headers = sys.argv[1:]
    lines = [f"GET {target} HTTP/1.1", f"Host: {address}", "Connection: close", *headers, "", ""]
    request = "\r\n".join(lines).encode()
    buffer = bytearray(PIECE)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(get(address, request, buffer), flush=True)


if __name__ == "__main__":
    main()
