"""Writes what a transaction has put off to its end, and tells of it once it is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Engine, event

from shared.db.direct import WAITING, WRITTEN, Direct


def announce(engine: Engine, tell: Callable[[Iterable[str]], None]) -> None:
    """Write what waits when a transaction of `engine` ends, and `tell` of the tasks once it has."""
    if engine.dialect.name == "sqlite":
        return

    def write(connection: Connection) -> None:
        Direct(connection).write_waiting()

    def forget(connection: Connection) -> None:
        # the server may be gone, and with the connection its `info`
        info = {} if connection.invalidated else connection.info
        info.pop(WAITING, None)
        info.pop(WRITTEN, None)

    def told(driver: Any, record: Any) -> None:
        del driver
        record.info.pop(WAITING, None)
        if tasks := record.info.pop(WRITTEN, None):
            tell(tasks)

    event.listen(engine, "commit", write)
    event.listen(engine, "rollback", forget)
    event.listen(engine, "checkin", told)
