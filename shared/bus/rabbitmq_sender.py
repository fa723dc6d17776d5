"""Sends events to RabbitMQ with all confirms of a batch in flight at once.

Waiting for each confirm costs a disk flush and a round trip an event; waiting for all together costs
about one of each. A message that no queue takes comes back before its confirm (`mandatory`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from amqp.basic_message import Message
from celery import Celery
from kombu.utils.json import dumps

from shared.bus.port import Outbound, Sent
from shared.bus.topology import EVENTS

CONFIRM_S = 5.0
IDLE_LINKS = 4


class RabbitSender:
    """Sends through connections of its own, which it keeps; safe in threads and after a fork."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._lock = threading.Lock()
        self._pid = 0
        self._idle: list[_Link] = []

    def send(self, events: Sequence[Outbound]) -> Sent:
        """Send; over a fresh connection when a kept one turns out to be dead."""
        if not events:
            return Sent([], {})
        link = self._kept()
        if link is not None:
            try:
                return self._through(link, events)
            except Exception:  # noqa: BLE001 - whatever a dead connection raises: try a fresh one
                link.close()
        try:
            link = _Link(self._celery)
        except Exception as error:  # noqa: BLE001 - told per event, and kept in the outbox
            return Sent([], {event.row: _told(error) for event in events})
        try:
            return self._through(link, events)
        except Exception as error:  # noqa: BLE001 - the same
            link.close()
            return Sent([], {event.row: _told(error) for event in events})

    def _through(self, link: _Link, events: Sequence[Outbound]) -> Sent:
        sent = link.send(events)
        with self._lock:
            if self._pid == os.getpid() and len(self._idle) < IDLE_LINKS:
                self._idle.append(link)
                return sent
        link.close()
        return sent

    def _kept(self) -> _Link | None:
        with self._lock:
            if self._pid != os.getpid():  # the parent's sockets are not ours to use or to close
                self._pid, self._idle = os.getpid(), []
            return self._idle.pop() if self._idle else None


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


class _Link:
    """One connection with one channel in confirm mode."""

    def __init__(self, celery: Celery) -> None:
        self._connection = celery.connection_for_write(connect_timeout=CONFIRM_S, heartbeat=0)
        self._connection.connect()
        self._channel: Any = self._connection.channel()
        self._channel.confirm_select()
        self._next = 1  # RabbitMQ counts the messages of a channel from 1
        self._open: dict[int, Outbound] = {}
        self._returned: dict[str, str] = {}  # message id -> why
        self._refused: set[int] = set()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)

    def send(self, events: Sequence[Outbound]) -> Sent:
        """Publish all, then wait for all confirms; what stayed open in time has failed."""
        tags: dict[int, Outbound] = {}
        for event in events:
            message = Message(
                dumps(event.body).encode(),
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=2,
                message_id=str(event.row),
                application_headers={"event": event.name},
            )
            self._open[self._next] = tags[self._next] = event
            self._next += 1
            self._channel._basic_publish(  # noqa: SLF001 - the public name waits for the confirm
                message, exchange=EVENTS, routing_key=event.name, mandatory=True
            )
        deadline = time.monotonic() + CONFIRM_S
        while self._open:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"RabbitMQ confirmed nothing within {CONFIRM_S:.0f} s")
            self._connection.drain_events(timeout=left)
        failed = {
            event.row: self._returned.get(str(event.row), "RabbitMQ refused the message")
            for tag, event in tags.items()
            if str(event.row) in self._returned or tag in self._refused
        }
        self._returned.clear()
        self._refused.clear()
        return Sent([event.row for event in events if event.row not in failed], failed)

    def close(self) -> None:
        """Let go of the connection, however it is."""
        with contextlib.suppress(Exception):  # it may be broken
            self._connection.close()

    def _settle(self, tag: int, *, multiple: bool) -> list[int]:
        settled = [t for t in self._open if t <= tag] if multiple else [tag]
        for each in settled:
            self._open.pop(each, None)
        return settled

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple=multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._refused.update(self._settle(tag, multiple=multiple))

    def _on_return(self, error: Any, exchange: str, key: str, message: Any) -> None:
        del exchange
        row = message.properties.get("message_id")
        self._returned[row] = f"{error.reply_text}: no queue takes {key}; actverse topology apply"
