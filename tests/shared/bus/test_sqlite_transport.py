"""The broker on a file keeps the contract of all brokers, and its own promises within a process."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Consumer, Producer, Queue

from shared.bus.port import ParkedMessage
from shared.bus.sqlite_broker_file import BrokerFile
from shared.bus.sqlite_database import BrokerUrl, Database
from shared.bus.sqlite_transport import Unroutable, register
from shared.errors import Conflict, Invalid, Terminal
from shared.process import alive, start_of, this_process
from tests.contracts.broker import BrokerContract, Parked, drained, fetched, queue, topic
from tests.shared.bus.sqlite_mesh import parked_in


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "below" / "broker.db"


@pytest.fixture
def broker(file: Path) -> BrokerFile:
    return BrokerFile(file)


@pytest.fixture
def connection(file: Path) -> Iterator[Connection]:
    register()
    with Connection(f"actverse+sqlite:///{file}") as made:
        yield made


class TestSqliteBroker(BrokerContract):
    @pytest.fixture
    def parked(self, broker: BrokerFile) -> Parked:
        return lambda name: len(parked_in(broker, name))


class TestUrls:
    def test_three_slashes_are_relative_and_four_absolute(self) -> None:
        assert BrokerUrl.parse("actverse+sqlite:///data/b.db").path == Path("data/b.db")
        assert BrokerUrl.parse("actverse+sqlite:////data/b.db").path == Path("/data/b.db")
        assert BrokerUrl.parse("sqlite:///b.db?synchronous=full").synchronous == "FULL"

    @pytest.mark.parametrize(
        "url", ["redis://here", "sqlite://", "sqlite:///", "sqlite:///b.db?x=1"]
    )
    def test_other_urls_are_refused_with_a_sentence(self, url: str) -> None:
        with pytest.raises(Invalid, match=r"broker file|unknown option"):
            BrokerUrl.parse(url)

    def test_the_options_reach_the_file(self, file: Path) -> None:
        register()
        with Connection(f"actverse+sqlite:///{file}?synchronous=full") as connection:
            database = connection.default_channel.store.database
            assert database.rows("PRAGMA synchronous")[0][0] == 2
            assert database.rows("PRAGMA journal_mode")[0][0] == "wal"

    def test_a_file_that_is_something_else_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "b.db").write_text("my diary, " * 100)
        with pytest.raises(Terminal, match="is not a broker file"):
            BrokerFile(tmp_path / "b.db").loads()
        assert (tmp_path / "b.db").read_text().startswith("my diary")


class TestDelivery:
    def test_higher_priority_comes_first(self, connection: Connection) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        for n, priority in enumerate((0, 5, 9, 5)):
            Producer(connection, exchange).publish({"n": n}, routing_key="k", priority=priority)
        assert [body["n"] for body in drained(connection, bound)] == [2, 1, 3, 0]

    def test_a_delayed_message_comes_in_time_and_holds_up_nothing(
        self, connection: Connection
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        producer = Producer(connection, exchange)
        producer.publish({"n": "later"}, routing_key="k", headers={"x-delay": 400})
        producer.publish({"n": "now"}, routing_key="k")
        came: list[tuple[str, float]] = []
        started = time.monotonic()

        def take(body: dict[str, str], message: object) -> None:
            came.append((body["n"], time.monotonic() - started))
            message.ack()

        with Consumer(connection.channel(), [bound], callbacks=[take], accept=["json"]):
            connection.drain_events(timeout=2)
            connection.drain_events(timeout=2)
        assert [name for name, _ in came] == ["now", "later"]
        assert came[0][1] < 0.2
        assert 0.35 < came[1][1] < 0.7

    def test_an_expired_message_is_not_delivered(self, connection: Connection) -> None:
        exchange = topic()
        bound = queue(exchange, "k", message_ttl=0.05)
        bound(connection.default_channel).declare()
        plain = queue(exchange, "k")
        plain(connection.default_channel).declare()
        Producer(connection, exchange).publish({}, routing_key="k", expiration=0.05)
        time.sleep(0.1)
        assert drained(connection, bound, plain, seconds=0.1) == []

    def test_a_sleeping_consumer_wakes_within_milliseconds(
        self, connection: Connection, file: Path
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        sent: list[float] = []

        def publish() -> None:
            with Connection(f"actverse+sqlite:///{file}") as other:
                producer = Producer(other, exchange)
                for _ in range(10):
                    time.sleep(0.05)
                    sent.append(time.monotonic())
                    producer.publish({}, routing_key="k")

        came: list[float] = []

        def take(_body: object, message: object) -> None:
            came.append(time.monotonic())
            message.ack()

        with Consumer(connection.channel(), [bound], callbacks=[take], accept=["json"]):
            thread = threading.Thread(target=publish)
            thread.start()
            for _ in range(10):
                connection.drain_events(timeout=5)
            thread.join()
        waits = sorted(b - a for a, b in zip(sent, came, strict=True))
        assert waits[5] < 0.05

    def test_a_consumer_without_pipes_polls(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(os, "mkfifo")
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": 1}, routing_key="k")
        assert drained(connection, bound) == [{"n": 1}]

    def test_a_consumer_that_breaks_over_a_message_does_not_get_it_for_ever(
        self, connection: Connection, broker: BrokerFile
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k", limit=2)
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": 1}, routing_key="k")

        def breaks(_body: object, _message: object) -> None:
            raise LookupError

        for _ in range(3):
            with (
                connection.clone() as other,
                Consumer(other.channel(), [bound], callbacks=[breaks], accept=["json"]),
                pytest.raises(LookupError),
            ):
                other.drain_events(timeout=2)
        assert [one.deliveries for one in parked_in(broker, bound.name)] == [3]

    def test_an_acknowledgement_that_cannot_be_written_is_made_up_for(
        self, connection: Connection, broker: BrokerFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({}, routing_key="k")
        held: list[object] = []
        channel = connection.channel()
        really, tries = channel.store.ack, []

        def full_at_first(tag: str) -> None:
            tries.append(tag)
            if len(tries) == 1:
                raise sqlite3.OperationalError("database or disk is full")
            really(tag)

        monkeypatch.setattr(channel.store, "ack", full_at_first)
        with Consumer(channel, [bound], callbacks=[lambda _, m: held.append(m)], accept=["json"]):
            connection.drain_events(timeout=2)
            held[0].ack()
            assert broker.loads()[0].running == 1
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=1.1)
        assert broker.loads()[0].running == 0
        assert tries[0] == tries[1]

    def test_an_auto_delete_queue_goes_with_its_consumer(self, connection: Connection) -> None:
        channel = connection.channel()
        reply = Queue("reply", "", auto_delete=True)
        with Consumer(channel, [reply], no_ack=True):
            assert channel.store.routing.has_queue("reply")
        assert not channel.store.routing.has_queue("reply")

    def test_an_unused_queue_that_expires_goes(self, connection: Connection) -> None:
        channel = connection.channel()
        Queue("reply", "", expires=0.05)(channel).declare()
        time.sleep(0.1)
        channel.store.reap()
        assert not channel.store.routing.has_queue("reply")

    def test_unroutable_is_worth_trying_again(self, connection: Connection) -> None:
        with pytest.raises(Unroutable, match="Start the service"):
            Producer(connection).publish({}, routing_key="missing", mandatory=True)


class TestProcesses:
    def test_a_process_is_known_by_its_start_too(self) -> None:
        assert alive(this_process())
        assert not alive(f"{os.getpid()}:another-start")
        child = os.fork()
        if child == 0:
            os._exit(0)
        deadline = time.monotonic() + 5
        while start_of(child) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert start_of(child) is None, "a zombie holds nothing"
        os.waitpid(child, 0)

    def test_what_a_dead_process_held_is_free_again(
        self, connection: Connection, file: Path
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": 1}, routing_key="k")
        child = multiprocessing.get_context("fork").Process(
            target=_claim_and_die, args=(file, bound.name)
        )
        child.start()
        child.join()
        assert bound(connection.default_channel).get() is None
        assert drained(connection, bound, seconds=1.5) == [{"n": 1}]

    def test_forked_children_and_threads_publish_together(
        self, connection: Connection, file: Path
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        fetched_before = Producer(connection, exchange)
        fetched_before.publish({"n": 0}, routing_key="k")
        held = fetched(
            connection, bound
        )  # the parent holds a message and an open file while it forks
        context = multiprocessing.get_context("fork")
        children = [
            context.Process(target=_publish, args=(file, exchange.name, 50)) for _ in range(3)
        ]
        threads = [
            threading.Thread(target=_publish, args=(file, exchange.name, 50)) for _ in range(2)
        ]
        for each in [*children, *threads]:
            each.start()
        for each in [*children, *threads]:
            each.join()
        assert [child.exitcode for child in children] == [0, 0, 0]
        assert len(drained(connection, bound)) == 250
        held.ack()
        assert Database(file).rows("PRAGMA integrity_check")[0][0] == "ok"
        assert Database(file).rows("SELECT COUNT(*) FROM message")[0][0] == 0

    def test_a_forked_child_that_ends_leaves_the_parents_messages(
        self, connection: Connection
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": 1}, routing_key="k")
        message = fetched(connection, bound)
        child = multiprocessing.get_context("fork").Process(target=connection.release)
        child.start()
        child.join()
        assert bound(connection.default_channel).get() is None
        message.ack()


class TestTransactions:
    def test_an_inner_transaction_commits_with_the_outer_one(self, file: Path) -> None:
        database = Database(file)
        with pytest.raises(LookupError), database.transaction():
            with database.transaction():
                database.rows("INSERT INTO exchange VALUES ('a', 'topic')")
            raise LookupError
        assert database.rows("SELECT * FROM exchange") == []

    def test_an_inner_one_that_fails_leaves_the_outer_one(self, file: Path) -> None:
        database = Database(file)
        rung: list[str] = []
        with database.transaction():
            database.rows("INSERT INTO exchange VALUES ('a', 'topic')")
            database.after_commit(lambda: rung.append("outer"))
            with pytest.raises(LookupError), database.transaction():
                database.rows("INSERT INTO exchange VALUES ('b', 'topic')")
                database.after_commit(lambda: rung.append("inner"))
                raise LookupError
            assert rung == []
        assert [row["name"] for row in database.rows("SELECT name FROM exchange")] == ["a"]
        assert rung == ["outer"]


class TestOperator:
    @pytest.fixture
    def refused(self, connection: Connection) -> Queue:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        Producer(connection, exchange).publish({"n": "ü"}, routing_key="k", headers={"task": "t.x"})
        fetched(connection, bound).reject(requeue=False)
        return bound

    def test_a_parked_message_is_handed_over_until_somebody_kept_it(
        self, broker: BrokerFile, refused: Queue
    ) -> None:
        kept: list[ParkedMessage] = []

        def fail(message: ParkedMessage) -> None:
            kept.append(message)
            raise LookupError

        with pytest.raises(LookupError):
            broker.take_parked(fail)
        assert broker.take_parked(kept.append) == 1
        assert broker.take_parked(kept.append) == 0
        first, second = kept
        assert first == second
        assert (first.queue, first.reason, first.deliveries) == (refused.name, "rejected", 1)
        assert json.loads(first.content) == {"n": "ü"}
        assert first.headers["task"] == "t.x"

    def test_it_can_be_put_back(
        self, broker: BrokerFile, refused: Queue, connection: Connection
    ) -> None:
        kept: list[ParkedMessage] = []
        broker.take_parked(kept.append)
        broker.put_back(kept[0])
        message = fetched(connection, refused)
        assert (message.payload, message.headers["task"]) == ({"n": "ü"}, "t.x")
        message.ack()

    def test_that_needs_the_queue(
        self, broker: BrokerFile, refused: Queue, connection: Connection
    ) -> None:
        kept: list[ParkedMessage] = []
        broker.take_parked(kept.append)
        refused(connection.default_channel).delete()
        with pytest.raises(Conflict, match="is gone"):
            broker.put_back(kept[0])

    def test_loads_tell_waiting_and_running(
        self, broker: BrokerFile, connection: Connection
    ) -> None:
        exchange = topic()
        bound = queue(exchange, "k")
        bound(connection.default_channel).declare()
        producer = Producer(connection, exchange)
        for _ in range(3):
            producer.publish({}, routing_key="k")
        producer.publish({}, routing_key="k", headers={"x-delay": 60_000})
        fetched(connection, bound)
        time.sleep(0.05)
        [load] = broker.loads()
        assert (load.name, load.running, load.pending) == (bound.name, 1, 3)
        assert 0.04 < load.oldest_s < 5


def _claim_and_die(file: Path, name: str) -> None:
    with Connection(f"actverse+sqlite:///{file}") as connection:
        assert Queue(name)(connection.default_channel).get() is not None
        os._exit(1)


def _publish(file: Path, exchange: str, count: int) -> None:
    with Connection(f"actverse+sqlite:///{file}") as connection:
        producer = Producer(connection)
        for n in range(count):
            producer.publish({"n": n}, exchange=exchange, routing_key="k")
