"""A real web server on loopback that misbehaves on request."""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SIZE = 700_001
BODY = random.Random(5).randbytes(SIZE)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Files(BaseHTTPRequestHandler):
    """Serves `server.body` with ranges; `server.plan` is a list of faults, one a request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        s = self.server
        s.asked.append((self.path, dict(self.headers)))
        fault = s.plan.pop(0) if s.plan else None
        if isinstance(fault, int):
            return self._status(fault)
        if self.path == "/redirect":
            return self._status(302, Location=s.location)
        if self.path == "/circle":
            return self._status(302, Location="/circle")
        start = self._start()
        if start is not None and start >= len(s.body):
            return self._status(416, **{"Content-Range": f"bytes */{len(s.body)}"})
        self.send_response(200 if start is None else 206)
        start = start or 0
        body = s.body[start:]
        self.send_header("Content-Type", s.content_type)
        if s.announced == "nothing":
            self.close_connection = True  # the end of the connection is the end of the file
        else:
            self.send_header("Content-Length", str(s.announced or len(body)))
        for name, value in s.headers.items():
            self.send_header(name, value)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(s.body) - 1}/{len(s.body)}")
        self.end_headers()
        if fault == "stall":
            self.wfile.write(body[:1000])
            self.wfile.flush()
            s.released.wait(10)
            self.close_connection = True
        elif fault == "cut":
            self.wfile.write(body[: len(s.body) // 8])
            self.wfile.flush()
            time.sleep(0.01)
            self.close_connection = True
        else:
            self.wfile.write(body)
        return None

    def _start(self):
        """First byte asked for, or None for all: a range counts only for the same file."""
        found = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        known = {self.server.headers.get("ETag"), self.server.headers.get("Last-Modified")}
        if not found or self.headers.get("If-Range") not in known - {None}:
            return None
        return int(found.group(1))

    def _status(self, status, **headers):
        self.send_response(status)
        for name, value in (headers | self.server.extra).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def files():
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        server.daemon_threads = True
        server.body, server.plan, server.asked = BODY, [], []
        server.headers, server.extra = {"ETag": '"v1"'}, {}
        server.content_type, server.announced, server.location = "video/mp4", None, "/"
        server.released = threading.Event()
        server.handle_error = lambda *_: None  # clients hang up: that is tested
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()
