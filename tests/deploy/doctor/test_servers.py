"""The doctor at real servers: as they should be, and with each thing broken in turn."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pika
import pytest
import redis
from sqlalchemy import text

from shared.bus.topology import PARKED
from shared.db.models import Labeling, Outgoing, Task, User, now
from shared.db.operation_models import Parked
from shared.pipelines import atlas
from shared.platform import Platform
from tests.deploy.doctor.findings import all_well, said
from tests.servers.rabbitmq import RabbitMQ


@contextmanager
def channel_of(platform: Platform) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(platform.settings.broker_url))
    yield connection.channel()
    connection.close()


def test_servers_as_they_should_be(mesh, ask) -> None:
    findings = ask(
        *("database", "migrations", "broker", "topology", "cache", "storage", "clock"),
        *("relay", "beat", "parked", "disk"),
    )
    assert all_well(findings), said(findings)
    told = said(findings)
    assert "PostgreSQL 1" in told and "RabbitMQ 3." in told and "Redis " in told
    assert f"{2 * len(atlas.services()) + 1} queues are in place" in told
    assert "the database is 0.0 s" in told
    assert "actverse:" not in told  # the password of the broker


def test_a_database_that_was_never_migrated(ask, postgres_url: str) -> None:
    findings = ask("migrations", "beat", "relay", "parked", database=postgres_url)
    assert [(found.ok, found.remedy) for found in findings] == [(False, "actverse migrate")] * 4


def test_a_database_that_is_away(ask) -> None:
    gone = "postgresql+psycopg://ann:hidden@127.0.0.1:9/none"
    findings = ask("database", "migrations", "clock", database=gone)
    assert not any(found.ok for found in findings)
    assert "hidden" not in said(findings) and "port 9" in said(findings)
    assert {found.remedy for found in findings} == {
        "start the database, or correct ACTVERSE_DATABASE"
    }


def test_queues_that_are_missing_or_other(mesh, ask) -> None:
    with channel_of(mesh) as channel:
        channel.queue_delete("model_trainer")
        channel.queue_delete("notification.events")
        channel.queue_declare("notification.events", durable=True)
    first, second = ask("topology")
    assert not first.ok and "model_trainer is missing" in first.text
    assert not second.ok and "notification.events exists with other arguments" in second.text
    assert first.remedy == "actverse topology apply"
    assert "delete_queue notification.events && actverse topology apply" in second.remedy
    with channel_of(mesh) as channel:
        channel.queue_delete("notification.events")
    mesh.broker.apply()  # the remedy
    assert all_well(ask("topology"))


def test_a_broker_that_is_away(ask) -> None:
    findings = ask("broker", "topology", "workers", broker="amqp://ann:hidden@127.0.0.1:9/v")
    assert not any(found.ok for found in findings) and "hidden" not in said(findings)
    assert {found.remedy for found in findings} == {"start RabbitMQ, or correct ACTVERSE_BROKER"}


@pytest.mark.slow  # an Erlang machine starts for each question
def test_consumer_timeout_as_rabbitmqctl_tells_it(
    ask, rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in rabbitmq._environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{rabbitmq._programs}:{os.environ['PATH']}")
    [found] = ask("consumer_timeout")
    assert found.ok and found.sure and found.text == "3 days, 0:00:00"
    rabbitmq.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1800000).")
    try:
        [found] = ask("consumer_timeout")
    finally:
        rabbitmq.ctl("eval", "application:set_env(rabbit, consumer_timeout, 259200000).")
    assert not found.ok and found.text.startswith("0:30:00")
    assert "rabbitmq.conf" in found.remedy


def test_consumer_timeout_of_a_broker_elsewhere_is_not_guessed(ask) -> None:
    [found] = ask("consumer_timeout", broker="amqp://a:b@broker.example:5672//")
    assert found.ok and not found.sure and "rabbitmqctl eval" in found.remedy


def test_a_service_for_which_nobody_works(mesh, ask) -> None:
    with channel_of(mesh) as channel:
        for service, end in itertools.product(atlas.services(), ("", ".events")):
            channel.basic_consume(
                f"{service}{end}", lambda *_: None, consumer_tag=f"{service}{end}"
            )
        assert all_well(ask("workers"))
        channel.basic_cancel("model_trainer.events")  # it would never hear of new work
        [found] = ask("workers")
    assert not found.ok and found.text == "nobody works for model_trainer"
    assert "deployment/model-trainer" in found.remedy
    assert "docker compose up -d model-trainer " in found.remedy  # as the file has it


def test_redis_that_forgets_and_redis_that_is_away(mesh, ask) -> None:
    with redis.Redis.from_url(mesh.settings.cache) as client:
        assert all_well(ask("cache"))
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            _, eviction = ask("cache")
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert not eviction.ok and "maxmemory-policy noeviction" in eviction.remedy
    [gone] = ask("cache", cache="redis://:hidden@127.0.0.1:9/0")
    assert not gone.ok and "hidden" not in said([gone]) and "start Redis" in gone.remedy


def _task(platform: Platform) -> str:
    with platform.sessions.begin() as session:
        user = User(name="ann")
        session.add(user)
        session.flush()
        task = Task(user_id=user.id, pipeline="vision", options={}, context={})
        session.add(task)
        session.flush()
        return str(task.id)


def test_events_that_nobody_relays(mesh, ask) -> None:
    task_id = _task(mesh)
    with mesh.sessions.begin() as session:
        session.add(
            Outgoing(
                event_id="e1",
                name="EVENT_VIDEO_PROCESSING_REQUESTED",
                task_id=task_id,
                body={},
                created_at=now() - timedelta(minutes=5),
                due_at=now() + timedelta(minutes=5),  # after some failures
                error="no queue takes it",
            )
        )
    [found] = ask("relay")
    assert not found.ok and found.text.startswith("1 events wait to be sent, the oldest for 0:05:0")
    assert "no queue takes it" in found.text and "clock" in found.remedy


def test_labelings_that_nobody_looks_at(mesh, ask) -> None:
    task_id = _task(mesh)
    with mesh.sessions.begin() as session:
        session.add(Labeling(task_id=task_id, engine="folder", ref="r", polled_at=now()))
    assert all_well(ask("beat"))
    with mesh.sessions.begin() as session:
        session.get_one(Labeling, task_id).polled_at = now() - timedelta(hours=1)
    [found] = ask("beat")
    assert not found.ok and "1:00:0" in found.text and "beat" in found.remedy


def test_parked_messages(mesh, ask) -> None:
    with mesh.sessions.begin() as session:
        for number in range(3):
            session.add(
                Parked(
                    key=str(number),
                    queue=f"q{number % 2}",
                    name="n",
                    headers={},
                    properties={},
                    content="",
                    reason="r",
                    deliveries=4,
                )
            )
    [found] = ask("parked")
    assert not found.ok and "q0 2, q1 1" in found.text and found.remedy == "actverse parked list"


def test_a_clock_that_is_wrong(mesh, ask, monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.cli.doctor import stored

    real = stored.time.time
    monkeypatch.setattr(stored.time, "time", lambda: real() - 60)
    [found] = ask("clock")
    assert (
        not found.ok and "database is 60.0 s ahead" in found.text and "timedatectl" in found.remedy
    )


def test_nothing_is_changed_by_looking(mesh, ask) -> None:
    ask("migrations", "topology", "storage", "clock", "parked", "workers")
    with mesh.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tasks")).scalar_one() == 0
    with channel_of(mesh) as channel:
        assert channel.queue_declare(PARKED, passive=True).method.message_count == 0
    assert not list(mesh.storage.list("interim"))
