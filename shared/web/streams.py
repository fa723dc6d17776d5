"""Event streams as routes answer them: so many a user, and none longer than its key or login is good.

return open_stream(request, caller, look, task_id, last_event_id)
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Collection

from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from shared.admission.callers import Caller, still_known
from shared.errors import TooManyRequests, Unauthorised
from shared.messages import Sentence
from shared.platform import Platform
from shared.web.access import key_of
from shared.web.language import language_of
from shared.web.pulse import Look, Pulse, Visit

TRY_AGAIN_S = 30.0


class TooManyStreams(TooManyRequests):
    """A user has as many streams open as one may."""

    def __init__(self, most: int) -> None:
        given = Sentence("error.too_many_streams", most=most)
        super().__init__(given, retry_after_s=TRY_AGAIN_S)


class Places:
    """How many streams of each user are open in this process."""

    def __init__(self, most: int) -> None:
        """`most` a user; 0 is any number."""
        self._most = most
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, user_id: str) -> None:
        """One more; raises `TooManyStreams` where there is none."""
        with self._lock:
            if self._most and self._open[user_id] >= self._most:
                raise TooManyStreams(self._most)
            self._open[user_id] += 1

    def give_back(self, user_id: str) -> None:
        """One of them has ended."""
        with self._lock:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]


class _Stream(EventSourceResponse):
    """Gives its place back, however it ends."""

    places: Places
    user_id: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.places.give_back(self.user_id)


def open_stream(
    request: Request, caller: Caller, look: Look, task_id: str, position: int
) -> EventSourceResponse:
    """The events of a task after `position`, in the words of `look`.

    Raises `TooManyStreams`. The stream ends with the task, or with an event `closed` soon after the
    key or login of `request` has ended; `caller` is whose that is.
    """
    pulse: Pulse = request.app.state.pulse
    places: Places = request.app.state.places
    language = language_of(request)
    visit = Visit(str(key_of(request)), caller, _closing(language))
    places.take(caller.user_id)
    stream = _Stream(
        pulse.stream(look, task_id, position, visit),
        ping=0,  # one timer for all, see `pulse`
    )
    stream.places, stream.user_id = places, caller.user_id
    return stream


def _closing(language: str) -> bytes:
    error = Unauthorised(Sentence("error.stream_closed"))
    told = {"code": error.code, "detail": error.told(language)}
    return ServerSentEvent(event="closed", data=json.dumps(told, ensure_ascii=False)).encode()


def ended(platform: Platform, visits: Collection[Visit]) -> set[Visit]:
    """Those whose key or login has ended, or is another role's by now."""
    known = still_known(platform, {visit.key for visit in visits})
    return {visit for visit in visits if not _same(visit.caller, known.get(visit.key))}


def _same(caller: Caller, now: Caller | None) -> bool:
    return now is not None and (caller.user_id, caller.role) == (now.user_id, now.role)
