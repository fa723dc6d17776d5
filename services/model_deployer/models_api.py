"""Which version of a model is current, where each came from, and the way there and back."""

from __future__ import annotations

from fastapi import APIRouter

from services.model_deployer import repository
from services.model_deployer.errors import FiguresFlatter, NothingBefore, NotServed
from services.model_deployer.schemas import (
    CurrentVersion,
    Lineage,
    PromotionWish,
    RollbackWish,
    VersionsView,
    VersionView,
)
from shared.admission.callers import own_task
from shared.db.models import Model
from shared.errors import NotFound, Unavailable
from shared.platform import Platform
from shared.web.access import InCaller, InPlatform
from shared.web.openapi import responses

router = APIRouter(prefix="/models/{task_id}", tags=["models"])


@router.get("/versions", responses=responses(404))
def versions(platform: InPlatform, caller: InCaller, task_id: str) -> VersionsView:
    """Every version of a task's model with its lineage, its state and the reason for it."""
    with platform.reads() as session:
        own_task(session, caller, task_id)
        name = repository.model_of(session, task_id)
        found = repository.versions(session, name)
    current = next((model.version for model in found if model.state == repository.CURRENT), None)
    return VersionsView(model=name, current=current, versions=[_view(model) for model in found])


@router.post("/promote", responses=responses(404, 409))
def promote(
    platform: InPlatform, caller: InCaller, task_id: str, wish: PromotionWish
) -> CurrentVersion:
    """Make a version the current one: new analyses use it, those that run keep theirs."""
    with platform.reads() as session:
        own_task(session, caller, task_id)
        name = repository.model_of(session, task_id)
        known = repository.version(session, name, wish.version)
    if float(known.metrics.get("leakage") or 0) > 0 and wish.reason is None:
        raise FiguresFlatter(name, wish.version, float(known.metrics["leakage"]))
    _must_be_served(platform, name, wish.version)
    reason = f"Promoted by {caller.name}" + (f": {wish.reason}" if wish.reason else ".")
    with platform.sessions.begin() as session:
        repository.lock_versions(session, name)
        chosen = repository.version(session, name, wish.version)
        told = f"Version {wish.version} took its place. {reason}"
        before = repository.make_current(session, chosen, reason, retired_because=told)
        return CurrentVersion(
            model=name,
            version=wish.version,
            before=before.version if before else None,
            reason=reason,
        )


@router.post("/rollback", responses=responses(404, 409))
def rollback(
    platform: InPlatform, caller: InCaller, task_id: str, wish: RollbackWish | None = None
) -> CurrentVersion:
    """Make the version before the current one current again; twice goes back two versions."""
    reason = f"Brought back by {caller.name}"
    reason += f": {wish.reason}" if wish and wish.reason else "."
    with platform.reads() as session:
        own_task(session, caller, task_id)
        name = repository.model_of(session, task_id)
        candidate = repository.before_current(session, name)
    if candidate is None:
        raise NothingBefore(name)
    _must_be_served(platform, name, candidate.version)
    with platform.sessions.begin() as session:
        repository.lock_versions(session, name)
        chosen = repository.before_current(session, name)
        if chosen is None or chosen.version != candidate.version:
            raise NothingBefore(name)
        told = f"Rolled back to version {chosen.version}. {reason}"
        before = repository.make_current(session, chosen, reason, retired_because=told, again=True)
        return CurrentVersion(
            model=name,
            version=candidate.version,
            before=before.version if before else None,
            reason=reason,
        )


def _must_be_served(platform: Platform, name: str, version: int) -> None:
    """`NotServed` when the server does not hold the version.

    A server that does not answer at all holds nothing back: which version is current is a matter of
    the database, and analyses wait for the server anyway.
    """
    try:
        platform.model_server().spec(name, version)
    except NotFound as error:
        raise NotServed(name, version) from error
    except Unavailable:
        return


def _view(model: Model) -> VersionView:
    known = {key: model.lineage[key] for key in Lineage.model_fields if model.lineage.get(key)}
    hidden = {"shadow"}
    return VersionView(
        version=model.version,
        state=model.state,
        reason=model.reason,
        variant=model.variant,
        created_at=model.created_at,
        promoted_at=model.promoted_at,
        weights_sha256=model.weights_sha256,
        onnx_sha256=model.onnx_sha256,
        classes=model.classes,
        lineage=Lineage.model_validate({"task_id": model.task_id, **known}),
        metrics={key: value for key, value in model.metrics.items() if key not in hidden},
        shadow=model.metrics.get("shadow") or {},
    )
