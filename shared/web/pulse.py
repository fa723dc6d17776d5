"""One look at the database for all who watch: thousands of open streams cost what one costs.

`News` says which tasks have something new; what it is, is read once for all of them, rendered once,
and given to the streams of those tasks only. An idle stream holds no connection, no thread and no
timer of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.admission.callers import Caller

LISTEN_S = 0.5  # one question for news; the process ends no sooner than its answer
GATHER_S = 0.02  # between two looks: what happens meanwhile is read together
REST_S = 1.0  # after a look that failed
HEARTBEAT_S = 15.0
DISMISS_S = 5.0  # after which a key that is good no more ends its streams, at the latest
HEARTBEAT = b": still here\r\n\r\n"
TASKS_A_LOOK = 100
MOST_WAITING = 1000  # events that wait for a client that does not read; more are read again later
log = structlog.get_logger()


@dataclass(frozen=True)
class Seen:
    """What a look found of one task: its events by rising number, and whether there will be more."""

    events: Sequence[tuple[int, bytes]]
    farewell: bytes | None  # what ends the stream, once the task has ended
    live: bytes = b""  # figures that are not stored yet, for those who have not just got them


Look = Callable[[Mapping[str, int]], Mapping[str, Seen]]
"""The events of each task after a number, in the words of one kind of stream. Runs in a thread."""
Topic = tuple[Look, str]
"""A task as one kind of stream tells of it: whoever reads the same is fed from the same look."""


@dataclass(frozen=True)
class Visit:
    """Who reads a stream, by what key or token, and what is said when that is good no more."""

    key: str = field(repr=False)
    caller: Caller
    farewell: bytes = field(repr=False)


Ended = Callable[[Collection[Visit]], Collection[Visit]]
"""Those of some visits that have to end. Runs in a thread."""


class Reader:
    """One open stream: how far it is, and what waits to be sent on it."""

    def __init__(self, task_id: str, position: int, visit: Visit | None = None) -> None:
        self.task_id = task_id
        self.visit = visit
        self.position = position  # number of the last event that was given to it
        self.behind = False  # there is more, which did not fit
        self._waiting: deque[bytes] = deque()
        self._woken = asyncio.Event()
        self._ended = False
        self._live = b""

    def give(self, seen: Seen) -> None:
        """Take what is new of it."""
        if self._ended:
            return
        for number, text in seen.events:
            if number <= self.position:
                continue
            if len(self._waiting) >= MOST_WAITING:
                self.behind = True
                return
            self._waiting.append(text)
            self.position = number
            self._woken.set()
        if seen.live not in {b"", self._live} and seen.farewell is None:
            self._live = seen.live
            self._waiting.append(seen.live)
            self._woken.set()
        if seen.farewell is not None:
            self._waiting.append(seen.farewell)
            self._ended = True
            self._woken.set()

    def dismiss(self, farewell: bytes) -> None:
        """End it with these words; what waits is not sent any more."""
        self._waiting.clear()
        self._waiting.append(farewell)
        self._ended = True
        self._woken.set()

    def beat(self) -> None:
        """Break a silence."""
        if not self._waiting and not self._ended:
            self._waiting.append(HEARTBEAT)
            self._woken.set()

    async def take(self) -> bytes:
        """All that waits, once there is something; empty after the farewell."""
        if not self._waiting and not self._ended:
            self._woken.clear()
            await self._woken.wait()
        text = b"".join(self._waiting)
        self._waiting.clear()
        return text


class Pulse:
    """Feeds the readers of one process; does nothing while there are none."""

    def __init__(
        self, since: Callable[[float], set[str] | None], ended: Ended = lambda _: ()
    ) -> None:
        """`since` is that of `shared.progress.news.News`, which has one listener a process.

        `ended` is asked again and again about all who read.
        """
        self._since = since
        self._ended = ended
        self._looks: set[Look] = set()  # a few: one for each kind of stream
        self._readers: dict[Topic, set[Reader]] = {}
        self._due: set[Topic] = set()
        self._is_due = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @contextlib.contextmanager
    def reading(
        self, look: Look, task_id: str, position: int, visit: Visit | None = None
    ) -> Iterator[Reader]:
        """A reader of the events of `task_id` after `position`, until the end of the block."""
        topic, reader = (look, task_id), Reader(task_id, position, visit)
        self._looks.add(look)
        self._readers.setdefault(topic, set()).add(reader)
        self._run()
        self.look_at({task_id})
        try:
            yield reader
        finally:
            mine = self._readers[topic]
            mine.discard(reader)
            if not mine:
                del self._readers[topic]
            self._is_due.set()  # perhaps nobody is left to look for

    async def stream(
        self, look: Look, task_id: str, position: int, visit: Visit | None = None
    ) -> AsyncIterator[bytes]:
        """Every event since `position`, then live ones, until the task or the visit has ended."""
        with self.reading(look, task_id, position, visit) as reader:
            while text := await reader.take():
                yield text
                if reader.behind:
                    reader.behind = False
                    self.look_at({task_id})

    def look_at(self, task_ids: Collection[str]) -> None:
        """There may be something new of these tasks."""
        self._due |= self._readers.keys() & set(product(self._looks, task_ids))
        if self._due:
            self._is_due.set()

    def _run(self) -> None:
        for work in (self._listen, self._deliver, self._beat, self._dismiss):
            running = self._tasks.get(work.__name__)
            if running is None or running.done():
                self._tasks[work.__name__] = asyncio.create_task(work())

    async def _listen(self) -> None:
        while self._readers:
            try:
                tasks = await asyncio.to_thread(self._since, LISTEN_S)
            except SQLAlchemyError as error:
                await self._rest(error)
                tasks = None
            if tasks is None:
                self._look_at_all()
            else:
                self.look_at(tasks)

    async def _deliver(self) -> None:
        while self._readers:
            await self._is_due.wait()
            await asyncio.sleep(GATHER_S)
            self._is_due.clear()
            due, self._due = self._due, set()
            wanted: dict[Look, list[tuple[int, str]]] = {}
            for look, task_id in due & self._readers.keys():
                wanted.setdefault(look, []).append((self._position((look, task_id)), task_id))
            for look, topics in wanted.items():
                far = sorted(topics)  # tasks that are about equally far are read together
                for begin in range(0, len(far), TASKS_A_LOOK):
                    some = far[begin : begin + TASKS_A_LOOK]
                    await self._give(look, {task_id: position for position, task_id in some})

    def _position(self, topic: Topic) -> int:
        readers = self._readers.get(topic, ())  # they may have left during another look
        return min((reader.position for reader in readers), default=0)

    async def _give(self, look: Look, positions: dict[str, int]) -> None:
        try:
            seen = await asyncio.to_thread(look, positions)
        except SQLAlchemyError as error:
            await self._rest(error)
            self.look_at(positions)
            return
        except Exception:
            # what one reader asked for must not end the streams of all; the next beat looks again
            log.exception("web.pulse.broke", tasks=len(positions))
            return
        for task_id, found in seen.items():
            for reader in self._readers.get((look, task_id), ()):
                if reader.position >= positions[task_id]:  # else it came meanwhile, and is due
                    reader.give(found)

    async def _beat(self) -> None:
        """One timer for all; news can be lost on their way, so all are looked at now and then."""
        while self._readers:
            await asyncio.sleep(HEARTBEAT_S)
            for readers in self._readers.values():
                for reader in readers:
                    reader.beat()
            self._look_at_all()

    async def _dismiss(self) -> None:
        """One question for all readers: whose key was revoked, whose login has ended?"""
        while self._readers:
            await asyncio.sleep(DISMISS_S)
            readers = [reader for some in self._readers.values() for reader in some]
            visits = {reader.visit for reader in readers if reader.visit is not None}
            try:
                ended = await asyncio.to_thread(self._ended, visits) if visits else ()
            except SQLAlchemyError as error:  # nobody knows; the next time
                await self._rest(error)
                continue
            for reader in readers:
                if reader.visit is not None and reader.visit in ended:
                    reader.dismiss(reader.visit.farewell)

    def _look_at_all(self) -> None:
        self.look_at({task_id for _, task_id in self._readers})

    async def _rest(self, error: SQLAlchemyError) -> None:
        log.warning("web.pulse.failed", error=str(getattr(error, "orig", error)))
        await asyncio.sleep(REST_S)
