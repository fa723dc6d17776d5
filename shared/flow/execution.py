"""Runs a declared task as a Celery task: claims it, gives it its report, stores its outcome."""

from __future__ import annotations

import threading
import typing
from typing import Any

import structlog
from celery import Celery
from celery import Task as CeleryTask
from celery.exceptions import Reject, Retry

from shared.errors import ActverseError, Cancelled, Retryable, explained
from shared.flow import claims, ledger
from shared.flow.claims import WorkRef
from shared.flow.states import State
from shared.flow.work import Backoff, Job, Run, TaskSpec
from shared.pipelines import atlas
from shared.platform import Platform
from shared.progress.board import StoredReport, publish_progress, step_progress

BOOKKEEPING = Backoff(times=20)
log = structlog.get_logger()


class StepEnded(Exception):
    """Stops the rest of a canvas; the step's outcome is in the database."""


def register(app: Celery, service: str, spec: TaskSpec, platform: Platform) -> None:
    """Make `spec` a Celery task called `<service>.<name>`."""
    name = f"{service}.{spec.name}"
    if spec.periodic:
        _register_periodic(app, name, spec, platform)
    elif spec.job is None:
        _register_reaction(app, name, spec, platform)
    else:
        _register_work(app, name, spec, platform)


def _register_periodic(app: Celery, name: str, spec: TaskSpec, platform: Platform) -> None:
    def tick() -> None:
        spec.function(platform)

    app.task(name=name, ignore_result=True)(tick)


def _register_reaction(app: Celery, name: str, spec: TaskSpec, platform: Platform) -> None:
    def react(self: CeleryTask, event: dict[str, Any]) -> None:
        try:
            spec.function(event, platform)
        except Retryable as error:
            if self.request.retries >= spec.backoff.times:
                log.warning("flow.reaction.gave_up", task=name, error=str(error))
                return
            delay = spec.backoff.delay_s(self.request.retries, error.retry_after_s)
            raise self.retry(countdown=delay, exc=error, max_retries=None) from error

    app.task(name=name, bind=True, ignore_result=True)(react)


def _register_work(app: Celery, name: str, spec: TaskSpec, platform: Platform) -> None:
    def execute(self: CeleryTask, job: Any, *, ref: dict[str, Any], last: bool) -> Any:
        work_ref = WorkRef.model_validate(ref)
        with structlog.contextvars.bound_contextvars(task_id=work_ref.task_id, work=name):
            try:
                return _execute(self, spec, platform, job, work_ref, last)
            except (StepEnded, Retry):
                raise
            except Exception as error:
                # Our own book-keeping failed (the database is away): nothing is known to be done
                log.exception("flow.bookkeeping.failed", error=str(error))
                tried = self.request.retries
                if tried >= BOOKKEEPING.times:
                    raise Reject(
                        str(error), requeue=False
                    ) from error  # parked: seen by the sweeper
                delay = BOOKKEEPING.delay_s(tried, None)
                raise self.retry(countdown=delay, max_retries=None) from error

    app.task(name=name, bind=True, throws=(StepEnded,))(execute)


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
    with platform.sessions.begin() as session:
        claim = claims.claim(session, ref, step, spec.name, lease_s)
    match claim:
        case claims.AlreadyDone(job=done):
            return done
        case claims.HeldElsewhere(wait_s=wait_s):
            raise celery_task.retry(countdown=wait_s, max_retries=None)
        case claims.Superseded(cancelled=was_cancelled):
            _note_superseded(platform, ref, cancelled=was_cancelled)
            raise StepEnded(f"{spec.name} was superseded")
    weights = {w.task: w.weight for w in step.works()}
    report = StoredReport(
        platform.sessions,
        step_run_id=ref.step_run_id,
        token=ref.token,
        task=spec.name,
        weights=weights,
        every_s=platform.settings.worker.report_every_s,
        lease_s=lease_s,
    )
    try:
        with _heartbeat(report, lease_s / 3):
            result = spec.function(_parse(spec, job), Run(platform, ref, report, claim.tries))
    except BaseException as error:
        _ended_badly(celery_task, spec, platform, ref, error)
        raise StepEnded(str(error)) from error
    dumped: dict[str, Any] = result.model_dump(mode="json")
    with platform.sessions.begin() as session:
        run = claims.finish(session, ref, spec.name, dumped)
        if run is None:
            raise StepEnded(f"{spec.name} was superseded while it ran")
        session.flush()
        run.progress = step_progress(session, run.id, weights)
        if last:
            ledger.completed(session, platform.bus, run, step, dumped)
        else:
            publish_progress(session, run)
    return dumped


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
) -> None:
    """Decide between another try, cancelled and failed; raises when another try was arranged."""
    if not isinstance(error, Exception):  # SystemExit, KeyboardInterrupt: the broker redelivers
        raise error
    told = explained(error)
    if isinstance(told, Cancelled):
        with platform.sessions.begin() as session:
            run = session.get_one(ledger.StepRun, ref.step_run_id)
            ledger.cancelled(session, run)
        log.info("flow.work.cancelled")
        return
    tried = celery_task.request.retries
    if isinstance(told, Retryable) and tried < spec.backoff.times:
        delay = spec.backoff.delay_s(tried, told.retry_after_s)
        with platform.sessions.begin() as session:
            claims.release(session, ref, spec.name)
            run = session.get_one(ledger.StepRun, ref.step_run_id)
            run.message = f"{told} Next try in {delay:.0f} s ({tried + 1} of {spec.backoff.times})."
            publish_progress(session, run)
        log.warning("flow.work.retried", error=str(told), delay_s=round(delay, 1))
        raise celery_task.retry(countdown=delay, exc=error, max_retries=None)
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


class _heartbeat:  # noqa: N801 - a context manager used as a verb
    """Renews the lease in the background while the work has nothing to report."""

    def __init__(self, report: StoredReport, every_s: float) -> None:
        self._report = report
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                self._report.heartbeat()
            except Exception as error:  # noqa: BLE001 - the next beat may succeed
                log.warning("flow.heartbeat.failed", error=str(error))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
