"""Runs a declared task as a Celery task: claims it, gives it its report, stores its outcome."""

from __future__ import annotations

import time
import typing
from typing import Any

import structlog
from celery import Celery
from celery import Task as CeleryTask
from celery.exceptions import Reject, Retry

from shared.db.direct import Direct, Write, transaction
from shared.db.outage import outage
from shared.db.prepared import Rows
from shared.errors import ActverseError, Cancelled, Retryable, explained
from shared.flow import claims, ledger
from shared.flow.background import background
from shared.flow.claims import WorkRef
from shared.flow.states import State
from shared.flow.work import Backoff, Job, Run, TaskSpec
from shared.messages import Sentence
from shared.pipelines import atlas
from shared.pipelines.dsl import Step
from shared.platform import Platform
from shared.progress.board import StoredReport, advance, publish_progress
from shared.telemetry import tracing
from shared.telemetry.table import RETRIES, WORK_SECONDS, WORKS, WORKS_RUNNING

BOOKKEEPING = Backoff(times=64, most_s=15.0)  # a quarter of an hour; its end is seen within 19 s
log = structlog.get_logger()


class StepEnded(Exception):
    """Stops the rest of a canvas; the step's outcome is in the database."""


class GivenUp(ActverseError):
    """A `Retryable` that stayed as it was; it keeps its code and its status."""

    def __init__(self, error: Retryable, tries: int) -> None:
        super().__init__(Sentence("error.given_up", why=error.args[0], tries=tries))
        self.status = error.status  # type: ignore[misc]
        self._code = error.code

    @property
    def code(self) -> str:
        """The code of the error that did not go away."""
        return self._code


def register(app: Celery, service: str, spec: TaskSpec, platform: Platform) -> None:
    """Make `spec` a Celery task called `<service>.<name>`."""
    name = f"{service}.{spec.name}"
    if spec.periodic:
        _register_periodic(app, name, spec, platform)
    elif spec.job is None:
        _register_reaction(app, name, spec, platform)
    else:
        _register_work(app, service, spec, platform)


def _register_periodic(app: Celery, name: str, spec: TaskSpec, platform: Platform) -> None:
    def tick() -> None:
        spec.function(platform)

    app.task(name=name, ignore_result=True)(tick)


def _register_reaction(app: Celery, name: str, spec: TaskSpec, platform: Platform) -> None:
    def react(self: CeleryTask, event: dict[str, Any]) -> None:
        try:
            with tracing.span(self.name, "consumer", self.request.get(tracing.CARRIER)):
                spec.function(event, platform)
        except Retryable as error:
            if self.request.retries >= spec.backoff.times:
                log.warning("flow.reaction.gave_up", task=name, error=str(error))
                return
            delay = spec.backoff.delay_s(self.request.retries, error.retry_after_s)
            raise self.retry(countdown=delay, exc=error) from error

    app.task(name=name, bind=True, ignore_result=True, max_retries=None)(react)


def _register_work(app: Celery, service: str, spec: TaskSpec, platform: Platform) -> None:
    name = f"{service}.{spec.name}"

    def execute(self: CeleryTask, job: Any, *, ref: dict[str, Any], last: bool) -> Any:
        work_ref = WorkRef.model_validate(ref)
        with structlog.contextvars.bound_contextvars(task_id=work_ref.task_id, work=name):
            try:
                with (
                    tracing.span(
                        name,
                        "consumer",
                        self.request.get(tracing.CARRIER),
                        task_id=work_ref.task_id,
                        step=work_ref.step,
                        attempt=work_ref.attempt,
                    ),
                    WORKS_RUNNING.held(service, spec.name),
                ):
                    return _execute(self, spec, platform, job, work_ref, last)
            except (StepEnded, Retry):
                raise
            except Exception as error:
                # Our own book-keeping failed (the database is away): nothing is known to be done
                WORKS.add(service, spec.name, "unknown")
                log.exception("flow.bookkeeping.failed", error=str(error))
                tried = self.request.retries
                if tried >= BOOKKEEPING.times:
                    raise Reject(
                        str(error), requeue=False
                    ) from error  # parked: seen by the sweeper
                delay = BOOKKEEPING.delay_s(tried, None)
                raise self.retry(countdown=delay) from error

    # how often is decided here; Celery's own limit of three would leave the step running for ever
    app.task(name=name, bind=True, throws=(StepEnded,), max_retries=None)(execute)


def _execute(
    celery_task: CeleryTask,
    spec: TaskSpec,
    platform: Platform,
    job: Any,
    ref: WorkRef,
    last: bool,
) -> Any:
    step = atlas.PIPELINES[ref.pipeline].step(ref.step)
    lease_s = platform.settings.worker.lease_s
    match _claim(platform, ref, step, spec.name):
        case claims.AlreadyDone(job=done):
            WORKS.add(step.service, spec.name, "repeated")
            return done
        case claims.HeldElsewhere(wait_s=wait_s):
            WORKS.add(step.service, spec.name, "held_elsewhere")
            _count_anew(celery_task)
            raise celery_task.retry(countdown=wait_s)
        case claims.Superseded(cancelled=was_cancelled):
            WORKS.add(step.service, spec.name, "superseded")
            _note_superseded(platform, ref, cancelled=was_cancelled)
            raise StepEnded(f"{spec.name} was superseded")
        case claims.Taken(tries=tries):
            pass
    report = StoredReport(
        platform.sessions,
        step_run_id=ref.step_run_id,
        token=ref.token,
        task=spec.name,
        weights=step.weights(),
        every_s=platform.settings.worker.report_every_s,
        lease_s=lease_s,
        live=platform.live,
    )
    began = time.monotonic()
    try:
        with background(lease_s / 3).keeping(report), platform.storage.working():
            result = spec.function(_parse(spec, job), Run(platform, ref, report, tries))
    except BaseException as error:
        _ended_badly(celery_task, spec, platform, ref, error, service=step.service, tries=tries)
        raise StepEnded(str(error)) from error
    finally:
        WORK_SECONDS.observe(time.monotonic() - began, step.service, spec.name)
    _ended_well(platform, ref, step, spec.name, dumped := result.model_dump(mode="json"), last)
    WORKS.add(step.service, spec.name, "succeeded")
    return dumped


