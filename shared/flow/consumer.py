"""Takes domain events from the bus inside a service's Celery worker, and starts what they ask for."""

from __future__ import annotations

from typing import Any

import structlog
from celery import bootsteps
from kombu import Consumer, Queue
from kombu.message import Message

from shared.bus.outbox import first_time
from shared.db.direct import transaction
from shared.db.models import Task
from shared.errors import ActverseError, Terminal
from shared.events.base import DomainEvent, parse
from shared.flow import ledger
from shared.flow.canvas import canvas
from shared.flow.claims import WorkRef
from shared.flow.statements import PIPELINE_OF
from shared.flow.states import ENDED
from shared.flow.work import Backoff
from shared.pipelines import atlas
from shared.pipelines.dsl import Step
from shared.platform import Platform

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
                    accept=["json"],
                    prefetch_count=8,
                )
            ]

        def on_event(self, body: dict[str, Any], message: Message) -> None:
            """Handle one event; an exception that left here would end the whole worker."""
            try:
                again = bool((message.delivery_info or {}).get("redelivered"))
                handle(platform, service, str(message.headers.get("event")), body, again=again)
                message.ack()
            except Terminal as error:  # no other try would help: parked, and its step fails
                log.warning("flow.event.refused", error=str(error))
                message.reject(requeue=False)
            except Exception as error:
                # The database is away, the disk is full: held for a while, or all deliveries that
                # the broker allows would be used up before anybody could mend it
                tried = int(message.headers.get("x-delivery-count") or 0)
                delay_s = PATIENCE.delay_s(tried, None)
                log.exception("flow.event.failed", error=str(error), again_in_s=round(delay_s, 1))
                self.timer.call_after(delay_s, message.reject, (True,))

    return EventConsumer


def handle(
    platform: Platform, service: str, name: str, body: dict[str, Any], *, again: bool = False
) -> None:
    """Start what the event `name` asks of `service`; doing so twice has one effect.

    `again`: the broker says that somebody took this very message before and did not finish.
    """
    for reaction in atlas.REACTIONS:
        if reaction.service == service and name in {e.name for e in reaction.on}:
            platform.celery.signature(
                f"{service}.{reaction.run}",
                args=({"name": name, **body},),
                queue=service,
                task_id=f"{service}.{body['event_id']}",
            ).apply_async()
            return
    event = parse(name, body)
    with transaction(platform.engine) as direct:
        task = direct.run(PIPELINE_OF, task=event.task_id).first
        step = atlas.step_for(task.pipeline, name) if task else None
        if step is None or step.service != service:
            log.warning("flow.event.unclaimed", name=name, task_id=event.task_id)
            return
        first_time(direct, service, event.event_id)
        run = ledger.enqueue(direct, event, step, again=again)
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
    log.info("flow.step.dispatched", step=step.name, task_id=ref.task_id, attempt=ref.attempt)
    canvas(platform.celery, step, ref, event.model_dump(mode="json")).apply_async()


def fail_poisoned(
    platform: Platform, name: str, body: dict[str, Any], error: ActverseError
) -> None:
    """An event that nobody could handle ends its step (or its task) with a sentence."""
    with platform.sessions.begin() as session:
        task = session.get(Task, str(body.get("task_id")))
        if task is None or task.state in ENDED:
            return
        step = atlas.step_for(task.pipeline, name)
        runs = ledger.latest_runs(session, task.id)
        run = next((r for r in runs if step and r.name == step.name), None)
        if run is not None:
            ledger.failed(session, platform.bus, run, error)


PARKED = "{what} was given up after {deliveries} deliveries: {reason}. Retry the step, or see `actverse parked`."


class Parked(Terminal):
    """A message was delivered too often; its step fails visibly instead of waiting for ever."""

    def __init__(self, what: str, deliveries: int, reason: str) -> None:
        super().__init__(PARKED.format(what=what, deliveries=deliveries, reason=reason))
