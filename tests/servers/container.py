"""One server in a Docker container, with the same verbs as `Native`."""

from __future__ import annotations

import atexit
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shared.process import alive, this_process
from tests.servers.ports import HOST

LABEL = "actverse.test.owner"


def docker(*arguments: str, check: bool = True, timeout_s: float = 600.0) -> str:
    """What the command printed; an image may have to be pulled, so it may take minutes."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def answers() -> bool:
    """Whether a Docker engine is there for us."""
    try:
        return bool(docker("version", "--format", "{{.Server.Version}}", timeout_s=10))
    except (OSError, RuntimeError, subprocess.TimeoutExpired):
        return False


def remove_orphans() -> None:
    """Remove the containers of test processes that were killed."""
    listed = docker("ps", "-aq", "--filter", f"label={LABEL}", check=False).split()
    for name in listed:
        owner = docker("inspect", "-f", f'{{{{index .Config.Labels "{LABEL}"}}}}', name)
        if not alive(owner):
            docker("rm", "-fv", name, check=False)


@dataclass(frozen=True)
class Image:
    """What to run: an official image with one published port."""

    name: str
    port: int  # inside
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    """Files of ours that are copied in before the first start, by their path inside."""


class Container:
    """Runs one image, published on `port` of loopback."""

    def __init__(self, image: Image, port: int) -> None:
        self._image, self._port = image, port
        self._name = f"actverse-test-{uuid.uuid4().hex[:12]}"
        self._made = False

    def start(self) -> None:
        if not self._made:
            self._create()
        docker("start", self._name)

    def _create(self) -> None:
        remove_orphans()
        image = self._image
        options = [
            f"--publish={HOST}:{self._port}:{image.port}",
            f"--label={LABEL}={this_process()}",
        ]
        options += [f"--env={name}={value}" for name, value in image.environment.items()]
        docker("create", f"--name={self._name}", *options, image.name, *image.arguments)
        self._made = True
        atexit.register(self.close)
        for inside, ours in image.files.items():
            docker("cp", str(ours), f"{self._name}:{inside}")

    def runs(self) -> bool:
        state = docker("inspect", "-f", "{{.State.Running}}", self._name, check=False)
        return state == "true"

    def execute(self, *arguments: str) -> str:
        """Run a command inside."""
        return docker("exec", self._name, *arguments)

    def kill(self) -> None:
        self.resume()
        docker("kill", "--signal=KILL", self._name, check=False)
        docker("wait", self._name, check=False)

    def stop(self, patience_s: float = 20.0) -> None:
        self.resume()
        docker("stop", f"--time={patience_s:.0f}", self._name, check=False)

    def pause(self) -> None:
        docker("pause", self._name)

    def resume(self) -> None:
        docker("unpause", self._name, check=False)

    def close(self) -> None:
        if self._made:
            with suppress(OSError, RuntimeError):
                docker("rm", "-fv", self._name, check=False)
            self._made = False
            atexit.unregister(self.close)
