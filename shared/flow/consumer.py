"""Takes domain events from the bus inside a service's Celery worker, and starts what they ask for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import structlog
from celery import bootsteps
from kombu import Consumer, Queue
from kombu.message import Message

from shared.bus.outbox import handled
from shared.bus.topology import named
from shared.db.direct import transaction
from shared.errors import Invalid, Terminal
from shared.events.base import CATALOGUE, DomainEvent, parse
from shared.flow import ledger
from shared.flow.canvas import canvas, rest
from shared.flow.claims import WorkRef
from shared.flow.statements import OWNER, newest
from shared.flow.work import Backoff
from shared.pipelines import atlas
from shared.pipelines.dsl import Step
from shared.platform import Platform
from shared.telemetry import tracing
from shared.telemetry.table import EVENTS_HANDLED

PATIENCE = Backoff(first_s=0.2, most_s=60.0)
log = structlog.get_logger()


def event_consumer(platform: Platform, service: str, queue: Queue) -> type[bootsteps.ConsumerStep]:
    """A worker bootstep that consumes `queue`, on a channel of its own."""

    class EventConsumer(bootsteps.ConsumerStep):
        requires = ("celery.worker.consumer:Tasks",)

        def start(self, c: Any) -> None:
            self.timer = c.timer
            super().start(c)

        def get_consumers(self, channel: Any) -> list[Consumer]:
            return [
                Consumer(
                    channel,
                    queues=[queue],
                    callbacks=[self.on_event],
                    on_decode_error=unreadable,
                    accept=["json"],
                    prefetch_count=8,
                )
            ]

        def on_event(self, body: dict[str, Any], message: Message) -> None:
            """Handle one event; an exception that left here would end the whole worker."""
            name = str(message.headers.get("event"))
            outcome = "handled"
            try:
                again = bool((message.delivery_info or {}).get("redelivered"))
                with _span(name, body):
                    handle(platform, service, name, body, again=again)
                message.ack()
            except Terminal as error:  # no other try would help: parked, and its step fails
                outcome = "refused"
                log.warning("flow.event.refused", error=str(error))
                message.reject(requeue=False)
            except Exception as error:
                # The database is away, the disk is full: held for a while, or all deliveries that
                # the broker allows would be used up before anybody could mend it
                outcome = "postponed"
                tried = int(message.headers.get("x-delivery-count") or 0)
                delay_s = PATIENCE.delay_s(tried, None)
                log.exception("flow.event.failed", error=str(error), again_in_s=round(delay_s, 1))
                self.timer.call_after(delay_s, give_back, (message,))
            EVENTS_HANDLED.add(service, name if name in CATALOGUE else "unknown", outcome)

    return EventConsumer


def unreadable(message: Message, error: Exception) -> None:
    """No JSON, or no text at all: parked. Raised instead, it would end one worker after another."""
    log.error("flow.event.unreadable", queue=message.delivery_info, error=str(error))
    message.reject(requeue=False)


def give_back(message: Message) -> None:
    """Let the broker deliver `message` again, if it has not taken it back already.

    It has when the connection that brought it is gone. Were that an error, the worker would take it
    for the loss of its present connection and drop that too, with everything that came over it: the
    deliveries of innocent messages would be used up.
    """
    try:
        message.reject(requeue=True)
    except Exception as error:  # noqa: BLE001 - whatever the end of a connection looks like
        log.info("flow.event.taken_back", error=f"{type(error).__name__}: {error}")


def _span(name: str, body: Any) -> AbstractContextManager[Any]:
    known = body if isinstance(body, dict) else {}
    return tracing.span(
        f"handle {name}", "consumer", known.get("traceparent"), task_id=known.get("task_id")
    )


def handle(
    platform: Platform, service: str, name: str, body: dict[str, Any], *, again: bool = False
) -> None:
    """Start what the event `name` asks of `service`; doing so twice has one effect.

    `again`: the broker says that somebody took this very message before and did not finish.
    """
    if not isinstance(body, dict) or "event_id" not in body:
        raise Invalid(f"Event {name!r} has no envelope; see `shared.events.base`.")
    for reaction in atlas.REACTIONS:
        if reaction.service == service and name in {e.name for e in reaction.on}:
            platform.celery.signature(
                f"{service}.{reaction.run}",
                args=({"name": name, **body},),
                queue=named(service),
                task_id=f"{service}.{body['event_id']}",
                **tracing.carried(),
            ).apply_async()
            return
    event = parse(name, body)
    with transaction(platform.engine) as direct:
        owner, runs = (direct.run(s, task=event.task_id) for s in (OWNER, newest(name)))
        task = owner.first
        step = atlas.step_for(task.pipeline, name) if task else None
        if task is None or step is None or step.service != service:
            log.warning("flow.event.unclaimed", name=name, task_id=event.task_id)
            return
        handled(direct, service, event.event_id)
        found = next((run for run in runs.all if run.name == step.name), None)
        run = ledger.enqueue(direct, event, task, found, again=again)
    if run is not None:
        _dispatch(platform, step, run, event)


def _dispatch(platform: Platform, step: Step, run: ledger.Enqueued, event: DomainEvent) -> None:
    ref = WorkRef(
        task_id=event.task_id,
        user_id=run.user_id,
        pipeline=run.pipeline,
        step=step.name,
        step_run_id=run.step_run_id,
        attempt=run.attempt,
        token=run.token,
    )
    tracing.note(step=step.name)
    log.info("flow.step.dispatched", step=step.name, task_id=ref.task_id, attempt=ref.attempt)
    job = event.model_dump(mode="json")
    try:
        canvas(platform.celery, step, ref, job).apply_async()
    except Exception as error:  # a chord whose result backend is away; without one it goes on
        if step.starts_together:
            log.warning("flow.chord.refused", step=step.name, error=str(error))
            for signature in rest(platform.celery, step, ref, job, {}):
                signature.apply_async()
            return
        raise
