"""The statements that every task of every step needs: compiled once, without loading a row."""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    Table,
    Update,
    bindparam,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from shared.db.base import UtcDateTime, table
from shared.db.lazy_commit import CommitLazily
from shared.db.models import StepRun, Task, WorkRun
from shared.db.prepared import Prepared
from shared.flow.states import ENDED, State
from shared.pipelines import atlas

RUN, TASK, WORK = table(StepRun), table(Task), table(WorkRun)
OWNER = Prepared(
    select(TASK.c.id, TASK.c.user_id, TASK.c.pipeline, TASK.c.state, TASK.c.context)
    .where(TASK.c.id == bindparam("task"))
    .with_for_update(key_share=True)  # whoever only refers to the task need not wait
)
BEGIN = Prepared(
    update(RUN)
    .where(RUN.c.id == bindparam("run"), RUN.c.state == State.QUEUED)
    .values(state=State.RUNNING, started_at=bindparam("at"), deadline_at=bindparam("deadline"))
    .returning(RUN.c.task_id, RUN.c.name, RUN.c.attempt, RUN.c.queued_at)
)
BEGIN_TASK = Prepared(
    update(TASK)
    .where(TASK.c.id == bindparam("task"), *(TASK.c.state != state for state in sorted(ENDED)))
    .values(
        state=State.RUNNING,
        started_at=func.coalesce(TASK.c.started_at, bindparam("at", type_=UtcDateTime())),
    )
)


def _finishing(before: str = "") -> Update:
    """Its parameters are `run`, `token`, `work`, `result` and `at`, each with `before` before it."""
    run = bindparam(f"{before}run", type_=RUN.c.id.type)
    ours = exists().where(
        RUN.c.id == run,
        RUN.c.token == bindparam(f"{before}token"),
        RUN.c.state == State.RUNNING,
    )
    return (
        update(WORK)
        .where(WORK.c.step_run_id == run, WORK.c.task == bindparam(f"{before}work"), ours)
        .values(
            state=State.SUCCEEDED,
            progress=1.0,
            holder=None,
            held_until=None,
            job=bindparam(f"{before}result"),
            finished_at=bindparam(f"{before}at"),
        )
    )


_TAKING = (
    insert(WORK)
    .from_select(
        ["step_run_id", "task", "state", "holder", "held_until", "tries", "progress", "started_at"],
        select(
            RUN.c.id,
            bindparam("work"),
            literal(State.RUNNING.value),
            bindparam("holder"),
            bindparam("until", type_=UtcDateTime()),
            literal(1),
            literal(0.0),
            bindparam("at", type_=UtcDateTime()),
        )
        .join(TASK, TASK.c.id == RUN.c.task_id)
        .where(
            RUN.c.id == bindparam("run"),
            RUN.c.token == bindparam("token"),
            or_(RUN.c.state == State.QUEUED, RUN.c.state == State.RUNNING),
            *(TASK.c.state != state for state in sorted(ENDED)),
            ~exists().where(WORK.c.step_run_id == RUN.c.id, WORK.c.task == bindparam("work")),
            CommitLazily(),  # a claim that is forgotten is made again
        ),
        include_defaults=False,
    )
    .returning(WORK.c.tries)
)
TAKE = Prepared(_TAKING)
FINISH = Prepared(_finishing())
LAST = "last_"
TAKE_NEXT = Prepared(_TAKING.add_cte(_finishing(LAST).cte("finished")))
"""Finishes work (`FINISH`, with `last_` before each name) and takes other work: not for SQLite."""
CLOSE = Prepared(
    update(WORK)
    .where(WORK.c.step_run_id == bindparam("run"), WORK.c.state == State.RUNNING)
    .values(state=State.SUCCEEDED, progress=1.0, holder=None, held_until=None)
)
"""A step has succeeded, and so has all of its work, whatever a server may have forgotten."""


@cache
def newest(event: str) -> Prepared:
    """Runs, the newest first, of the steps that `event` starts in one pipeline or another."""
    names = {s.name for p in atlas.PIPELINES.values() for s in p.steps if s.on.name == event}
    return Prepared(
        select(RUN.c.id, RUN.c.name, RUN.c.attempt, RUN.c.state, RUN.c.event_id, RUN.c.token)
        .where(
            RUN.c.task_id == bindparam("task"),
            or_(false(), *(RUN.c.name == name for name in sorted(names))),
        )
        .order_by(RUN.c.attempt.desc())
    )


@cache
def moving(allowed: frozenset[str], changed: tuple[str, ...]) -> Prepared:
    """Compare-and-set of a step run's state: its columns `changed` become `new_<column>`."""
    return Prepared(
        update(RUN)
        .where(RUN.c.id == bindparam("run"), or_(*(RUN.c.state == s for s in sorted(allowed))))
        .values({name: bindparam(f"new_{name}", type_=RUN.c[name].type) for name in changed})
        .returning(RUN.c.started_at)
    )


@cache
def setting(changed: tuple[str, ...]) -> Prepared:
    """A task's columns `changed` become `new_<column>`."""
    return Prepared(
        update(TASK)
        .where(TASK.c.id == bindparam("task"))
        .values({name: bindparam(f"new_{name}", type_=TASK.c[name].type) for name in changed})
    )


@cache
def adding(to: Table, columns: tuple[str, ...]) -> Prepared:
    """A new row; its `columns` come as `new_<column>`."""
    values = {name: bindparam(f"new_{name}", type_=to.c[name].type) for name in columns}
    return Prepared(insert(to).values(values))
