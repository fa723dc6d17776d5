"""Deleting an account with all that it owns: marked at once, then taken apart as its tasks go.

    asked            one transaction: keys, sessions and password are gone, work is cancelled, tasks
                     are marked (`deletion`), and the name is still taken
    its tasks        by `deletion`, one by one; those that were at work when they have stopped
    its files        uploads and copies of results
    its rows         one transaction, the account's own last; the name is free again

Every part may run twice and in several processes; the clock's next round goes on where one ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from shared.bus.port import EventBus
from shared.db.account_models import LoginAttempts, Password, RefreshToken
from shared.db.base import Base
from shared.db.models import ApiKey, Task, Upload, User, now
from shared.errors import Conflict
from shared.flow import deletion, wishes
from shared.flow.deletion import NotEnded, StillStopping
from shared.flow.states import ENDED, State
from shared.platform import Platform
from shared.storage.port import INCOMING, Extent, Storage

AT_ONCE = 20  # accounts a round
ATTEMPTS_KEPT = timedelta(days=1)
FAMILIAR_FOR = timedelta(days=90)  # an address from which somebody has logged in
log = structlog.get_logger()


@dataclass(frozen=True)
class Survey:
    """What goes when an account is deleted."""

    tasks: int
    at_work: int  # of those, cancelled first
    extent: Extent  # files of tasks, uploads and copies of results
    rows: dict[str, int]  # by table; of tasks only their own
    refused: Conflict | None  # why it cannot be deleted now


def survey(session: Session, storage: Storage, user_id: str) -> Survey:
    """Look, and change nothing."""
    tasks = _tasks(session, user_id)
    beside = {task.id for task in tasks}
    found = [deletion.survey(session, storage, t, model=True, beside=beside) for t in tasks]
    extents = [each.extent for each in found]
    extents += [storage.measure(folder) for folder in _folders(session, user_id)]
    refusals = [each.refused for each in found if each.refused is not None]
    rows = {
        table.name: session.scalar(select(func.count()).select_from(table).where(mine)) or 0
        for table, mine in _tables(user_id)
    }
    return Survey(
        tasks=len(tasks),
        at_work=sum(task.state not in ENDED and task.state != State.DELETING for task in tasks),
        extent=Extent(sum(e.files for e in extents), sum(e.bytes for e in extents)),
        rows={name: count for name, count in sorted(rows.items()) if count},
        refused=next((r for r in refusals if not isinstance(r, NotEnded | StillStopping)), None),
    )


def begin(session: Session, bus: EventBus, user: User) -> None:
    """Mark the account within the transaction of `session`; nothing opens it from then on.

    Raises what `deletion.begin` raises where tasks of others need one of its tasks; then nothing
    is changed. A second call is harmless.
    """
    session.refresh(user, with_for_update={"key_share": True})  # a login may be under way
    user.leaving_at = user.leaving_at or now()
    for credential in (ApiKey, Password, RefreshToken):
        session.execute(delete(credential).where(credential.user_id == user.id))
    _mark_tasks(session, bus, user.id)


def finish(platform: Platform) -> int:
    """Go on with every account that is marked; how many are gone. One that fails holds up no other."""
    with platform.reads() as session:
        leaving = select(User.id).where(User.leaving_at.is_not(None)).order_by(User.leaving_at)
        marked = session.scalars(leaving.limit(AT_ONCE)).all()
    return deletion.go_on(platform, marked, erase, "flow.leaving.postponed", "user_id")


def erase(platform: Platform, user_id: str) -> bool:
    """Take a marked account apart; False while some of its tasks are not gone, or it is no more.

    May be called again after a failure at any point, and by two processes at once.
    """
    with platform.sessions.begin() as session:
        user = session.get(User, user_id)
        if user is None or user.leaving_at is None:
            return False
        _mark_tasks(session, platform.bus, user_id)  # also what was submitted at the last moment
        if _tasks(session, user_id):
            return False
        folders = _folders(session, user_id)
    files = sum(platform.storage.delete(folder) for folder in folders)
    with platform.sessions.begin() as session:
        session.get(User, user_id, with_for_update=True)  # nobody can add a row of theirs any more
        if _tasks(session, user_id) or set(_folders(session, user_id)) - set(folders):
            return False
        for table, mine in _tables(user_id):
            session.execute(delete(table).where(mine))
    log.info("flow.account.deleted", user_id=user_id, files=files)
    return True


def forget_old(platform: Platform) -> None:
    """Forget sessions that have expired, and attempts to log in that are long past."""
    with platform.sessions.begin() as session:
        session.execute(delete(RefreshToken).where(RefreshToken.expires_at < now()))
        old = LoginAttempts.last_at < now() - ATTEMPTS_KEPT
        failed = LoginAttempts.count > 0
        unused = LoginAttempts.last_at < now() - FAMILIAR_FOR
        session.execute(delete(LoginAttempts).where(or_(and_(old, failed), unused)))


def _mark_tasks(session: Session, bus: EventBus, user_id: str) -> None:
    tasks = _tasks(session, user_id)
    beside = {task.id for task in tasks}
    for task in tasks:
        if task.state not in ENDED and task.state != State.DELETING:
            wishes.cancel(session, bus, task)
            session.flush()
        try:
            deletion.begin(session, task, model=True, beside=beside)
        except (NotEnded, StillStopping):
            continue  # the next round finds it ended


def _tasks(session: Session, user_id: str) -> list[Task]:
    query = select(Task).where(Task.user_id == user_id).order_by(Task.created_at)
    return list(session.scalars(query))


def _folders(session: Session, user_id: str) -> tuple[str, ...]:
    """What the account has in the storage beside its tasks."""
    uploads = session.scalars(select(Upload.id).where(Upload.user_id == user_id)).all()
    sent = [f"{INCOMING}/uploads/{upload}" for upload in uploads]  # announced, never completed
    return (f"files/{user_id}", *(f"uploads/{upload}" for upload in uploads), *sent)


def _tables(user_id: str) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Every table that names users, the newest included: nobody has to remember to list it here."""
    for table in reversed(Base.metadata.sorted_tables):
        name = "id" if table is User.__table__ else "user_id"
        if name in table.c:
            yield table, table.c[name] == user_id
