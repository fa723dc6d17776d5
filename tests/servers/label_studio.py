"""A private Label Studio, from the venv that `setup.sh label_studio` makes.

Its first start migrates an empty database, which takes minutes; the data folder as it is then is
kept in `.cache` of the checkout, and every later server begins with a copy of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import httpx

from deploy.local import label_studio
from tests.servers.container import Container
from tests.servers.native import Native, Program
from tests.servers.ports import free_port
from tests.servers.server import Server

ROOT = label_studio.ROOT
LOCK = ROOT / "deploy" / "requirements" / "label_studio.lock.txt"
CACHE = ROOT / ".cache" / "label_studio"
FIRST_START_S = label_studio.READY_S + 100  # and the installation
ACCOUNT = label_studio.Account(
    "annotator@actverse.local",
    "a-password-of-tests",
    "0123456789abcdef" * 2 + "01234567",
    "hush-hush",
)


def migrated() -> Path:
    """The cached data folder, made when there is none for this version; the venv too."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        setup = ROOT / "deploy" / "local" / "setup.sh"
        subprocess.run([setup, "label_studio"], check=True, stdout=subprocess.DEVNULL)
        if not folder.exists():
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            server = LabelStudioServer(fresh)
            server.ready_s = label_studio.READY_S
            server.start()
            server.stop()
            fresh.rename(folder)
    return folder


class LabelStudioServer(Server):
    """`LabelStudioServer.copied(folder).start().url`; its account is `ACCOUNT`."""

    ready_s = 120.0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._native = Native(self.log)
        argv, env = label_studio.command(self.folder / "data", ACCOUNT, self.port)
        # compiled once, whatever the shell says: every later start is quicker by seconds
        self._program = Program(argv, {**env, "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": ""})

    @classmethod
    def copied(cls, folder: Path) -> LabelStudioServer:
        """On a copy of the migrated data."""
        shutil.copytree(migrated() / "data", folder / "data")
        return cls(folder)

    @property
    def url(self) -> str:
        return label_studio.url_of(self.port)

    @property
    def _runner(self) -> Native | Container:
        return self._native

    def _launch(self) -> None:
        self._native.start(self._program)

    def answers(self) -> bool:
        return label_studio.answers(self.port, ACCOUNT.token)

    def client(self) -> httpx.Client:
        """As the person with the token."""
        headers = {"Authorization": f"Token {ACCOUNT.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)
