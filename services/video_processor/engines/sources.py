"""Which source serves which scheme; a source's file is imported when it is first needed."""

from __future__ import annotations

import re
from importlib import import_module

from services.video_processor.engines.port import Source, SourceSettings
from shared.errors import BadInput

UPLOAD = "upload"

SOURCES = {
    "http": "services.video_processor.engines.source_http:HttpSource",
    "https": "services.video_processor.engines.source_http:HttpSource",
    "s3": "services.video_processor.engines.source_s3:S3Source",
    UPLOAD: "services.video_processor.engines.source_upload:UploadSource",
}


def scheme_of(url: str) -> str:
    """The scheme in lower case; a plain path is an upload."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.\-]*)://", url)
    return found.group(1).lower() if found else UPLOAD


def source_for(url: str, settings: SourceSettings) -> Source:
    """The source that fetches `url`. Raises `BadInput` for a scheme that nobody serves."""
    scheme = scheme_of(url)
    try:
        module, name = SOURCES[scheme].split(":")
    except KeyError:
        known = ", ".join(f"{known}://" for known in SOURCES)
        raise BadInput(
            f"Videos cannot be fetched from {scheme}://. Use one of {known}, or the path of an upload."
        ) from None
    return getattr(import_module(module), name)(settings)
