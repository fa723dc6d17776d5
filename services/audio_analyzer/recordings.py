"""What becomes of an uploaded recording: looked at, stored, and its comparison asked for."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request

from services.audio_analyzer import analyses
from services.audio_analyzer.analyses import Recording
from services.audio_analyzer.analysis_errors import RecordingTooLarge
from services.audio_analyzer.remote import pipeline_for
from shared.admission.callers import Caller
from shared.admission.pressure import Pressure
from shared.db.base import new_id
from shared.db.direct import reading
from shared.errors import ActverseError
from shared.events.speech import Subject
from shared.flow import wishes
from shared.pipelines.speech import AnalysisOptions
from shared.platform import Platform
from shared.web import uploads
from shared.web.received import Limit, Received

FOLDER = "inputs"  # each task has one of its own in it
SERVICE = "audio_analyzer"
THREADS = 2
"""That store recordings, each with a process that looks at files: more only take the interpreter from
each other, and one file that is looked at for seconds must not hold up all."""


class Reception:
    """Takes recordings; one a process."""

    def __init__(self, platform: Platform, pressure: Pressure) -> None:
        self._platform = platform
        self._pressure = pressure
        self._limiter = CapacityLimiter(THREADS)

    async def warm(self) -> None:
        """Start who looks at files, and clear what uploads left that were cut off by a kill."""
        await run_sync(_warm_glance)
        await run_sync(uploads.forget_broken, self._folder)

    @property
    def _folder(self) -> Path:
        return self._platform.storage.local(f"{FOLDER}/new").parent

    async def take(self, request: Request, caller: Caller, subject: Subject, line_id: str) -> str:
        """The job that will compare the recording of `request` with the line.

        Whether there is anything to compare with, and room for it, is asked before the file is
        read. Raises what `require_comparable`, `uploads.receive` and `glance` raise, and `Busy`.
        """
        async with uploads.hearing_out(request):
            await run_sync(self._check, subject, line_id, limiter=self._limiter)
        limit = Limit(self._platform.settings.speech.max_recording_bytes, RecordingTooLarge)
        keep = partial(self._keep, caller, subject, line_id)
        return await uploads.receive(
            request, self._folder, limit, keep, upload_id=new_id(), threads=self._limiter
        )

    def _check(self, subject: Subject, line_id: str) -> None:
        self._pressure.admit(SERVICE)
        with reading(self._platform.engine) as direct:
            analyses.require_comparable(direct, subject, line_id)

    def _keep(self, caller: Caller, subject: Subject, line_id: str, received: Received) -> str:
        job_id = received.id
        try:
            recording = self._store(received)
            self._ask(caller, subject, line_id, job_id, recording)
        except Exception:  # nobody will hear of this file: it must not stay
            with contextlib.suppress(ActverseError):
                self._platform.storage.delete(f"{FOLDER}/{job_id}")
            raise
        return job_id

    def _store(self, received: Received) -> Recording:
        from services.audio_analyzer.engines.glance import glance

        ending = glance(received.path)
        path = received.path.rename(received.path.with_name(f"recording{ending}"))
        stored = self._platform.storage.keep(path, f"{FOLDER}/{received.id}/{path.name}")
        return Recording(stored.key, received.sha256)

    def _ask(
        self, caller: Caller, subject: Subject, line_id: str, job_id: str, recording: Recording
    ) -> None:
        options = AnalysisOptions(
            subject=subject,
            subject_id=line_id,
            recording_key=recording.key,
            recording_sha256=recording.sha256,
        )
        wishes.submit_alone(
            self._platform.sessions,
            self._platform.bus,
            pipeline_for(self._platform.settings),
            options,
            user_id=caller.user_id,
            task_id=job_id,
            beside=analyses.beside_task(subject, line_id, recording),
        )


def _warm_glance() -> None:
    from services.audio_analyzer.engines import glance

    glance.warm(THREADS)
