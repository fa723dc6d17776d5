"""Starts processes, starts them again when they die, and ends all of them together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOOK_EVERY_S = 0.2
STOP_S = 8.0  # for all together, to end in order; two on a quiet machine
MOST_WAIT_S = 10.0
HEALTHY_S = 20.0  # who lived so long is started again at once


@dataclass
class Program:
    """One process of the mesh: how to start it, and how often it had to be."""

    name: str
    module: list[str]  # and its arguments, as for `python -m`
    env: dict[str, str]
    ends_by: signal.Signals  # when we ask it to
    dies_by: signal.Signals  # when the launcher dies
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    again_at: float = 0.0
    quick_deaths: int = 0
    deaths: list[int] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None


def child_argv(module: Sequence[str], dies_by: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command line of `python -m <module>` as a child that ends with this process."""
    launcher = [str(os.getpid()), dies_by.name]
    return [sys.executable, "-m", "deploy.local.child", *launcher, *module]


class Supervisor:
    """Keeps programs running; their output goes to `<logs>/<name>.log`.

    One thread starts, watches and ends them all: Linux ends a child with the thread that made it,
    so that thread must last as long as they.
    """

    def __init__(self, folder: Path, logs: Path, say: Callable[[str], None]) -> None:
        self.programs: list[Program] = []
        self._folder = folder
        self._logs = logs
        self._say = say
        self._changed = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None
        logs.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        name: str,
        module: Sequence[str],
        env: Mapping[str, str],
        *,
        ends_by: signal.Signals = signal.SIGTERM,
        dies_by: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start `python -m <module>` now, and keep it running from now on."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
        self.programs.append(Program(name, list(module), environment, ends_by, dies_by))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
            self._thread.start()
        self._changed.set()

    def stop(self) -> None:
        """End everything: politely, then firmly."""
        if self._thread is not None:
            self._ending = True
            self._changed.set()
            self._thread.join()
            self._thread, self._ending = None, False
        self.programs.clear()

    def _run(self) -> None:
        while not self._ending:
            self._changed.clear()
            for program in tuple(self.programs):
                self._look_after(program)
            self._changed.wait(LOOK_EVERY_S)
        self._end_all()

    def _look_after(self, program: Program) -> None:
        """Start what has not begun or has died, more and more patiently when it keeps dying."""
        if program.runs:
            return
        now = time.monotonic()
        if program.process is not None and program.again_at == 0.0:
            code = program.process.returncode
            program.deaths.append(code)
            lived_s = now - program.started
            program.quick_deaths = 0 if lived_s > HEALTHY_S else program.quick_deaths + 1
            program.again_at = now + min(0.1 * 2**program.quick_deaths, MOST_WAIT_S)
            self._say(f"{program.name} ended ({_reason(code)}); it starts again")
            _signal_group(program, signal.SIGKILL)  # what a killed Triton leaves behind
        if now >= program.again_at:
            program.again_at = 0.0
            self._start(program)

    def _start(self, program: Program) -> None:
        program.started = time.monotonic()
        try:
            with (self._logs / f"{program.name}.log").open("ab") as log:
                program.process = subprocess.Popen(
                    child_argv(program.module, program.dies_by),
                    cwd=self._folder,
                    env=program.env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for us; we end them in order
                )
        except OSError as error:  # no memory, no process ids, disk full: the next look tries again
            program.again_at = program.started + MOST_WAIT_S
            self._say(f"{program.name} cannot be started: {error}")

    def _end_all(self) -> None:
        begun = [p for p in self.programs if p.process is not None]
        for program in begun:
            if program.process and program.runs:
                program.process.send_signal(program.ends_by)
        deadline = time.monotonic() + STOP_S
        for program in begun:
            assert program.process
            try:
                program.process.wait(max(0.01, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"{program.name} did not end in {STOP_S:.0f} s; killed")
                program.process.kill()
                program.process.wait()
            _signal_group(program, signal.SIGKILL)  # children that outlived it


def _signal_group(program: Program, number: signal.Signals) -> None:
    assert program.process
    try:
        os.killpg(program.process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
