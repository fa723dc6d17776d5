"""A PostgreSQL on a folder of its own; as root it runs as `nobody`, because it refuses root."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

import psycopg

from shared.process import alive, this_process
from tests.servers import install
from tests.servers.container import Container, Image
from tests.servers.native import Native, Program
from tests.servers.ports import HOST, free_port
from tests.servers.server import Server

OWNER = "nobody"
_PREFIX = "actverse-postgres-"


def _own_folder() -> Path:
    """A folder that `nobody` reaches; those of pytest are closed to others.

    Its name tells whose it is, so that the next run removes what a killed one left.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not alive(left.name.removeprefix(_PREFIX).rsplit("-", 1)[0]):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{this_process()}-"))
    owner = pwd.getpwnam(OWNER)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


class Postgres(Server):
    """`durable` waits for the disk at every commit, as production does, and takes the time it takes.

    Without it a kill of the processes loses nothing all the same; only a power cut would.
    """

    def __init__(self, folder: Path, *, durable: bool = False, connections: int = 200) -> None:
        super().__init__(folder)
        folder = self.folder
        self.port = free_port()
        self._numbers = itertools.count(1)
        programs = install.programs("postgres")
        as_root = programs is not None and os.geteuid() == 0
        self._data = (_own_folder() if as_root else folder) / "data"
        self._programs = programs
        self._owner = OWNER if as_root else None
        switches = {"max_connections": str(connections), "timezone": "UTC"}
        if not durable:
            switches |= {"fsync": "off", "full_page_writes": "off"}
        self._switches = [a for k, v in switches.items() for a in ("-c", f"{k}={v}")]
        self._native = Native(self.log)
        image = Image(
            install.IMAGES["postgres"],
            5432,
            environment={"POSTGRES_HOST_AUTH_METHOD": "trust"},
            arguments=("postgres", *self._switches),
        )
        self._container = None if programs else Container(image, self.port)

    @property
    def url(self) -> str:
        """The URL of the database `postgres`, as SQLAlchemy takes it."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@{HOST}:{self.port}/{name}"

    @property
    def _runner(self) -> Native | Container:
        return self._container or self._native

    def _launch(self) -> None:
        if self._container:
            self._container.start()
            return
        if not self._data.exists():
            self._initialise()
        self._native.start(
            Program(
                [
                    f"{self._programs}/postgres",
                    *("-D", str(self._data), "-p", str(self.port), "-h", HOST, "-k", ""),
                    *("-c", "dynamic_shared_memory_type=mmap", *self._switches),
                ],
                environment={"LC_ALL": "C.UTF-8"},
                end_with=signal.SIGINT,  # "fast": roll back what is open, and write all down
                dies_by="QUIT",  # at once too, but it removes its shared memory
                owner=self._owner,
            )
        )

    def _initialise(self) -> None:
        initdb = Program(
            [
                f"{self._programs}/initdb",
                *("-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8"),
                *("--no-sync", "--locale=C.UTF-8"),
            ],
            owner=self._owner,
        )
        done = subprocess.run(
            initdb.command(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr}")

    def answers(self) -> bool:
        try:
            with self._connect(timeout_s=1) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def _connect(self, timeout_s: int = 10) -> psycopg.Connection[tuple[object, ...]]:
        url = self.url.replace("+psycopg", "")
        return psycopg.connect(url, autocommit=True, connect_timeout=timeout_s)

    def fresh(self) -> str:
        """Make an empty database; its URL."""
        name = f"test_{next(self._numbers)}_{uuid.uuid4().hex[:6]}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.database(name)

    def drop(self, url: str) -> None:
        """Remove a database that `fresh` made, whoever still uses it."""
        name = url.rsplit("/", 1)[1]
        with self._connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        if self._container:
            self._container.close()
            return
        # without a word to its files; killed outright it would leave shared memory behind
        self._native.stop(patience_s=5, by=signal.SIGQUIT)
        if self._owner:
            with suppress(OSError):
                shutil.rmtree(self._data.parent)
