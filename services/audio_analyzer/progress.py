"""How far a comparison is, as server-sent events: 40, 70, 90, 100, whoever reads and however often.

The numbers come from the stored states of the task, so any gateway can go on where another stopped,
and nothing that is retried inside a step makes them fall.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sse_starlette import ServerSentEvent

from services.audio_analyzer import analyses
from services.audio_analyzer.analyses import Found
from services.audio_analyzer.analysis_views import (
    OVER,
    STORED,
    awaits_answer,
    ended,
    reached,
    under_way,
)
from shared.flow.states import ENDED, State
from shared.messages import LANGUAGES
from shared.platform import Platform
from shared.web.pulse import Look, Seen
from shared.web.task_events import events_after

ANSWER = {
    "description": "The stream; it ends with the comparison, or with `closed` when the key or login has ended",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": (
                'id: 41\nevent: progress\ndata: {"status": "processing", "progress": 40, '
                '"message": "The recording is stored."}\n\n'
                'id: 57\nevent: progress\ndata: {"status": "completed", "progress": 100, '
                '"message": "The comparison is complete.", "result": {}}\n\n'
                'event: end\ndata: {"job_id": "73732cad"}\n\n'
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
            # from the first one: what was reached before decides what is news
            happened = events_after(session, dict.fromkeys(positions, 0))
            found = analyses.by_job(session, list(positions))
        return {
            job_id: _seen(job_id, happened[job_id], found.get(job_id), position, language)
            for job_id, position in positions.items()
        }

    return look


def _seen(
    job_id: str,
    happened: tuple[Sequence[Any], bool],
    found: Found | None,
    position: int,
    language: str,
) -> Seen:
    events, is_over = happened
    farewell = ServerSentEvent(event="end", data=json.dumps({"job_id": job_id})).encode()
    if found is None:  # deleted while somebody watched
        return Seen([], farewell)
    told: list[tuple[int, bytes]] = []
    so_far, awaits = 0, awaits_answer(found.task.pipeline)
    for event in _latest_try(events):
        progress = _reached_by(event, awaits=awaits)
        if is_over and event is events[-1]:
            told.append((event.id, _rendered(event.id, ended(found, language))))
        elif so_far < progress < OVER:
            so_far = progress
            told.append((event.id, _rendered(event.id, under_way(progress, language))))
    return Seen([each for each in told if each[0] > position], farewell if is_over else None)


def _latest_try(events: Sequence[Any]) -> Sequence[Any]:
    """What happened since the task was last asked for: one that failed can be tried again."""
    begun = (n for n, e in enumerate(events) if not e.step and e.data.get("state") == State.QUEUED)
    return events[max(begun, default=0) :]


def _reached_by(event: Any, *, awaits: bool) -> int:
    if event.kind != "state":
        return 0
    if event.step is None:
        return OVER if event.data["state"] in ENDED else STORED
    return reached(event.data["state"], awaits=awaits)


def _rendered(number: int, told: dict[str, Any]) -> bytes:
    data = json.dumps(told, ensure_ascii=False)
    return ServerSentEvent(id=str(number), event="progress", data=data).encode()
