"""The processes of the mesh, by what they leave behind: consumers, looks, sent events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select

from deploy.cli.client import Client, Refused, address
from deploy.cli.doctor.broker import is_rabbitmq
from deploy.cli.doctor.database import behind, not_made
from deploy.cli.doctor.finding import Finding, fine, wrong
from deploy.local.state import STATE_FILE
from shared.bus.topology import named
from shared.db.models import Labeling, Outgoing, now
from shared.errors import Unavailable
from shared.flow import parking
from shared.pipelines import atlas
from shared.platform import Platform

RELAY_IS_LATE = timedelta(seconds=30)  # it looks twice a second
LOOKS_MISSED = 10  # of those that beat sends
START = "docker compose up -d {0}  |  kubectl -n actverse rollout restart deployment/{0}"


def _start(process: str) -> str:
    return START.format(process.replace("_", "-"))


def workers(platform: Platform) -> Iterator[Finding]:
    """Whether somebody consumes the tasks and the events of every service.

    A consumer is counted by RabbitMQ itself: also one that is busy for hours and answers nobody.
    """
    if not is_rabbitmq(platform):
        return
    absent = []
    alive: dict[str, int] = {}
    with platform.celery.connection_for_read() as connection:
        for service in atlas.services():
            queues = (named(service), f"{named(service)}.events")
            counts = [_consumers(connection, queue) for queue in queues]
            alive[service] = min(counts)
            if not min(counts):
                absent.append(service)
    for service in absent:
        yield wrong("workers", f"nobody works for {service}", _start(service))
    if not absent:
        yield fine("workers", ", ".join(f"{service} {n}" for service, n in alive.items()))


def _consumers(connection: object, queue: str) -> int:
    """How many consume `queue`; none where it does not exist, which ends the channel."""
    with connection.channel() as channel:  # type: ignore[attr-defined]
        try:
            return int(channel.queue_declare(queue, passive=True).consumer_count)
        except connection.channel_errors:  # type: ignore[attr-defined]
            return 0


def relay(platform: Platform) -> Iterator[Finding]:
    """Whether events that could not be sent at once are sent later, which is what the clock does."""
    if not_made(platform):
        return
    if unknown := behind(platform, "clock process"):
        yield unknown
        return
    waiting = (
        select(func.count(), func.min(Outgoing.created_at), func.max(Outgoing.error))
        .where(Outgoing.published_at.is_(None))
        .where(Outgoing.created_at < now() - RELAY_IS_LATE)
    )
    with platform.reads() as session:
        count, oldest, error = session.execute(waiting).one()
    if not count:
        yield fine("clock process", "no event waits to be sent")
        return
    text = f"{count} events wait to be sent, the oldest for {_spoken(now() - oldest)}"
    yield wrong("clock process", f"{text}; last error: {error}" if error else text, _start("clock"))


def beat(platform: Platform) -> Iterator[Finding]:
    """Whether open labelings are looked at, which is what beat makes labeling_manager do."""
    if not_made(platform):
        return
    if unknown := behind(platform, "beat"):
        yield unknown
        return
    with platform.reads() as session:
        looked = session.scalars(
            select(func.coalesce(Labeling.polled_at, Labeling.opened_at)).where(
                Labeling.state == "OPEN"
            )
        ).all()
    if not looked:
        yield fine("beat", "no labeling is open: nothing to see it by")
        return
    silence = now() - min(looked)
    if silence.total_seconds() > max(LOOKS_MISSED * platform.settings.labeling.poll_s, 30.0):
        text = f"an open labeling was not looked at for {_spoken(silence)}"
        yield wrong("beat", text, f"{_start('beat')}; then labeling_manager")
    else:
        yield fine("beat", f"{len(looked)} open labelings are looked at")


def mesh(platform: Platform) -> Iterator[Finding]:
    """The embedded mesh on this machine, by the gateway's own word."""
    if is_rabbitmq(platform):
        return
    settings = platform.settings
    if not (settings.data_dir / STATE_FILE).exists():
        yield fine("mesh", "not running here; `make up` starts it")
        return
    try:
        with Client(*address()) as client:
            health = client.call("GET", "/health")
    except Refused as refused:  # 503: some dependency is away
        yield wrong("mesh", str(refused), f"look at {settings.data_dir / 'logs'}")
        return
    except Unavailable as error:
        yield wrong("mesh", str(error), "make up")
        return
    busy = [f"{q['name']} {q['pending']}" for q in health["queues"].values() if q["pending"]]
    waiting = f"; waiting: {', '.join(busy)}" if busy else ""
    yield fine("mesh", f"{client.url} is well{waiting}")


def parked(platform: Platform) -> Iterator[Finding]:
    """Messages that wait for a decision."""
    if not_made(platform):
        return
    if unknown := behind(platform, "parked messages"):
        yield unknown
        return
    with platform.reads() as session:
        counts = parking.by_queue(session)
    if not counts:
        yield fine("parked messages", "none")
        return
    told = ", ".join(f"{queue} {count}" for queue, count in sorted(counts.items()))
    yield wrong(
        "parked messages", f"given up after too many deliveries: {told}", "actverse parked list"
    )


def _spoken(age: timedelta) -> str:
    return str(timedelta(seconds=round(age.total_seconds())))
