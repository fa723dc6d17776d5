"""A program of somebody else that is called by webhooks: it checks, refuses, hangs, redirects."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


def verified(call: Call, secret: str) -> bool:
    """As a stranger would write it from the specification of Standard Webhooks."""
    moment = call.headers["webhook-timestamp"]
    if abs(time.time() - int(moment)) > 300:
        return False
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = b".".join([call.id.encode(), moment.encode(), call.body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [part.split(",", 1) for part in call.headers["webhook-signature"].split()]
    return any(v == "v1" and hmac.compare_digest(expected, sent) for v, sent in given)


@dataclass
class Receiver:
    """Answers each path by a rule of its own; 204 where there is none."""

    url: str
    calls: list[Call] = field(default_factory=list)
    rules: dict[str, Callable[[int], tuple[int, dict[str, str], bytes]]] = field(
        default_factory=dict
    )
    released: threading.Event = field(default_factory=threading.Event)

    def at(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def answers(self, path: str, *statuses: int, body: bytes = b"", **headers: str) -> str:
        """The address of a path that answers these statuses, one after the other."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.rules[path] = lambda n: (statuses[min(n, len(statuses) - 1)], named, body)
        return self.url + path

    def hangs(self, path: str) -> str:
        """The address of a path that takes the request and says nothing until it is released."""

        def wait(_: int) -> tuple[int, dict[str, str], bytes]:
            self.released.wait(30)
            return 204, {}, b""

        self.rules[path] = wait
        return self.url + path


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    calls: list[Call] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            before = len([c for c in calls if c.path == self.path])
            calls.append(Call(self.path, headers, body, time.time()))
            rule = receiver.rules.get(self.path, lambda _: (204, {}, b""))
            status, named, said = rule(before)
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in named.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}", calls)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
