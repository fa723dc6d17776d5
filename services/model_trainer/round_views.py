"""The rounds of a task as a person reads them, and their rows once they have ended.

What a round gave stands in its task, fact by fact. Its row in the table of rounds is a copy of that
for everybody else, written when the task has ended and again when it ended anew after a retry; who
dies in between leaves it to the next look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy.orm import Session

from services.model_trainer import rounds_repository as repository
from services.model_trainer.engines import learning_curve
from services.model_trainer.engines.learning_curve import NOISE, Point
from services.model_trainer.round_schemas import CurvePoint, CurveView, RoundsView, RoundView
from services.model_trainer.rounds import current_of
from services.model_trainer.rounds_repository import CURRENT, Known
from shared.db.models import Task
from shared.events.learning_settings import PromotionSettings
from shared.flow.states import ENDED
from shared.platform import Platform

NEXT = 20  # frames whose worth is told
log = structlog.get_logger()
FIGURES = {"new": "user_any_class", "global": "global_any_class"}
"""Whose figures they are, and what the evaluation calls them; boxes count without their class,
because the global model knows none of the user's classes."""


def view(session: Session, root: Task) -> RoundsView:
    """Every round that began with `root`, and the learning curve."""
    known = repository.rounds_of(session, root)
    steps = repository.steps_of(session, [task.id for _, task in known])
    datasets = {row.task_id: row.sha256 for row in repository.datasets_of(session, root.id)}
    states = {f"{m.name}/{m.version}": m for m in repository.versions_of(session, root.id)}
    shown: list[RoundView] = []
    for number, task in known:
        facts = task.context
        model = f"{facts['model']}/{facts['version']}" if facts.get("version") else None
        registered = states.get(model or "")
        open_at = steps.get(task.id) if task.state not in ENDED else None
        before = shown[-1].frames if shown else 0
        shown.append(
            RoundView(
                number=number,
                task_id=task.id,
                state=task.state,
                waits_for=open_at,
                chosen=_chosen(facts),
                labelled=facts.get("labelled", 0),
                empty=facts.get("empty", 0),
                frames=before + facts.get("labelled", 0) + facts.get("empty", 0),
                effort=facts.get("effort") or {},
                figures=figures(facts),
                model=model,
                model_state=registered.state if registered else None,
                decision=facts.get("decision"),
                reason=facts.get("reason") or (registered.reason if registered else None),
                dataset_sha256=datasets.get(task.id),
                created_at=task.created_at,
                finished_at=task.finished_at,
            )
        )
    return RoundsView(
        root_task_id=root.id,
        current_model=current_of(session, known),
        rounds=shown,
        curve=curve(shown, known),
    )


def _chosen(facts: dict[str, Any]) -> dict[str, int]:
    """Frames by strategy; round one takes them evenly spread."""
    if facts.get("chosen"):
        return dict(facts["chosen"])
    taken = facts.get("labelled", 0) + facts.get("empty", 0) + facts.get("unseen", 0)
    return {"uniform": taken} if taken else {}


def figures(facts: dict[str, Any]) -> dict[str, Any]:
    """What the new, the current and the global model reach on the frozen frames, and how it leaks.

    And how well the tracks of the new and the last analysis keep identities, where some are known.
    """
    metrics = facts.get("metrics") or {}
    found: dict[str, Any] = {w: metrics[name] for w, name in FIGURES.items() if name in metrics}
    against = metrics.get("comparison") or {}
    if against.get("against", "global") != "global":
        found["current"] = {
            "model": against["against"],
            **{name: against[name]["other"] for name in ("map50", "map50_95")},
        }
    for name in ("frames", "boxes", "leakage", "comparison"):
        if name in metrics:
            found[name] = metrics[name]
    if facts.get("tracking"):
        found["tracking"] = facts["tracking"]
    return found


def curve(shown: Sequence[RoundView], known: Sequence[Known]) -> CurveView:
    """mAP50-95 of each round's new model against the frames labelled by then."""
    rounds = [r for r in shown if (r.figures.get("new") or {}).get("map50_95") is not None]
    points = [
        Point(r.frames, r.figures["new"]["map50_95"], _error(r.figures["new"])) for r in rounds
    ]
    found = learning_curve.fit(points)
    last = known[-1].task.options.get("promotion") or {}
    worth = PromotionSettings.model_validate(last).margin
    paces = [s for r in shown if (s := r.effort.get("seconds_per_frame")) is not None]
    return CurveView(
        points=[
            CurvePoint(
                round=r.number,
                frames=r.frames,
                map50=r.figures["new"].get("map50"),
                map50_95=r.figures["new"]["map50_95"],
            )
            for r in rounds
        ],
        fit=None
        if found is None
        else {
            "asymptote": round(found.asymptote, 4),
            "scale": round(found.scale, 4),
            "exponent": round(found.exponent, 4),
            "unit": float(found.unit),
        },
        next=None
        if found is None
        else {k: round(v, 4) for k, v in found.gain(points[-1].frames, NEXT)._asdict().items()},
        advice=learning_curve.advice(points, NEXT, worth, paces[-1] if paces else None)
        if points
        else "Nothing is measured yet; the first figures come when round one was trained.",
    )


def _error(told: dict[str, Any]) -> float:
    """The standard error of mAP50-95 where the evaluation gives an interval, and never 0."""
    low, high = (told.get(f"map50_95_{end}") for end in ("low", "high"))
    if isinstance(low, float) and isinstance(high, float) and high > low:
        return max((high - low) / (2 * 1.645), NOISE / 4)
    return NOISE


def settle(platform: Platform) -> int:
    """Write how rounds ended into their rows; how many. Harmless however often."""
    with platform.sessions.begin() as session:
        ended = repository.unsettled(session)
        for row, task in ended:
            facts = task.context
            made = [d for d in repository.datasets_of(session, row.root_id) if d.task_id == task.id]
            row.chosen = _chosen(facts)
            row.effort = facts.get("effort") or {}
            row.comparison = figures(facts)
            row.dataset_sha256 = made[-1].sha256 if made else None
            row.decision = facts.get("decision") or (CURRENT if row.number == 1 else None)
            row.reason = facts.get("reason") or (task.error or {}).get("message")
            row.finished_at = task.finished_at
            log.info(
                "model_trainer.round.settled",
                root_id=row.root_id,
                number=row.number,
                state=task.state,
                decision=row.decision,
            )
        return len(ended)