def _count_anew(celery_task: CeleryTask) -> None:
    """The message that goes out now has met no failure of our book-keeping yet.

    Celery counts whatever sends a message again. A copy that steps aside beside a day's training would
    come to thousands, and be given up the first time that it finds the database away.
    """
    celery_task.request.retries = -1  # Celery adds one


def _ended_well(
    platform: Platform, ref: WorkRef, step: Step, task: str, job: dict[str, Any], last: bool
) -> None:
    """Store the result and, with the step's last, what follows from it."""
    side, run_id = background(platform.settings.worker.lease_s / 3), ref.step_run_id
    if last:
        with platform.sessions.begin() as session:
            run = ledger.RunKey(run_id, ref.task_id, ref.step, ref.attempt)
            with Direct(session.connection()).at_once() as direct:
                _store(direct, side.unstored())
                finished = claims.finish(direct, ref, task, job)
                ledger.completed(session, platform.bus, run, step, job)
                _require(finished, task)
                direct.commit()
        side.bar_is_moved(run_id)
        return
    every_s = platform.settings.worker.report_every_s
    if side.bar_is_due(run_id, every_s):
        with transaction(platform.engine) as direct:
            _store(direct, side.unstored())
            _require(claims.finish(direct, ref, task, job), task)
            advance(direct, run_id, step.weights())
        return
    side.store_soon(platform.engine, claims.finishing(ref, task, job))
    side.owe(run_id, every_s, lambda: _advance(platform, run_id, step))


def _store(direct: Direct, writes: list[Write]) -> None:
    with direct.at_once():
        for prepared, values in writes:
            direct.run(prepared, **values)


def _require(finished: Rows, task: str) -> None:
    if finished.count != 1:
        raise StepEnded(f"{task} was superseded while it ran")


def _advance(platform: Platform, step_run_id: int, step: Step) -> None:
    with transaction(platform.engine) as direct:
        advance(direct, step_run_id, step.weights())


def _claim(platform: Platform, ref: WorkRef, step: Step, task: str) -> claims.Claim:
    lease_s = platform.settings.worker.lease_s
    unstored = background(lease_s / 3).unstored()
    if claims.claim_fresh(platform.engine, ref, step, task, lease_s, *unstored):
        return claims.Taken(tries=1)
    with platform.sessions.begin() as session:
        _store(Direct(session.connection()), unstored)  # once more does no harm
    with platform.sessions.begin() as session:
        return claims.claim(session, ref, step, task, lease_s)


def _parse(spec: TaskSpec, job: Any) -> Any:
    kind = typing.cast("type[Job]", spec.job)
    if isinstance(job, list):
        return [kind.model_validate(one) for one in job]
    return kind.model_validate(job)


def _ended_badly(
    celery_task: CeleryTask,
    spec: TaskSpec,
    platform: Platform,
    ref: WorkRef,
    error: BaseException,
    *,
    service: str,
    tries: int,
) -> None:
    """Decide between another try, cancelled and failed; raises when another try was arranged."""
    if not isinstance(error, Exception):  # SystemExit, KeyboardInterrupt: the broker redelivers
        raise error
    told = outage(error) or explained(error)
    if isinstance(told, Cancelled):
        with platform.sessions.begin() as session:
            run = session.get_one(ledger.StepRun, ref.step_run_id)
            ledger.cancelled(session, run)
        WORKS.add(service, spec.name, "cancelled")
        log.info("flow.work.cancelled")
        return
    if isinstance(told, Retryable) and tries > spec.backoff.times:
        told = GivenUp(told, tries)
    elif isinstance(told, Retryable):
        delay = spec.backoff.delay_s(tries - 1, told.retry_after_s)
        with platform.sessions.begin() as session:
            claims.release(session, ref, spec.name, delay)
            run = session.get_one(ledger.StepRun, ref.step_run_id)
            run.message = f"{told} Next try in {delay:.0f} s ({tries} of {spec.backoff.times})."
            publish_progress(session, run)
        WORKS.add(service, spec.name, "retried")
        RETRIES.add(service, spec.name, told.code)
        log.warning("flow.work.retried", error=str(told), delay_s=round(delay, 1))
        _count_anew(celery_task)
        raise celery_task.retry(countdown=delay, exc=error)
    WORKS.add(service, spec.name, "failed")
    if isinstance(error, ActverseError):
        log.warning("flow.work.failed", code=told.code, error=str(told))
    else:
        log.error("flow.work.broke", exc_info=error)
    with platform.sessions.begin() as session:
        run = session.get_one(ledger.StepRun, ref.step_run_id)
        if run.token == ref.token:
            ledger.failed(session, platform.bus, run, told)


def _note_superseded(platform: Platform, ref: WorkRef, *, cancelled: bool) -> None:
    if not cancelled:
        return
    with platform.sessions.begin() as session:
        run = session.get_one(ledger.StepRun, ref.step_run_id)
        if run.token == ref.token and run.state in {State.QUEUED, State.RUNNING}:
            ledger.cancelled(session, run)
