"""Messages that were given up: kept in the database, told to the user, replayed or discarded.

A broker can only put a message aside. Here it becomes a row that can be read, sorted and decided
on, whichever broker it came from, and the step that it belonged to fails with a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from shared.bus.port import ParkedMessage
from shared.db.models import StepRun, Task, now
from shared.db.operation_models import Parked
from shared.errors import ActverseError, Conflict, NotFound, Terminal
from shared.flow import ledger, wishes
from shared.flow.states import ENDED, State
from shared.pipelines import atlas
from shared.platform import Platform

REPLAYED, DISCARDED = "replayed", "discarded"
EXPIRED = "expired"  # as RabbitMQ says it; only what beat sends has a time after which it is late
log = structlog.get_logger()


class DeliveredTooOften(Terminal):
    """A message was delivered too often; its step fails visibly instead of waiting for ever."""

    def __init__(self, what: str, deliveries: int, reason: str) -> None:
        times = "1 delivery" if deliveries == 1 else f"{deliveries} deliveries"
        super().__init__(
            f"{what} was given up after {times}: {reason}. "
            "Retry the step, or see `actverse parked list`."
        )

    @property
    def code(self) -> str:
        """As users know it."""
        return "Parked"


def take(platform: Platform) -> int:
    """Take what the broker has put aside; how many messages there were."""
    return platform.broker.take_parked(lambda message: _keep(platform, message))


def _keep(platform: Platform, message: ParkedMessage) -> None:
    """Store `message` and fail its step, in one transaction; the same message again does nothing.

    Except what was worthless by then: RabbitMQ puts aside, and does not drop, what has expired.
    """
    if message.reason == EXPIRED:
        log.info("flow.expired", queue=message.queue, name=message.headers.get("task"))
        return
    body = _decoded(message.content)
    ref = _ref(body)
    name = _storable(message.headers.get("event") or message.headers.get("task") or "unknown")
    task_id = _storable(ref.get("task_id") if ref else _task_of(body))
    with platform.sessions.begin() as session:
        if session.scalar(select(Parked.id).where(Parked.key == message.key)) is not None:
            return
        session.add(
            Parked(
                key=message.key,
                queue=message.queue,
                name=str(name)[:255],
                task_id=task_id,
                headers=_storable(message.headers),
                properties=_storable(message.properties),
                content=_storable(message.content),
                reason=message.reason,
                deliveries=message.deliveries,
            )
        )
        what = f"Event {name}" if "event" in message.headers else f"Work {name}"
        error = DeliveredTooOften(what, message.deliveries, message.reason)
        if ref is not None:
            _fail_work(session, platform, ref, error)
        elif "event" in message.headers and task_id is not None:
            _fail_step(session, platform, task_id, name, error)
    log.error("flow.parked", queue=message.queue, name=name, reason=message.reason)


def _storable(value: Any) -> Any:
    """`value` as every database takes it; one message that none takes would hold up all others.

    PostgreSQL stores no NUL, and AMQP's headers may hold moments and bytes.
    """
    if isinstance(value, dict):
        return {_storable(str(name)): _storable(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_storable(held) for held in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _fail_work(
    session: Session, platform: Platform, ref: dict[str, Any], error: ActverseError
) -> None:
    run = session.get(StepRun, ref.get("step_run_id"))
    if run is not None and run.token == ref.get("token"):
        ledger.failed(session, platform.bus, run, error)


def _fail_step(
    session: Session, platform: Platform, task_id: str, event: str, error: ActverseError
) -> None:
    """An event that nobody could handle ends its step with a sentence."""
    task = session.get(Task, task_id)
    if task is None or task.state in ENDED:
        return
    step = atlas.step_for(task.pipeline, event)
    runs = ledger.latest_runs(session, task.id)
    run = next((r for r in runs if step and r.name == step.name), None)
    if run is not None:
        ledger.failed(session, platform.bus, run, error)


def waiting(session: Session, *, queue: str | None = None, limit: int = 100) -> Sequence[Parked]:
    """Those that wait for a decision, the newest first."""
    found = select(Parked).where(Parked.settled.is_(None))
    if queue is not None:
        found = found.where(Parked.queue == queue)
    return session.scalars(found.order_by(Parked.id.desc()).limit(limit)).all()


def by_queue(session: Session) -> dict[str, int]:
    """How many of each queue wait for a decision."""
    counted = (
        select(Parked.queue, func.count()).where(Parked.settled.is_(None)).group_by(Parked.queue)
    )
    return {row[0]: row[1] for row in session.execute(counted)}


def show(session: Session, parked_id: int) -> Parked:
    """One parked message, settled or not."""
    found = session.get(Parked, parked_id)
    if found is None:
        raise NotFound(
            f"No parked message has the id {parked_id}. `actverse parked list` lists them."
        )
    return found


def replay(platform: Platform, parked_id: int) -> str:
    """Let it go on; a sentence that says how.

    An event goes to its queue again as it was, with its id; the step that it starts gets a new
    attempt, because the one before has failed and stays as history. Work of a step cannot go on
    inside a failed attempt: the step is retried. Anything else goes to its queue again.
    """
    with platform.sessions.begin() as session:
        message = _settle(session, parked_id, REPLAYED)
        task = session.get(Task, message.task_id) if message.task_id else None
        ref = _ref(_decoded(message.content))
        if ref is not None and task is not None:
            run = session.get(StepRun, ref["step_run_id"])
            if run is None or run.state != State.FAILED or task.state != State.FAILED:
                raise Conflict(
                    f"Task {task.id} is {task.state.lower()}: the parked work is not what it waits "
                    "for. `actverse parked discard` forgets it."
                )
            wishes.retry(session, platform.bus, task, run.name)
            return f"Step {run.name} of task {task.id} runs again."
        step = atlas.step_for(task.pipeline, message.name) if task is not None else None
        if task is not None and step is not None and task.state == State.FAILED:
            wishes.reopen(session, task, step.name)
        platform.broker.put_back(_message(message))  # a second copy would do no harm
        return f"{message.name} was sent to {message.queue} again."


def discard(platform: Platform, parked_id: int) -> None:
    """Give it up; the row stays as history."""
    with platform.sessions.begin() as session:
        _settle(session, parked_id, DISCARDED)


def _settle(session: Session, parked_id: int, how: str) -> Parked:
    message = show(session, parked_id)
    settled = session.execute(
        update(Parked)
        .where(Parked.id == parked_id, Parked.settled.is_(None))
        .values(settled=how, settled_at=now())
    )
    if settled.rowcount == 0:  # type: ignore[attr-defined]
        raise Conflict(f"Parked message {parked_id} was {message.settled} already.")
    return message


def _message(parked: Parked) -> ParkedMessage:
    return ParkedMessage(
        key=parked.key,
        queue=parked.queue,
        reason=parked.reason,
        deliveries=parked.deliveries,
        headers={**parked.headers, "replay_of": parked.id},  # put aside again, it is another one
        properties=parked.properties,
        content=parked.content,
    )


def _decoded(content: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _ref(body: Any) -> dict[str, Any] | None:
    """The reference that a Celery task of a step carries; None for any other message."""
    if not (isinstance(body, list) and len(body) > 1 and isinstance(body[1], dict)):
        return None
    ref = body[1].get("ref")
    return ref if isinstance(ref, dict) and isinstance(ref.get("step_run_id"), int) else None


def _task_of(body: Any) -> str | None:
    """The task that an event, or a reaction to one, is about."""
    if isinstance(body, list) and body and isinstance(body[0], list) and body[0]:
        body = body[0][0]
    found = body.get("task_id") if isinstance(body, dict) else None
    return str(found)[:255] if found else None
