"""The labeling tools by name; each is imported when it is first used."""

from __future__ import annotations

from importlib import import_module

from services.labeling_manager.engines.port import LabelingEngine
from services.labeling_manager.errors import UnknownLabeler
from shared.platform import Platform

ENGINES = {
    "builtin": "services.labeling_manager.engines.builtin:BuiltinEngine",
    "folder": "services.labeling_manager.engines.folder:FolderEngine",
    "auto": "services.labeling_manager.engines.auto:AutoEngine",
    "label_studio": "services.labeling_manager.engines.label_studio:LabelStudioEngine",
    "cvat": "services.labeling_manager.engines.cvat:CvatEngine",
}


def checked_labeler(name: str) -> str:
    """`name` itself, if there is such a tool: for requests, before work begins."""
    if name not in ENGINES:
        raise UnknownLabeler(name, ENGINES)
    return name


def labeling_engine(name: str, platform: Platform) -> LabelingEngine:
    """The tool `name`."""
    module, _, attribute = ENGINES[checked_labeler(name)].partition(":")
    engine: type[LabelingEngine] = getattr(import_module(module), attribute)
    return engine.from_platform(platform)
