"""A web server that misbehaves in every way that a link can."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

STALL_S = 3.0  # longer than the mesh of these tests waits for the next byte


class Server(ThreadingHTTPServer):
    """Serves `film`; `asked` holds the range headers of requests for it."""

    daemon_threads = True

    def __init__(self, film: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.film = film
        self.asked: list[str] = []
        self.stalls = 0
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """`/status/<n>`, `/to/<url>`, `/loop`, `/page`, `/empty.mp4`, `/stalling.mp4`, `/film.mp4`."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        what, _, rest = self.path.lstrip("/").partition("/")
        if what == "status":
            self._answer(int(rest), b"")
        elif what == "to":
            self._answer(302, b"", Location=unquote(rest))
        elif what == "loop":
            self._answer(302, b"", Location="/loop")
        elif what == "page":
            self._answer(200, b"<html>Log in</html>", **{"Content-Type": "text/html"})
        elif what == "empty.mp4":
            self._answer(200, b"")
        else:
            self._film(stalling=what == "stalling.mp4")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _film(self, *, stalling: bool) -> None:
        film, wanted = self.server.film, self.headers.get("Range", "")
        self.server.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", '"film"')
        self.send_header("Content-Length", str(len(film) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(film) - 1}/{len(film)}")
        self.end_headers()
        if stalling and self.server.stalls > 0:
            self.server.stalls -= 1
            self.wfile.write(film[start : start + 1000])
            self.wfile.flush()
            time.sleep(STALL_S)
            self.close_connection = True
            return
        self.wfile.write(film[start:])


@contextmanager
def web_server(film: bytes) -> Iterator[Server]:
    server = Server(film)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
