"""A TCP proxy that does to connections what networks do: resets, cuts, stalls, trickles."""

import socket
import struct
import threading
import time

BLOCK = 16 * 1024
# A stalled connection is held this long, then closed.
STALL_SECONDS = 6
TRICKLE_RATE = 150_000


def reset(connection):
    """Closes with a reset, which takes away what the other side has not read yet."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    except OSError:
        pass


class FaultProxy:
    """Forwards to `target`; while `is_faulty`, each connection draws a fate from the dice."""

    def __init__(self, dice):
        self.dice = dice
        self.target = None
        self.is_faulty = False
        self.lock = threading.Lock()
        self.live = set()
        self.fates = {}
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def reset_all(self):
        """Resets every connection there is now; how many."""
        with self.lock:
            connections = list(self.live)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return len(connections)

    def close(self):
        self.listener.close()
        self.reset_all()

    def _fate(self):
        """What happens to the answers of a connection, and after how many bytes."""
        with self.lock:
            if not self.is_faulty:
                fate = ("none", 0)
            else:
                kind = self.dice.choice(
                    ["none"] * 6 + ["refuse", "reset", "reset", "cut", "cut", "stall", "trickle"])
                # Small ones hit heads and lists, large ones the middle of files.
                at = self.dice.choice([0, 40, 700, 30_000, 900_000, 5_000_000])
                fate = (kind, self.dice.randrange(at + 1))
            self.fates[fate[0]] = self.fates.get(fate[0], 0) + 1
            return fate

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        fate, at = self._fate()
        upstream = None
        try:
            if fate == "refuse" or self.target is None:
                return reset(connection)
            host, port = self.target.rsplit(":", 1)
            upstream = socket.create_connection((host, int(port)), 5)
            with self.lock:
                self.live |= {connection, upstream}
            back = threading.Thread(
                target=self._pump, args=(connection, upstream, None, 0), daemon=True)
            back.start()
            self._pump(upstream, connection, fate, at)
        except OSError:
            pass
        finally:
            with self.lock:
                self.live -= {connection, upstream}
            for end in (connection, upstream):
                if end is not None:
                    reset(end) if fate == "reset" else end.close()
        return None

    def _pump(self, source, sink, fate, at):
        """Copies one direction until it ends, or as the fate of the connection says."""
        copied = 0
        try:
            while True:
                block = source.recv(BLOCK)
                if not block:
                    sink.shutdown(socket.SHUT_WR)
                    return
                if fate in ("reset", "cut", "stall") and copied + len(block) > at:
                    sink.sendall(block[: at - copied])
                    if fate == "stall":
                        time.sleep(STALL_SECONDS)
                    source.shutdown(socket.SHUT_RDWR)
                    return
                if fate == "trickle":
                    time.sleep(len(block) / TRICKLE_RATE)
                sink.sendall(block)
                copied += len(block)
        except OSError:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
