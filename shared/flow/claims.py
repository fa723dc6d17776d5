"""Taking a piece of work, so that a message delivered twice has one effect.

A redelivered message finds one of: the work done (its result is passed on), the work held by a
living process (the second copy steps aside), or the work abandoned (it is taken over).

Nearly all work is fresh: `claim_fresh` takes it, and `finish` ends it, in a handful of statements
without loading a row. A quick task costs little more than one of bare Celery because of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.db.direct import Direct, Write, alone, transaction
from shared.db.models import StepRun, Task, WorkRun, now
from shared.db.prepared import Rows
from shared.flow import holder, ledger
from shared.flow.statements import FINISH, LAST, TAKE, TAKE_NEXT
from shared.flow.states import ENDED, State
from shared.pipelines.dsl import Step

LOOK_AGAIN_S = 5.0


class WorkRef(BaseModel):
    """What travels beside the job through a canvas: which step run it belongs to."""

    task_id: str
    user_id: str
    pipeline: str
    step: str
    step_run_id: int
    attempt: int
    token: str


@dataclass(frozen=True)
class Taken:
    """The work is ours."""

    tries: int


@dataclass(frozen=True)
class AlreadyDone:
    """The work was finished before; here is what it gave."""

    job: dict[str, Any]


@dataclass(frozen=True)
class HeldElsewhere:
    """A process that we believe alive is at it; look again after `wait_s`.

    The second copy waits instead of vanishing: were the first to die, nobody else would go on.
    """

    wait_s: float


@dataclass(frozen=True)
class Superseded:
    """The step was cancelled, failed, or is run by a newer attempt."""

    cancelled: bool


Claim = Taken | AlreadyDone | HeldElsewhere | Superseded


class _NotFresh(Exception):
    """Undoes what was asked for together with the claim."""


def claim_fresh(
    engine: Engine, ref: WorkRef, step: Step, task: str, lease_s: float, *before: Write
) -> bool:
    """Take `task` if nobody ever had it and its step goes on; else change nothing: see `claim`.

    `before`: what this process still has to store of earlier work. None of it is stored when
    somebody else takes the task at this very moment.
    """
    at = now()
    values = {
        "run": ref.step_run_id,
        "token": ref.token,
        "work": task,
        "holder": holder.me(),
        "until": at + timedelta(seconds=lease_s),
        "at": at,
    }
    try:
        if task not in step.opening():
            return _take_alone(engine, values, before)
        with transaction(engine) as direct:
            for earlier, given in before:
                direct.run(earlier, **given)
            taken = direct.run(TAKE, **values)
            ledger.started(direct, ref.step_run_id, step)
            if taken.first is None:
                raise _NotFresh  # noqa: TRY301 - it ends the transaction
            return True
    except (_NotFresh, IntegrityError):  # the latter: somebody else took it at this very moment
        return False


def _take_alone(engine: Engine, values: dict[str, Any], before: tuple[Write, ...]) -> bool:
    """Mostly there is one result `before`; a server takes that and the claim as one statement."""
    take = TAKE
    if engine.dialect.name != "sqlite" and [prepared for prepared, _ in before] == [FINISH]:
        take, values = TAKE_NEXT, values | {f"{LAST}{n}": v for n, v in before[0][1].items()}
        before = ()
    return alone(engine, take, *before, **values).first is not None


def claim(session: Session, ref: WorkRef, step: Step, task: str, lease_s: float) -> Claim:
    """Take `task` of the step run for this process, whatever became of it before."""
    run = session.get(StepRun, ref.step_run_id, with_for_update={"key_share": True})
    owner = session.get(Task, ref.task_id)
    if run is None or owner is None or run.token != ref.token:
        return Superseded(cancelled=False)
    if run.state not in {State.QUEUED, State.RUNNING} or owner.state in ENDED:
        return Superseded(cancelled=owner.state == State.CANCELLED)
    work = session.get(WorkRun, (run.id, task))
    until = now() + timedelta(seconds=lease_s)
    if work is None:
        session.add(
            WorkRun(step_run_id=run.id, task=task, holder=holder.me(), held_until=until, tries=1)
        )
        session.flush()
        ledger.started(Direct(session.connection()), run.id, step)
        return Taken(tries=1)
    if work.state == State.SUCCEEDED:
        return AlreadyDone(job=work.job or {})
    if work.holder is not None and work.holder != holder.me():
        lives = holder.alive(work.holder)
        if lives:
            return HeldElsewhere(wait_s=LOOK_AGAIN_S)
        if lives is None and work.held_until is not None and work.held_until > now():
            return HeldElsewhere(wait_s=(work.held_until - now()).total_seconds())
    work.holder, work.held_until = holder.me(), until
    work.tries += 1
    return Taken(tries=work.tries)


def release(session: Session, ref: WorkRef, task: str, delay_s: float) -> None:
    """Let go of work that will be tried again in `delay_s`; until then nobody misses it."""
    work = session.get(WorkRun, (ref.step_run_id, task))
    if work is not None and work.state != State.SUCCEEDED:
        work.holder = None
        work.held_until = now() + timedelta(seconds=delay_s)


def finish(direct: Direct, ref: WorkRef, task: str, job: dict[str, Any]) -> Rows:
    """Store the result; it touches no row when the step has gone on without us."""
    return direct.run(FINISH, **_result(ref, task, job))


def finishing(ref: WorkRef, task: str, job: dict[str, Any]) -> Write:
    """The same of work that is not the step's last, to be stored with whatever comes next.

    It may be forgotten: what follows is sent with the result, and a step that succeeds closes all
    of its work.
    """
    return FINISH, _result(ref, task, job)  # no lazy commit: it may ride in what ends the step


def _result(ref: WorkRef, task: str, job: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": ref.step_run_id,
        "token": ref.token,
        "work": task,
        "result": job,
        "at": now(),
    }
