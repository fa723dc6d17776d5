"""Further rounds of teaching: what they are made from, and how they begin.

A round is a task of the pipeline `vision_round`. All that it needs is read from the tasks of the
rounds before, so that nobody has to say it again: see `options_of`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.model_trainer import rounds_repository as repository
from services.model_trainer.engines.split import GUARD_S
from services.model_trainer.errors import NoRounds, RoundOneUnfinished, RoundOpen
from services.model_trainer.round_schemas import RoundWish
from services.model_trainer.rounds_repository import CURRENT, Known
from shared.admission.callers import Caller, own_task
from shared.admission.labelers import connected_labeler
from shared.admission.ownership import own_weights
from shared.admission.pressure import Pressure
from shared.db.models import Task
from shared.events.settings import TrainingSettings
from shared.fields import Unfit
from shared.flow import wishes
from shared.flow.states import ENDED, State
from shared.pipelines.learning import VISION_ROUND, RoundOptions
from shared.pipelines.vision import VISION
from shared.platform import Platform
from shared.setting_groups.teaching import LabelingSettings
from shared.storage.port import Storage

FROZEN = "frozen.json"  # of train_log/<root>: the frames that judge, which no round may teach
START = "global"  # as weights: nothing was asked for, and training goes on from the current model


def submit(
    platform: Platform,
    caller: Caller,
    pressure: Pressure,
    task_id: str,
    wish: RoundWish,
    key: str | None,
) -> str:
    """The id of the round's task: a new one, or that of an earlier request with the same key."""
    with platform.reads() as session:
        own_root(session, caller, task_id, wish, platform.settings.labeling)
    pressure.admit(VISION_ROUND.steps[0].service)
    try:
        return _submit_once(platform, caller, task_id, wish, key)
    except (IntegrityError, RoundOpen):
        # The same key, or the same round, at the same moment: the other was quicker. It may have
        # committed between our looks for the key and for an open round; now its key is found.
        return _submit_once(platform, caller, task_id, wish, key)


def _submit_once(
    platform: Platform, caller: Caller, task_id: str, wish: RoundWish, key: str | None
) -> str:
    said = json.dumps([task_id, wish.model_dump(mode="json")], sort_keys=True)
    request = hashlib.sha256(said.encode()).hexdigest()
    with platform.sessions.begin() as session:
        root = root_of(session, caller, task_id)
        known = repository.known_request(session, root.user_id, key, request)
        return known or begin(platform, session, root, wish, key=key, request_sha256=request)


def own_root(
    session: Session, caller: Caller, task_id: str, wish: RoundWish, labeling: LabelingSettings
) -> Task:
    """The task that the rounds begin with, if the weights that `wish` names are the caller's too.

    Raises `LabelerNotConnected` for a tool that `labeling` does not have, be it that of round one.
    Triggers begin their rounds without a caller: whoever sets one is asked at once.
    """
    root = root_of(session, caller, task_id)
    if wish.training.start is not None:
        own_weights(session, caller, wish.training.start)
    labeler = wish.labeler or root.context.get("labeler")
    if labeler is not None:
        connected_labeler(labeling, labeler)
    return root


def root_of(session: Session, caller: Caller, task_id: str) -> Task:
    """The caller's task that the rounds begin with; a further round stands for its root."""
    task = own_task(session, caller, task_id)
    root = own_task(session, caller, repository.root_of(session, task.id))
    if root.pipeline != VISION.name:
        raise NoRounds(root.id, root.pipeline)
    return root


def begin(
    platform: Platform,
    session: Session,
    root: Task,
    wish: RoundWish,
    *,
    key: str | None = None,
    request_sha256: str | None = None,
) -> str:
    """Submit the next round within the transaction of `session`; its task's id.

    Of two that begin the same round at the same moment the second meets the unique constraint
    (IntegrityError). Raises `RoundOneUnfinished` and `RoundOpen`.
    """
    session.refresh(root, with_for_update={"key_share": True})  # nobody deletes it meanwhile
    known = repository.rounds_of(session, root)
    refuse_unless_ready(session, known)
    number = known[-1].number + 1
    options = options_of(session, platform.storage, known, number, wish)
    task = wishes.submit(
        session,
        platform.bus,
        VISION_ROUND,
        options,
        user_id=root.user_id,
        idempotency_key=key,
        request_sha256=request_sha256,
    )
    repository.remember(session, root, number, task.id)
    return task.id


