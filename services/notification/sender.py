"""Sends what is due, every receiver in a thread of its own: a slow one keeps nobody waiting."""

from __future__ import annotations

import os
import threading

import structlog

from services.notification import deliveries, repository, webhooks
from services.notification.deliveries import Delivery, Outcome, Receiver
from services.notification.engines.port import Notifier
from services.notification.engines.table import engine_for, notifier
from services.notification.news import news_of
from services.notification.repository import Address
from services.notification.templates import render
from shared.db.operation_models import NoticeDelivery, WebhookDelivery
from shared.errors import ActverseError, NotFound, Retryable
from shared.platform import Platform
from shared.settings import Settings

MOST = 32  # receivers served at the same moment by one process
MOST_A_USER = 4  # of them; nobody's dead addresses take the threads of others
LEASE_S = 30.0  # beyond the time-out: how long a taken message waits for a sender that died
log = structlog.get_logger()


class Sender:
    """The threads of one process."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._busy: set[Receiver] = set()
        self._again = False  # somebody could not be served, or got more while being served

    def kick(self) -> None:
        """Begin to send what is due; returns at once."""
        with self._platform.reads() as session:
            waiting = deliveries.due(session)
        for receiver in waiting:
            if self._begin(receiver):
                threading.Thread(
                    target=self._serve, args=(receiver,), daemon=True, name="sender"
                ).start()

    def _begin(self, receiver: Receiver) -> bool:
        with self._lock:
            same_user = sum(busy.user_id == receiver.user_id for busy in self._busy)
            full = len(self._busy) >= MOST or same_user >= MOST_A_USER
            if receiver in self._busy or full:
                self._again = True
                return False
            self._busy.add(receiver)
            return True

    def _serve(self, receiver: Receiver) -> None:
        """One message after the other, until none is due or one could not be delivered."""
        try:
            while self._send_next(receiver):
                pass
        except Exception as error:  # noqa: BLE001 - the row is due again when its lease is over
            log.warning("notification.sender.failed", error=f"{type(error).__name__}: {error}")
        with self._lock:
            self._busy.discard(receiver)
            again, self._again = self._again, False
        if again:
            try:
                self.kick()
            except Exception as error:  # noqa: BLE001 - the next tick looks again
                log.warning("notification.sender.failed", error=f"{type(error).__name__}: {error}")

    def _send_next(self, receiver: Receiver) -> bool:
        lease_s = self._platform.settings.notify.timeout_s + LEASE_S
        with self._platform.sessions.begin() as session:
            delivery = deliveries.take(session, receiver, lease_s)
        if delivery is None:
            return False
        outcome = attempt(self._platform, delivery)
        with self._platform.sessions.begin() as session:
            deliveries.settle(session, delivery, outcome)
        return outcome.delivered or outcome.final


def attempt(platform: Platform, delivery: Delivery) -> Outcome:
    """Send one message once, and say in the log when it did not arrive."""
    if isinstance(delivery, WebhookDelivery):
        outcome = webhooks.attempt(platform, delivery)
    else:
        outcome = _notice(platform, delivery)
    if not outcome.delivered:
        log.warning(
            "notification.not_delivered",
            kind=delivery.__tablename__,
            task_id=delivery.task_id,
            delivery=delivery.id,
            tries=delivery.tries,
            status=outcome.status,
            error=outcome.error,
        )
    return outcome


def _notice(platform: Platform, delivery: NoticeDelivery) -> Outcome:
    """The news in the words of their reader, to the address as it is now."""
    with platform.reads() as session:
        reader = repository.reader(session, delivery.task_id, platform.settings.notify)
    known = {a.digest: a for a in reader.addresses} if reader else {}
    address = known.get(delivery.address)
    news = news_of(delivery.body, reader.context) if reader else None
    if reader is None or address is None or news is None:
        return Outcome(delivered=False, final=True, error="The address was withdrawn.")
    link = deliveries.status_url(platform, delivery.task_id)
    message = render(news.kind, reader.language, link=link, task_id=delivery.task_id, **news.fields)
    try:
        notifier_of(platform.settings, address).send(message)
    except Retryable as error:
        return Outcome(delivered=False, error=str(error), retry_after_s=error.retry_after_s)
    except NotFound as error:  # its name is not known, which may be the name server's fault
        return Outcome(delivered=False, error=str(error))
    except ActverseError as error:  # an address that can never work
        return Outcome(delivered=False, final=True, error=str(error))
    return Outcome(delivered=True)


def notifier_of(settings: Settings, address: Address) -> Notifier:
    """What speaks to the address; raises `AddressUnusable` when nothing can."""
    return notifier(
        engine_for(address.url),
        address.url,
        timeout_s=settings.notify.timeout_s,
        allow=settings.network.allow if address.own else None,
    )


_senders: dict[tuple[int, int], Sender] = {}
_making = threading.Lock()


def sender(platform: Platform) -> Sender:
    """That of this process; threads do not survive a fork, so a child begins its own."""
    with _making:
        return _senders.setdefault((os.getpid(), id(platform)), Sender(platform))
