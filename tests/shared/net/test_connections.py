"""Libraries that open their own sockets stay where they may go, whatever a name answers."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator

import pytest
import requests

from services.notification.engines.port import Notice
from services.notification.engines.table import notifier
from shared.errors import Forbidden
from shared.net.address import Allowed
from shared.net.connections import only_to

NOBODY = Allowed.of([])


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def was_called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


@pytest.fixture
def rebinding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`turncoat.example` is public when it is first asked for, and this machine from then on."""
    system = socket.getaddrinfo
    asked: list[str] = []

    def lookup(host: str, port: int, *more: object, **named: object) -> list[tuple]:
        if host != "turncoat.example":
            return system(host, port, *more, **named)
        asked.append(host)
        address = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port or 0)))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


@pytest.mark.parametrize("kind", ["json", "mailto"])
def test_a_name_that_changes_its_answer_gains_nothing(
    listener: socket.socket, rebinding: list[str], kind: str
) -> None:
    port = listener.getsockname()[1]
    url = f"json://turncoat.example:{port}/hook"
    if kind == "mailto":
        url = f"mailto://turncoat.example:{port}/a@b.example?from=c@d.example&mode=insecure"
    with pytest.raises(Forbidden, match="private or reserved"):
        notifier("apprise", url, timeout_s=5, allow=[]).send(Notice("title", "body"))
    assert len(rebinding) >= 2, "the second look-up was made, and its answer not used"
    assert not was_called(listener)


def test_any_library_in_this_thread_is_held(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with only_to(NOBODY, "127.0.0.1") as guard:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/", timeout=1)
        with pytest.raises(OSError, match="private or reserved"):
            smtplib.SMTP("127.0.0.1", port, timeout=1)
        with pytest.raises(OSError, match="private or reserved"):
            socket.socket().connect(("localhost", port))
        with pytest.raises(OSError, match="private or reserved"):
            socket.socket(socket.AF_UNIX).connect("\0somewhere")
        assert isinstance(guard.refused, Forbidden)
    assert not was_called(listener)


def test_what_is_allowed_and_what_others_do_goes_on(listener: socket.socket) -> None:
    address = listener.getsockname()
    for allowed, host in (
        (Allowed.of(["127.0.0.0/8"]), "anything"),
        (Allowed.of(["mail.internal"]), "mail.internal"),
    ):
        with only_to(allowed, host):
            socket.create_connection(address).close()
        assert was_called(listener)
    with only_to(NOBODY, "x"):
        other = threading.Thread(target=lambda: socket.create_connection(address).close())
        other.start()
        other.join()
    assert was_called(listener)
    socket.create_connection(address).close()
    assert was_called(listener)
