"""Every query of rounds and triggers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import CursorResult, delete, or_, select, update
from sqlalchemy.orm import Session

from services.model_trainer.errors import KeyReused
from shared.db.learning_models import Dataset, RetrainTrigger, Round
from shared.db.models import Deployment, Model, StepRun, Task, now
from shared.flow.states import ENDED, State

CURRENT = "CURRENT"
ANALYSES = 50  # newest analyses that are looked at for drift
ANALYSIS = "inference"  # the pipeline of one step that analyses a video with a deployed model


class Known(NamedTuple):
    """A round with its task."""

    number: int
    task: Task


def model_name(root_id: str) -> str:
    """What the versions of a task and of its rounds are registered under."""
    return f"task-{root_id}"


def root_of(session: Session, task_id: str) -> str:
    """The task that the rounds of `task_id` began with; itself when it is no further round."""
    return session.scalar(select(Round.root_id).where(Round.task_id == task_id)) or task_id


def rounds_of(session: Session, root: Task) -> list[Known]:
    """All rounds in order; the first is the root itself, whether or not it has a row."""
    found = session.execute(
        select(Round.number, Task)
        .join(Task, Task.id == Round.task_id)
        .where(Round.root_id == root.id, Round.task_id != root.id)
        .order_by(Round.number)
    )
    return [Known(1, root), *(Known(number, task) for number, task in found)]


def steps_of(session: Session, task_ids: Sequence[str]) -> dict[str, str]:
    """The step that each task is at or stopped at; tasks that succeeded have none."""
    runs = session.scalars(
        select(StepRun).where(StepRun.task_id.in_(task_ids)).order_by(StepRun.attempt)
    )
    newest = {(run.task_id, run.name): run for run in runs}
    left = [run for run in newest.values() if run.state != State.SUCCEEDED]
    return {run.task_id: run.name for run in sorted(left, key=lambda r: r.position, reverse=True)}


def remember(session: Session, root: Task, number: int, task_id: str) -> None:
    """The round has begun; round one gets its row with the first that follows it."""
    if session.get(Round, root.id) is None:
        session.add(Round(task_id=root.id, root_id=root.id, number=1, created_at=root.created_at))
        session.flush()
    session.add(Round(task_id=task_id, root_id=root.id, number=number))
    session.flush()


def unsettled(session: Session) -> list[tuple[Round, Task]]:
    """Rounds whose row does not yet say how they ended; also of those that were retried since."""
    rows = session.execute(
        select(Round, Task)
        .join(Task, Task.id == Round.task_id)
        .where(
            Task.state.in_(ENDED),
            or_(Round.finished_at.is_(None), Round.finished_at != Task.finished_at),
        )
    )
    return [(found, task) for found, task in rows]


def versions_of(session: Session, root_id: str) -> list[Model]:
    """The registered versions, the oldest first."""
    query = select(Model).where(Model.name == model_name(root_id)).order_by(Model.version)
    return list(session.scalars(query))


def deployment_of(session: Session, root_id: str, version: int) -> str | None:
    """What a version is served as."""
    query = (
        select(Deployment.id)
        .where(
            Deployment.model == model_name(root_id),
            Deployment.version == version,
            Deployment.state == "READY",
        )
        .order_by(Deployment.created_at.desc())
    )
    return session.scalar(query.limit(1))


def datasets_of(session: Session, root_id: str) -> list[Dataset]:
    """The versions of the data set, the oldest first."""
    query = select(Dataset).where(Dataset.root_id == root_id).order_by(Dataset.number)
    return list(session.scalars(query))


def known_request(
    session: Session, user_id: str, key: str | None, request_sha256: str
) -> str | None:
    """The task that an earlier request with the same Idempotency-Key made; `KeyReused`."""
    if key is None:
        return None
    task = session.scalar(select(Task).where(Task.user_id == user_id, Task.idempotency_key == key))
    if task is None:
        return None
    if task.request_sha256 != request_sha256:
        raise KeyReused(key)
    return task.id


# --- triggers -------------------------------------------------------------------------------------


def triggers(session: Session) -> list[RetrainTrigger]:
    """Every trigger."""
    return list(session.scalars(select(RetrainTrigger).order_by(RetrainTrigger.root_id)))


def forget_trigger(session: Session, root_id: str) -> bool:
    """Remove it; whether there was one."""
    done = session.execute(delete(RetrainTrigger).where(RetrainTrigger.root_id == root_id))
    return isinstance(done, CursorResult) and done.rowcount == 1


def fired(session: Session, seen: RetrainTrigger, reason: str) -> bool:
    """Note that it fires now; False when somebody else was quicker since `seen` was read."""
    row = RetrainTrigger
    done = session.execute(
        update(row)
        .where(
            row.root_id == seen.root_id,
            row.last_fired_at.is_(None)
            if seen.last_fired_at is None
            else row.last_fired_at == seen.last_fired_at,
        )
        .values(last_fired_at=now(), last_reason=reason)
        .execution_options(synchronize_session=False)
    )
    return isinstance(done, CursorResult) and done.rowcount == 1


def analyses_since(session: Session, root: Task, since: datetime | None) -> list[Task]:
    """The newest finished analyses with a model of this task, the newest first."""
    served = set(
        session.scalars(select(Deployment.id).where(Deployment.model == model_name(root.id)))
    )
    query = select(Task).where(
        Task.user_id == root.user_id,
        Task.pipeline == ANALYSIS,
        Task.state == State.SUCCEEDED,
    )
    if since is not None:
        query = query.where(Task.finished_at > since)
    newest = session.scalars(query.order_by(Task.created_at.desc()).limit(ANALYSES))
    return [task for task in newest if task.options.get("deployment_id") in served]
