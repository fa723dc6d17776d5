"""Every query of the deployer."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from shared.db.base import now
from shared.db.learning_models import Dataset, Round
from shared.db.models import Deployment, Model, Task
from shared.errors import Conflict, NotFound
from shared.flow.states import State

CANDIDATE, CURRENT, RETIRED = "CANDIDATE", "CURRENT", "RETIRED"
_VERSIONED = ((Model, Model.name), (Deployment, Deployment.model))


def registered(session: Session, path: str) -> Model:
    """The model that lies under `path`; only registered ones are ever opened."""
    found = session.scalar(select(Model).where(Model.path == path.rstrip("/")))
    if found is None:
        raise NotFound(
            f"No registered model lies at {path!r}; a path looks like models/<name>/<n>."
        )
    return found


def deployment_id(task_id: str, version: int) -> str:
    """The id of what a task deploys, known before it does; the same however often it is retried."""
    return str(uuid5(NAMESPACE_OID, f"{task_id}/{version}"))


def remember_deployment(session: Session, deployment_id: str, **columns: Any) -> None:
    """A version is served; a second time changes nothing."""
    session.merge(Deployment(id=deployment_id, **columns))


def deployment(session: Session, deployment_id: str) -> Deployment:
    """The deployment with that id."""
    found = session.get(Deployment, deployment_id)
    if found is None:
        raise NotFound(f"There is no deployment {deployment_id}; GET /models lists what is served.")
    return found


def forget_deployments(session: Session, model: str) -> None:
    """No version of `model` is served any more."""
    session.execute(update(Deployment).where(Deployment.model == model).values(state="WITHDRAWN"))


def to_forget(session: Session) -> list[tuple[str, str, int]]:
    """Task, model and version of all that tasks have made which are being deleted."""
    made = [(entity.task_id, name, entity.version) for entity, name in _VERSIONED]
    deleting = select(Task.id).where(Task.state == State.DELETING)
    found = {
        (str(row[0]), row[1], row[2])
        for columns in made
        for row in session.execute(select(*columns).where(columns[0].in_(deleting)))
    }
    return sorted(found)


def forgotten(session: Session, task_id: str, name: str, version: int) -> None:
    """The version is neither registered nor deployed any more."""
    for entity, column in _VERSIONED:
        mine = (entity.task_id == task_id, column == name, entity.version == version)
        session.execute(delete(entity).where(*mine))


# --- which version is current ---------------------------------------------------------------------


def model_of(session: Session, task_id: str) -> str:
    """The name of a task's model; a further round's is that of the task the rounds began with."""
    root = session.scalar(select(Round.root_id).where(Round.task_id == task_id))
    return f"task-{root or task_id}"


def versions(session: Session, name: str) -> list[Model]:
    """Every registered version of `name`, the newest first."""
    query = select(Model).where(Model.name == name).order_by(Model.version.desc())
    return list(session.scalars(query))


def version(session: Session, name: str, number: int) -> Model:
    """That version of `name`."""
    found = session.scalar(select(Model).where(Model.name == name, Model.version == number))
    if found is None:
        raise NotFound(f"The model {name} has no version {number}.")
    return found


def current(session: Session, name: str) -> Model | None:
    """The version that new analyses use; None when none was ever promoted."""
    query = select(Model).where(Model.name == name, Model.state == CURRENT)
    return session.scalar(query)


def before_current(session: Session, name: str) -> Model | None:
    """The version that was current before the one that is now.

    A version that came back keeps the moment of its own promotion, so that going back twice leads
    two versions back, not there and here again.
    """
    present = current(session, name)
    if present is None:
        return None
    query = (
        select(Model)
        .where(
            Model.name == name,
            Model.state == RETIRED,
            Model.promoted_at < present.promoted_at,
        )
        .order_by(Model.promoted_at.desc())
        .limit(1)
    )
    return session.scalar(query)


def lock_versions(session: Session, name: str) -> None:
    """Until the transaction ends nobody else changes which version of `name` is current.

    An update that changes nothing locks its row on PostgreSQL and begins to write on SQLite; a
    `SELECT ... FOR UPDATE` would do the first only. One row, the oldest, stands for all: whoever
    locked several could wait for somebody who waits for him. What is read after it is what holds.
    """
    oldest = select(func.min(Model.id)).where(Model.name == name).scalar_subquery()
    session.execute(
        update(Model).where(Model.id == oldest).values(state=Model.state),
        execution_options={"synchronize_session": False},
    )
    session.expire_all()


def make_current(
    session: Session, chosen: Model, reason: str, *, retired_because: str, again: bool = False
) -> Model | None:
    """`chosen` takes the place of the current version, which is returned; call `lock_versions` first.

    `again` keeps the moment of its first promotion. Raises `Conflict` when somebody was quicker.
    """
    present = current(session, chosen.name)
    if present is not None and present.id != chosen.id:
        _move(session, present, CURRENT, state=RETIRED, reason=retired_because)
    moment = chosen.promoted_at if again and chosen.promoted_at else now()
    _move(session, chosen, chosen.state, state=CURRENT, reason=reason, promoted_at=moment)
    return present


def keep_candidate(session: Session, model: Model, reason: str) -> None:
    """`model` waits; a version that was current before stays what it is."""
    _move(session, model, CANDIDATE, state=CANDIDATE, reason=reason)


def _move(session: Session, model: Model, expected: str, **columns: Any) -> None:
    """Compare and set on `models.state`."""
    moved = session.execute(
        update(Model).where(Model.id == model.id, Model.state == expected).values(**columns)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(
            f"{model.name} version {model.version} is no longer {expected}: somebody else changed "
            "it in the meantime. Look at GET /models/{task_id}/versions, then decide again."
        )


def remember_decision(session: Session, task_id: str, decision: str, reason: str) -> None:
    """The round that `task_id` is, if it is one, ends so."""
    session.execute(
        update(Round).where(Round.task_id == task_id).values(decision=decision, reason=reason)
    )


def remember_figures(session: Session, model: Model, **figures: Any) -> None:
    """Add to what is known of a version: the shadow run, the variants."""
    session.execute(
        update(Model).where(Model.id == model.id).values(metrics={**model.metrics, **figures})
    )


def dataset_key(session: Session, sha256: str) -> str | None:
    """Where the manifest of a data set's version lies; None when there is no such version."""
    return session.scalar(select(Dataset.key).where(Dataset.sha256 == sha256))


def remember_variant(session: Session, path: str, variant: str, onnx_sha256: str) -> None:
    """Which form of the version under `path` is served; figures: see `remember_figures`."""
    session.execute(
        update(Model).where(Model.path == path).values(variant=variant, onnx_sha256=onnx_sha256)
    )


def to_keep_served(session: Session, name: str) -> list[int]:
    """The versions that must stay on the server: the current one, and the one to go back to."""
    kept = (current(session, name), before_current(session, name))
    return [model.version for model in kept if model is not None]
