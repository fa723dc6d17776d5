"""A door with a database behind it, somebody who reads mail, and programs that are called."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select, update

from services.notification import tasks
from services.notification.deliveries import Delivery
from shared.db.models import Outgoing, now
from shared.db.operation_models import NoticeDelivery, WebhookDelivery
from shared.platform import Platform
from tests.services.notification.receiver import Receiver, receiving
from tests.shared.web.door import Door

LOOPBACK = ["127.0.0.0/8"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def until(true: Callable[[], Any], *, within_s: float = 10.0) -> Any:
    """What `true` says once it says something."""
    deadline = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found


@dataclass
class Desk:
    """The door, and the reactions to what happens behind it, without a broker in between."""

    door: Door

    @property
    def platform(self) -> Platform:
        return self.door.platform

    def hear(self, task_id: str) -> None:
        """React to everything that has happened to a task, as often as that is asked for."""
        with self.platform.reads() as session:
            rows = session.execute(
                select(Outgoing.name, Outgoing.body)
                .where(Outgoing.task_id == task_id)
                .order_by(Outgoing.id)
            ).all()
        for name, body in rows:
            if "_REQUESTED" not in name:
                tasks.deliver.function({"name": name, **body}, self.platform)

    def happen(self, user: str, **options: Any) -> str:
        """A task of `user` that was submitted, and of which everybody has heard."""
        task_id = self.door.submit(user, **options)
        self.hear(task_id)
        return task_id

    def fail(self, task_id: str, error: Exception) -> None:
        """The task stops at its first step."""
        self.door.begin(task_id)
        self.door.fail(task_id, error)
        self.hear(task_id)

    def deliveries(self, task_id: str) -> list[Delivery]:
        with self.platform.reads() as session:
            return [
                row
                for kind in (WebhookDelivery, NoticeDelivery)
                for row in session.scalars(select(kind).where(kind.task_id == task_id))
            ]

    def settled(
        self, task_id: str, state: str = "DELIVERED", count: int = 1, within_s: float = 10.0
    ) -> list[Delivery]:
        """The deliveries of a task, once `count` of them are in `state`."""

        def enough() -> list[Delivery]:
            rows = [row for row in self.deliveries(task_id) if row.state == state]
            return rows if len(rows) >= count else []

        return until(enough, within_s=within_s)

    def tried(self, task_id: str, tries: int) -> Delivery:
        """The one delivery of a task, once a try number so many has come back without success."""

        def back() -> list[Delivery]:
            (row,) = self.deliveries(task_id)
            return [row] if row.error is not None and row.tries == tries else []

        return until(back)[0]

    def later(self) -> None:
        """Hours pass, as far as the next tries know; then beat ticks."""
        for kind in (WebhookDelivery, NoticeDelivery):
            with self.platform.sessions.begin() as session:
                session.execute(update(kind).where(kind.state == "PENDING").values(due_at=now()))
        tasks.send_due.function(self.platform)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Door.opened(
        tmp_path_factory.mktemp("data"),
        network={"allow": LOOPBACK},
        notify={"timeout_s": 1.0},
        gateway={"public_url": "https://mesh.example/"},
    ) as door:
        yield Desk(door)


@pytest.fixture
def patience(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's time-out is over before the test is."""
    monkeypatch.setattr(desk.platform.settings.notify, "timeout_s", 25.0)


@pytest.fixture
def program() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


class Inbox:
    """What an SMTP server was handed."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope)
        return "250 OK"


@pytest.fixture
def mail() -> Iterator[tuple[Inbox, int]]:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield inbox, controller.port
    controller.stop()


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def dripping() -> Iterator[int]:
    """A server that sends one byte now and then, so that no socket time-out fires."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            while not over.wait(0.1):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    over.set()
    listener.close()
