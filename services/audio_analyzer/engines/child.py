"""The process that compares, as seen by the one that asks.

Decoders and the acoustic model are native code that strangers' files go through: what crashes,
hangs or grows takes only this process with it. It gets no environment of ours, so no secret either.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from services.audio_analyzer import errors
from services.audio_analyzer.engines.interruption import LOOK_EVERY_S, look_around
from services.audio_analyzer.errors import ScorerCrashed
from shared.errors import ActverseError

ROOT = Path(__file__).resolve().parents[3]
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
GRACE_S = 10.0
"""After its own limit the child should have ended itself; so much later it is killed."""
IDLE_USED = 0.9
"""Of the time after which an unasked child ends: later it might do so while it is being asked."""


class Child:
    """One process; for one request after the other."""

    def __init__(
        self, main: str, *arguments: str, limit_s: int, idle_s: float, memory_bytes: int
    ) -> None:
        """Start the module `main`, which does what `answering` says.

        `limit_s`: a request may take so long; `idle_s`: unasked it ends after so long; `memory_bytes`:
        of address space.
        """
        self.asked = 0
        """Requests so far."""
        self._limit_s, self._idle_s = limit_s, idle_s
        self._used_at = time.monotonic()
        given = (str(limit_s), str(idle_s), str(memory_bytes), *arguments)
        self._process = subprocess.Popen(
            [sys.executable, "-m", main, *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={
                **{name: os.environ[name] for name in INHERITED if name in os.environ},
                **ONE_THREAD,
                "PYTHONPATH": str(ROOT),
            },
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked; one that is about to end for want of work cannot."""
        rested_s = time.monotonic() - self._used_at
        return rested_s < IDLE_USED * self._idle_s and self._process.poll() is None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer; raises what the child raised, `ScorerCrashed` if it is no more.

        After `ScorerCrashed`, and after what a look raises (`interrupted_by`), the child has ended;
        start another one.
        """
        self.asked += 1
        try:
            answer = json.loads(self._asked(request))
        except BaseException:  # also where we are interrupted: its answer would come to the next
            self.end()
            raise
        self._used_at = time.monotonic()
        if "done" in answer:
            return answer["done"]
        raise _raised(answer["error"], answer["given"])

    def _asked(self, request: dict[str, Any]) -> bytes:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # the end of its output tells why
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        until = time.monotonic() + self._limit_s + GRACE_S
        parts: list[bytes] = []
        with DefaultSelector() as selector:
            selector.register(process.stdout, EVENT_READ)
            while not (parts and parts[-1].endswith(b"\n")):
                left_s = until - time.monotonic()
                if left_s <= 0:
                    raise ScorerCrashed(f"no answer for {self._limit_s} s")
                if not selector.select(min(left_s, LOOK_EVERY_S)):
                    look_around()
                    continue
                parts.append(os.read(process.stdout.fileno(), 1 << 16))
                if not parts[-1]:
                    raise ScorerCrashed(self._ended())
        return b"".join(parts)

    def _ended(self) -> str:
        code = self._process.wait(GRACE_S)
        if code == -signal.SIGALRM:
            return f"longer than {self._limit_s} s"
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def end(self) -> None:
        """End the process, whatever it does; may be called again."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # bytes that nobody reads any more
                    pipe.close()


def _raised(name: str, given: list[Any]) -> ActverseError:
    kind = getattr(errors, name, None) if name else None
    if isinstance(kind, type) and issubclass(kind, ActverseError):
        return kind(*given)
    return ScorerCrashed(str(given[0]) if given else name)
