"""Server-sent events of one task, from the database: any gateway can go on where another stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sse_starlette import ServerSentEvent

from services.api_gateway import live
from shared import failures
from shared.messages import LANGUAGES
from shared.platform import Platform
from shared.web.pulse import Look, Seen
from shared.web.task_events import events_after

ANSWER = {
    "description": "The stream; it ends with the task, or with `closed` when the key or login has ended",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": (
                'id: 41\nevent: step\ndata: {"step": "model_training", "state": "RUNNING"}\n\n'
                'id: 57\nevent: progress\ndata: {"step": "model_training", "progress": 0.42}\n\n'
                'event: end\ndata: {"task_id": "0b5c6c5e"}\n\n'
            ),
        }
    },
}


def looks(platform: Platform) -> dict[str, Look]:
    """What the streams of this process are fed with, by language."""
    return {language: _looking(platform, language) for language in LANGUAGES}


def _looking(platform: Platform, language: str) -> Look:

    def look(positions: Mapping[str, int]) -> Mapping[str, Seen]:
        with platform.reads() as session:
            found = events_after(session, positions)
            going_on = [task_id for task_id, (_, ended) in found.items() if not ended]
            shown = live.of_running(session, platform.live.of(going_on))
        return {
            task_id: _seen(
                task_id, *events, live.rendered(task_id, shown.get(task_id, {})), language
            )
            for task_id, events in found.items()
        }

    return look


def _seen(task_id: str, events: Sequence[Any], ended: bool, figures: bytes, language: str) -> Seen:
    farewell = ServerSentEvent(event="end", data=json.dumps({"task_id": task_id})).encode()
    stored = [(event.id, _rendered(event, language)) for event in events]
    return Seen(stored, farewell if ended else None, figures)


def _rendered(event: Any, language: str) -> bytes:
    """`progress`, `step` (a step's state) or `task` (the task's own state), and why it failed."""
    name = "progress" if event.kind == "progress" else "step" if event.step else "task"
    data = failures.shown(event.data, language) if failures.SENTENCE in event.data else event.data
    shown = {"task_id": event.task_id, "at": event.at.isoformat(), **(data or {})}
    if event.step:
        shown["step"] = event.step
    return ServerSentEvent(id=str(event.id), event=name, data=json.dumps(shown)).encode()
