"""An actor's take on its way in: on this disk, bounded, and of a kind that can be read."""

from __future__ import annotations

from fastapi import Request

from shared.platform import Platform
from shared.web.uploads import Limit, Received, receive


async def received(request: Request, platform: Platform) -> Received:
    """The one file of a form; the caller removes its folder."""
    folder = platform.storage.local("uploads/new").parent
    limit = Limit(platform.settings.speech.max_recording_bytes)
    return await receive(request, folder, limit)
