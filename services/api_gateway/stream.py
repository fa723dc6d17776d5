"""Server-sent events of one task, from the database: any gateway can go on where another stopped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from sse_starlette import ServerSentEvent

from services.api_gateway import repository
from services.api_gateway.pulse import Pulse
from shared.db.models import TaskEvent
from shared.platform import Platform

HEARTBEAT_S = 15.0
ANSWER = {
    "description": "The stream; it ends with the task",
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


def pulse(platform: Platform) -> Pulse:
    """What tells the readers of this process that something has happened."""

    def newest() -> int:
        with platform.reads() as session:
            return repository.newest_event(session)

    return Pulse(newest)


async def task_events(
    platform: Platform, news: Pulse, task_id: str, position: int
) -> AsyncIterator[ServerSentEvent]:
    """Every event since `position`, then live ones, until the task has ended."""
    while True:
        seen = news.seen
        events, ended = await asyncio.to_thread(_look, platform, task_id, position)
        for event in events:
            position = event.id
            yield ServerSentEvent(
                id=str(event.id), event=_name(event), data=json.dumps(_data(event))
            )
        if ended and not events:
            yield ServerSentEvent(event="end", data=json.dumps({"task_id": task_id}))
            return
        if not events:
            await news.beyond(seen)


def _look(platform: Platform, task_id: str, position: int) -> tuple[list[TaskEvent], bool]:
    with platform.reads() as session:
        return repository.events_after(session, task_id, position)


def _name(event: TaskEvent) -> str:
    """`progress`, `step` (a step's state) or `task` (the task's own state)."""
    return "progress" if event.kind == "progress" else "step" if event.step else "task"


def _data(event: TaskEvent) -> dict[str, object]:
    shown = {"task_id": event.task_id, "at": event.at.isoformat(), **event.data}
    if event.step:
        shown["step"] = event.step
    return shown
