"""Starts processes, starts them again when they die, and ends all of them together."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared.flow.lifeline import die_with_parent

STOP_S = 8.0
MOST_WAIT_S = 10.0
HEALTHY_S = 20.0


@dataclass
class Program:
    """One process of the mesh: how to start it, and how often it had to be."""

    name: str
    argv: list[str]
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    again_at: float = 0.0
    quick_deaths: int = 0
    deaths: list[int] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Keeps programs running; their output goes to `<logs>/<name>.log`."""

    def __init__(self, folder: Path, logs: Path, say: Callable[[str], None]) -> None:
        self.programs: list[Program] = []
        self._folder = folder
        self._logs = logs
        self._say = say
        logs.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, argv: list[str], env: dict[str, str] | None = None) -> None:
        """Start a program now, and keep it running from now on."""
        program = Program(name, argv, {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})})
        self.programs.append(program)
        self._start(program)

    def _start(self, program: Program) -> None:
        with (self._logs / f"{program.name}.log").open("ab") as log:
            program.process = subprocess.Popen(
                program.argv,
                cwd=self._folder,
                env=program.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we end them in order
                preexec_fn=die_with_parent,  # noqa: PLW1509 - no threads run here yet
            )
        program.started = time.monotonic()

    def watch(self) -> None:
        """One look: start what has died, more and more patiently when it keeps dying."""
        for program in self.programs:
            if program.runs or program.process is None:
                continue
            now = time.monotonic()
            if program.again_at == 0.0:
                code = program.process.returncode
                program.deaths.append(code)
                lived_s = now - program.started
                program.quick_deaths = 0 if lived_s > HEALTHY_S else program.quick_deaths + 1
                wait_s = min(0.2 * 2**program.quick_deaths, MOST_WAIT_S)
                program.again_at = now + wait_s
                self._say(f"{program.name} ended ({_reason(code)}); it starts again")
            if now >= program.again_at:
                program.again_at = 0.0
                self._start(program)

    def stop(self) -> None:
        """End everything: politely, then firmly; the last started first."""
        living = [p for p in reversed(self.programs) if p.runs and p.process]
        for program in living:
            _signal_group(program, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for program in living:
            assert program.process
            try:
                program.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(program, signal.SIGKILL)
                program.process.wait()
        for program in living:  # pool children of a worker that was killed
            _signal_group(program, signal.SIGKILL)
        self.programs.clear()


def _signal_group(program: Program, number: signal.Signals) -> None:
    assert program.process
    try:
        os.killpg(program.process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
