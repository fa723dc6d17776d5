"""Back-pressure: while too much waits, new work is answered with 429 and when to come back.

What was accepted is never lost, however long the queues; they are kept short so that nobody waits
for days without knowing.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog
from sqlalchemy import select

from shared.db.models import TaskEvent, now
from shared.errors import TooManyRequests
from shared.flow.states import ENDED
from shared.messages import Sentence
from shared.pipelines import atlas
from shared.platform import Platform

LOOK_EVERY_S = 1.0
STALE_S = 5.0  # what was seen so long ago says nothing about now
PATIENCE_S = 1.0  # how long requests wait for a broker that does not answer, together
WHOLE = 4  # times the limit of one service: what may wait in the whole mesh
ENOUGH = 0.9  # of the limit: come back when only so much waits
DRAIN_WINDOW_S = 300.0
DRAIN_EVENTS = 2000  # the newest so many are looked at, however many there are
DRAIN_EVERY_S = 5.0
SHORTEST_S, LONGEST_S = 1.0, 600.0
EVERYTHING = ""  # the name of all services together
log = structlog.get_logger()


class Busy(TooManyRequests):
    """Too much waits already."""

    def __init__(self, where: str, waiting: int, most: int, retry_after_s: float) -> None:
        given = {"waiting": waiting, "most": most, "retry_s": math.ceil(retry_after_s)}
        said = (
            Sentence("error.busy_service", where=where, **given)
            if where
            else Sentence("error.busy_mesh", **given)
        )
        super().__init__(said, retry_after_s=retry_after_s)


class Pressure:
    """What waits, looked at once a second at most however many ask; one a process."""

    def __init__(self, platform: Platform, clock: Callable[[], float] = time.monotonic) -> None:
        self._platform = platform
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: Mapping[str, int] = {}
        self._looked_at = float("-inf")
        self._looking: threading.Thread | None = None
        self._patient_until = 0.0
        self._drained: dict[str, tuple[float, float]] = {}  # where -> when, steps per second

    def admit(self, service: str) -> None:
        """Raise `Busy` when too much waits for `service`, or in all."""
        most = self._platform.settings.gateway.max_queue_depth
        if most <= 0:
            return
        waiting = self._look()
        for where, limit in ((service, most), (EVERYTHING, WHOLE * most)):
            found = waiting.get(where, 0)
            if found >= limit:
                raise Busy(where, found, limit, self._retry_after_s(where, found, limit))

    def _look(self) -> Mapping[str, int]:
        """How many messages wait for each service; nothing is known when nobody could tell.

        Somebody else does the looking: a request waits only when the last look is long ago.
        """
        age_s = self._clock() - self._looked_at
        if age_s >= LOOK_EVERY_S:
            with self._lock:
                if self._looking is None or not self._looking.is_alive():
                    self._looking = threading.Thread(target=self._refresh, daemon=True)
                    self._patient_until = time.monotonic() + PATIENCE_S
                    self._looking.start()
                looking = self._looking
            if age_s >= STALE_S:
                looking.join(max(0.0, self._patient_until - time.monotonic()))
                if self._clock() - self._looked_at >= STALE_S:
                    return {}
        return self._waiting

    def _refresh(self) -> None:
        if self._clock() - self._looked_at >= LOOK_EVERY_S:
            self._waiting = self._depths()
            self._looked_at = self._clock()

    def _depths(self) -> Mapping[str, int]:
        try:
            loads = self._platform.broker.loads()
        except Exception as error:  # noqa: BLE001 - the outbox keeps what the broker cannot take
            log.warning("web.pressure.unknown", error=f"{type(error).__name__}: {error}")
            return {}
        found: dict[str, int] = {EVERYTHING: 0}
        for load in loads:
            service = load.name.removesuffix(".events")
            found[service] = found.get(service, 0) + load.pending
            found[EVERYTHING] += load.pending
        return found

    def _retry_after_s(self, where: str, waiting: int, limit: int) -> float:
        """When the queue will be short enough, at the pace of the last minutes."""
        pace = self._pace(where)
        if pace <= 0:
            return LONGEST_S
        return min(max((waiting - ENOUGH * limit) / pace, SHORTEST_S), LONGEST_S)

    def _pace(self, where: str) -> float:
        """Steps that came to an end per second; a step is what a message in a queue stands for."""
        measured_at, pace = self._drained.get(where, (float("-inf"), 0.0))
        if self._clock() - measured_at >= DRAIN_EVERY_S:
            pace = self._measured(where)
            self._drained[where] = (self._clock(), pace)
        return pace

    def _measured(self, where: str) -> float:
        """From the newest notes about tasks: a bounded look, whatever the size of the tables."""
        steps = {
            step.name
            for pipeline in atlas.PIPELINES.values()
            for step in pipeline.steps
            if where in {EVERYTHING, step.service}
        }
        moment = now()
        with self._platform.reads() as session:
            notes = session.execute(
                select(TaskEvent.at, TaskEvent.step, TaskEvent.data)
                .order_by(TaskEvent.id.desc())
                .limit(DRAIN_EVENTS)
            ).all()
        since = moment - timedelta(seconds=DRAIN_WINDOW_S)
        ended = [n.at for n in notes if n.step in steps and n.data.get("state") in ENDED]
        lately = [at for at in ended if at >= since]
        if not lately:
            return 0.0
        # the window is as long as the notes reach back, if that is less
        reach_s = (moment - max(since, min(n.at for n in notes))).total_seconds()
        return len(lately) / max(reach_s, 1.0)
