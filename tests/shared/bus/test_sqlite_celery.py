"""Celery over the broker file: real workers with real pools, killed in the middle of things."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from itertools import pairwise

import psutil
import pytest
from celery import chain, chord

from tests.shared.bus.sqlite_mesh import Mesh, parked_in, until

READ_EVERY_S = 0.01


class TestWork:
    def test_tasks_and_events_reach_other_processes(self, mesh: Mesh) -> None:
        mesh.start("ours")
        mesh.start("theirs")
        mesh.event({"id": 1})
        until(lambda: len(mesh.said("event-1")) == 2)
        mesh.app.send_task(
            "t.note", ("to-theirs",), exchange="actverse.tasks", routing_key="theirs"
        )
        until(lambda: mesh.said("to-theirs"))
        result = mesh.send("nothing", [1, {"ü": None}])
        assert result.get(timeout=10, interval=READ_EVERY_S) == [1, {"ü": None}]
        with pytest.raises(ValueError, match="because"):
            mesh.send("fails", "because").get(timeout=10, interval=READ_EVERY_S)

        until(lambda: all(load.running == 0 for load in mesh.broker.loads()))
        assert (
            mesh.app.control.ping(timeout=1)
            == [
                {"ours-0@here": {"ok": "pong"}},
                {"theirs-1@here": {"ok": "pong"}},
            ]
            or len(mesh.app.control.ping(timeout=1)) == 2
        )
        assert len(mesh.app.control.inspect(timeout=1).active_queues()) == 2

    def test_a_chain_passes_results_on(self, steady: Mesh) -> None:
        nothing = steady.app.signature("t.nothing")
        result = chain(
            steady.app.signature("t.nothing", args=["carried"]),
            *[nothing.clone() for _ in range(8)],
        ).apply_async()
        assert result.get(timeout=20, interval=READ_EVERY_S) == "carried"

    def test_priority(self, steady: Mesh) -> None:
        steady.send("slow", "first", 0.5)
        until(lambda: steady.said("start first"))
        for word, priority in (("low", 0), ("high", 9), ("middle", 5)):
            steady.send("note", f"say-{word}", priority=priority)
        until(lambda: len(steady.said("say-")) == 3)
        assert [line.split()[0] for line in steady.said("say-")] == [
            "say-high",
            "say-middle",
            "say-low",
        ]

    def test_a_busy_pool_does_not_hold_up_events_nor_the_reverse(self, steady: Mesh) -> None:
        steady.send("slow", "long", 1.5)
        steady.send("slow", "next", 0.0)
        until(lambda: steady.said("start long"))
        for n in range(30):
            steady.event({"id": n})
        until(lambda: len(steady.said("event-")) == 30, 1.2)
        assert not steady.said("end long")
        assert steady.app.control.ping(timeout=0.5, limit=1), (
            "control is answered while the pool is busy"
        )
        until(lambda: steady.said("end next"))

        for n in range(300):  # a flood of events while a task comes
            steady.event({"id": n})
        steady.send("note", "in-between")
        until(lambda: steady.said("in-between"))
        until(lambda: len(steady.said("event-")) == 330)

    def test_monitoring_events_arrive(self, mesh: Mesh) -> None:
        seen: set[str] = set()
        mesh.start("ours", 1, "--task-events")
        with mesh.app.connection_for_read() as connection:
            receiver = mesh.app.events.Receiver(connection)

            def see(event: dict[str, str]) -> None:
                seen.add(event["type"])
                receiver.should_stop = event["type"] == "task-succeeded"

            receiver.handlers["*"] = see
            threading.Timer(0.3, mesh.send, ("nothing", "watched")).start()
            receiver.capture(limit=None, timeout=5, wakeup=False)
        assert {"task-received", "task-started", "task-succeeded"} <= seen

    def test_purge_drops_what_waits(self, steady: Mesh) -> None:
        steady.send("slow", "one", 0.5)
        until(lambda: steady.said("start one"))
        for n in range(5):
            steady.send("note", f"purged-{n}")
        assert steady.app.control.purge() == 5
        steady.send("note", "after")
        until(lambda: steady.said("after"))
        assert not steady.said("purged")


class TestKills:
    def test_a_killed_worker_gives_its_task_to_another_at_once(self, mesh: Mesh) -> None:
        workers = [mesh.start(), mesh.start()]  # both there before anything can be over
        mesh.send("slow", "long", 1.5)
        child = int(until(lambda: mesh.said("start long"))[0].split()[2])
        number = [each.pid for each in workers].index(psutil.Process(child).ppid())
        first, second = workers[number], workers[1 - number]
        os.kill(first.pid, signal.SIGKILL)  # the worker alone; its pool child must not work on
        killed = time.monotonic()
        until(lambda: len(mesh.said("start long")) == 2)
        assert time.monotonic() - killed < 4
        until(lambda: not psutil.pid_exists(child))
        mailbox = f"ours-{number}@here.celery.pidbox"
        until(lambda: not mesh.broker._store.routing.has_queue(mailbox))
        until(lambda: mesh.said("end long"))
        until(lambda: mesh.broker.loads()[0].running == 0)
        assert len(mesh.said("end long")) == 1
        mesh.stop(second, signal.SIGTERM)
        assert not parked_in(mesh.broker)

    def test_a_killed_pool_child_runs_again_then_is_parked(self, mesh: Mesh) -> None:
        worker = mesh.start()
        task = mesh.send("dies", "always", 99)
        [parked] = until(lambda: parked_in(mesh.broker), 30)
        assert len(mesh.said("run always")) == 1 + 2
        assert (parked.queue, parked.reason, parked.deliveries) == ("ours", "delivery_limit", 3)
        assert (parked.headers["id"], parked.headers["task"]) == (task.id, "t.dies")
        assert json.loads(parked.content)[0] == ["always", 99]
        assert worker.poll() is None
        mesh.broker.put_back(parked)
        until(lambda: len(mesh.said("run always")) == 4)
        mesh.send("note", "still-here")
        until(lambda: mesh.said("still-here"), 30)

    def test_a_child_killed_from_outside(self, steady: Mesh) -> None:
        steady.send("slow", "orphaned", 1.5)
        pid = int(until(lambda: steady.said("start orphaned"))[0].split()[2])
        os.kill(pid, signal.SIGKILL)
        until(lambda: steady.said("end orphaned"), 30)
        assert len(steady.said("start orphaned")) == 2

    def test_a_stopped_worker_finishes_and_loses_nothing(self, mesh: Mesh) -> None:
        worker = mesh.start()
        mesh.send("slow", "long", 1.0)
        mesh.send("note", "waiting")
        until(lambda: mesh.said("start long"))
        mesh.stop(worker, signal.SIGTERM)
        assert mesh.said("end long")
        assert not mesh.said("waiting")
        mesh.start()
        until(lambda: mesh.said("waiting"))
        assert len(mesh.said("start long")) == 1

    def test_an_event_that_is_always_given_back_is_parked(self, mesh: Mesh) -> None:
        mesh.start()
        mesh.event({"id": 1, "poison": "reject"})
        [parked] = until(lambda: parked_in(mesh.broker))
        assert (parked.queue, parked.deliveries) == ("ours.events", 21)
        mesh.event({"id": 2})
        until(lambda: mesh.said("event-2"))

    def test_chaos(self, mesh: Mesh) -> None:
        _chaos(mesh, events=100, kill_at=(30, 65))

    @pytest.mark.slow
    def test_much_chaos(self, mesh: Mesh) -> None:
        _chaos(mesh, events=300, kill_at=(60, 140, 220))


def _chaos(mesh: Mesh, events: int, kill_at: tuple[int, ...]) -> None:
    """Kill the only worker again and again: every event is worked on, hardly any twice."""
    worker = mesh.start(concurrency=2)
    for n in range(events):
        mesh.event({"id": n, "work": True})
        if n in kill_at:
            mesh.stop(worker, signal.SIGKILL)
            worker = mesh.start(concurrency=2)
        time.sleep(0.01)
    until(lambda: len({line.split()[0] for line in mesh.said("event-")}) == events, 30)
    until(lambda: all(load.running + load.pending == 0 for load in mesh.broker.loads()))
    assert len(mesh.said("event-")) <= events + 12 * len(kill_at)
    assert not parked_in(mesh.broker)
    assert mesh.broker._database.rows("PRAGMA integrity_check")[0][0] == "ok"


class TestDelays:
    def test_a_countdown_occupies_nobody_and_survives_a_kill(self, mesh: Mesh) -> None:
        worker = mesh.start()
        sent = time.time()
        mesh.send("note", "delayed", countdown=3)
        mesh.send("note", "at-once")
        until(lambda: mesh.said("at-once"))
        mesh.stop(worker, signal.SIGKILL)
        mesh.start()
        [line] = until(lambda: mesh.said("delayed"))
        assert 2.9 < float(line.split()[1]) - sent < 6

    def test_a_retry_with_countdown(self, steady: Mesh) -> None:
        result = steady.send("retries", "again", 2, 0.4)
        assert result.get(timeout=10, interval=READ_EVERY_S) == "again"
        times = [float(line.split()[2]) for line in steady.said("try again")]
        assert [0.35 < b - a < 0.8 for a, b in pairwise(times)] == [True, True]


class TestRevoke:
    def test_running_and_waiting_tasks_are_revoked(self, steady: Mesh) -> None:
        running = steady.send("slow", "running", 30)
        waiting = steady.send("note", "waiting")
        until(lambda: steady.said("start running"))
        steady.app.control.revoke([running.id, waiting.id], terminate=True, signal="SIGTERM")
        after = steady.send("note", "after")
        assert after.get(timeout=10, interval=READ_EVERY_S) == "after"
        assert not steady.said("end running")
        assert not steady.said("waiting")
        assert (running.state, waiting.state) == ("REVOKED", "REVOKED")
        until(lambda: steady.broker.loads()[0].running == 0)
        assert not parked_in(steady.broker)


class TestChords:
    def test_the_callback_gets_the_results_in_order(self, steady: Mesh) -> None:
        parts = [steady.app.signature("t.nothing", args=[n]) for n in range(6)]
        result = chord(parts, app=steady.app)(steady.app.signature("t.joined"))
        assert result.get(timeout=15, interval=READ_EVERY_S) == list(range(6))
        assert steady.said("joined 0") == ["joined 0 1 2 3 4 5"]

    def test_inside_a_chain_and_with_groups_inside(self, steady: Mesh) -> None:
        say = steady.app.signature
        inner = chord(
            [say("t.nothing", args=[n], immutable=True) for n in (1, 2)],
            say("t.joined"),
            app=steady.app,
        )
        flow = chain(
            say("t.nothing", args=["start"]),
            chord(
                [inner, say("t.nothing", args=[3], immutable=True)], say("t.joined"), app=steady.app
            ),
            say("t.nothing"),
        )
        assert flow.apply_async().get(timeout=15, interval=READ_EVERY_S) == [[1, 2], 3]

    def test_a_part_that_dies_and_runs_again_counts_once(self, steady: Mesh) -> None:
        parts = [
            steady.app.signature("t.dies", args=["a", 1]),
            steady.app.signature("t.nothing", args=["b"]),
            steady.app.signature("t.nothing", args=["c"]),
        ]
        result = chord(parts, app=steady.app)(steady.app.signature("t.joined"))
        assert result.get(timeout=15, interval=READ_EVERY_S) == ["a", "b", "c"]
        assert len(steady.said("run a")) == 2
        time.sleep(0.3)
        assert steady.said("joined a") == ["joined a b c"]

    def test_a_failing_part_fails_the_chord_with_its_reason(self, steady: Mesh) -> None:
        joined_before = steady.said("joined")
        parts = [
            steady.app.signature("t.nothing", args=[1]),
            steady.app.signature("t.fails", args=["bad"]),
        ]
        callback = steady.app.signature("t.joined").on_error(steady.app.signature("t.errback"))
        result = chord(parts, app=steady.app)(callback)
        with pytest.raises(Exception, match="bad"):
            result.get(timeout=15, interval=READ_EVERY_S)
        [line] = until(lambda: steady.said("errback"))
        assert "ChordError" in line
        assert "ValueError('bad')" in line
        assert steady.said("joined") == joined_before


class TestCost:
    def test_an_idle_worker_sleeps_and_wakes_fast(self, mesh: Mesh) -> None:
        worker = mesh.start()
        mesh.send("note", "warm")
        until(lambda: mesh.said("warm"))
        main = psutil.Process(worker.pid)
        processes = [main, *main.children(recursive=True)]

        def used_s() -> float:
            return sum(sum(each.cpu_times()[:2]) for each in processes)

        before = used_s()
        time.sleep(4)
        assert (used_s() - before) / 4 < 0.02, "of one core"
        waits = []
        for n in range(15):
            time.sleep(0.1)
            sent = time.time()
            mesh.send("note", f"woken-{n}")
            [line] = until(lambda n=n: mesh.said(f"woken-{n} "), every_s=0.002)
            waits.append(float(line.split()[1]) - sent)
        assert sorted(waits)[7] < 0.05
