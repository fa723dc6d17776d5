"""Every query of model inference."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db.learning_models import Round
from shared.db.models import Deployment, Model
from shared.errors import NotFound


def deployment(session: Session, deployment_id: str) -> Deployment:
    """The deployment with that id."""
    found = session.get(Deployment, deployment_id)
    if found is None:
        raise NotFound(f"There is no deployment {deployment_id}; GET /models lists what is served.")
    return found


def deployment_of(session: Session, task_id: str, version: int | None = None) -> Deployment:
    """How the model of a task is served: `version`, or the one that is current.

    A task of a further round has the model of the task that the rounds began with. Where no version
    was ever promoted, the newest one served counts as the current one.
    """
    root = session.scalar(select(Round.root_id).where(Round.task_id == task_id)) or task_id
    served = select(Deployment).where(
        Deployment.model == f"task-{root}", Deployment.state == "READY"
    )
    if version is None:
        current = select(Model.version).where(
            Model.name == f"task-{root}", Model.state == "CURRENT"
        )
        version = session.scalar(current)
    if version is not None:
        served = served.where(Deployment.version == version)
    newest = served.order_by(Deployment.version.desc(), Deployment.created_at.desc())
    found = session.scalar(newest.limit(1))
    if found is None:
        which = "deployed model" if version is None else f"served version {version} of its model"
        raise NotFound(
            f"Task {task_id} has no {which}; GET /models/{task_id}/versions lists what it has."
        )
    return found


def registered(session: Session) -> dict[tuple[str, int], Model]:
    """Every registered model version by name and number."""
    return {(m.name, m.version): m for m in session.scalars(select(Model))}
