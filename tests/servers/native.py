"""The processes of one server on this machine: started, watched and killed together."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

# The kernel ends a child when the **thread** that made it ends; a test may restart a server from a
# thread that is soon gone. This one lives as long as the process.
_KEEPER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="servers")


@dataclass(frozen=True)
class Program:
    """One process of a server."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    end_with: signal.Signals = signal.SIGTERM
    dies_by: str = "KILL"
    """The signal that the kernel sends it when this process is gone."""
    owner: str | None = None
    """The user to run as, by name; only root may choose one."""

    def command(self) -> list[str]:
        """The arguments, bound to this process where there is Linux's `setpriv`.

        Not by `preexec_fn`, which may hang in a process with threads.
        """
        bind = shutil.which("setpriv")
        if bind is None:
            return list(self.arguments)
        user = pwd.getpwnam(self.owner) if self.owner else None
        change = (
            ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
            if user
            else []
        )
        return [bind, *change, "--pdeathsig", self.dies_by, "--", *self.arguments]


class Native:
    """Runs programs, with their output in `log`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []

    def start(self, *programs: Program) -> None:
        for program in programs:
            process = _KEEPER.submit(self._spawn, program).result()
            self._running.append((program, process))

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                program.command(),
                env={**os.environ, **program.environment},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def runs(self) -> bool:
        return bool(self._running) and all(p.poll() is None for _, p in self._running)

    def kill(self) -> None:
        """SIGKILL every process at once, and wait until they are gone."""
        tree = self._tree()
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._collect(tree)

    def stop(self, patience_s: float = 20.0, by: signal.Signals | None = None) -> None:
        """Ask the programs to end, by default in their own way; kill what does not."""
        self.resume()
        tree = self._tree()
        for program, process in self._running:
            if process.poll() is None:
                process.send_signal(by or program.end_with)
        _, alive = psutil.wait_procs(tree, timeout=patience_s)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._collect(tree)

    def pause(self) -> None:
        """Freeze every process: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """The quickest end that leaves nothing behind."""
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _tree(self) -> list[psutil.Process]:
        found = []
        for _, popen in self._running:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(popen.pid)
                found += [process, *process.children(recursive=True)]
        return found

    def _collect(self, tree: list[psutil.Process]) -> None:
        for _, process in self._running:
            process.wait()
        psutil.wait_procs(tree, timeout=10)
        self._running.clear()
