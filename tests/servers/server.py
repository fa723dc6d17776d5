"""What all the servers share: the verbs, and waiting until one answers."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.container import Container
from tests.servers.native import Native


class NotReady(Exception):
    """A server did not answer in time, or ended."""


class Server(ABC):
    """A private server. Its port and its data stay the same from one start to the next."""

    ready_s = 60.0  # the machine may be loaded; seconds

    def __init__(self, folder: Path) -> None:
        self.folder = folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "server.log"

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    @property
    @abstractmethod
    def _runner(self) -> Native | Container:
        """Who holds the processes."""

    @abstractmethod
    def _launch(self) -> None:
        """Start the processes."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does its work; called again and again while it starts."""

    def start(self) -> Self:
        """Start it, or start it again, and wait until it answers.

        Raises:
            NotReady: it did not within `ready_s`, or ended before; with the end of its log.
        """
        self.begin()
        self.wait()
        return self

    def begin(self) -> None:
        """Start it without waiting."""
        self._launch()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + self.ready_s
        while not self.answers():
            runs = self._runner.runs()
            if not runs or time.monotonic() > deadline:
                log = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
                why = "does not answer" if runs else "ended"
                self._runner.close()
                raise NotReady(f"{type(self).__name__} {why} at {self.url}:\n{log}")
            time.sleep(0.02)

    def runs(self) -> bool:
        return self._runner.runs()

    def kill(self) -> None:
        """Kill all its processes at once, as a power cut would."""
        self._runner.kill()

    def stop(self) -> None:
        """End it in peace; the data stay for the next start."""
        self._runner.stop()

    def restart(self) -> None:
        """Kill it, and start it on the same data and port."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Let it hang: it takes connections and never answers."""
        self._runner.pause()

    def resume(self) -> None:
        self._runner.resume()

    def close(self) -> None:
        """The quickest end; nothing of it is needed any more."""
        self._runner.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
