"""`docker compose` on this checkout: running it, and waiting until everything is well."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Unavailable

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("cpu", "gpu", "observability", "operator")
LOOK_EVERY_S = 1.0
LAST_LINES = 25


@dataclass(frozen=True)
class Container:
    """One container, as `docker compose ps` sees it."""

    service: str
    name: str
    state: str  # created, running, restarting, exited, dead ...
    health: str  # healthy, unhealthy, starting; empty without a check
    exit_code: int

    @property
    def well(self) -> bool:
        """Healthy, or a job that is done."""
        if self.state == "running":
            return self.health in {"", "healthy"}
        return self.state == "exited" and self.exit_code == 0

    @property
    def told(self) -> str:
        """Its state in a word or two."""
        ended = self.state == "exited"
        return f"exited with {self.exit_code}" if ended else self.health or self.state


class Compose:
    """`docker compose` with the variables of one environment file, and some of our own."""

    def __init__(self, environment_file: Path, more: Mapping[str, str]) -> None:
        self._argv = ["docker", "compose", "--env-file", str(environment_file)]
        self._environment = {**os.environ, **more}
        if shutil.which("docker") is None:
            raise Unavailable(
                "There is no `docker` here; install Docker Engine and its compose plugin."
            )
        tried = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if tried.returncode != 0:
            raise Unavailable(
                "`docker compose` does not run; install the compose plugin (2.24 or newer)."
            )

    def run(self, *arguments: str) -> None:
        """Run it where the person sees what it says; `Unavailable` when it fails."""
        done = subprocess.run(
            [*self._argv, *arguments], cwd=ROOT, env=self._environment, check=False
        )
        if done.returncode != 0:
            raise Unavailable(f"`docker compose {' '.join(arguments)}` failed; see above.")

    def ask(self, *arguments: str) -> str:
        """Run it for what it answers."""
        done = subprocess.run(
            [*self._argv, *arguments],
            cwd=ROOT,
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise Unavailable(
                f"`docker compose {' '.join(arguments)}` failed: {done.stderr.strip()[-500:]}"
            )
        return done.stdout.strip()

    def containers(self) -> list[Container]:
        """All containers of the project, the ended ones too."""
        return read_containers(self.ask("ps", "--all", "--format", "json"))

    def wait_until_well(self, patience_s: float, say: Callable[[str], None]) -> None:
        """Return when every container is well; `Unavailable` with the last words of one that is not."""
        deadline = time.monotonic() + patience_s
        told: dict[str, str] = {}
        while True:
            ill = [c for c in self.containers() if not c.well]
            if not ill:
                return
            for each in ill:
                if told.get(each.name) != each.told:
                    told[each.name] = each.told
                    say(f"{each.service}: {each.told}")
            if time.monotonic() > deadline:
                words = "\n".join(self._last_words(each) for each in ill)
                raise Unavailable(f"Not everything was well within {patience_s:.0f} s.\n{words}")
            time.sleep(LOOK_EVERY_S)

    def _last_words(self, container: Container) -> str:
        logs = subprocess.run(
            ["docker", "logs", "--tail", str(LAST_LINES), container.name],
            capture_output=True,
            text=True,
            check=False,
        )
        return f"--- {container.name}: {container.told}\n{logs.stdout}{logs.stderr}"


def read_containers(answer: str) -> list[Container]:
    """From `ps --format json`: a list in older versions of compose, a line for each in newer ones."""
    rows = json.loads(answer) if answer.startswith("[") else map(json.loads, answer.splitlines())
    return [
        Container(
            service=row["Service"],
            name=row["Name"],
            state=row["State"],
            health=row.get("Health", ""),
            exit_code=int(row.get("ExitCode", 0)),
        )
        for row in rows
    ]
