"""`Prefer: wait=N` (RFC 7240): the result if it is ready in time, else where to look."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Response
from fastapi.responses import JSONResponse

from shared import failures
from shared.admission.callers import Caller, acting_for
from shared.admission.pressure import Pressure
from shared.db.models import Task
from shared.errors import ActverseError
from shared.flow import wishes
from shared.flow.states import ENDED, State
from shared.pipelines import atlas
from shared.pipelines.dsl import Options
from shared.platform import Platform
from shared.web.access import InCaller, InPlatform, InPressure
from shared.web.answers import Accepted, Done
from shared.web.openapi import responses

POLL_S = 0.1
LOCATION = {"description": "Where to look", "schema": {"type": "string"}}
APPLIED = {"description": "The seconds that were granted", "schema": {"type": "string"}}


def accepted(task_id: str) -> Accepted:
    """Where to look for a task."""
    return Accepted(
        task_id=task_id, status_url=f"/status/{task_id}", events_url=f"/status/{task_id}/events"
    )


def located(told: Accepted) -> JSONResponse:
    """202, with the status as Location."""
    return JSONResponse(told.model_dump(), 202, {"Location": told.status_url})


def accepting(*errors: int, told: type[Accepted] = Accepted) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that accepts work: 202, and the errors."""
    accepted_as = {
        "model": told,
        "description": "Accepted; follow it at `Location`",
        "headers": {"Location": LOCATION},
    }
    return {202: accepted_as, **responses(*errors)}


def waiting(
    done: type[Done] | None, *errors: int, told: type[Accepted] = Accepted
) -> dict[int | str, dict[str, Any]]:
    """The answers of a step endpoint: 200 with `done`, or 204 when it gives nothing, besides 202."""
    ready: dict[str, Any] = {
        "description": "Done within `Prefer: wait=N`",
        "headers": {"Preference-Applied": APPLIED},
    }
    if done is not None:
        ready["model"] = done
    return {200 if done else 204: ready, **accepting(*errors, told=told)}


class StepFailed(ActverseError):
    """The work that a caller waited for has failed; carries the status of the failure itself."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(failures.message_of(error))
        self.status = int(error.get("status", 500))  # type: ignore[misc]
        self._code = str(error.get("code", "Terminal"))

    @property
    def code(self) -> str:
        """The code of the failure."""
        return self._code


def wanted_wait_s(
    platform: InPlatform,
    prefer: Annotated[
        list[str] | None, Header(description="`wait=N`: wait up to N seconds", examples=["wait=30"])
    ] = None,
) -> float | None:
    """Seconds that the caller wants to wait, up to our limit; None when it said nothing."""
    found = re.search(
        r'(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})\b', ",".join(prefer or []), re.IGNORECASE
    )
    return min(float(found[1]), platform.settings.gateway.max_wait_s) if found else None


InWait = Annotated[float | None, Depends(wanted_wait_s)]


class Runner:
    """What a step endpoint needs: who asks, how long they wait, and where work is submitted."""

    def __init__(
        self, platform: InPlatform, caller: InCaller, wait_s: InWait, pressure: InPressure
    ) -> None:
        self.platform: Platform = platform
        self.pressure: Pressure = pressure
        self.caller: Caller = caller
        self.wait_s = wait_s

    async def run(
        self,
        pipeline: str,
        options: Options,
        *,
        done: type[Done] | None,
        user_id: str | None = None,
        told: Callable[[str], Accepted] = accepted,
    ) -> Response:
        """Submit, wait as long as wanted, and answer as `waiting(done)` declares it.

        A failure within the wait is raised with its own status.
        """
        task_id = await asyncio.to_thread(self._submit, pipeline, options, user_id)
        deadline = time.monotonic() + (self.wait_s or 0.0)
        while time.monotonic() < deadline:
            task = await asyncio.to_thread(self._look, task_id)
            if task.state == State.SUCCEEDED:
                return self._preferred(_result(task, done))
            if task.state in ENDED:
                raise StepFailed(
                    task.error or {"message": "The task was cancelled.", "status": 409}
                )
            await asyncio.sleep(POLL_S)
        return self._preferred(located(told(task_id)))

    def _preferred(self, answer: Response) -> Response:
        if self.wait_s is not None:
            answer.headers["Preference-Applied"] = f"wait={self.wait_s:.0f}"
        return answer

    def _submit(self, pipeline: str, options: Options, user_id: str | None) -> str:
        self.pressure.admit(atlas.pipeline(pipeline).steps[0].service)
        with self.platform.sessions.begin() as session:
            owner = acting_for(session, self.caller, user_id)
        return wishes.submit_alone(
            self.platform.sessions,
            self.platform.bus,
            atlas.pipeline(pipeline),
            options,
            user_id=owner,
        ).id

    def _look(self, task_id: str) -> Task:
        with self.platform.reads() as session:
            return session.get_one(Task, task_id)


def _result(task: Task, done: type[Done] | None) -> Response:
    if done is None:
        return Response(status_code=204)
    known = {name: task.context[name] for name in done.model_fields if name in task.context}
    told = done.model_validate({**known, "task_id": task.id})
    return JSONResponse(told.model_dump(mode="json"))


InRunner = Annotated[Runner, Depends(Runner)]
