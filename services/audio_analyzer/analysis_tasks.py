"""A stored recording in, a stored comparison with the actor's take out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog
from sqlalchemy.orm import Session

from services.audio_analyzer import analyses, problems
from services.audio_analyzer.analysis_errors import TakeNotPrepared
from services.audio_analyzer.analysis_schemas import AnalysisJob
from services.audio_analyzer.engines.interruption import interrupted_by
from services.audio_analyzer.engines.port import Score, SpeechScorer
from services.audio_analyzer.references import read_reference
from services.audio_analyzer.scoring import scorer_of
from shared.errors import ActverseError, Cancelled, Retryable
from shared.flow.wanted import require_wanted
from shared.flow.work import Backoff, Run, task
from shared.storage.disk import replacing

PREPARATION = Backoff(times=12, first_s=1, most_s=30)  # a take may be prepared anew meanwhile
CRASHES = Backoff(times=2, first_s=1, most_s=10)
"""A recording that has killed the scorer three times would kill it again."""
RESULT = "comparison.json"
log = structlog.get_logger()


@contextmanager
def remembering_why(job: AnalysisJob, run: Run) -> Iterator[None]:
    """Store why a comparison fails for good, so that its user reads it in his language."""
    try:
        yield
    except (Retryable, Cancelled):
        raise
    except ActverseError as error:
        with run.platform.sessions.begin() as session:
            analyses.fail(session, job.task_id, problems.kept(error))
        raise


@task(retry=PREPARATION)
def load_reference(job: AnalysisJob, run: Run) -> AnalysisJob:
    """Find the features of the take, and whether the same was compared before.

    May run twice: it finds the same. A take that is being prepared anew is waited for.
    """
    scorer = scorer_of(run.platform)
    with remembering_why(job, run), run.platform.sessions.begin() as session:
        analyses.reopen(session, job.task_id)
        job = _found(session, job, scorer)
        known = analyses.known_result(session, job.cache_key)
        if known is None:
            return job
        analyses.complete(session, job.task_id, job.cache_key, known)
        return job.having(**told(known), cached=True)


def _found(session: Session, job: AnalysisJob, scorer: SpeechScorer) -> AnalysisJob:
    """The job with the features of the take as it is now."""
    line = analyses.comparable_line(session, job.subject, job.subject_id)
    if line.feature_version != scorer.feature_version or line.features_key is None:
        raise TakeNotPrepared(job.subject, job.subject_id)
    key = analyses.cache_key(line, job.recording_sha256, scorer.name, scorer.feature_version)
    return job.having(features_key=line.features_key, cache_key=key)


@task(retry=CRASHES)
def score_recording(job: AnalysisJob, run: Run) -> AnalysisJob:
    """Compare word by word, unless the same comparison is known; `result_key` is where it lies."""
    if job.cached:
        return job
    storage, scorer = run.platform.storage, scorer_of(run.platform)
    with remembering_why(job, run):
        recording = storage.fetch(job.recording_key, job.recording_sha256)
        if not storage.exists(job.features_key):  # the take was replaced since
            with run.platform.reads() as session:
                job = _found(session, job, scorer)
        reference = read_reference(storage.fetch(job.features_key))
        with interrupted_by(partial(require_wanted, run)):
            score = scorer.score(reference, recording)
    key = f"interim/{job.task_id}/{RESULT}"
    with replacing(storage.local(key)) as temporary:
        temporary.write_text(json.dumps(score.result, allow_nan=False), encoding="utf-8")
    storage.keep(key)
    return job.having(result_key=key, **told(score.result))


@task()
def store_analysis(job: AnalysisJob, run: Run) -> AnalysisJob:
    """Store the comparison with its scores; a second time finds it stored."""
    storage = run.platform.storage
    if not job.cached and storage.exists(job.result_key):
        result = json.loads(storage.fetch(job.result_key).read_text(encoding="utf-8"))
        with run.platform.sessions.begin() as session:
            analyses.complete(session, job.task_id, job.cache_key, result)
        storage.delete(job.result_key)
    log.info(
        "audio_analyzer.analysis.stored",
        recognition=job.recognition,
        pron_score=job.pron_score,
        cached=job.cached,
    )
    return job


def told(result: dict[str, Any]) -> dict[str, Any]:
    """What the events say of a result."""
    score = Score(result["RecognitionStatus"], result)
    return {"recognition": score.recognition, "pron_score": score.pron_score}
