"""Celery over the broker file: real workers with real pools, killed in the middle of things."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
from celery import chain, chord

from tests.shared.bus.conftest import Mesh, until

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
        assert mesh.app.control.ping(timeout=1) == [
            {"ours-0@here": {"ok": "pong"}},
            {"theirs-1@here": {"ok": "pong"}},
        ] or len(mesh.app.control.ping(timeout=1)) == 2
        assert len(mesh.app.control.inspect(timeout=1).active_queues()) == 2

    def test_a_chain_passes_results_on(self, mesh: Mesh) -> None:
        mesh.start()
        nothing = mesh.app.signature("t.nothing")
        result = chain(
            mesh.app.signature("t.nothing", args=["carried"]), *[nothing.clone() for _ in range(8)]
        ).apply_async()
        assert result.get(timeout=20, interval=READ_EVERY_S) == "carried"

    def test_priority(self, mesh: Mesh) -> None:
        mesh.start()
        mesh.send("slow", "first", 0.5)
        until(lambda: mesh.said("start first"))
        for word, priority in (("low", 0), ("high", 9), ("middle", 5)):
            mesh.send("note", f"say-{word}", priority=priority)
        until(lambda: len(mesh.said("say-")) == 3)
        assert [line.split()[0] for line in mesh.said("say-")] == ["say-high", "say-middle", "say-low"]

    def test_a_busy_pool_does_not_hold_up_events_nor_the_reverse(self, mesh: Mesh) -> None:
        mesh.start(concurrency=1)
        mesh.send("slow", "long", 1.5)
        mesh.send("slow", "next", 0.0)
        until(lambda: mesh.said("start long"))
        for n in range(30):
            mesh.event({"id": n})
        until(lambda: len(mesh.said("event-")) == 30, 1.2)
        assert not mesh.said("end long")
        assert mesh.app.control.ping(timeout=0.5, limit=1), "control is answered while the pool is busy"
        until(lambda: mesh.said("end next"))

        for n in range(300):  # a flood of events while a task comes
            mesh.event({"id": n})
        mesh.send("note", "in-between")
        until(lambda: mesh.said("in-between"))
        until(lambda: len(mesh.said("event-")) == 330)

    def test_purge_drops_what_waits(self, mesh: Mesh) -> None:
        mesh.start()
        mesh.send("slow", "one", 0.5)
        until(lambda: mesh.said("start one"))
        for n in range(5):
            mesh.send("note", f"purged-{n}")
        assert mesh.app.control.purge() == 5
        mesh.send("note", "after")
        until(lambda: mesh.said("after"))
        assert not mesh.said("purged")


class TestKills:
    def test_a_killed_worker_gives_its_task_to_another_at_once(self, mesh: Mesh) -> None:
        first = mesh.start()
        mesh.send("slow", "long", 2.5)
        until(lambda: mesh.said("start long"))
        second = mesh.start()
        mesh.stop(first, signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: len(mesh.said("start long")) == 2)
        assert time.monotonic() - killed < 4
        until(lambda: mesh.said("end long"))
        until(lambda: mesh.broker.loads()[0].running == 0)
        mesh.stop(second, signal.SIGTERM)
        assert not mesh.broker.parked()

    def test_a_killed_pool_child_runs_again_then_is_parked(self, mesh: Mesh) -> None:
        worker = mesh.start()
        mesh.send("dies", "twice", 2)
        until(lambda: len(mesh.said("run twice")) == 3)
        task = mesh.send("dies", "always", 99)
        [parked] = until(mesh.broker.parked, 30)
        assert len(mesh.said("run always")) == 1 + 3
        assert (parked.queue, parked.reason, parked.deliveries) == ("ours", "delivery_limit", 4)
        assert (parked.headers["id"], parked.headers["task"]) == (task.id, "t.dies")
        assert parked.content[0] == ["always", 99]
        assert worker.poll() is None
        mesh.send("note", "still-here")
        until(lambda: mesh.said("still-here"))

        mesh.broker.replay(parked.id)
        until(lambda: len(mesh.said("run always")) == 2 * (1 + 3), 30)

    def test_a_child_killed_from_outside(self, mesh: Mesh) -> None:
        mesh.start()
        mesh.send("slow", "long", 1.5)
        pid = int(until(lambda: mesh.said("start long"))[0].split()[2])
        os.kill(pid, signal.SIGKILL)
        until(lambda: mesh.said("end long"))
        assert len(mesh.said("start long")) == 2

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
        [parked] = until(mesh.broker.parked)
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
    assert not mesh.broker.parked()
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

    def test_a_retry_with_countdown(self, mesh: Mesh) -> None:
        mesh.start()
        result = mesh.send("retries", "again", 2, 0.4)
        assert result.get(timeout=10, interval=READ_EVERY_S) == "again"
        times = [float(line.split()[2]) for line in mesh.said("try again")]
        assert [0.35 < b - a < 0.8 for a, b in zip(times, times[1:], strict=False)] == [True, True]


class TestRevoke:
    def test_running_and_waiting_tasks_are_revoked(self, mesh: Mesh) -> None:
        worker = mesh.start()
        running = mesh.send("slow", "running", 30)
        waiting = mesh.send("note", "waiting")
        until(lambda: mesh.said("start running"))
        mesh.app.control.revoke([running.id, waiting.id], terminate=True, signal="SIGTERM")
        after = mesh.send("note", "after")
        assert after.get(timeout=10, interval=READ_EVERY_S) == "after"
        assert not mesh.said("end running")
        assert not mesh.said("waiting")
        assert (running.state, waiting.state) == ("REVOKED", "REVOKED")
        until(lambda: mesh.broker.loads()[0].running == 0)
        assert not mesh.broker.parked()
        assert worker.poll() is None


class TestChords:
    def test_the_callback_gets_the_results_in_order(self, mesh: Mesh) -> None:
        mesh.start(concurrency=2)
        parts = [mesh.app.signature("t.nothing", args=[n]) for n in range(6)]
        result = chord(parts, app=mesh.app)(mesh.app.signature("t.joined"))
        assert result.get(timeout=15, interval=READ_EVERY_S) == list(range(6))
        assert mesh.said("joined") == ["joined 0 1 2 3 4 5"]

    def test_inside_a_chain_and_with_groups_inside(self, mesh: Mesh) -> None:
        mesh.start(concurrency=2)
        say = mesh.app.signature
        inner = chord(
            [say("t.nothing", args=[n], immutable=True) for n in (1, 2)], say("t.joined"), app=mesh.app
        )
        flow = chain(
            say("t.nothing", args=["start"]),
            chord([inner, say("t.nothing", args=[3], immutable=True)], say("t.joined"), app=mesh.app),
            say("t.nothing"),
        )
        assert flow.apply_async().get(timeout=15, interval=READ_EVERY_S) == [[1, 2], 3]

    def test_a_part_that_dies_and_runs_again_counts_once(self, mesh: Mesh) -> None:
        mesh.start(concurrency=2)
        parts = [
            mesh.app.signature("t.dies", args=["a", 2]),
            mesh.app.signature("t.nothing", args=["b"]),
            mesh.app.signature("t.nothing", args=["c"]),
        ]
        result = chord(parts, app=mesh.app)(mesh.app.signature("t.joined"))
        assert result.get(timeout=15, interval=READ_EVERY_S) == ["a", "b", "c"]
        assert len(mesh.said("run a")) == 3
        time.sleep(0.3)
        assert mesh.said("joined") == ["joined a b c"]

    def test_a_failing_part_fails_the_chord_with_its_reason(self, mesh: Mesh) -> None:
        mesh.start(concurrency=2)
        parts = [mesh.app.signature("t.nothing", args=[1]), mesh.app.signature("t.fails", args=["bad"])]
        callback = mesh.app.signature("t.joined").on_error(mesh.app.signature("t.errback"))
        result = chord(parts, app=mesh.app)(callback)
        with pytest.raises(Exception, match="bad"):
            result.get(timeout=15, interval=READ_EVERY_S)
        [line] = until(lambda: mesh.said("errback"))
        assert "ChordError" in line
        assert "ValueError('bad')" in line
        assert not mesh.said("joined")


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
