"""What can happen to a mesh, as data: a name, and what is done. A fault is over when it returns."""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from kombu import Connection, Exchange, Producer, Queue
from sqlalchemy import select

from shared.bus.topology import EVENTS, event_queue
from shared.db.models import Outgoing
from shared.pipelines import atlas
from tests.faults.mesh import SmallMesh
from tests.faults.small_service import MAKE, SEAL

HOUR_S = 3600.0
FREEZES = 5  # tries to freeze a service where it does not hold the one lock of the broker's file
Do = Callable[[SmallMesh, random.Random], None]


@dataclass(frozen=True)
class Fault:
    """One thing that happens."""

    name: str
    do: Do

    def __str__(self) -> str:
        return self.name


def _killed(program: str) -> Fault:
    return Fault(f"{program} killed", lambda mesh, chance: mesh.kill(program))


def _child_killed(program: str) -> Fault:
    return Fault(
        f"pool child of {program} killed", lambda mesh, chance: mesh.kill_child(program, chance)
    )


def _frozen(program: str, for_s: float) -> Fault:
    def do(mesh: SmallMesh, chance: random.Random) -> None:
        with mesh.frozen(program):
            time.sleep(for_s)

    return Fault(f"{program} frozen for {for_s:.0f} s", do)


def _clock_jumps(offset_s: float, for_s: float = 3.0) -> Fault:
    def do(mesh: SmallMesh, chance: random.Random) -> None:
        mesh.shift_clock(offset_s)
        time.sleep(for_s)
        mesh.shift_clock(0)

    return Fault(f"clock jumps by {offset_s / HOUR_S:+.0f} h and back", do)


def _connected(mesh: SmallMesh) -> Connection:
    """To the broker, around the proxy."""
    app = mesh.platform.celery
    return app.connection_for_write()


def _duplicated(mesh: SmallMesh, chance: random.Random) -> None:
    """Events that were sent already are sent again, old ones too."""
    with mesh.platform.reads() as session:
        rows = session.execute(
            select(Outgoing.name, Outgoing.body).order_by(Outgoing.id.desc()).limit(400)
        ).all()
    with _connected(mesh) as connection:
        producer = Producer(connection.default_channel, Exchange(EVENTS, "topic"))
        for name, body in chance.sample(rows, min(len(rows), 100)):
            _publish(producer, name, body)


def _reordered(mesh: SmallMesh, chance: random.Random) -> None:
    """What waits in the queues of events comes in another order."""
    for service in (MAKE, SEAL):
        for _ in range(FREEZES):
            with contextlib.suppress(sqlite3.OperationalError):
                _reorder(mesh, service, chance)
                break  # else it was frozen while it held the lock of the file


def _reorder(mesh: SmallMesh, service: str, chance: random.Random) -> None:
    with mesh.frozen(service), _connected(mesh) as connection:
        time.sleep(0.5)  # some come meanwhile
        channel = connection.default_channel
        spec = event_queue(service, atlas.consumed_by(service))
        queue = Queue(spec.name, channel=channel, queue_arguments=dict(spec.arguments))
        taken = list(itertools.islice(iter(queue.get, None), 100))
        producer = Producer(channel, Exchange(EVENTS, "topic"))
        for message in chance.sample(taken, len(taken)):
            _publish(producer, message.headers["event"], message.payload)
            message.ack()


def _publish(producer: Producer, name: str, body: object) -> None:
    producer.publish(
        body, routing_key=name, headers={"event": name}, serializer="json", delivery_mode=2
    )


def _server_killed(server: str) -> Fault:
    """Back after a moment; until then every connection to it is refused."""

    def do(mesh: SmallMesh, chance: random.Random) -> None:
        assert mesh.servers
        mesh.servers.all[server].kill()
        time.sleep(chance.uniform(0, 3))
        mesh.servers.all[server].start()

    return Fault(f"{server} killed", do)


def _redis_emptied(mesh: SmallMesh, chance: random.Random) -> None:
    assert mesh.servers
    mesh.servers.redis.empty()


def _server_frozen(server: str, for_s: float) -> Fault:
    def do(mesh: SmallMesh, chance: random.Random) -> None:
        assert mesh.servers
        mesh.servers.all[server].pause()
        try:
            time.sleep(for_s)
        finally:
            mesh.servers.all[server].resume()

    return Fault(f"{server} hangs for {for_s:.0f} s", do)


def _network(server: str, what: str, for_s: float) -> Fault:
    def do(mesh: SmallMesh, chance: random.Random) -> None:
        assert mesh.servers
        proxy = mesh.servers.proxies[server]
        match what:
            case "slow":
                proxy.slow(0.05)
            case "refused":
                proxy.refuse()
            case "swallowed":
                proxy.swallow()
            case "reset":
                proxy.reset()
        try:
            time.sleep(for_s)
        finally:
            proxy.mend()

    length = f" for {for_s:.0f} s" if for_s else ""
    return Fault(f"connections to {server} {what}{length}", do)


PROCESSES = (
    _child_killed(MAKE),
    _child_killed(SEAL),
    _killed(MAKE),
    _killed(SEAL),
    _killed("clock"),
    _killed("gateway"),
    _killed("beat"),
)
EVENT_FAULTS = (Fault("events sent again", _duplicated), Fault("events reordered", _reordered))
CLOCK_JUMPS = (_clock_jumps(2 * HOUR_S), _clock_jumps(-2 * HOUR_S))
SERVER_KILLS = tuple(_server_killed(server) for server in ("rabbitmq", "postgres", "redis"))
REDIS_EMPTIED = Fault("redis emptied", _redis_emptied)
NETWORK = tuple(
    _network(server, what, for_s)
    for server in ("rabbitmq", "postgres", "redis")
    for what, for_s in (("slow", 4.0), ("refused", 3.0), ("reset", 0.0), ("swallowed", 5.0))
)

EMBEDDED = (
    *(PROCESSES * 2),
    *(EVENT_FAULTS * 2),
    *CLOCK_JUMPS,
    _frozen(MAKE, 4.0),
    *PROCESSES[:4],
)
SERVERS = (
    *PROCESSES,
    *(SERVER_KILLS * 2),
    REDIS_EMPTIED,
    REDIS_EMPTIED,
    *EVENT_FAULTS,
    *CLOCK_JUMPS,
    *NETWORK,
    _server_frozen("rabbitmq", 5.0),
    _server_frozen("postgres", 5.0),
    *PROCESSES[:4],
)
SHORT_EMBEDDED = (PROCESSES[0], PROCESSES[2], PROCESSES[4], PROCESSES[5], *EVENT_FAULTS)
SHORT_SERVERS = (PROCESSES[0], *SERVER_KILLS, PROCESSES[3], REDIS_EMPTIED, NETWORK[2])
