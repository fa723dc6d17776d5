"""What is written last in a transaction, so that readers get it in one order.

Watchers of a task read its events by rising id and never look back. SQLite has one writer at a time,
so ids are committed in the order in which they were taken. Elsewhere two transactions may take ids 5
and 6 and commit 6 first; whoever has read 6 would never see 5. There the events wait until their
transaction ends, and are written under a lock of their task. It is the last lock that the
transaction takes, so nobody who holds it waits for anything, and no circle can arise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Engine, String, bindparam, event, func, select

from shared.db.direct import Direct, Prepared

_KEY = func.hashtextextended(bindparam("task", type_=String()), 0)
_LOCK = Prepared(select(func.pg_advisory_xact_lock(_KEY).label("locked")))
_WAITING, _WRITTEN = "actverse.waiting", "actverse.written"  # in the `info` of a connection
_Write = tuple[Prepared, dict[str, Any]]


def write_last(direct: Direct, task_id: str, *writes: _Write) -> None:
    """Run statements about `task_id` at the end of the transaction; at once where that is the same."""
    connection = direct.connection
    if connection is None:
        for prepared, values in writes:
            direct.run(prepared, **values)
        return
    connection.info.setdefault(_WAITING, []).append((task_id, writes))


def announce(engine: Engine, tell: Callable[[Iterable[str]], None]) -> None:
    """Write what waits when a transaction of `engine` ends, and `tell` of the tasks once it has."""
    if engine.dialect.name == "sqlite":
        return

    def write(connection: Connection) -> None:
        waiting = connection.info.pop(_WAITING, None)
        if not waiting:
            return
        tasks = sorted({task_id for task_id, _ in waiting})
        with Direct(connection).at_once() as direct:
            for task_id in tasks:  # in one order everywhere
                direct.run(_LOCK, task=task_id)
            for _, writes in waiting:
                for prepared, values in writes:
                    direct.run(prepared, **values)
        connection.info[_WRITTEN] = tasks

    def forget(connection: Connection) -> None:
        # the server may be gone, and with the connection its `info`
        info = {} if connection.invalidated else connection.info
        info.pop(_WAITING, None)
        info.pop(_WRITTEN, None)

    def told(driver: Any, record: Any) -> None:
        del driver
        record.info.pop(_WAITING, None)
        if tasks := record.info.pop(_WRITTEN, None):
            tell(tasks)

    event.listen(engine, "commit", write)
    event.listen(engine, "rollback", forget)
    event.listen(engine, "checkin", told)
