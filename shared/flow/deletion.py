"""Deleting a task with all that belongs to it: marked at once, then taken apart step by step.

    ended -> DELETING      one transaction; from then on nobody can use the task any more
    its files              by the storage, whichever it is
    its models             off the model server and out of its repository, by `model_deployer`
    its rows               one transaction, the task's own last

Every part may run twice and in several processes; who dies in the middle is followed by the next
round of the clock. What an account owns is deleted with the same two functions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from shared.bus.topology import named
from shared.db.models import Deployment, Model, StepRun, Task
from shared.errors import Conflict
from shared.flow import ledger
from shared.flow.deletion_scope import (
    Need,
    Version,
    delete_rows,
    extent_of,
    folders_of,
    needed_by,
    rows_of,
    versions_of,
)
from shared.flow.states import ENDED, State
from shared.messages import Sentence
from shared.platform import Platform
from shared.storage.port import Extent, Storage
from shared.storage.turns import lock_of, turn

AT_ONCE = 50  # tasks a round
NAMED = 5  # tasks that a sentence names one by one
WITHDRAWN, REMOVED = "WITHDRAWN", "REMOVED"
log = structlog.get_logger()


class NotEnded(Conflict):
    """Work on the task goes on."""

    def __init__(self, task_id: str, state: str) -> None:
        super().__init__(Sentence("error.delete_open", task_id=task_id, state=state.lower()))


class StillStopping(Conflict):
    """The task is cancelled, and a worker has not noticed yet."""

    def __init__(self, task_id: str) -> None:
        super().__init__(Sentence("error.still_stopping", task_id=task_id))


class StillNeeded(Conflict):
    """Other tasks could not do without it, or not be explained."""

    def __init__(self, task_id: str, needs: Collection[Need]) -> None:
        told = [f"{need.task_id} ({need.why})" for need in needs]
        more = [f"+{len(told) - NAMED}"] if len(told) > NAMED else []
        named = ", ".join([*told[:NAMED], *more])
        super().__init__(Sentence("error.delete_needed", task_id=task_id, needs=named))


class StillServed(Conflict):
    """The model server answers with its model."""

    def __init__(self, task_id: str, versions: Collection[Version]) -> None:
        names = ", ".join(str(version) for version in versions)
        super().__init__(Sentence("error.delete_served", task_id=task_id, versions=names))


class StillCurrent(Conflict):
    """New analyses of another task use the version that this one made."""

    def __init__(self, task_id: str, version: Version) -> None:
        given = {"root": version.root, "version": str(version)}
        super().__init__(Sentence("error.delete_current", task_id=task_id, **given))


class BeingDeleted(Conflict):
    """Somebody uses a task whose owner has deleted it."""

    def __init__(self, task_id: str) -> None:
        super().__init__(Sentence("error.being_deleted", task_id=task_id))


@dataclass(frozen=True)
class Survey:
    """What goes when a task is deleted."""

    extent: Extent
    rows: dict[str, int]  # by table
    versions: tuple[Version, ...]
    refused: Conflict | None  # why it cannot be deleted now


def survey(
    session: Session, storage: Storage, task: Task, *, model: bool, beside: Collection[str] = ()
) -> Survey:
    """Look, and change nothing; the arguments are those of `begin`."""
    return Survey(
        extent_of(storage, folders_of(session, task)),
        rows_of(session, task.id),
        tuple(versions_of(session, task.id)),
        _refusal(session, task, model=model, beside=beside),
    )


def begin(session: Session, task: Task, *, model: bool, beside: Collection[str] = ()) -> bool:
    """Mark the task within the transaction of `session`; False when it was marked before.

    `model`: a model that is served goes too. `beside`: tasks that go with it, so what they need of
    it holds nothing up. Its Idempotency-Key is free again. Raises `NotEnded`, `StillStopping`,
    `StillNeeded`, `StillServed` and `StillCurrent`.
    """
    session.refresh(task, with_for_update={"key_share": True})  # rounds begin under the same lock
    if task.state == State.DELETING:
        return False
    refused = _refusal(session, task, model=model, beside=beside)
    if refused is not None:
        raise refused
    task.state, task.idempotency_key, task.request_sha256 = State.DELETING, None, None
    mine = Deployment.task_id == task.id
    session.execute(update(Deployment).where(mine).values(state=WITHDRAWN))
    session.execute(update(Model).where(Model.task_id == task.id).values(state=REMOVED))
    ledger.note(session, task.id, None, "state", state=State.DELETING)
    return True


def _refusal(
    session: Session, task: Task, *, model: bool, beside: Collection[str]
) -> Conflict | None:
    if task.state == State.DELETING:
        return None
    if task.state not in ENDED:
        return NotEnded(task.id, task.state)
    running = select(StepRun.id).where(StepRun.task_id == task.id, StepRun.state == State.RUNNING)
    if session.scalar(running.limit(1)) is not None:
        return StillStopping(task.id)
    needs = needed_by(session, task, beside)
    if needs:
        return StillNeeded(task.id, needs)
    versions = versions_of(session, task.id)
    for version in versions:
        if version.state == "CURRENT" and version.root not in {task.id, *beside}:
            return StillCurrent(task.id, version)
    served = [version for version in versions if version.served]
    return StillServed(task.id, served) if served and not model else None


# --- taking it apart ------------------------------------------------------------------------------


def finish(platform: Platform) -> int:
    """Go on with every task that is marked; how many are gone. One that fails holds up no other."""
    with platform.reads() as session:
        query = select(Task.id).where(Task.state == State.DELETING).order_by(Task.created_at)
        marked = session.scalars(query.limit(AT_ONCE)).all()
    return go_on(platform, marked, erase, "flow.deletion.postponed", "task_id")


def go_on(
    platform: Platform,
    marked: Iterable[str],
    erase: Callable[[Platform, str], bool],
    postponed: str,
    named: str,
) -> int:
    """Take each of `marked` apart by `erase`; how many are gone.

    One that fails holds up no other: its id is logged as `named`, the event being `postponed`.
    """
    gone = 0
    for each in marked:
        try:
            gone += erase(platform, each)
        except Exception as error:  # noqa: BLE001 - a server that is away comes back
            log.warning(postponed, **{named: each}, error=f"{type(error).__name__}: {error}")
    return gone


def erase(platform: Platform, task_id: str) -> bool:
    """Take a marked task apart; False while its models wait for `model_deployer`, or it is no more.

    May be called again after a failure at any point, and by two processes at once.
    """
    with platform.reads() as session:
        task = session.get(Task, task_id)
        if task is None or task.state != State.DELETING:
            return False
        folders = folders_of(session, task)
    files = _delete_files(platform, task_id, folders)
    with platform.reads() as session:
        if _has_models(session, task_id):
            if files:  # else it was asked before; beat asks it too
                _ask_deployer(platform)
            return False
    with platform.sessions.begin() as session:
        delete_rows(session, task_id)
    files += _delete_files(platform, task_id, folders)  # of somebody who was late
    log.info("flow.task.deleted", task_id=task_id, files=files)
    return True


def _delete_files(platform: Platform, task_id: str, folders: Collection[str]) -> int:
    storage, labels = platform.storage, f"labels/{task_id}"
    with turn(storage, platform.reads, labels):  # nobody is just importing some
        count = sum(storage.delete(folder) for folder in folders)
        lock_of(storage, labels).unlink(missing_ok=True)
    return count


def _has_models(session: Session, task_id: str) -> bool:
    query = select(Task.id).where(
        Task.id == task_id,
        or_(
            select(Model.id).where(Model.task_id == task_id).exists(),
            select(Deployment.id).where(Deployment.task_id == task_id).exists(),
        ),
    )
    return session.scalar(query) is not None


def _ask_deployer(platform: Platform) -> None:
    platform.celery.signature(
        "model_deployer.restore_models",
        queue=named("model_deployer"),
        ignore_result=True,
        expires=platform.settings.model.restore_s,
    ).apply_async()
