"""Reads one URL over and over, as commands on standard input say; a process of scripts/bench.

reader.py copy|discard HOST:PORT TARGET [HEADER...]: for each line on standard input one GET; when the body has
arrived (and been thrown away) its length is printed. One connection per GET. `copy` takes the bytes
as any reader does; `discard` lets the kernel throw them away, so that a reader on the same machine
takes neither memory bandwidth nor time from the server, as one beyond a network does not.
"""

import socket
import sys

PIECE = 256 * 1024


def get(address, request, buffer, flags):
    """Length of the body."""
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
        while count := connection.recv_into(buffer, 0, flags):
            length += count
        return length


def main():
    how, address, target, *headers = sys.argv[1:]
    flags = {"copy": 0, "discard": socket.MSG_TRUNC}[how]
    lines = [f"GET {target} HTTP/1.1", f"Host: {address}", "Connection: close", *headers, "", ""]
    request = "\r\n".join(lines).encode()
    buffer = bytearray(PIECE)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(get(address, request, buffer, flags), flush=True)


if __name__ == "__main__":
    main()
