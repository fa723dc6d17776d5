"""Rounds that begin by themselves: new labels, drift of the analyses, a schedule.

Beat asks every trigger over and over. One fires by the same door as a person, and notes it in the
same transaction with a compare-and-set on when it last fired: of two beats that find the same reason
the second changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.model_trainer import rounds
from services.model_trainer import rounds_repository as repository
from services.model_trainer.engines import drift
from services.model_trainer.engines.new_labels import Labelled, changed_frames
from services.model_trainer.errors import NoTriggers, RoundOneUnfinished, RoundOpen
from services.model_trainer.round_schemas import DriftTrigger, TriggerSettings, TriggersView
from services.model_trainer.rounds_repository import Known
from shared.admission.callers import Caller
from shared.admission.pressure import Pressure
from shared.db.learning_models import RetrainTrigger
from shared.db.models import Task, now
from shared.errors import ActverseError, Retryable
from shared.platform import Platform
from shared.storage.port import Storage

RESULTS = "results.csv"
log = structlog.get_logger()


class Found(NamedTuple):
    """What a look at a trigger has found."""

    fires: bool
    told: str  # why, or why not


class _Beat(NamedTuple):
    """One trigger with what it is about."""

    row: RetrainTrigger
    settings: TriggerSettings
    root: Task
    known: list[Known]


def remember(session: Session, root: Task, wish: TriggerSettings) -> None:
    """Set the triggers of a task; what fired before is not forgotten."""
    row = session.get(RetrainTrigger, root.id)
    if row is None:
        row = RetrainTrigger(root_id=root.id, user_id=root.user_id)
        session.add(row)
    row.settings = wish.model_dump(mode="json")
    row.user_id = root.user_id


def forget(session: Session, root_id: str) -> None:
    """Remove the triggers of a task."""
    if not repository.forget_trigger(session, root_id):
        raise NoTriggers(root_id)


def told(platform: Platform, caller: Caller, task_id: str) -> TriggersView:
    """The triggers, and what they would do now."""
    with platform.reads() as session:
        root = rounds.root_of(session, caller, task_id)
        row = session.get(RetrainTrigger, root.id)
        if row is None:
            raise NoTriggers(root.id)
        settings = TriggerSettings.model_validate(row.settings)
        beat = _Beat(row, settings, root, repository.rounds_of(session, root))
        found = look(session, platform.storage, beat, now())
    return TriggersView(
        root_task_id=root.id,
        settings=settings,
        would_fire=found.fires,
        told=f"would {'fire because' if found.fires else 'not fire:'} {found.told}",
        last_fired_at=row.last_fired_at,
        last_reason=row.last_reason,
    )


def fire(platform: Platform) -> None:
    """Begin a round for every trigger that has a reason; for one that fails, the others go on."""
    with platform.reads() as session:
        roots = [row.root_id for row in repository.triggers(session)]
    pressure = Pressure(platform)
    for root_id in roots:
        try:
            _fire(platform, pressure, root_id)
        except IntegrityError:  # somebody began the same round at the same moment
            log.info("model_trainer.trigger.outrun", root_id=root_id)
        except Retryable as error:  # too much waits, or the storage is away: at the next beat
            log.info("model_trainer.trigger.postponed", root_id=root_id, error=str(error))
        except ActverseError as error:
            log.warning("model_trainer.trigger.failed", root_id=root_id, error=str(error))


def _fire(platform: Platform, pressure: Pressure, root_id: str) -> None:
    with platform.reads() as session:  # reading analyses takes time, and must hold nobody up
        row = session.get(RetrainTrigger, root_id)
        if row is None:
            return
        root = session.get_one(Task, root_id)
        settings = TriggerSettings.model_validate(row.settings)
        beat = _Beat(row, settings, root, repository.rounds_of(session, root))
        found = look(session, platform.storage, beat, now())
    if not found.fires:
        return
    pressure.admit(rounds.VISION_ROUND.steps[0].service)
    with platform.sessions.begin() as session:
        if not repository.fired(session, row, found.told):
            return
        root = session.get_one(Task, root_id)
        task_id = rounds.begin(platform, session, root, settings.round)
    log.info("model_trainer.trigger.fired", root_id=root_id, task_id=task_id, reason=found.told)


def look(session: Session, storage: Storage, beat: _Beat, moment: datetime) -> Found:
    """Whether the trigger fires at `moment`, and why."""
    try:
        rounds.refuse_unless_ready(session, beat.known)
    except (RoundOneUnfinished, RoundOpen) as error:
        return Found(False, str(error))
    last = beat.known[-1].task
    since = max(last.created_at, beat.row.last_fired_at or last.created_at)
    rests_until = since + timedelta(hours=beat.settings.cooldown_h)
    reasons: list[Found] = []
    if beat.settings.new_labels is not None:
        reasons.append(_new_labels(session, storage, beat, beat.settings.new_labels))
    if beat.settings.every_h is not None:
        due = since + timedelta(hours=beat.settings.every_h)
        waited = (moment - since).total_seconds() / 3600
        reasons.append(
            Found(moment >= due, f"the last round began {waited:.1f} h ago, {_every(beat)}")
        )
    if beat.settings.drift is not None and not any(r.fires for r in reasons):
        reasons.append(_drifted(session, storage, beat, beat.settings.drift))
    firing = [reason.told for reason in reasons if reason.fires]
    if firing and moment < rests_until:
        left = (rests_until - moment).total_seconds() / 3600
        return Found(False, f"it cools down for another {left:.1f} h, though {firing[0]}")
    if firing:
        return Found(True, "; ".join(firing))
    return Found(False, "; ".join(r.told for r in reasons) or "no reason is set")


def _every(beat: _Beat) -> str:
    return f"the schedule says every {beat.settings.every_h:g} h"


def _new_labels(session: Session, storage: Storage, beat: _Beat, needed: int) -> Found:
    """Frames whose labels came or changed since the last round took them into its data set."""
    versions = repository.datasets_of(session, beat.root.id)
    if not versions:
        return Found(False, "the last round recorded no data set to compare labels with")
    labelled = tuple(
        Labelled(task.context["frame_path"], task.context["labeling_path"])
        for _, task in beat.known
        if task.context.get("labeling_path") and task.context.get("frame_path")
    )
    found = changed_frames(storage, versions[-1].key, versions[-1].sha256, labelled)
    return Found(
        found >= needed, f"{found} of {needed} frames have new labels since the last round"
    )


def _drifted(session: Session, storage: Storage, beat: _Beat, limits: DriftTrigger) -> Found:
    """The newest analysis with a model of this task against the one that its training ended with."""
    analyses = repository.analyses_since(session, beat.root, beat.known[-1].task.created_at)
    if not analyses:
        return Found(False, "no analysis since the last round")
    reference_path = _reference(session, beat)
    if reference_path is None or not storage.exists(f"{reference_path}/{RESULTS}"):
        return Found(False, "the analysis of the last round is no longer stored")
    reference = drift.read_results(Path(storage.fetch(f"{reference_path}/{RESULTS}")))
    newest = analyses[0]
    path = newest.context.get("inference_result_path")
    if not path or not storage.exists(f"{path}/{RESULTS}"):
        return Found(False, f"analysis {newest.id} has no results any more")
    return compared(
        reference, drift.read_results(Path(storage.fetch(f"{path}/{RESULTS}"))), limits, newest.id
    )


def _reference(session: Session, beat: _Beat) -> str | None:
    """Where the current model's own analysis of the training video lies."""
    current = rounds.current_of(session, beat.known)
    path: str | None = rounds.maker(beat.known, current).context.get("inference_result_path")
    return path


def compared(reference: drift.Seen, other: drift.Seen, limits: DriftTrigger, name: str) -> Found:
    """Whether `other`, the analysis called `name`, drifted from `reference`."""
    fewest = min(reference.frames, other.frames)
    if fewest < limits.least_frames:
        return Found(
            False, f"analysis {name}: {fewest} frames say nothing, {limits.least_frames} are needed"
        )
    chance = drift.chance_limit(reference.frames, other.frames)
    told, fires = [], False
    for what in ("score", "box_size", "count"):
        limit = getattr(limits, what)
        if limit is None:
            continue
        found = drift.population_stability_index(getattr(reference, what), getattr(other, what))
        over = found >= max(limit, chance)
        fires = fires or over
        told.append(f"{what} PSI {found:.2f} (limit {max(limit, chance):.2f})")
    return Found(fires, f"analysis {name} {'drifted' if fires else 'is alike'}: {', '.join(told)}")
