"""A web server on the loopback interface that serves chosen bodies, with the faults that real hosts show."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

FAULTS = ("truncated", "missing", "stalled", "corrupted", "slow")


class FaultyServer:
    """Serves ``bodies[path]``, with the fault ``faults[path]`` if there is one; ``served`` lists the paths asked for.

    A truncated body ends before its announced length; a missing path answers 404; a stalled one stops in the middle and
    keeps the connection for five seconds; a corrupted one has the right length and a wrong byte; a slow one pauses in
    the middle for ten seconds, or until ``closing`` is set.
    """

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.faults: dict[str, str] = {}
        self.served: list[str] = []
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"site": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def add(self, path: str, body: bytes, fault: str | None = None) -> str:
        """Serve a body; returns its address."""
        self.bodies[path] = body
        if fault is not None:
            assert fault in FAULTS
            self.faults[path] = fault
        return f"http://127.0.0.1:{self.http.server_port}{path}"

    def wait_until_served(self, path: str, seconds: float = 10) -> None:
        """Return as soon as somebody has asked for a path."""
        end = time.monotonic() + seconds
        while path not in self.served:
            assert time.monotonic() < end, f"nobody asked for {path}"
            time.sleep(0.01)


def refused_address(path: str) -> str:
    """An address at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    site: FaultyServer

    def do_GET(self) -> None:
        site, body = self.site, self.site.bodies.get(self.path)
        fault = site.faults.get(self.path)
        site.served.append(self.path)
        if body is None or fault == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        if fault == "corrupted":
            body = body[:half] + bytes([body[half] ^ 1]) + body[half + 1 :]
        self.wfile.write(body[:half])
        self.wfile.flush()
        if fault == "truncated":
            return
        if fault == "stalled":
            site.closing.wait(5)
            return
        if fault == "slow":
            site.closing.wait(10)
        self.wfile.write(body[half:])

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client was killed: what some tests are about
            super().handle()

    def log_message(self, *arguments: object) -> None:
        """Say nothing on standard error."""
