"""Whether work is still wanted, for those who wait for it in one long call and report nothing."""

from __future__ import annotations

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.exc import DBAPIError

from shared.db.direct import Direct
from shared.db.outage import outage
from shared.db.prepared import Prepared
from shared.errors import Cancelled
from shared.flow.statements import RUN, TASK
from shared.flow.states import State
from shared.flow.work import Run

_STANDING = Prepared(
    select(TASK.c.cancel_requested_at, RUN.c.token, RUN.c.state)
    .join(TASK, TASK.c.id == RUN.c.task_id)
    .where(RUN.c.id == bindparam("run"))
)
log = structlog.get_logger()


def require_wanted(run: Run) -> None:
    """Raise `Cancelled` when the task was cancelled, or the step has ended without this work.

    It stores nothing and asks one row, so it may be called twice a second. Where the database is
    away the work goes on.
    """
    try:
        with run.platform.reads() as session:
            found = Direct(session.connection()).run(_STANDING, run=run.ref.step_run_id).first
    except DBAPIError as error:
        if outage(error) is None:
            raise
        log.warning("flow.wanted.unknown", error=str(error.orig))
        return
    if found is None or found.cancel_requested_at is not None:
        raise Cancelled(f"Task {run.ref.task_id} was cancelled.")
    if found.token != run.ref.token or found.state != State.RUNNING:
        raise Cancelled(f"Step {run.ref.step} of task {run.ref.task_id} has ended without this.")
