"""An actor's take on its way in: bounded, and on this disk among the files of its line."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import Request

from services.audio_analyzer.analysis_errors import RecordingTooLarge
from services.audio_analyzer.lines import Lines, View
from services.audio_analyzer.preparation import folder_of
from shared.admission.pressure import Pressure
from shared.web import uploads
from shared.web.received import Limit

SERVICE = "audio_analyzer"


async def take(request: Request, lines: Lines, pressure: Pressure, line_id: str) -> View:
    """The line with the one file of the form as its audio.

    Whether there is such a line, and room for the work, is asked before the file is read.
    """
    async with uploads.hearing_out(request):
        await asyncio.to_thread(_check, lines, pressure, line_id)
    folder = lines.platform.storage.local(f"{folder_of(lines.subject, line_id)}/new").parent
    limit = Limit(lines.platform.settings.speech.max_recording_bytes, RecordingTooLarge)
    return await uploads.receive(request, folder, limit, partial(lines.set_take, line_id))


def _check(lines: Lines, pressure: Pressure, line_id: str) -> None:
    lines.show(line_id)
    pressure.admit(SERVICE)
