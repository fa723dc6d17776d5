"""What becomes of the answer of an analysis server: stored once, whoever says it how often."""

from __future__ import annotations

import contextlib
import json

import structlog
from pydantic import ValidationError

from services.audio_analyzer import analyses, problems
from services.audio_analyzer.analysis_errors import NoAnalysis
from services.audio_analyzer.remote_errors import NotWaitingYet, ServerFailed
from services.audio_analyzer.remote_schemas import Told
from shared.errors import ActverseError, BadInput
from shared.events.speech import RemoteAnalysisCompleted, Subject
from shared.fields import Unfit
from shared.flow import ledger
from shared.flow.states import ENDED, State
from shared.messages import Sentence
from shared.pipelines.speech import REMOTE_AUDIO_ANALYSIS
from shared.platform import Platform

log = structlog.get_logger()


def take(platform: Platform, subject: Subject, job_id: str, told: Told) -> bool:
    """End the comparison with what the server says; False when it has ended already.

    Late answers and repeated ones change nothing. Raises `NoAnalysis` for a job that is none of
    this kind, and `NotWaitingYet`, upon which the server sends it again, while the task that has
    asked it is not yet through.
    """
    with platform.sessions.begin() as session:
        found = analyses.by_job(session, [job_id]).get(job_id)
        if (
            found is None
            or found.task.pipeline != REMOTE_AUDIO_ANALYSIS.name
            or analyses.subject_of(found.row) != subject
        ):
            raise NoAnalysis(job_id)
        if found.task.state in ENDED:
            return _ignored(job_id, found.task.state)
        (run,) = ledger.latest_runs(session, job_id)
        if run.state != State.WAITING:
            raise NotWaitingYet
        if not _conclude(platform, session, run, told):
            return _ignored(job_id, run.state)
    log.info("audio_analyzer.remote.answered", job_id=job_id, status=told.status)
    return True


def give_up(platform: Platform, job_id: str, error: ActverseError) -> None:
    """End a comparison that the server will not do, unless it has ended meanwhile."""
    with platform.sessions.begin() as session:
        (run,) = ledger.latest_runs(session, job_id)
        if run.state == State.WAITING:
            _failed(platform, session, run, error)


def _failed(
    platform: Platform, session: ledger.Session, run: ledger.StepRun, error: ActverseError
) -> bool:
    if not ledger.failed(session, platform.bus, run, error):
        return False
    analyses.fail(session, run.task_id, problems.kept(error))
    return True


def _conclude(platform: Platform, session: ledger.Session, run: ledger.StepRun, told: Told) -> bool:
    if told.result is None:
        return _failed(platform, session, run, _failure(told))
    result = told.result.model_dump(mode="json", exclude_unset=True)
    best = told.result.NBest[0].PronunciationAssessment if told.result.NBest else None
    task = session.get_one(ledger.Task, run.task_id)
    fact = RemoteAnalysisCompleted(
        task_id=task.id,
        user_id=task.user_id,
        recognition=told.result.RecognitionStatus,
        pron_score=best.PronScore if best else None,
    )
    if not ledger.concluded_by(session, platform.bus, fact):
        return False
    analyses.complete(session, task.id, None, result)
    return True


def _failure(told: Told) -> ServerFailed:
    """In every language where the server's sentence is one of our table, else as it was said."""
    known = told.problem
    if known is not None and known.key.startswith("error."):
        with contextlib.suppress(KeyError, ValueError, IndexError):  # no such, or of other fields
            return ServerFailed(Sentence(known.key, **known.fields))
    return ServerFailed(told.message)


def _ignored(job_id: str, state: str) -> bool:
    log.info("audio_analyzer.remote.ignored", job_id=job_id, state=state)
    return False


def read_told(body: bytes) -> Told:
    """What the body says; `BadInput` for what is no JSON (NaN is none), `Unfit` for another form.

    Whatever is taken here is written again for every reader, and what could not be would keep the
    readers of other comparisons from theirs: half a character, 1e999, a thousand lists in each other.
    """
    try:
        given = json.loads(body, parse_constant=_no_number)
        json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadInput(Sentence("error.not_json")) from error
    try:
        told = Told.model_validate(given)
        told.model_dump(mode="json")
    except ValidationError as error:
        raise Unfit(error.errors(), under="body") from error
    except ValueError as error:
        raise BadInput(Sentence("error.not_json")) from error
    return told


def _no_number(constant: str) -> None:
    raise ValueError(constant)
