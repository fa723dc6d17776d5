"""Comparisons for other meshes: accepted once, audio fetched with care, the caller called back.

Whatever ends a comparison is told to the caller, so that nobody waits for an answer that cannot come.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from services.audio_analyzer import problems, transfer
from services.audio_analyzer.engines.port import Reference, SpeechScorer
from services.audio_analyzer.media_types import ending_of
from services.audio_analyzer.remote_errors import KeyReused, NotCompared
from services.audio_analyzer.remote_schemas import ServiceAccepted, ServiceJob, Wanted
from shared.admission.callers import Caller
from shared.admission.pressure import Pressure
from shared.db.models import Task
from shared.db.outage import outage
from shared.errors import Cancelled, Retryable, explained
from shared.events.speech import Subject
from shared.flow import wishes
from shared.flow.work import Backoff, Run
from shared.net.guard import check_reachable
from shared.net.signed_calls import new_secret
from shared.pipelines.speech import ANALYSIS_SERVICE, ServiceOptions
from shared.platform import Platform

SERVICE = "audio_analyzer"
FETCHING = Backoff(times=4, most_s=20)
COMPARING = Backoff(times=3, most_s=20)
CALLING = Backoff(times=9, most_s=60)  # four minutes: a gateway that is being replaced comes back
FOLDER, RESULT = "interim", "result.json"
REMEMBERED = 64  # takes whose features a process keeps
log = structlog.get_logger()


# --- at the door ----------------------------------------------------------------------------------


class Known(NamedTuple):
    """A comparison that was asked for before."""

    task_id: str
    options: dict[str, Any]


def accept(
    platform: Platform,
    caller: Caller,
    pressure: Pressure,
    subject: Subject,
    wish: Wanted,
    text: str,
    key: str | None,
) -> ServiceAccepted:
    """Accept a comparison, or find the one that the same key asked for.

    Only what is compared must then be the same: addresses are signed anew whenever they are sent.
    """
    pressure.admit(SERVICE)
    for url in (wish.audio_url, wish.reference_url, wish.webhook_url):
        check_reachable(url, platform.settings.network.allow)
    secret = wish.webhook_secret or new_secret()
    options = ServiceOptions(
        subject=subject,
        audio_url=wish.audio_url,
        reference_url=wish.reference_url,
        text=text,
        webhook_url=wish.webhook_url,
        webhook_secret=secret,
    )
    key = key or wish.job_id
    request = hashlib.sha256(f"{subject}\0{text}".encode()).hexdigest()
    try:
        known = _known(platform, caller, key, request) or _submit(
            platform, caller, options, key, request
        )
    except IntegrityError:  # the same key at the same moment: the other request was quicker
        known = _known(platform, caller, key, request)
        if known is None:
            raise
    return ServiceAccepted(
        job_id=wish.job_id or known.task_id,
        task_id=known.task_id,
        status_url=f"/status/{known.task_id}",
        webhook_secret=None if wish.webhook_secret else known.options["webhook_secret"],
    )


def _known(platform: Platform, caller: Caller, key: str | None, request: str) -> Known | None:
    if key is None:
        return None
    query = select(Task).where(Task.user_id == caller.user_id, Task.idempotency_key == key)
    with platform.reads() as session:
        task = session.scalar(query)
    if task is None:
        return None
    if task.pipeline != ANALYSIS_SERVICE.name or task.request_sha256 != request:
        raise KeyReused(key)
    return Known(task.id, task.options)


def _submit(
    platform: Platform, caller: Caller, options: ServiceOptions, key: str | None, request: str
) -> Known:
    task = wishes.submit_alone(
        platform.sessions,
        platform.bus,
        ANALYSIS_SERVICE,
        options,
        user_id=caller.user_id,
        idempotency_key=key,
        request_sha256=request,
    )
    return Known(task.id, options.model_dump())


# --- the work -------------------------------------------------------------------------------------


def _told_later(
    job: ServiceJob, run: Run, backoff: Backoff, work: Callable[[], ServiceJob]
) -> ServiceJob:
    """`work`, unless it has failed before; a failure for good goes on to whom is called back."""
    if job.problem is not None:
        return job
    try:
        return work()
    except Cancelled:
        raise
    except Exception as error:
        told = outage(error) or explained(error)
        if isinstance(told, Retryable) and run.tries <= backoff.times:
            raise
        log.warning("audio_analyzer.service.failed", code=told.code, error=str(told))
        return job.having(problem=problems.kept(told))


def fetch(job: ServiceJob, run: Run) -> ServiceJob:
    """Both files, into the folder of the task; done twice it fetches them twice."""
    return _told_later(job, run, FETCHING, lambda: _fetched(job, run.platform))


def _fetched(job: ServiceJob, platform: Platform) -> ServiceJob:
    keys, digests = [], []
    for name, url in (("recording", job.audio_url), ("reference", job.reference_url)):
        key = f"{FOLDER}/{job.task_id}/{name}{ending_of(httpx.URL(url).path)}"
        transfer.fetch(url, platform.storage.local(key), platform.settings)
        digests.append(platform.storage.keep(key).sha256)
        keys.append(key)
    return job.having(recording_key=keys[0], reference_key=keys[1], reference_sha256=digests[1])


def result_of(task_id: str) -> str:
    """Where the result of a comparison lies."""
    return f"{FOLDER}/{task_id}/{RESULT}"


class References:
    """The features of takes that a process has looked at last, by content.

    A class says the same line; its take comes again with every recording.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, ...], Reference] = OrderedDict()

    def of(self, scorer: SpeechScorer, job: ServiceJob, platform: Platform) -> Reference:
        """Those of the job's take, computed when it is new here."""
        key = (job.reference_sha256, job.text, scorer.name, scorer.feature_version)
        kept = self._kept.pop(key, None)
        if kept is None:
            audio = platform.storage.fetch(job.reference_key, job.reference_sha256)
            kept = scorer.prepare_reference(audio, job.text)
        self._kept[key] = kept  # the last one to go
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return kept


references = References()


def compare(job: ServiceJob, run: Run, scorer: SpeechScorer) -> ServiceJob:
    """The result as a file of the task."""
    return _told_later(job, run, COMPARING, lambda: _compared(job, run.platform, scorer))


def _compared(job: ServiceJob, platform: Platform, scorer: SpeechScorer) -> ServiceJob:
    storage = platform.storage
    reference = references.of(scorer, job, platform)
    score = scorer.score(reference, storage.fetch(job.recording_key))
    key = result_of(job.task_id)
    storage.local(key).write_text(json.dumps(score.result), encoding="utf-8")
    storage.keep(key)
    return job.having(result_key=key, recognition=score.recognition)


def call_back(job: ServiceJob, run: Run) -> ServiceJob:
    """Send the result, or why there is none, and forget the audio; a call may come twice.

    Raises `NotCompared` after a failure was delivered: here, too, it is one.
    """
    platform = run.platform
    said: dict[str, Any] = {"status": "failed"}
    if job.problem is None:
        text = platform.storage.fetch(job.result_key).read_text(encoding="utf-8")
        said = {"status": "success", "result": json.loads(text)}
    else:
        said |= {"message": str(job.problem["text"]), "problem": job.problem}
    body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    transfer.call(job.webhook_url, job.webhook_secret, job.task_id, body, platform.settings)
    for key in (job.recording_key, job.reference_key):
        if key:
            platform.storage.delete(key)
    log.info("audio_analyzer.service.called_back", status=said["status"])
    if job.problem is not None:
        raise NotCompared(job.problem)
    return job
