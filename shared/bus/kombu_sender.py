"""Sends events one by one through kombu: for brokers that answer at once, as the file does."""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery

from shared.bus.port import Outbound, Sent
from shared.bus.topology import EVENTS

RETRY = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2}


class KombuSender:
    """Uses the Celery app's own pool of producers."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def send(self, events: Sequence[Outbound]) -> Sent:
        """Send in order; each is stored when `publish` returns."""
        sent: list[int] = []
        failed: dict[int, str] = {}
        with self._celery.producer_or_acquire() as producer:
            for event in events:
                try:
                    producer.publish(
                        event.body,
                        exchange=EVENTS,
                        routing_key=event.name,
                        headers={"event": event.name},
                        serializer="json",
                        mandatory=True,
                        retry=True,
                        retry_policy=RETRY,
                    )
                    sent.append(event.row)
                except Exception as error:  # noqa: BLE001 - kept in the outbox and reported
                    failed[event.row] = f"{type(error).__name__}: {error}"
        return Sent(sent, failed)
