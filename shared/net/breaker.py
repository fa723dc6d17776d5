"""A circuit breaker: a server that keeps failing is left in peace for a while.

While it rests, whoever would ask it hears so at once, and comes back by its own back-off. After the
rest one request goes through as a trial; its outcome decides for all others. The state is that of one
process: a server elsewhere that fails is noticed by each worker for itself, a few requests later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import Retryable, Unavailable
from shared.messages import Sentence

TRIAL_S = 120.0  # a trial that was never settled (its thread was ended) holds up no longer


class Resting(Unavailable):
    """The server has failed too often just now; `retry_after_s` says when it is asked again."""

    def __init__(self, server: str, failures: int, wait_s: float) -> None:
        given = {"server": server, "failures": failures, "wait_s": wait_s}
        super().__init__(Sentence("error.server_resting", **given), retry_after_s=wait_s)


class Breaker:
    """For one server: `failures` in a row open it for `rest_s` seconds."""

    def __init__(
        self,
        server: str,
        *,
        failures: int = 5,
        rest_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._most, self._rest_s, self._clock = server, failures, rest_s, clock
        self._lock = threading.Lock()
        self._failed = 0
        self._closed_until = 0.0  # nobody asks before; then one does

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around one request; only a `Retryable` counts as the server's failure.

        Raises `Resting` instead of running the block while the server is left in peace.
        """
        self._enter()
        try:
            yield
        except Retryable:
            self._note(failed=True)
            raise
        except BaseException:
            self._note(failed=False)  # it has answered, or we have failed
            raise
        self._note(failed=False)

    def _enter(self) -> None:
        with self._lock:
            if self._failed < self._most:
                return
            wait_s = self._closed_until - self._clock()
            if wait_s > 0:
                raise Resting(self._server, self._failed, wait_s)
            self._closed_until = self._clock() + TRIAL_S  # the others wait for this one's outcome

    def _note(self, *, failed: bool) -> None:
        with self._lock:
            self._failed = self._failed + 1 if failed else 0
            self._closed_until = self._clock() + self._rest_s
