"""A small service for the broker's tests: Celery tasks, and events by a consumer step.

The tests start it as `celery -A tests.shared.bus.sqlite_app worker`; what it did stands in a log file,
one line per thing.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from celery import Celery, bootsteps, signals
from kombu import Consumer, Exchange, Queue

from shared.bus.pool_watch import PoolWatch
from shared.bus.sqlite_transport import register
from shared.process import die_with

URL = os.environ.get("BROKER_UNDER_TEST", "actverse+sqlite:///unused.db")
LOG = Path(os.environ.get("LOG_UNDER_TEST", os.devnull))
SERVICE = os.environ.get("SERVICE_UNDER_TEST", "ours")

TASKS = Exchange("actverse.tasks", "topic", durable=True)
EVENTS = Exchange("actverse.events", "topic", durable=True)


def task_queue(service: str) -> Queue:
    return Queue(
        service,
        TASKS,
        routing_key=service,
        queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": 2},
    )


def event_queue(service: str) -> Queue:
    return Queue(
        f"{service}.events",
        EVENTS,
        routing_key="media.*.requested",
        queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": 20},
    )


def settings(url: str, service: str) -> dict[str, object]:
    return {
        "broker_url": url,
        "result_backend": url,
        "task_queues": [task_queue(service)],
        "task_default_queue": service,
        "task_default_exchange": TASKS.name,
        "task_default_exchange_type": "topic",
        "task_default_routing_key": service,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "broker_connection_retry_on_startup": True,
        "result_expires": 86400,
    }


register()
app = Celery("under_test")
app.conf.update(settings(URL, SERVICE))


def note(*words: object) -> None:
    with LOG.open("a") as log:
        log.write(" ".join(map(str, words)) + "\n")


@app.task(name="t.nothing")
def nothing(value: object = None) -> object:
    return value


@app.task(name="t.note")
def say(word: str) -> str:
    note(word, time.time())
    return word


@app.task(name="t.slow")
def slow(word: str, seconds: float) -> str:
    note("start", word, os.getpid())
    time.sleep(seconds)
    note("end", word)
    return word


@app.task(name="t.dies")
def dies(word: str, times: int) -> str:
    """Kill the own process the first `times` times."""
    note("run", word)
    if LOG.read_text().count(f"run {word}\n") <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return word


@app.task(name="t.fails")
def fails(word: str) -> str:
    raise ValueError(word)


@app.task(name="t.retries", bind=True, max_retries=5)
def retries(self, word: str, times: int, seconds: float) -> str:
    note("try", word, time.time())
    if self.request.retries < times:
        raise self.retry(countdown=seconds)
    return word


@app.task(name="t.joined")
def joined(values: list[object]) -> list[object]:
    note("joined", *values)
    return values


@app.task(name="t.errback")
def errback(request: object, error: BaseException, traceback: object) -> None:
    note("errback", type(error).__name__, error)


class Events(bootsteps.ConsumerStep):
    """Events come on a channel of their own; a busy pool does not hold them up."""

    requires = ("celery.worker.consumer:Tasks",)

    def get_consumers(self, channel):
        return [
            Consumer(
                channel,
                queues=[event_queue(SERVICE)],
                callbacks=[self.on_event],
                accept=["json"],
                prefetch_count=8,
            )
        ]

    def on_event(self, body, message):
        if body.get("poison") == "reject":
            message.reject(requeue=True)
            return
        if body.get("work"):
            say.apply_async((f"event-{body['id']}",))
        else:
            note(f"event-{body['id']}", time.time())
        message.ack()


app.steps["consumer"].add(Events)
app.steps["worker"].add(PoolWatch)
WORKER = os.getpid()


@signals.worker_process_init.connect
def end_with_worker(**_):
    die_with(WORKER)
