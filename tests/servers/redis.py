"""A Redis that forgets everything when it ends, as a cache may."""

from __future__ import annotations

from pathlib import Path

import redis

from tests.servers import install
from tests.servers.container import Container, Image
from tests.servers.native import Native, Program
from tests.servers.ports import HOST, free_port
from tests.servers.server import Server

DATABASES = 64
_FORGETFUL = ("--save", "", "--appendonly", "no", "--databases", str(DATABASES))


class Redis(Server):
    """`Redis(folder).start().url` is database 0; there are `DATABASES` of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder = self.folder
        self.port = free_port()
        programs = install.programs("redis")
        self._native = Native(self.log)
        self._program = Program(
            [
                f"{programs}/redis-server",
                *("--port", str(self.port), "--bind", HOST, "--dir", str(folder)),
                *_FORGETFUL,
            ]
        )
        image = Image(install.IMAGES["redis"], 6379, arguments=("redis-server", *_FORGETFUL))
        self._container = None if programs else Container(image, self.port)

    @property
    def url(self) -> str:
        return self.database(0)

    def database(self, number: int) -> str:
        """The URL of one of the databases."""
        return f"redis://{HOST}:{self.port}/{number}"

    @property
    def _runner(self) -> Native | Container:
        return self._container or self._native

    def _launch(self) -> None:
        if self._container:
            self._container.start()
        else:
            self._native.start(self._program)

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def fresh(self, number: int) -> str:
        """Empty one of the databases; its URL."""
        with redis.Redis.from_url(self.database(number)) as client:
            client.flushdb()
        return self.database(number)

    def empty(self) -> None:
        """Lose everything in it."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
