"""From an actor's audio to words, times and features: asked for, done once, renewed, healed.

A line knows the task that prepares it. Whoever replaces the audio or the text asks for another task, and
what the one before still finds out is thrown away.
"""

from __future__ import annotations

import re
from contextlib import suppress

import structlog
from sqlalchemy.orm import Session

from services.audio_analyzer import repository
from services.audio_analyzer.catalogue_errors import NoLine, PreparationStopped, ReferenceReplaced
from services.audio_analyzer.engines.port import Reference, SpeechScorer
from services.audio_analyzer.problems import kept
from services.audio_analyzer.references import FEATURES, write_reference
from services.audio_analyzer.repository import FAILED, PREPARING, READY, Line
from services.audio_analyzer.schemas import ReferenceJob
from shared import failures
from shared.bus.port import EventBus
from shared.db.models import Task, now
from shared.errors import ActverseError, Cancelled, Retryable, Terminal, explained
from shared.events.speech import Subject
from shared.flow import wishes
from shared.flow.states import ENDED, State
from shared.pipelines.speech import SPEECH_REFERENCE, ReferenceOptions
from shared.platform import Platform

AT_ONCE = 20  # lines a round: they queue with the recordings of learners
log = structlog.get_logger()


def folder_of(subject: Subject, line_id: str) -> str:
    """Where all files of a line lie."""
    return f"catalogue/{subject}s/{line_id}"


# --- asked for ------------------------------------------------------------------------------------


def ask(session: Session, bus: EventBus, subject: Subject, line: Line, user_id: str) -> None:
    """Have the line's audio looked at; what is under way for an older one is stopped."""
    withdraw(session, bus, line)
    options = ReferenceOptions(
        subject=subject, subject_id=line.id, audio_sha256=str(line.audio_sha256)
    )
    session.flush()
    task = wishes.submit(session, bus, SPEECH_REFERENCE, options, user_id=user_id)
    line.state, line.problem, line.preparing_task = PREPARING, None, task.id


def withdraw(session: Session, bus: EventBus, line: Line) -> None:
    """Stop the task that prepares the line, if one still does."""
    task = session.get(Task, line.preparing_task) if line.preparing_task else None
    if task is not None and task.state not in {*ENDED, State.DELETING}:
        wishes.cancel(session, bus, task)


# --- done -----------------------------------------------------------------------------------------


def prepare(platform: Platform, job: ReferenceJob, scorer: SpeechScorer) -> ReferenceJob:
    """Look at the audio and keep what a comparison needs; harmless when done twice.

    A line whose audio or text cannot be used is FAILED with the reason, as the task is. Raises
    `ReferenceReplaced` when the line has another take by now.
    """
    with platform.reads() as session:
        line = _still(session, job)
        words = len(repository.words_of(session, line.id)) if line.state == READY else 0
    if line.state == READY and not newer(scorer.feature_version, str(line.feature_version)):
        return job.having(feature_version=line.feature_version, words=words)
    try:
        audio = platform.storage.fetch(str(line.audio_key), job.audio_sha256)
        reference = scorer.prepare_reference(audio, line.text)
    except (Retryable, Cancelled):
        raise
    except Exception as error:
        _fail(platform, job, explained(error), error)
        raise
    _store(platform, job, reference)
    log.info("audio_analyzer.reference.prepared", line=line.id, words=len(reference.words))
    return job.having(feature_version=reference.feature_version, words=len(reference.words))


def _still(session: Session, job: ReferenceJob, *, lock: bool = False) -> Line:
    """The line, as long as it wants to be prepared by this task."""
    try:
        line = repository.line_of(session, job.subject, job.subject_id, lock=lock)
    except NoLine as error:
        raise ReferenceReplaced(job.subject_id) from error
    if line.preparing_task != job.task_id or line.audio_sha256 != job.audio_sha256:
        raise ReferenceReplaced(job.subject_id)
    return line


def _store(platform: Platform, job: ReferenceJob, reference: Reference) -> None:
    storage = platform.storage
    key = f"{folder_of(job.subject, job.subject_id)}/{job.task_id}/{FEATURES}"
    write_reference(reference, storage.local(key))
    storage.keep(key)
    try:
        with platform.sessions.begin() as session:
            line = _still(session, job, lock=True)
            before = line.features_key
            line.features_key, line.feature_version = key, reference.feature_version
            line.duration_s, line.state, line.problem = reference.duration_s, READY, None
            line.updated_at = now()
            if job.subject == "script":
                repository.replace_words(
                    session, line.id, reference.words, reference.feature_version
                )
    except ReferenceReplaced:
        storage.delete(key)
        raise
    if before not in {None, key}:
        storage.delete(str(before))


def _fail(platform: Platform, job: ReferenceJob, told: ActverseError, cause: Exception) -> None:
    """Tell the line, unless it has another take by now: then that is what was wrong."""
    with platform.sessions.begin() as session:
        try:
            line = _still(session, job, lock=True)
        except ReferenceReplaced as replaced:
            raise replaced from cause
        fail(line, told)


def fail(line: Line, error: ActverseError) -> None:
    """The line cannot be compared with, and this is why."""
    line.state, line.problem, line.updated_at = FAILED, kept(error), now()


# --- renewed, healed ------------------------------------------------------------------------------


def newer(version: str, kept: str) -> bool:
    """Whether `version` is a later one of the same scorer than `kept`, or of another scorer.

    `alignment-10` is newer than `alignment-9.2`; numbers count, not letters.
    """
    (name, numbers), (kept_name, kept_numbers) = _parts(version), _parts(kept)
    return name != kept_name or numbers > kept_numbers


def _parts(version: str) -> tuple[str, tuple[int, ...]]:
    name = version.rstrip("0123456789.")
    return name, tuple(int(number) for number in re.findall("[0-9]+", version[len(name) :]))


def renew(platform: Platform, version: str) -> int:
    """Have lines prepared again whose features an older version made; how many were asked for.

    While workers of two releases run side by side, the newer wins and the older leaves its lines in
    peace; `speech.prepare_older` is for going back.
    """
    found: list[tuple[Subject, str]] = []
    back = platform.settings.speech.prepare_older

    def is_old(kept: str | None) -> bool:
        return kept is not None and kept != version and (back or newer(version, kept))

    with platform.reads() as session:
        owner = repository.first_admin(session)
        for subject in repository.KINDS:
            old = {kept for kept in repository.versions(session, subject) if is_old(kept)}
            missing = AT_ONCE - len(found)
            found += [(subject, i) for i in repository.made_by(session, subject, old, missing)]
    if owner is None:
        return 0
    for subject, line_id in found:
        with suppress(NoLine), platform.sessions.begin() as session:
            line = repository.line_of(session, subject, line_id, lock=True)
            if line.state == READY and is_old(line.feature_version):
                ask(session, platform.bus, subject, line, owner)
    if found:
        log.info("audio_analyzer.references.renewed", lines=len(found), version=version)
    return len(found)


def heal(platform: Platform) -> int:
    """Tell what became of lines whose task has ended without a word: cancelled, parked, given up."""
    with platform.reads() as session:
        left = [
            (subject, line, task)
            for subject in repository.KINDS
            for line, task in repository.preparing(session, subject)
            if task is None or task.state in {*ENDED, State.DELETING}
        ]
    for subject, seen, task in left:
        with suppress(NoLine), platform.sessions.begin() as session:
            line = repository.line_of(session, subject, seen.id, lock=True)
            if line.state == PREPARING and line.preparing_task == seen.preparing_task:
                known = task.error if task is not None else None
                fail(line, Terminal(failures.message_of(known)) if known else PreparationStopped())
    return len(left)
