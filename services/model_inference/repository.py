"""Every query of model inference."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db.models import Deployment, Model
from shared.errors import NotFound


def deployment(session: Session, deployment_id: str) -> Deployment:
    """The deployment with that id."""
    found = session.get(Deployment, deployment_id)
    if found is None:
        raise NotFound(f"There is no deployment {deployment_id}; GET /models lists what is served.")
    return found


def newest_deployment(session: Session, task_id: str) -> Deployment:
    """The newest deployment of a task's model."""
    found = session.scalar(
        select(Deployment)
        .where(Deployment.task_id == task_id, Deployment.state == "READY")
        .order_by(Deployment.version.desc(), Deployment.created_at.desc())
    )
    if found is None:
        raise NotFound(f"Task {task_id} has no deployed model; GET /models lists what is served.")
    return found


def registered(session: Session) -> dict[tuple[str, int], Model]:
    """Every registered model version by name and number."""
    return {(m.name, m.version): m for m in session.scalars(select(Model))}
