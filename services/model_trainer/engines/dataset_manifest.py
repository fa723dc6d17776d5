"""The manifest of a data set version: read, counted, and compared with the one before."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from shared.storage.port import Storage

NAMED = 200  # frames that a diff names one by one; more are only counted


def read_manifest(storage: Storage, key: str, sha256: str) -> dict[str, Any]:
    """The manifest of a version, checked against its name. Raises `Conflict` when it was changed."""
    text = storage.fetch(key, sha256).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def counts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """How much of what is in a version."""
    frames = manifest["frames"]
    return {
        "classes": manifest["classes"],
        "frames": len(frames),
        "states": dict(Counter(frame["state"] for frame in frames)),
        "splits": dict(Counter(frame["split"] for frame in frames)),
        "rounds": {str(n): c for n, c in Counter(frame["round"] for frame in frames).items()},
        "videos": len({frame["video"] for frame in frames}),
        "boxes": _boxes_by_class(manifest),
        "labels_sha256": manifest["labels_sha256"],
    }


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, Any]:
    """What changed from one version to the next: frames by name (the first 200), boxes by class."""
    old = _by_place(before) if before is not None else {}
    new = _by_place(after)
    both = [(old[place], frame) for place, frame in new.items() if place in old]
    classes = list(before["classes"]) if before is not None else []
    lists = {
        "added": [frame for place, frame in new.items() if place not in old],
        "removed": [frame for place, frame in old.items() if place not in new],
        "relabelled": [
            now
            for was, now in both
            if _named(was, classes) != _named(now, after["classes"])
            or was["state"] != now["state"]
            or was.get("identities") != now.get("identities")
        ],
    }
    moved = [(was, now) for was, now in both if was["split"] != now["split"]]
    was_boxes = _boxes_by_class(before) if before is not None else {}
    now_boxes = _boxes_by_class(after)
    return {
        **{
            name: {"count": len(frames), "frames": [_shown(frame) for frame in frames[:NAMED]]}
            for name, frames in lists.items()
        },
        "split_changes": {
            "count": len(moved),
            "frames": [
                {**_shown(now), "from": was["split"], "to": now["split"]}
                for was, now in moved[:NAMED]
            ],
        },
        "boxes": {
            name: {"before": was_boxes.get(name, 0), "after": now_boxes.get(name, 0)}
            for name in dict.fromkeys([*was_boxes, *now_boxes])
        },
        "classes_added": [name for name in after["classes"] if name not in classes],
        "classes_removed": [name for name in classes if name not in after["classes"]],
    }


def _by_place(manifest: Mapping[str, Any]) -> dict[tuple[str, int], Mapping[str, Any]]:
    return {(frame["video"], frame["frame"]): frame for frame in manifest["frames"]}


def _named(frame: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    """Its label lines with class names, so that a new order of the classes changes nothing."""
    lines = (line.split(" ", 1) for line in frame["labels"].splitlines())
    return [f"{classes[int(number)]} {rest}" for number, rest in lines]


def _boxes_by_class(manifest: Mapping[str, Any]) -> dict[str, int]:
    found = dict.fromkeys(manifest["classes"], 0)
    for frame in manifest["frames"]:
        for line in frame["labels"].splitlines():
            found[manifest["classes"][int(line.split(" ", 1)[0])]] += 1
    return found


def _shown(frame: Mapping[str, Any]) -> dict[str, Any]:
    return {key: frame[key] for key in ("frame", "file", "video", "state", "boxes")}
