"""`Prefer: wait=N` (RFC 7240): the result if it is ready in time, else where to look."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated, Any

from fastapi import Depends, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from shared.db.models import Task
from shared.errors import ActverseError
from shared.flow import wishes
from shared.flow.states import ENDED, State
from shared.pipelines import atlas
from shared.pipelines.dsl import Options
from shared.platform import Platform
from shared.web.access import Caller, InCaller, InPlatform, acting_for

POLL_S = 0.1


class Accepted(BaseModel):
    """The task was accepted; follow it at `status_url`."""

    task_id: str = Field(examples=["0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    status_url: str = Field(examples=["/status/0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    events_url: str = Field(examples=["/status/0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11/events"])


def accepted(task_id: str) -> Accepted:
    """Where to look for a task."""
    return Accepted(
        task_id=task_id, status_url=f"/status/{task_id}", events_url=f"/status/{task_id}/events"
    )


class StepFailed(ActverseError):
    """The work that a caller waited for has failed; carries the status of the failure itself."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message")))
        self.status = int(error.get("status", 500))  # type: ignore[misc]
        self._code = str(error.get("code", "Terminal"))

    @property
    def code(self) -> str:
        """The code of the failure."""
        return self._code


def wanted_wait_s(
    platform: InPlatform,
    prefer: Annotated[str | None, Header(description="`wait=N`: wait up to N seconds")] = None,
) -> float:
    """Seconds that the caller wants to wait; 0 when it said nothing."""
    found = re.search(r"\bwait=(\d+)", prefer or "")
    return min(float(found[1]), platform.settings.gateway.max_wait_s) if found else 0.0


InWait = Annotated[float, Depends(wanted_wait_s)]


class Runner:
    """What a step endpoint needs: who asks, how long they wait, and where work is submitted."""

    def __init__(self, platform: InPlatform, caller: InCaller, wait_s: InWait) -> None:
        self.platform: Platform = platform
        self.caller: Caller = caller
        self.wait_s: float = wait_s

    async def run(
        self,
        pipeline: str,
        options: Options,
        *,
        user_id: str | None = None,
        result: tuple[str, ...] = (),
        empty: bool = False,
    ) -> Response:
        """Submit, wait as long as wanted, and answer with the named fields of the result.

        With `empty` a finished task answers 204. A failure within the wait is raised with its own
        status.
        """
        task_id = await asyncio.to_thread(self._submit, pipeline, options, user_id)
        deadline = time.monotonic() + self.wait_s
        while time.monotonic() < deadline:
            task = await asyncio.to_thread(self._look, task_id)
            if task.state == State.SUCCEEDED:
                if empty:
                    return Response(status_code=204)
                found = {name: task.context.get(name) for name in result}
                return JSONResponse({"task_id": task_id, **found})
            if task.state in ENDED:
                raise StepFailed(task.error or {"message": "The task was cancelled."})
            await asyncio.sleep(POLL_S)
        where = accepted(task_id)
        return JSONResponse(
            where.model_dump(), status_code=202, headers={"Location": where.status_url}
        )

    def _submit(self, pipeline: str, options: Options, user_id: str | None) -> str:
        with self.platform.sessions.begin() as session:
            task = wishes.submit(
                session,
                self.platform.bus,
                atlas.pipeline(pipeline),
                options,
                user_id=acting_for(session, self.caller, user_id),
            )
            return task.id

    def _look(self, task_id: str) -> Task:
        with self.platform.reads() as session:
            return session.get_one(Task, task_id)


InRunner = Annotated[Runner, Depends(Runner)]
