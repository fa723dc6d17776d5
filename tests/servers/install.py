"""Where the servers' programs come from: this machine, its package manager, or Docker.

`python -m tests.servers.install` fetches what is missing beforehand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.servers import container

PACKAGES = {"rabbitmq": "rabbitmq-server", "postgres": "postgresql", "redis": "redis-server"}
IMAGES = {"rabbitmq": "rabbitmq:3-management", "postgres": "postgres:16", "redis": "redis:7"}
_LOCK_S = 300  # how long we wait for another apt-get


class Missing(Exception):
    """A server's programs are not here, and nothing can bring them."""


def _latest(pattern: str) -> Path | None:
    """The last of the versions that are installed."""
    found = sorted(Path("/").glob(pattern), key=lambda path: [len(p) for p in path.parts] + [path])
    return found[-1] if found else None


def _programs(server: str) -> Path | None:
    """The folder with the server's programs on this machine."""
    if server == "rabbitmq":
        # Not /usr/sbin/rabbitmq-server: it changes to the system's own user and configuration.
        found = _latest("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin")
        return found if found and shutil.which("erl") else None
    if server == "postgres":
        on_path = shutil.which("initdb")
        return Path(on_path).parent if on_path else _latest("usr/lib/postgresql/*/bin")
    on_path = shutil.which("redis-server")
    return Path(on_path).parent if on_path else None


def _install() -> str | None:
    """Install all of them with the package manager; None when done, else why not."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "this is not root on a Debian-like system"
    # RUNLEVEL: the packages shall not start the system's own instances.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    options = ["-qq", "-o", f"DPkg::Lock::Timeout={_LOCK_S}"]
    for verb in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES.values()]):
        done = subprocess.run(
            ["apt-get", *options, *verb],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    return f"apt-get install failed: {done.stderr.strip()[-300:]}" if done.returncode else None


@cache
def programs(server: str) -> Path | None:
    """The folder with the programs of `server`; None: use its image in Docker.

    Raises:
        Missing: neither is to be had; the sentence says what to install.
    """
    found = _programs(server)
    if found:
        return found
    why = _install()
    if why is None and (found := _programs(server)):
        return found
    if container.answers():
        return None
    raise Missing(
        f"The tests need {server}. It is not installed, {why or 'its package lacks the programs'}, "
        f"and no Docker engine answers. Install {' '.join(PACKAGES.values())} "
        f"(`apt-get install`), or start Docker."
    )


if __name__ == "__main__":
    for name in PACKAGES:
        print(name, programs(name) or f"Docker: {IMAGES[name]}")  # noqa: T201 - a person asked
