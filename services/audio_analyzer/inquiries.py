"""What an analysis server owes us for long is asked about: its answer may have been lost on the way.

The webhook is the quick way, and the only one that needs no asking. It can fail for good: our gateway was
away for longer than the server repeats itself, or the server has lost the job. So whoever waits longer than
is usual asks with growing pauses, and has compared again what the server knows nothing of.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import NamedTuple

import httpx
import structlog
from sqlalchemy import select, update

from services.audio_analyzer import analyses, answers, remote
from services.audio_analyzer.analysis_errors import NoAnalysis
from services.audio_analyzer.remote import breaker_of
from services.audio_analyzer.remote_schemas import GOING_ON, RemoteJob
from shared.db.models import StepRun, Task, now
from shared.db.speech_models import AnalysisResult
from shared.errors import ActverseError, Retryable
from shared.flow.states import State
from shared.net.address import spoken
from shared.pipelines.speech import REMOTE_AUDIO_ANALYSIS
from shared.platform import Platform

PATH = "/analyses"
AT_ONCE = 50  # comparisons a round
MAX_ANSWER = 1024 * 1024  # bytes, as of the webhook's own calls
(STEP,) = REMOTE_AUDIO_ANALYSIS.steps
log = structlog.get_logger()


class Owed(NamedTuple):
    """A comparison that the server has not answered."""

    run_id: int
    attempt: int
    job: RemoteJob
    asked_at: datetime | None  # about it, the last time


def inquire(platform: Platform) -> int:
    """Ask about every comparison that is due for it; how many were asked about.

    May run twice, and beside the webhook: answers are taken once. A server that is away is left in
    peace until the next round.
    """
    server, asked = platform.settings.speech.analysis_server.rstrip("/"), 0
    for owed in _due(platform, server) if server else ():
        if not _noted(platform, owed):
            continue
        asked += 1
        try:
            _ask_about(platform, server, owed)
        except Retryable as error:
            log.warning("audio_analyzer.remote.silent", error=str(error))
            break
    return asked


def _due(platform: Platform, server: str) -> list[Owed]:
    """Those that wait for so long, and as long as half of that since they were last asked about."""
    first = timedelta(seconds=platform.settings.speech.inquire_after_s)
    query = (
        select(StepRun, Task, AnalysisResult)
        .join(Task, Task.id == StepRun.task_id)
        .join(AnalysisResult, AnalysisResult.job_id == Task.id)
        .where(
            StepRun.state == State.WAITING,
            StepRun.service == STEP.service,
            Task.pipeline == REMOTE_AUDIO_ANALYSIS.name,
        )
        .order_by(StepRun.queued_at)
    )
    due = []
    with platform.reads() as session:
        for run, task, row in session.execute(query).tuples():
            if run.deadline_at is None or task.context.get("server") != spoken(server):
                continue  # whom nobody can ask any more, or whom the settings do not name any more
            began = run.deadline_at - timedelta(seconds=STEP.waits_s or 0.0)
            last = began if run.revived_at is None else max(began, run.revived_at)
            if now() - last >= max(first, (last - began) / 2):
                due.append(Owed(run.id, run.attempt, _job(task, row), run.revived_at))
    return due[:AT_ONCE]


def _job(task: Task, row: AnalysisResult) -> RemoteJob:
    return RemoteJob(
        task_id=task.id,
        user_id=task.user_id,
        subject=analyses.subject_of(row),
        subject_id=str(row.token_id or row.script_id),
        recording_key=row.recording_key,
        recording_sha256=row.recording_sha256,
    )


def _noted(platform: Platform, owed: Owed) -> bool:
    """Write down that it is asked about now; False when somebody else does, or it has ended."""
    same = StepRun.revived_at.is_not_distinct_from(owed.asked_at)
    mine = (
        update(StepRun)
        .where(StepRun.id == owed.run_id, StepRun.state == State.WAITING, same)
        .values(revived_at=now())
        .returning(StepRun.id)
    )
    with platform.sessions.begin() as session:
        return session.scalar(mine) is not None


def _ask_about(platform: Platform, server: str, owed: Owed) -> None:
    speech, job = platform.settings.speech, owed.job
    where = f"{server}{PATH}/{remote.key_of(job.task_id, owed.attempt)}"
    with breaker_of(spoken(server)).asking():
        status, said = remote.call("GET", where, speech, MAX_ANSWER)
    if status == httpx.codes.OK:
        _take(platform, job, said)
    elif status == httpx.codes.NOT_FOUND and _member(said, "code") == NoAnalysis.__name__:
        log.warning("audio_analyzer.remote.forgotten", job_id=job.task_id)
        _ask_again(platform, owed)
    else:  # a server that answers no such questions, or not ours: it may still call
        log.info("audio_analyzer.remote.not_told", job_id=job.task_id, status=status)


def _take(platform: Platform, job: RemoteJob, said: bytes) -> None:
    try:
        if _member(said, "status") != GOING_ON:
            answers.take(platform, job.subject, job.task_id, answers.read_told(said))
    except Retryable:
        raise
    except ActverseError as error:  # nothing that we can read, or the job has gone meanwhile
        log.warning("audio_analyzer.remote.unreadable", job_id=job.task_id, error=str(error))


def _member(said: bytes, name: str) -> object:
    """What a JSON object has under that name; None for anything else."""
    try:
        given = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return given.get(name) if isinstance(given, dict) else None


def _ask_again(platform: Platform, owed: Owed) -> None:
    """The same attempt: should the server know it after all, it compares once."""
    try:
        remote.ask(platform, owed.job, owed.attempt)
    except Retryable:
        raise
    except ActverseError as error:
        answers.give_up(platform, owed.job.task_id, error)
