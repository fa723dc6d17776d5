"""How many frames have labels that no data set has yet: imported, or corrected since."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from services.model_trainer.engines.dataset_manifest import read_manifest
from shared.labels.boxes import FrameState
from shared.labels.folder import SUMMARY, read_label_folder
from shared.labels.yolo import write_yolo
from shared.storage.port import Storage
from shared.storage.trees import fetch_folder


class Labelled(NamedTuple):
    """The frames of a round and their labels, as keys of the storage."""

    frame_path: str
    labeling_path: str


def changed_frames(storage: Storage, key: str, sha256: str, rounds: tuple[Labelled, ...]) -> int:
    """Frames of `rounds` that somebody looked at and whose label is not that of a data set version.

    `key` and `sha256` name the version's manifest. Reads each text once for each state of the labels.
    """
    states = tuple(_state(storage, each) for each in rounds)
    return _changed(storage, key, sha256, rounds, states)


def _state(storage: Storage, each: Labelled) -> str:
    """The sha256 of the labels as they are; empty where there are none."""
    summary = f"{each.labeling_path}/{SUMMARY}"
    if not storage.exists(summary):
        return ""
    return str(json.loads(storage.fetch(summary).read_text(encoding="utf-8"))["sha256"])


@lru_cache(maxsize=256)
def _changed(
    storage: Storage, key: str, sha256: str, rounds: tuple[Labelled, ...], states: tuple[str, ...]
) -> int:
    known: dict[str, dict[str, Any]] = {
        frame["key"]: frame for frame in read_manifest(storage, key, sha256)["frames"]
    }
    changed = 0
    for each, state in zip(rounds, states, strict=True):
        if not state:
            continue
        frames = storage.fetch(f"{each.frame_path}/frames.json")
        labels = read_label_folder(fetch_folder(storage, each.labeling_path), frames)
        for frame in labels.usable:
            was = known.get(f"{each.frame_path}/{frame.file}")  # None: of a round that was given up
            now = "" if frame.state is FrameState.EMPTY else write_yolo(frame.boxes)
            changed += was is None or was["state"] != frame.state.value or was["labels"] != now
    return changed
