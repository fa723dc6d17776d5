"""What becomes of `POST /tasks/`: checks, then one transaction in one round trip."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.api_gateway import repository
from services.api_gateway.errors import NotSubmittable
from services.api_gateway.schemas import NewTask
from shared.admission.callers import Caller, acting_for
from shared.admission.labelers import connected_labeler
from shared.admission.ownership import own_source, own_target, own_weights
from shared.admission.pressure import Pressure
from shared.fields import Unfit
from shared.flow import wishes
from shared.pipelines import atlas
from shared.pipelines.dsl import Options, Pipeline
from shared.platform import Platform
from shared.storage.places import writable_prefix
from shared.storage.port import Storage


def submit(
    platform: Platform, caller: Caller, pressure: Pressure, wish: NewTask, key: str | None
) -> str:
    """The id of the task: a new one, or that of an earlier request with the same key."""
    pipeline = atlas.pipeline(wish.pipeline)
    if pipeline.alone:
        whole = [p.name for p in atlas.PIPELINES.values() if not p.alone]
        raise NotSubmittable(pipeline.name, whole)
    pressure.admit(pipeline.steps[0].service)
    try:
        return _submit_once(platform, caller, pipeline, wish, key)
    except IntegrityError:  # the same key at the same moment: the other request was quicker
        return _submit_once(platform, caller, pipeline, wish, key)


def _submit_once(
    platform: Platform, caller: Caller, pipeline: Pipeline, wish: NewTask, key: str | None
) -> str:
    said = json.dumps(wish.model_dump(mode="json"), sort_keys=True)
    request = hashlib.sha256(said.encode()).hexdigest()
    with platform.sessions.begin() as session:
        user_id = acting_for(session, caller, wish.user_id)
        options = _checked(session, platform.storage, caller, pipeline, wish, user_id)
        if (labeler := getattr(options, "labeler", None)) is not None:
            connected_labeler(platform.settings.labeling, labeler)
        known = repository.known_request(session, user_id, key, request)
    if known is not None:
        return known.id
    return wishes.submit_alone(
        platform.sessions,
        platform.bus,
        pipeline,
        options,
        user_id=user_id,
        idempotency_key=key,
        request_sha256=request,
    ).id


def _checked(
    session: Session,
    storage: Storage,
    caller: Caller,
    pipeline: Pipeline,
    wish: NewTask,
    user_id: str,
) -> Options:
    """The options of the pipeline, if what they name is the caller's."""
    given = {**wish.options, "file_path": own_source(session, storage, caller, wish.file_path)}
    if given.get("upload_path"):
        wanted = own_target(user_id, str(given["upload_path"]))
        given["upload_path"] = writable_prefix(storage, wanted)
    options = _options(pipeline.options, given)
    if (training := getattr(options, "training", None)) is not None:
        own_weights(session, caller, training.weights)
    return options


def _options(kind: type[Options], given: dict[str, Any]) -> Options:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise Unfit(error.errors(), under="options") from error
