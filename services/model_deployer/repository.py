"""Every query of the deployer."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shared.db.models import Deployment, Model
from shared.errors import NotFound


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
