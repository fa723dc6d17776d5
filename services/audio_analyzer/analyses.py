"""Every query about comparisons."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from services.audio_analyzer.analysis_errors import NoAnalysis, NotReadyToCompare, TakeNotPrepared
from services.audio_analyzer.catalogue_errors import NoLine
from services.audio_analyzer.repository import KINDS, PREPARING, READY, Line, line_of
from shared.admission.callers import Caller
from shared.db.base import table
from shared.db.direct import Direct
from shared.db.models import Task, now
from shared.db.prepared import Prepared
from shared.db.speech_models import AnalysisResult
from shared.events.speech import Subject
from shared.flow.deletion import BeingDeleted
from shared.flow.states import State
from shared.flow.wishes import Beside

PROCESSING, COMPLETED, FAILED = "processing", "completed", "failed"
SCORES = {
    "pron_score": "PronScore",
    "accuracy": "AccuracyScore",
    "fluency": "FluencyScore",
    "prosody": "ProsodyScore",
    "completeness": "CompletenessScore",
}


STATE: dict[Subject, Prepared] = {
    subject: Prepared(select(table(kind).c.state).where(table(kind).c.id == bindparam("line")))
    for subject, kind in KINDS.items()
}
NEW = (
    table(AnalysisResult)
    .insert()
    .values(
        job_id=bindparam("task"),
        user_id=bindparam("user"),
        token_id=bindparam("token"),
        script_id=bindparam("script"),
        recording_key=bindparam("recording"),
        recording_sha256=bindparam("sha256"),
        status=PROCESSING,
        created_at=bindparam("at"),
    )
)


class Recording(NamedTuple):
    """Where what a learner said lies."""

    key: str
    sha256: str


def comparable_line(session: Session, subject: Subject, line_id: str) -> Line:
    """The line, if its take is ready; `NoLine`, `TakeNotPrepared` or `NotReadyToCompare`."""
    line = line_of(session, subject, line_id)
    _require_ready(subject, line_id, line.state)
    return line


def require_comparable(direct: Direct, subject: Subject, line_id: str) -> None:
    """The same, for those who only want to know: uploads ask it before they read the file."""
    found = direct.run(STATE[subject], line=line_id).first
    if found is None:
        raise NoLine(subject, line_id)
    _require_ready(subject, line_id, found.state)


def _require_ready(subject: Subject, line_id: str, state: str) -> None:
    if state == PREPARING:
        raise TakeNotPrepared(subject, line_id)
    if state != READY:
        raise NotReadyToCompare(subject, line_id, state)


def cache_key(line: Line, recording_sha256: str, scorer: str, feature_version: str) -> str:
    """The same for the same recording, take, text and scorer; 64 hex digits."""
    parts = (recording_sha256, str(line.audio_sha256), line.text, scorer, feature_version)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def beside_task(subject: Subject, line_id: str, recording: Recording) -> Beside:
    """The row that is stored with the task that is going to compare."""
    values = {
        "token": line_id if subject == "token" else None,
        "script": line_id if subject == "script" else None,
        "recording": recording.key,
        "sha256": recording.sha256,
    }
    return Beside(NEW, values)


class Found(NamedTuple):
    """A comparison with the task that does it."""

    row: AnalysisResult
    task: Task


def own_analysis(session: Session, caller: Caller, subject: Subject, job_id: str) -> Found:
    """The comparison, if it is the caller's and of such a line; else the same 404 as for none."""
    query = select(AnalysisResult, Task).join(Task, Task.id == AnalysisResult.job_id)
    found = session.execute(query.where(AnalysisResult.job_id == job_id)).one_or_none()
    if found is None or not caller.may_see(found[0].user_id) or subject_of(found[0]) != subject:
        raise NoAnalysis(job_id)
    if found[1].state == State.DELETING:
        raise BeingDeleted(job_id)
    return Found(*found.tuple())


def subject_of(row: AnalysisResult) -> Subject:
    """What kind of line a comparison is of."""
    return "token" if row.token_id is not None else "script"


def by_job(session: Session, job_ids: Sequence[str]) -> dict[str, Found]:
    """Comparisons with their tasks, by job."""
    query = select(AnalysisResult, Task).join(Task, Task.id == AnalysisResult.job_id)
    rows = session.execute(query.where(AnalysisResult.job_id.in_(job_ids)))
    return {row[0].job_id: Found(*row.tuple()) for row in rows}


def known_result(session: Session, key: str) -> dict[str, Any] | None:
    """What the same comparison gave before, whoever asked for it."""
    query = (
        select(AnalysisResult.result)
        .where(AnalysisResult.cache_key == key, AnalysisResult.status == COMPLETED)
        .limit(1)
    )
    return session.scalar(query)


def complete(session: Session, job_id: str, key: str | None, result: dict[str, Any]) -> None:
    """Store a finished comparison; a second time stores the same. Without `key` it is not reused."""
    scores = _scores(result)
    session.execute(
        update(AnalysisResult)
        .where(AnalysisResult.job_id == job_id)
        .values(
            status=COMPLETED,
            cache_key=key,
            recognition=result["RecognitionStatus"],
            result=result,
            problem=None,
            finished_at=now(),
            **{column: scores.get(name) for column, name in SCORES.items()},
        )
    )


def _scores(result: dict[str, Any]) -> dict[str, float]:
    best = (result.get("NBest") or [{}])[0]
    scores: dict[str, float] = best.get("PronunciationAssessment") or {}
    return scores


def fail(session: Session, job_id: str, problem: dict[str, Any]) -> None:
    """Remember why a comparison failed; one that is completed stays so."""
    session.execute(
        update(AnalysisResult)
        .where(AnalysisResult.job_id == job_id, AnalysisResult.status != COMPLETED)
        .values(status=FAILED, problem=problem, finished_at=now())
    )


def reopen(session: Session, job_id: str) -> None:
    """A failed comparison is tried again."""
    session.execute(
        update(AnalysisResult)
        .where(AnalysisResult.job_id == job_id, AnalysisResult.status == FAILED)
        .values(status=PROCESSING, problem=None, finished_at=None)
    )
