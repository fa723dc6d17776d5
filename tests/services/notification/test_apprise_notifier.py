"""Messages to real servers on loopback: willing, silent, slow, and gone."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.notification.engines.port import Mood, Notice
from services.notification.engines.table import notifier
from services.notification.errors import AddressUnusable, NotDelivered
from shared.errors import Forbidden, Retryable
from tests.services.notification.conftest import LOOPBACK, free_port

NOTICE = Notice("Task 7: 완료 <b>", "Two animals & 한글\n<script>alert(1)</script>", Mood.SUCCESS)


class RootLog(logging.Handler):
    """What reaches the one handler that `shared.log` installs; pytest's own hears more than that."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"


@pytest.fixture
def root_log() -> Iterator[RootLog]:
    root, handler = logging.getLogger(), RootLog()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def hook() -> Iterator[tuple[list[dict], int]]:
    received: list[dict] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/refuse"):
                self.send_response(500)
            elif self.path.startswith("/redirect"):
                self.send_response(307)
                self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/inner")
            else:
                received.append({"path": self.path, **json.loads(body)})
                self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield received, server.server_port
    server.shutdown()
    server.server_close()


def mailto(port: int, extra: str = "", user: str = "") -> str:
    return f"mailto://{user}127.0.0.1:{port}/you@example.com?from=mesh@example.com&mode=insecure{extra}"


def test_a_mail_arrives_as_plain_text(mail):
    inbox, port = mail
    notifier("email", mailto(port), timeout_s=10).send(NOTICE)
    (envelope,) = inbox.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("mesh@example.com", ["you@example.com"])
    parsed = message_from_bytes(envelope.content, policy=policy.default)
    assert parsed["Subject"] == "Task 7: 완료 <b>"
    assert parsed.get_content_type() == "text/plain"
    assert parsed.get_content().replace("\r\n", "\n").strip() == NOTICE.body


def test_a_webhook_gets_the_message(hook):
    received, port = hook
    sender = notifier("apprise", f"json://127.0.0.1:{port}/hook", timeout_s=10)
    sender.send(NOTICE)
    started = time.monotonic()
    sender.send(NOTICE)
    assert time.monotonic() - started < 3, (
        "a second message does not wait for the first one's pause"
    )
    assert len(received) == 2
    assert received[0]["path"] == "/hook"
    assert received[0]["title"] == NOTICE.title
    assert received[0]["message"] == NOTICE.body
    assert received[0]["type"] == "success"


@pytest.mark.parametrize("kind", ["mailto", "json"])
def test_a_silent_server_never_blocks(black_hole: int, kind: str):
    url = mailto(black_hole) if kind == "mailto" else f"json://127.0.0.1:{black_hole}/hook"
    sender = notifier("apprise", url, timeout_s=1)
    started = time.monotonic()
    with pytest.raises(NotDelivered, match="no answer within 1 seconds"):
        sender.send(NOTICE)
    assert time.monotonic() - started < 5


def test_a_dripping_server_never_blocks(dripping: int):
    sender = notifier("email", mailto(dripping), timeout_s=1)
    started = time.monotonic()
    with pytest.raises(NotDelivered, match="no answer within 1 seconds"):
        sender.send(NOTICE)
    assert time.monotonic() - started < 5


def test_a_dead_port_can_be_tried_again():
    port = free_port()
    for name, url in (("email", mailto(port)), ("apprise", f"json://127.0.0.1:{port}/hook")):
        with pytest.raises(Retryable, match=f"127.0.0.1:{port} was not delivered: .*onnection"):
            notifier(name, url, timeout_s=5).send(NOTICE)


def test_no_secret_is_said_or_logged(hook, black_hole: int, root_log: RootLog):
    _, port = hook
    logging.getLogger("test").debug("the log is on")
    addresses = [
        f"json://mesh:hunter2secret@127.0.0.1:{port}/refuse/tok3ntok3n?+X-Key=k3yk3yk3y",
        f"json://mesh:hunter2secret@127.0.0.1:{free_port()}/tok3ntok3n",
        mailto(free_port(), user="mesh:hunter2secret@"),
        mailto(black_hole, user="mesh:hunter2secret@"),
        "hunter2secret",
        "slack://tok3ntok3n",
        "json://mesh:hunter2secret@[/tok3ntok3n",
    ]
    said = []
    for address in addresses:
        with pytest.raises((NotDelivered, AddressUnusable)) as raised:
            notifier("apprise", address, timeout_s=1).send(NOTICE)
        said.append(str(raised.value))
        assert raised.value.__cause__ is None
    everything = " ".join([*said, root_log.text])
    assert "the log is on" in everything
    for secret in ("hunter2", "tok3n", "k3yk3y"):
        assert secret not in everything
    assert "500" in said[0]


class TestAddressesOfUsers:
    def test_a_private_destination_needs_the_allow_list(self, hook, mail):
        received, port = hook
        inbox, mail_port = mail
        for url in (
            f"json://127.0.0.1:{port}/hook",
            f"json://localhost:{port}/hook",
            mailto(mail_port),
        ):
            with pytest.raises(Forbidden, match="private or reserved network"):
                notifier("apprise", url, allow=[]).send(NOTICE)
        elsewhere = mailto(mail_port, "&smtp=127.0.0.1").replace("//127.0.0.1", "//example.com")
        with pytest.raises(Forbidden, match="private or reserved network"):
            notifier("email", elsewhere, allow=[]).send(NOTICE)
        assert (received, inbox.mails) == ([], [])
        notifier("apprise", f"json://127.0.0.1:{port}/hook", allow=LOOPBACK).send(NOTICE)
        notifier("email", mailto(mail_port), allow=LOOPBACK).send(NOTICE)
        assert (len(received), len(inbox.mails)) == (1, 1)

    def test_a_redirect_is_not_followed(self, hook):
        received, port = hook
        url = f"json://127.0.0.1:{port}/redirect"
        with pytest.raises(NotDelivered):
            notifier("apprise", url, allow=LOOPBACK).send(NOTICE)
        assert received == []

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("dbus://", "these kinds: discord"),
            ("syslog://", "these kinds"),
            ("slack://TAAAAAAAA/BBBBBBBBB/" + "c" * 24 + "?template=/etc/passwd", "template"),
            ("mailtos://a:b@example.com?to=c@d.e&pgpkey=/etc/passwd", "pgpkey"),
            ("jsons://example.com/hook?verify=no", "verify"),
        ],
    )
    def test_what_reaches_into_this_machine_is_refused(self, url: str, said: str):
        with pytest.raises(AddressUnusable, match=said):
            notifier("apprise", url, allow=[])

    @pytest.mark.parametrize(
        "url",
        [
            "slack://TAAAAAAAA/BBBBBBBBB/" + "c" * 24 + "/#lab?footer=no",
            "mailtos://a:b@example.com?to=c@d.e&name=Actverse",
            "jsons://example.com/hook?+X-Key=abc&:title=headline",
        ],
    )
    def test_ordinary_addresses_are_taken(self, url: str):
        notifier("apprise", url, allow=[])
