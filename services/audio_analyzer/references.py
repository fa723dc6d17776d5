"""How what a scorer keeps of an actor's take lies in the storage: one JSON document a line."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from services.audio_analyzer.engines.port import Reference, ReferenceWord
from shared.storage.disk import replacing

FEATURES = "features.json"
"""The name of the document beside the audio of a line: `catalogue/tokens/<id>/features.json`."""


def write_reference(reference: Reference, path: Path) -> None:
    """Write `reference` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(asdict(reference)), encoding="utf-8")


def read_reference(path: Path) -> Reference:
    """What `write_reference` has written there."""
    told = json.loads(path.read_text(encoding="utf-8"))
    words = tuple(ReferenceWord(**word) for word in told.pop("words"))
    warnings = tuple(told.pop("warnings", ()))
    return Reference(**told, words=words, warnings=warnings)
