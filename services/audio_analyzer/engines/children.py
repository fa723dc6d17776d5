"""Processes that are asked, each by one thread at a time; started when needed, replaced when used up."""

from __future__ import annotations

import os
import threading
from typing import Any

import structlog

from services.audio_analyzer.engines.child import Child

log = structlog.get_logger()


class Children:
    """Processes of one program; as many as there are threads that ask at the same moment."""

    def __init__(
        self,
        main: str,
        *arguments: str,
        limit_s: int,
        idle_s: float,
        memory_bytes: int,
        most: int,
    ) -> None:
        """`most`: a process is replaced after so many requests; for the rest see `Child`."""
        self._main, self._arguments = main, arguments
        self._limit_s, self._idle_s, self._memory_bytes = limit_s, idle_s, memory_bytes
        self._most = most
        self._idle: list[Child] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer; raises what the process raised, `ScorerCrashed` if it is no more."""
        child = self._child()
        try:
            return child.ask(request)
        finally:
            self._back(child)

    def warm(self, count: int = 1) -> None:
        """See that at least so many wait for work."""
        for child in [self._child() for _ in range(count)]:
            self._back(child)

    def close(self) -> None:
        """End the processes that wait for work."""
        with self._lock:
            ending, self._idle = self._idle, []
        for child in ending:
            child.end()

    def _child(self) -> Child:
        with self._lock:
            if self._pid != os.getpid():  # forked: the children answer our parent
                self._pid, self._idle = os.getpid(), []
            while self._idle:
                child = self._idle.pop()
                if child.alive:
                    return child
                child.end()
        child = Child(
            self._main,
            *self._arguments,
            limit_s=self._limit_s,
            idle_s=self._idle_s,
            memory_bytes=self._memory_bytes,
        )
        log.info("audio_analyzer.child.started", pid=child.pid, program=self._main)
        return child

    def _back(self, child: Child) -> None:
        if not child.alive or child.asked >= self._most:
            log.info("audio_analyzer.child.ended", pid=child.pid, asked=child.asked)
            child.end()
            return
        with self._lock:
            self._idle.append(child)
