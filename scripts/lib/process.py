"""Figures of running processes from Linux' /proc, and programs to compare with."""

import os
import shutil
import socket
import subprocess
import threading
import time

import jackdaw


def cpu_seconds(pid):
    """User and system time of a process, ended threads included, in nanosecond steps.

    The number of a process' CPU clock is Linux ABI; /proc/PID/stat has only hundredths.
    """
    return time.clock_gettime((~pid << 3) | 2)


def status_bytes(pid, field):
    """A memory figure of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for row in file:
            if row.startswith(field + ":"):
                return int(row.split()[1]) * 1024
    raise jackdaw.Failure(f"no {field} in /proc/{pid}/status")


def forget_peak(pid):
    """From now on VmHWM is the peak since now."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def written_chars(pid):
    """Bytes given to write calls on files and pipes; what sockets send is not among them."""
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        for row in file:
            if row.startswith("wchar:"):
                return int(row.split()[1])
    raise jackdaw.Failure(f"no wchar in /proc/{pid}/io")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Sampler:
    """The highest resident memory of a process while `with` lasts."""

    def __init__(self, pid):
        self.pid = pid
        self.highest = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._is_over.wait(0.02):
            self.highest = max(self.highest, status_bytes(self.pid, "VmRSS"))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()


class WebServer:
    """nginx or lighttpd from the system, serving a folder; `with` stops it."""

    def __init__(self, kind, home, folder):
        self.port = free_port()
        config = os.path.join(home, f"{kind}.conf")
        user = "user root;\n" if os.geteuid() == 0 else ""
        texts = {
            "nginx": f"{user}worker_processes 1;\ndaemon off;\npid {home}/nginx.pid;\n"
            f"error_log {home}/nginx.log;\nevents {{ worker_connections 512; }}\n"
            "http {\n access_log off;\n sendfile on;\n tcp_nopush on;\n"
            f" client_body_temp_path {home}/t1; proxy_temp_path {home}/t2;\n"
            f" fastcgi_temp_path {home}/t3; uwsgi_temp_path {home}/t4;\n"
            f" scgi_temp_path {home}/t5;\n"
            f" server {{ listen 127.0.0.1:{self.port}; root {folder}; }}\n}}\n",
            "lighttpd": f'server.document-root = "{folder}"\nserver.port = {self.port}\n'
            'server.bind = "127.0.0.1"\nserver.network-backend = "sendfile"\n'
            f'server.errorlog = "{home}/lighttpd.log"\n',
        }
        with open(config, "w", encoding="utf-8") as file:
            file.write(texts[kind])
        arguments = {
            "nginx": ["-p", home, "-c", config, "-e", f"{home}/nginx.log"],
            "lighttpd": ["-D", "-f", config],
        }
        self.process = subprocess.Popen(
            [WebServer.program(kind), *arguments[kind]],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        jackdaw.wait_for(f"{kind} to listen", self._is_up, 10)
        # nginx answers in its worker.
        self.pid = self.process.pid
        if kind == "nginx":
            self.pid = jackdaw.wait_for("its worker", lambda: children(self.process.pid), 10)[0]

    @staticmethod
    def program(kind):
        """Its path, or None."""
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        return shutil.which(kind, path=path)

    def _is_up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