def refuse_unless_ready(session: Session, known: list[Known]) -> None:
    """Raise why no round can begin now, if none can."""
    first = known[0].task
    if first.state != State.SUCCEEDED:
        raise RoundOneUnfinished(first.id, first.state)
    for number, task in known[1:]:
        if task.state not in ENDED:
            step = repository.steps_of(session, [task.id]).get(task.id)
            raise RoundOpen(number, task.id, step)


def options_of(
    session: Session, storage: Storage, known: list[Known], number: int, wish: RoundWish
) -> RoundOptions:
    """What round `number` is made from: `wish`, and what the rounds before know.

    Labels of a round that failed or was cancelled after its labels were fetched are not lost: they
    teach too, and its frames are not chosen again.
    """
    root = known[0].task
    current = current_of(session, known)
    made = maker(known, current)
    first = root.context
    given: dict[str, Any] = {
        "root_task_id": root.id,
        "round": number,
        "download_path": first["download_path"],
        "inference_data_path": first["inference_data_path"],
        "video_sha256": first.get("video_sha256"),
        "num_frames": wish.num_frames,
        "seed": int(first.get("seed") or 0) + number if wish.seed is None else wish.seed,
        "budget": wish.budget,
        "labeler": wish.labeler or first["labeler"],
        "classes": first["classes"],
        "training": _training(first.get("training") or {}, wish),
        "inference": first.get("inference") or {},
        "promotion": wish.promotion or first.get("promotion") or {},
        "earlier": [
            {key: task.context.get(key) for key in ("labeling_path", "frame_path")}
            | {"video_sha256": task.context.get("video_sha256")}
            for _, task in known
            if task.context.get("labeling_path")
        ],
        "taken_paths": [
            task.context["frame_path"]
            for _, task in known
            if task.context.get("frame_path") and task.context.get("labeling_path")
        ],
        "last_results": made.context.get("inference_result_path"),
        "global_results": _global_results(storage, root),
        "avoid_s": _guarded(storage, root),
        "deployment_id": _deployment(session, root, current, made),
        "current_model": current,
        "notify": root.options.get("notify") or {},
    }
    try:
        return RoundOptions.model_validate(given)
    except ValidationError as error:
        raise Unfit(error.errors()) from error


def _training(first: dict[str, Any], wish: RoundWish) -> TrainingSettings:
    """As in round one, with the differences of the wish; from the current model unless one is named."""
    said = wish.training.model_dump(exclude={"architecture"}, exclude_none=True)
    weights = wish.training.start or START
    return TrainingSettings.model_validate({**first, **said, "weights": weights})


def current_of(session: Session, known: list[Known]) -> str | None:
    """`<model>/<version>` of the current model; the newest where none was ever promoted."""
    root = known[0].task
    versions = repository.versions_of(session, root.id)
    chosen = [m for m in versions if m.state == CURRENT] or versions
    if chosen:
        return f"{chosen[-1].name}/{chosen[-1].version}"
    model, version = root.context.get("model"), root.context.get("version")
    return f"{model}/{version}" if model and version else None


def maker(known: list[Known], current: str | None) -> Task:
    """The task of the round that made the current model."""
    for _, task in reversed(known):
        if current == f"{task.context.get('model')}/{task.context.get('version')}":
            return task
    return known[0].task


def _deployment(session: Session, root: Task, current: str | None, made: Task) -> str | None:
    """What the current model is served as."""
    version = (current or "").rpartition("/")[2]
    found = repository.deployment_of(session, root.id, int(version)) if version else None
    told: str | None = made.context.get("deployment_id")
    return found or told


def _guarded(storage: Storage, root: Task) -> list[tuple[float, float]]:
    """The parts of the video that lie too close to a frame that judges for theirs to teach; seconds."""
    key = f"train_log/{root.id}/{FROZEN}"
    if not storage.exists(key):
        return []
    frozen = json.loads(storage.fetch(key).read_text(encoding="utf-8"))["frames"]
    video = root.context.get("video_sha256") or ""
    spans: list[tuple[float, float]] = []
    for time_s in sorted(each["time_s"] for each in frozen if each["video"] == video):
        begin, end = max(time_s - GUARD_S, 0.0), time_s + GUARD_S
        if spans and begin <= spans[-1][1]:
            begin = spans.pop()[0]
        spans.append((round(begin, 3), round(end, 3)))
    return spans


def _global_results(storage: Storage, root: Task) -> str | None:
    """Where the global model's analysis of the same video lies."""
    prefix = f"inference_results/{root.id}/global"
    return prefix if storage.exists(f"{prefix}/results.csv") else None
