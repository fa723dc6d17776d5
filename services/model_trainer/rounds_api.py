"""Rounds of teaching, and the triggers that begin them: `/tasks/{task_id}/rounds|triggers`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Header, Response

from services.model_trainer import round_views, rounds, triggers
from services.model_trainer.round_schemas import (
    RoundsView,
    RoundWish,
    TriggerSettings,
    TriggersView,
)
from shared.web.access import InCaller, InPlatform, InPressure
from shared.web.openapi import responses
from shared.web.waiting import accepted, accepting, located

router = APIRouter(prefix="/tasks", tags=["rounds"])


@router.post("/{task_id}/rounds", status_code=202, responses=accepting(404, 409))
def begin_round(
    platform: InPlatform,
    caller: InCaller,
    pressure: InPressure,
    task_id: str,
    wish: Annotated[RoundWish | None, Body()] = None,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, examples=["openfield-round-2"])
    ] = None,
) -> Response:
    """Begin a further round: choose frames, suggest boxes, label, train, compare, promote.

    One round at a time, and none before round one is done: 409 says which. With an
    `Idempotency-Key`, the same request again gives the same task.
    """
    wanted = wish or RoundWish()
    return located(
        accepted(rounds.submit(platform, caller, pressure, task_id, wanted, idempotency_key))
    )


@router.get("/{task_id}/rounds", responses=responses(404))
def list_rounds(platform: InPlatform, caller: InCaller, task_id: str) -> RoundsView:
    """Every round with its effort, figures and decision, and what more labels are worth."""
    with platform.reads() as session:
        return round_views.view(session, rounds.root_of(session, caller, task_id))


@router.put("/{task_id}/triggers", responses=responses(404, 409))
def set_triggers(
    platform: InPlatform, caller: InCaller, task_id: str, wish: TriggerSettings
) -> TriggersView:
    """Say when a further round begins by itself; answers what would happen now."""
    with platform.sessions.begin() as session:
        labeling = platform.settings.labeling
        root = rounds.own_root(session, caller, task_id, wish.round, labeling)
        triggers.remember(session, root, wish)
    return triggers.told(platform, caller, task_id)


@router.get("/{task_id}/triggers", responses=responses(404))
def show_triggers(platform: InPlatform, caller: InCaller, task_id: str) -> TriggersView:
    """The triggers, and whether they would fire now and why; nothing fires by asking."""
    return triggers.told(platform, caller, task_id)


@router.delete("/{task_id}/triggers", status_code=204, responses=responses(404))
def remove_triggers(platform: InPlatform, caller: InCaller, task_id: str) -> Response:
    """No round begins by itself any more."""
    with platform.sessions.begin() as session:
        triggers.forget(session, rounds.root_of(session, caller, task_id).id)
    return Response(status_code=204)
